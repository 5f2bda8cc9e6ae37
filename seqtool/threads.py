"""Environment variables for the threads of numerical libraries. A library reads them when it is loaded.

Waiting threads compete with the thread for which they wait. On a busy machine, that costs more than the
threads gain. Variables of the user are kept.
"""

from __future__ import annotations

import os
import sys

NUMBERS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
WAIT_POLICY = "OMP_WAIT_POLICY"
SPINS = "2000"  # of a waiting thread of libgomp, instead of 300,000; no slower on a quiet machine
MILLISECONDS = "1"  # of a waiting thread of LLVM's OpenMP, instead of 200


def give_numpy_one_thread() -> None:
    """Let numpy compute its matrix products on one thread.

    The matrices of a step are small. With a busy process per core, two threads need ten times as long as one.
    On other processors than x86-64, torch reads the same variable, so nothing is changed there.
    """
    if _processor() in ("x86_64", "AMD64") and not os.environ.keys() & set(NUMBERS):
        os.environ["OPENBLAS_NUM_THREADS"] = "1"


def let_waiting_threads_sleep() -> None:
    """Let the threads of torch sleep after a short wait, if torch is not yet loaded."""
    name, value = _wait()
    if "torch" not in sys.modules and not os.environ.keys() & {name, WAIT_POLICY}:
        os.environ[name] = value


def waiting_threads_sleep() -> bool:
    """Return whether the environment lets waiting threads sleep early.

    It does not if the caller imported torch before seqtool could set the variable.
    """
    name, value = _wait()
    given = os.environ.get(name, "")
    is_short = given.isdecimal() and int(given) <= int(value)
    return is_short or os.environ.get(WAIT_POLICY, "").lower() == "passive"


def _wait() -> tuple[str, str]:
    """Return the variable for the wait of a thread before it sleeps, and its value."""
    return ("KMP_BLOCKTIME", MILLISECONDS) if sys.platform == "darwin" else ("GOMP_SPINCOUNT", SPINS)


def _processor() -> str:
    """Return the kind of processor, as `platform.machine` does, without the time to import its module."""
    if sys.platform == "win32":
        return os.environ.get("PROCESSOR_ARCHITECTURE", "")
    return os.uname().machine
