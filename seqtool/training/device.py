"""Where, with how many threads, and how reproducibly torch works."""

from __future__ import annotations

import os

import torch

from seqtool.errors import ConfigError
from seqtool.settings import Training

MOST_THREADS = 4  # beyond these, the small matrices of a recurrent step gain nothing


def choose_device(name: str) -> torch.device:
    """The device that a config names; `auto` takes a GPU where there is one.

    Raises:
        ConfigError: if it is not to be had here.
    """
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if _is_here(kind))
    if not _is_here(name):
        raise ConfigError(
            f"this machine has no {name} device that torch can use", place="training.device", hint="use --device cpu, or auto"
        )
    return torch.device(name)


def _is_here(kind: str) -> bool:
    if kind == "cuda":
        return torch.cuda.is_available()
    return kind == "cpu" or torch.backends.mps.is_available()


def set_up_torch(training: Training) -> int:
    """Set threads and determinism for the process; the number of threads."""
    threads = training.threads or min(MOST_THREADS, available_cores())
    torch.set_num_threads(threads)
    if training.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        _only_deterministic_algorithms()
    return threads


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _only_deterministic_algorithms() -> None:
    """As `torch.use_deterministic_algorithms(True)`, without its setting for the compiler, whose import takes a second."""
    direct = getattr(torch._C, "_set_deterministic_algorithms", None)
    if direct is None:
        torch.use_deterministic_algorithms(True)
    else:
        direct(True, warn_only=False)
