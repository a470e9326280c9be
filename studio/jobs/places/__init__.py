"""Other places where a run can train, such as a cluster, and how a run gets there and its work comes back."""
