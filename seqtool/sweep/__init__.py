"""Hyperparameter search: a space of settings, a study of trials, and the workers that train them."""
