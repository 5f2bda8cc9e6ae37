"""Control characters in data, labels and file names: visible on a terminal, exact bytes in a pipe."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.shell import in_terminal, seqtool
from tests.support.small_runs import run, tagger_run

EVIL = "x\x1b]0;evil\x07\x9b31m\u202e[red]"  # title, color, text direction, markup
NAME = "x\x1b]0;evil\x07\u202e.conll"
HARMLESS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # colors and cursor movements of seqtool
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evil")
    (folder / NAME).write_text(f"{EVIL}\tNN\nate\tV{EVIL}\n\n" * 5, encoding="utf-8")
    settings = tagger_run(folder, max_steps=4)
    data = replace(settings.data, train=(str(folder / NAME),), dev=(str(folder / NAME),), test=())
    run(replace(settings, data=data), folder / "runs")
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("tag", EVIL), id="table"),
        pytest.param(("tag", "--format", "tsv", "--file", NAME), id="tsv"),
        pytest.param(("tag", "--format", "jsonl", EVIL), id="jsonl"),
        pytest.param(("evaluate", "small"), id="evaluate"),
        pytest.param(("check", NAME), id="check"),
        pytest.param(("inspect", "small"), id="inspect"),
        pytest.param(("tag", "--file", "y" + NAME), id="a file that is missing"),
        pytest.param(("runs", "--runs-dir", EVIL), id="a folder that is missing"),
    ],
)
def test_control_characters_of_data_do_not_reach_a_terminal(arguments: tuple[str, ...], folder: Path) -> None:
    shown = in_terminal(*arguments, cwd=folder, columns=200)
    found = CONTROL.search(HARMLESS.sub("", shown.stdout))
    assert found is None, (found, shown.stdout)
    assert "Traceback" not in shown.stdout


def test_pipe_gets_the_exact_bytes(folder: Path) -> None:
    done = seqtool("tag", "--format", "tsv", "--file", NAME, cwd=folder)
    assert done.lines[0].split("\t")[0] == EVIL and done.code == 0


def test_full_disk_behind_stdout_gives_one_message(folder: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    import subprocess

    from tests.support.shell import SEQTOOL, environment

    with full.open("wb") as out:
        done = subprocess.run(
            [*SEQTOOL, "tag", "the dog"],
            cwd=folder,
            stdout=out,
            stderr=subprocess.PIPE,
            env=environment(),
            check=False,
        )
    assert (
        done.returncode == 2
        and b"cannot write: No space left on device" in done.stderr
        and b"Traceback" not in done.stderr
    )
