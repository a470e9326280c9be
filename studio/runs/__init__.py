"""The run folder, its view, the queue and its scheduler, seen from outside of the worker."""
