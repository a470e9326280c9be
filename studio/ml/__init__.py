"""Everything that touches a model: loading, training, generation, export."""
