"""The commands of app.py: the same path without a browser."""
