"""How long a test waits for what surely comes."""

PATIENCE_SECONDS = 120
"""A few seconds, as a client waits by itself, are a bet on what else the machine does meanwhile."""
