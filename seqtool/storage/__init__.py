"""Files on disk: atomic writes, verified directories, model and run directories, locks, model lookup."""
