"""Environment variables for the threads of numerical libraries. A library reads them when it is loaded.

Waiting threads compete with the thread for which they wait. On a busy machine, that costs more than the
threads gain; `seqtool/models/waiting_threads.py` shortens the wait there. Variables of the user are kept.
"""

from __future__ import annotations

import os
import sys

NUMBERS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
# How threads of OpenMP wait before they sleep. Those of LLVM and Intel wait 1 ms instead of 200 ms. Those of
# libgomp, on Linux, spin as often as by default; with more threads than cores, 1,000 times instead of 100.
WAITING = {"KMP_BLOCKTIME": "1"}
WAITING_ON_LINUX = {**WAITING, "OMP_WAIT_POLICY": "active", "GOMP_SPINCOUNT": "300000"}
WAITING_ON_MANY_CORES = {**WAITING, "GOMP_SPINCOUNT": "2000"}
MANY = 64  # cores; as many idle threads could exceed a limit of threads


def give_numpy_one_thread() -> None:
    """Let numpy compute its matrix products on one thread.

    The matrices of a step are small. With a busy process per core, two threads need ten times as long as one.
    On other processors than x86-64, torch reads the same variable, so nothing is changed there.
    """
    if _processor() in ("x86_64", "AMD64") and not os.environ.keys() & set(NUMBERS):
        os.environ["OPENBLAS_NUM_THREADS"] = "1"


def choose_waiting() -> None:
    """Choose how the threads of torch wait, if torch is not yet loaded and the user chose nothing."""
    if "torch" not in sys.modules and not os.environ.keys() & WAITING_ON_LINUX.keys():
        if sys.platform != "linux":
            os.environ.update(WAITING)
        else:
            os.environ.update(WAITING_ON_LINUX if available_cores() <= MANY else WAITING_ON_MANY_CORES)


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def wait_can_be_shortened() -> bool:
    """Return whether a running program can let waiting threads sleep early: libgomp, and our variables.

    It cannot if the caller imported torch before seqtool could set the variables.
    """
    return sys.platform == "linux" and WAITING_ON_LINUX.items() <= os.environ.items()


def waiting_threads_sleep() -> bool:
    """Return whether the environment lets waiting threads sleep early at any time."""
    name = "GOMP_SPINCOUNT" if sys.platform == "linux" else "KMP_BLOCKTIME"
    given = os.environ.get(name, "")
    if given:
        return given.isdecimal() and int(given) <= int(WAITING_ON_MANY_CORES[name])
    return os.environ.get("OMP_WAIT_POLICY", "").lower() == "passive"


def _processor() -> str:
    """Return the kind of processor, as `platform.machine` does, without the time to import its module."""
    if sys.platform == "win32":
        return os.environ.get("PROCESSOR_ARCHITECTURE", "")
    return os.uname().machine
