"""Raw text cut into tokens."""
