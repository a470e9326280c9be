"""The run folder, its worker process, and the view of it that the page shows."""
