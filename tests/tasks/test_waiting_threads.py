"""Threads of torch sleep after a short wait: the variable is set before torch is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.shell import PROJECT, environment

TRAIN = """
import os, sys

class AtImport:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print("torch", os.environ.get("GOMP_SPINCOUNT"), file=sys.stderr)

sys.meta_path.insert(0, AtImport())
options = ["--set", "training.epochs=1", "--runs-dir", sys.argv[1]]
sys.argv = ["seqtool", "train-char", "configs/hihell.yaml", *options]
from seqtool.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param({}, "10000", id="not set"),
        pytest.param({"GOMP_SPINCOUNT": "7"}, "7", id="set"),
        pytest.param({"OMP_WAIT_POLICY": "ACTIVE"}, "None", id="another variable"),
    ],
)
def test_threads_sleep_unless_the_user_says_otherwise(
    variables: dict[str, str], expected: str, tmp_path: Path
) -> None:
    unset = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}
    inherited = {name: value for name, value in environment().items() if name not in unset}
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, tmp_path],
        cwd=PROJECT,
        env=inherited | variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"torch {expected}\n" in done.stderr
