"""The page: one folder a tab, on one kit."""
