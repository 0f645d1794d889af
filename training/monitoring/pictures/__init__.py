"""Pictures of a run for TensorBoard."""
