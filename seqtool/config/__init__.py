"""Reading and writing of configs: YAML files and frozen settings. `settings.py` declares the keys."""

from seqtool.config.dump import dump_settings
from seqtool.config.load import ReadConfig, looks_like_config, parse_settings, read_settings
from seqtool.config.reference import json_schema

__all__ = [
    "ReadConfig",
    "dump_settings",
    "json_schema",
    "looks_like_config",
    "parse_settings",
    "read_settings",
]
