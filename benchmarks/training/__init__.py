"""The parts of `benchmarks/training.py`. The peers' Python runs `peers` and `task`, and nothing else of it."""
