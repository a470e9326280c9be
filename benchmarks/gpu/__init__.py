"""The parts of the benchmark on a GPU, each run in a process of its own."""
