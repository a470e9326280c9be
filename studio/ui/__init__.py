"""The page: one module per tab."""
