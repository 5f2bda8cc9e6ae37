"""Inspection of a network: traces, hidden units, patterns, gates, word ablation."""
