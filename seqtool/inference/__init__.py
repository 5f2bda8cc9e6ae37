"""A trained model at work, in numpy: never torch, pydantic or yaml."""
