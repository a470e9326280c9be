"""From a file a person has to the tokens a model reads and learns."""
