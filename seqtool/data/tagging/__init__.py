"""Labeled sentences: corpus, vocabularies and word features."""
