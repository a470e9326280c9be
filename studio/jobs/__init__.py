"""What is done beside training, each by a worker: evaluations, exports, blends, imports, counting tokens."""
