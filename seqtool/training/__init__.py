"""Training of one run: session, checkpoints, log files, listeners, resume, and follower ranks."""
