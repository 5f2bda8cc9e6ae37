"""The torch part of training: the trainer and what it needs; it knows batches and models, not files or terminals."""
