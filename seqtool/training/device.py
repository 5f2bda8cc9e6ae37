"""Where and with how many threads torch works."""

from __future__ import annotations

import os

import torch

from seqtool.errors import ConfigError
from seqtool.settings import Training


def choose_device(name: str) -> torch.device:
    """The device that a config names; `auto` takes a GPU where there is one.

    Raises:
        ConfigError: if it is not to be had here.
    """
    found = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available, "cpu": lambda: True}
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if found[kind]())
    if not found[name]():
        raise ConfigError(
            f"this machine has no {name} device that torch can use", place="training.device", hint="use --device cpu, or auto"
        )
    return torch.device(name)


def set_up_torch(training: Training) -> int:
    """Set threads and determinism for the process; the number of threads."""
    threads = training.threads or min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    torch.set_num_threads(threads)
    if training.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    return threads
