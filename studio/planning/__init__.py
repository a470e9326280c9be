"""What can be known of a run before it starts: how a model reads the data, forecasts, suggested settings."""
