"""`schema`: the JSON Schema of configs, for editors and other tools."""

from __future__ import annotations

from seqtool.cli.exit_codes import command


@command
def schema() -> None:
    """Print the JSON Schema of configs, e.g. seqtool schema > schema.json"""
    from json import dumps

    from seqtool.config.reference import json_schema
    from seqtool.reports.console import write_line

    write_line(dumps(json_schema(), indent=2))
