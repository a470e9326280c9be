"""From examples to the tokens that a model reads and learns."""
