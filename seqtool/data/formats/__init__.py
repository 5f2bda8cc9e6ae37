"""Formats of files of labeled sentences: detection, reading, and writing of new labels."""
