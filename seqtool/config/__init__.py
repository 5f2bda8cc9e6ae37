"""Configs: YAML in, frozen settings out, and mistakes pointed at. The keys themselves are declared in `settings.py`."""

from seqtool.config.dump import dump_settings
from seqtool.config.load import ReadConfig, looks_like_config, parse_settings, read_settings
from seqtool.config.reference import json_schema, reference_markdown

__all__ = [
    "ReadConfig",
    "dump_settings",
    "json_schema",
    "looks_like_config",
    "parse_settings",
    "read_settings",
    "reference_markdown",
]
