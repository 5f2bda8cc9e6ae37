"""File formats of labeled sentences and their detection."""
