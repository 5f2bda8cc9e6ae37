"""Looks inside a trained network: traces, hidden units, patterns, gates, word ablation."""
