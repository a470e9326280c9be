"""Which base models there are, what they hold, and getting them."""
