"""Running text: read, split, encoded and cached."""
