"""What is doubtful about examples, and the changes that fix it."""
