"""Everything before the first tensor of the model."""
