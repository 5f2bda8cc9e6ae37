"""Where, with how many threads, in what memory, and how reproducibly torch works."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

import torch

from seqtool.data.sharding import WHOLE, Shard
from seqtool.errors import ConfigError
from seqtool.settings import Training
from seqtool.training.engine.torchrun import usual_threads

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h


def choose_device(name: str, local: Shard = WHOLE) -> torch.device:
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
            f"this machine has no {name} device that torch can use",
            place="training.device",
            hint="use --device cpu, or auto",
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
    """Set threads, memory and determinism for the process; the number of threads.

    Args:
        processes: how many share this machine's cores.
    """
    threads = training.threads or usual_threads(processes)
    torch.set_num_threads(threads)
    keep_freed_memory()
    if training.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        _only_deterministic_algorithms()
    return threads


def keep_freed_memory() -> None:
    """Let the C library keep what a step frees for the next one, where it is glibc.

    By itself it gives large blocks back to the system, which must find and clear new pages for the next step: a sixth of a
    training step at hidden 512. The price is that a process holds for good what it has needed once.
    """
    with suppress(AttributeError, OSError, TypeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def _only_deterministic_algorithms() -> None:
    """As `torch.use_deterministic_algorithms(True)`, without its setting for the compiler, whose import takes a second."""
    direct = getattr(torch._C, "_set_deterministic_algorithms", None)
    if direct is None:
        torch.use_deterministic_algorithms(True)
    else:
        direct(True, warn_only=False)
