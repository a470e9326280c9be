"""The processes that the studio starts: one module per job."""
