"""Inference with a trained model in numpy, without torch, pydantic and yaml."""
