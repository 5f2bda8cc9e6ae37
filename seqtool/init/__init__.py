"""Writes configs for data files and copies the example configs."""
