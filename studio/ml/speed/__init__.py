"""The engine's speed-ups, each in a module of its own. None knows of another, of data sets, or of runs."""
