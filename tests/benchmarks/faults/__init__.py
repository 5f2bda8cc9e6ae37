"""Faults inflicted on real runs: `python -m tests.benchmarks.faults --help`. The test suite does the same in small numbers."""
