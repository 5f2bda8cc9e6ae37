"""Scores of a trained model on labeled sentences and on texts."""
