"""Setup of torch: the device, the number of threads, the memory allocator, and reproducible algorithms."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

import torch

from seqtool.data.sharding import WHOLE, Shard
from seqtool.errors import ConfigError
from seqtool.settings.training import Training
from seqtool.training.engine.ranks import default_threads

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # constants of glibc's malloc.h


def choose_device(name: str, local: Shard = WHOLE) -> torch.device:
    """Return the device that a config names; `auto` prefers a GPU.

    Args:
        name: `auto`, `cpu`, `cuda` or `mps`.
        local: this process among the ranks on this machine; each rank gets a separate GPU.

    Raises:
        ConfigError: the device is not available.
    """
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if _is_available(kind))
    if not _is_available(name):
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


def _is_available(kind: str) -> bool:
    if kind == "cuda":
        return torch.cuda.is_available()
    return kind == "cpu" or torch.backends.mps.is_available()


def set_up_torch(training: Training, processes: int = 1) -> int:
    """Set threads, memory and determinism for this process, and return the number of threads.

    Args:
        training: the settings.
        processes: number of ranks that share this machine's cores.
    """
    threads = use_threads(training.threads or default_threads(processes))
    keep_freed_memory()
    if training.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        _use_deterministic_algorithms()
    return threads


def use_threads(threads: int) -> int:
    """Set the number of CPU threads, at least 1, of operations that the calling thread starts; return it."""
    threads = max(1, threads)
    torch.set_num_threads(threads)
    return threads


def keep_freed_memory() -> None:
    """Make glibc keep freed memory for the next step; other C libraries are left alone.

    By default, glibc returns large blocks to the operating system, which must provide cleared pages for the
    next step. That costs a sixth of a training step at hidden size 512. The price is that the process keeps
    its peak memory until it ends.
    """
    with suppress(AttributeError, OSError, TypeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def _use_deterministic_algorithms() -> None:
    """Call `torch.use_deterministic_algorithms(True)` without its slow import of the compiler."""
    set_directly = getattr(torch._C, "_set_deterministic_algorithms", None)
    if set_directly is None:
        torch.use_deterministic_algorithms(True)
    else:
        set_directly(True, warn_only=False)
