"""Text for character models: read, encoded, cached, and split into train, val and test."""
