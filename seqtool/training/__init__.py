"""How a model learns: batches, losses, updates and evaluations, told as reports. Never a file, never a terminal."""
