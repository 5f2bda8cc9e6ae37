"""The Python API: load a model, train one, read a config."""
