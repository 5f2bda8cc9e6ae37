"""Fuzzing of all functions that read bytes from outside: `python tests/benchmarks/fuzz.py all 100000`.

With atheris (`pip install atheris`) it is guided by coverage; with `--hypothesis` it uses property tests.
Each target runs in a separate process. A failure is printed with its traceback, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))


def main() -> int:
    """Fuzz one target in this process, or all targets in one process each."""
    from tests.support.fuzz_targets import TARGETS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=["all", *TARGETS])
    parser.add_argument("executions", type=int, nargs="?", default=100_000)
    parser.add_argument("--hypothesis", action="store_true")
    options = parser.parse_args()
    if options.target != "all":
        (_with_hypothesis if options.hypothesis else _with_atheris)(options.target, options.executions)
        return 0
    return max(_fuzz_in_process(name, options.executions, options.hypothesis) for name in TARGETS)


def _fuzz_in_process(name: str, executions: int, hypothesis: bool) -> int:
    """Fuzz a target in another process, print the outcome, and return 1 if it failed."""
    started = time.monotonic()
    command = [sys.executable, __file__, name, str(executions), *(["--hypothesis"] if hypothesis else [])]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        errors="replace",
        env={**os.environ, "PYTHONHASHSEED": "0"},
        check=False,
    )
    outcome = (
        f"{executions:,} executions"
        if done.returncode == 0
        else "FAILED\n" + done.stdout[-3000:] + done.stderr[-3000:]
    )
    print(f"{name:<20} {outcome}, {time.monotonic() - started:.0f} s", flush=True)
    return int(done.returncode != 0)


def _with_atheris(name: str, executions: int) -> None:
    import atheris

    with atheris.instrument_imports(include=["seqtool"]):
        for module in [module for module in sys.modules if module.startswith(("seqtool", "tests.support"))]:
            del sys.modules[module]
        from tests.support.fuzz_targets import try_target
    atheris.Setup(
        [sys.argv[0], f"-runs={executions}", "-max_len=400", "-verbosity=0"],
        lambda data: try_target(name, data),
    )
    atheris.Fuzz()


def _with_hypothesis(name: str, executions: int) -> None:
    from hypothesis import HealthCheck, given, settings

    from tests.project.test_fuzz import ANY
    from tests.support.fuzz_targets import try_target

    @settings(max_examples=executions, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(data=ANY)
    def run(data: bytes) -> None:
        try_target(name, data)

    run()


if __name__ == "__main__":
    sys.exit(main())
