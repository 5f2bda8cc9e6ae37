"""Where, with how many threads, and how reproducibly torch works."""

from __future__ import annotations

import os

import torch

from seqtool.data.shares import WHOLE, Share
from seqtool.errors import ConfigError
from seqtool.settings import Training
from seqtool.training.launch import usual_threads


def choose_device(name: str, local: Share = WHOLE) -> torch.device:
    """The device that a config names; `auto` takes a GPU where there is one.

    Args:
        local: this process among those that train together on this machine; each of them has a GPU of its own.

    Raises:
        ConfigError: if it is not to be had here.
    """
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if _is_here(kind))
    if not _is_here(name):
        raise ConfigError(
            f"this machine has no {name} device that torch can use", place="training.device", hint="use --device cpu, or auto"
        )
    if name != "cuda" or local.size == 1:
        return torch.device(name)
    if local.size > torch.cuda.device_count():
        raise ConfigError(
            f"{local.size} ranks need as many GPUs, this machine has {torch.cuda.device_count()}",
            place="training.device",
            hint="start fewer ranks (torchrun --nproc-per-node), or use --device cpu",
        )
    torch.cuda.set_device(local.rank)
    return torch.device(name, local.rank)


def _is_here(kind: str) -> bool:
    if kind == "cuda":
        return torch.cuda.is_available()
    return kind == "cpu" or torch.backends.mps.is_available()


def set_up_torch(training: Training, processes: int = 1) -> int:
    """Set threads and determinism for the process; the number of threads.

    Args:
        processes: how many share this machine's cores.
    """
    threads = training.threads or usual_threads(processes)
    torch.set_num_threads(threads)
    if training.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        _only_deterministic_algorithms()
    return threads


def _only_deterministic_algorithms() -> None:
    """As `torch.use_deterministic_algorithms(True)`, without its setting for the compiler, whose import takes a second."""
    direct = getattr(torch._C, "_set_deterministic_algorithms", None)
    if direct is None:
        torch.use_deterministic_algorithms(True)
    else:
        direct(True, warn_only=False)
