"""Waiting threads of torch and the number of numpy's threads, unless the user chose them."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from seqtool.threads import NUMBERS, choose_waiting, wait_can_be_shortened, waiting_threads_sleep
from tests.support.shell import PROJECT, environment

WAITING = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "KMP_BLOCKTIME"}
TRAIN = """
import os, sys

class AtImport:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            values = [os.environ.get(name) for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")]
            print("torch", *values, file=sys.stderr)
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
        pytest.param({}, "300000 active", id="not set"),
        pytest.param({"GOMP_SPINCOUNT": "7"}, "7 None", id="set"),
        pytest.param({"OMP_WAIT_POLICY": "PASSIVE"}, "None PASSIVE", id="another variable"),
    ],
)
def test_waiting_is_chosen_unless_the_user_chose_it(
    variables: dict[str, str], expected: str, tmp_path: Path
) -> None:
    printed = train(WAITING, variables, tmp_path)
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


def without_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Delete the variables until the end of the test, also those that the test sets."""
    for name in WAITING:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("system", "names"), [("darwin", {"KMP_BLOCKTIME"}), ("win32", {"KMP_BLOCKTIME"}), ("linux", WAITING)]
)
def test_variables_are_those_of_the_system_and_are_not_set_after_torch(
    system: str, names: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    without_variables(monkeypatch)
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setitem(sys.modules, "torch", platform)  # any module stands for torch
    choose_waiting()
    assert not os.environ.keys() & WAITING
    assert not waiting_threads_sleep() and not wait_can_be_shortened()
    monkeypatch.delitem(sys.modules, "torch")
    choose_waiting()
    assert os.environ.keys() & WAITING == names
    assert waiting_threads_sleep() == (system != "linux")
    assert wait_can_be_shortened() == (system == "linux")


@pytest.mark.parametrize(("count", "switched"), [(64, True), (65, False)])
def test_threads_always_sleep_early_where_cores_are_many(
    count: int, switched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_variables(monkeypatch)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(count)), raising=False)
    choose_waiting()
    assert wait_can_be_shortened() == switched and waiting_threads_sleep() != switched


@pytest.mark.parametrize(
    ("variables", "sleep"),
    [
        ({"GOMP_SPINCOUNT": "100"}, True),
        ({"GOMP_SPINCOUNT": "300000"}, False),
        ({"GOMP_SPINCOUNT": "300000", "OMP_WAIT_POLICY": "passive"}, False),
        ({"GOMP_SPINCOUNT": "infinite"}, False),
        ({"OMP_WAIT_POLICY": "PASSIVE"}, True),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, False),
        ({"KMP_BLOCKTIME": "1"}, False),
        ({}, False),
    ],
)
def test_variables_of_the_user_on_linux(
    variables: dict[str, str], sleep: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_variables(monkeypatch)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", "linux")
    assert waiting_threads_sleep() == sleep
    assert not wait_can_be_shortened()
