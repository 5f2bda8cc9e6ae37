"""Reading and writing of configs: YAML files and frozen settings. `settings.py` declares the keys."""
