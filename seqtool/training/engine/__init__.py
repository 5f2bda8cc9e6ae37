"""The torch part of training: the trainer and its parts, without files and terminals."""
