"""From answers to scores: what a task's own score is, how sure it is, and the probes of what was forgotten."""
