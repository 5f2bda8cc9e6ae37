"""Faults inflicted on real runs: `python -m tests.benchmarks.faults --help`.

The test suite inflicts them in small numbers.
"""
