"""Tokenization: raw text split into tokens with their positions."""
