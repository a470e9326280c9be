"""A copy of the data folder in a bucket on the Hugging Face Hub, for a machine whose disk does not last."""
