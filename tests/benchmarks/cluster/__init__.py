"""Acceptance of cluster use with real engines: torchrun in network namespaces, PostgreSQL, Spark, Ray."""
