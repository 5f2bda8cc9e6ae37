"""Threads of torch sleep after a short wait, and numpy has one thread, unless the user says otherwise."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from seqtool.threads import NUMBERS, let_waiting_threads_sleep, waiting_threads_sleep
from tests.support.shell import PROJECT, environment

TRAIN = """
import os, sys

class AtImport:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print("torch", os.environ.get("GOMP_SPINCOUNT"), file=sys.stderr)
        if name == "numpy":
            print("numpy", os.environ.get("OPENBLAS_NUM_THREADS"), file=sys.stderr)

sys.meta_path.insert(0, AtImport())
options = ["--set", "training.epochs=1", "--runs-dir", sys.argv[1]]
sys.argv = ["seqtool", "train-char", "configs/hihell.yaml", *options]
from seqtool.__main__ import main
main()
"""


def train(unset: set[str], variables: dict[str, str], folder: Path) -> str:
    """Train with some variables and without others, and return stderr."""
    inherited = {name: value for name, value in environment().items() if name not in unset}
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, folder],
        cwd=PROJECT,
        env=inherited | variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param({}, "2000", id="not set"),
        pytest.param({"GOMP_SPINCOUNT": "7"}, "7", id="set"),
        pytest.param({"OMP_WAIT_POLICY": "ACTIVE"}, "None", id="another variable"),
    ],
)
def test_threads_sleep_unless_the_user_says_otherwise(
    variables: dict[str, str], expected: str, tmp_path: Path
) -> None:
    printed = train({"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}, variables, tmp_path)
    assert f"torch {expected}\n" in printed


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="torch reads the same variable")
@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param({}, "1", id="not set"),
        pytest.param({"OPENBLAS_NUM_THREADS": "3"}, "3", id="set"),
        pytest.param({"OMP_NUM_THREADS": "2"}, "None", id="another variable"),
    ],
)
def test_numpy_has_one_thread_unless_the_user_says_otherwise(
    variables: dict[str, str], expected: str, tmp_path: Path
) -> None:
    assert f"numpy {expected}\n" in train(set(NUMBERS), variables, tmp_path)


@pytest.mark.parametrize(("system", "name"), [("darwin", "KMP_BLOCKTIME"), ("linux", "GOMP_SPINCOUNT")])
def test_variable_is_that_of_the_system_and_is_not_set_after_torch(
    system: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"KMP_BLOCKTIME", "GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}
    for one in names:
        monkeypatch.delenv(one, raising=False)
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setitem(sys.modules, "torch", platform)  # any module stands for torch
    let_waiting_threads_sleep()
    assert not os.environ.keys() & names and not waiting_threads_sleep()
    monkeypatch.delitem(sys.modules, "torch")
    let_waiting_threads_sleep()
    assert os.environ.keys() & names == {name} and waiting_threads_sleep()
    monkeypatch.setenv(name, "300000")
    assert not waiting_threads_sleep()
    monkeypatch.delenv(name)
