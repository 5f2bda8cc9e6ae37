"""Settings of an experiment as frozen dataclasses.

This package is the only definition of every configuration key: its type, default, range and one-line meaning.
`config/` derives the YAML reader, the JSON Schema and `configs/README.md` from it (pydantic reads the field metadata).
All other packages use the finished objects. It imports only the standard library, since inference imports it.
"""
