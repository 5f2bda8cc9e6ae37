"""Reading and writing of configs: YAML files and frozen settings. `settings` declares the keys."""
