"""Long data of the user: no message and no table becomes long, in any command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from seqtool.reports.sweep import SweepScreen
from seqtool.safe_text import LONGEST_CELL, LONGEST_MESSAGE
from seqtool.sweep.run import TrialRow
from tests.support.shell import seqtool_in_process
from tests.support.small_runs import char_run, run, tagger_run

LONG = "x" * 30_000
NAME = "n" * 64  # the longest of a run
WIDEST_TABLE = 7 * LONGEST_CELL  # a line of a table has a few cells


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a tagger whose tokens, labels and sentences are long."""
    folder = tmp_path_factory.mktemp("long")
    sentence = f"{LONG}\tB-{LONG}\ndog\tI-{LONG}\ncat\tO\n\n"
    words = "".join(f"word{number}\tO\n" for number in range(2_000))
    (folder / "long.conll").write_text(sentence * 5 + "cat\tO\n\n" * 3)
    (folder / "words.conll").write_text(words * 2 + "cat\tB-X\n")
    (folder / "wrong.conll").write_text(f"{LONG} {LONG} a\nb\n\n" + "a b c\n\n" * 9)
    (folder / "long.yaml").write_text(
        f"task: char\n{LONG}: 1\ndata: {{text: {LONG}}}\nmodel: {{cell: {LONG}}}\n"
    )
    settings = tagger_run(folder, max_steps=6, warmup_steps=1)
    paths = (str(folder / "long.conll"),)
    run(replace(settings, data=replace(settings.data, train=paths, dev=paths, test=())), folder / "runs")
    settings_of_text = replace(char_run(folder, max_steps=6, warmup_steps=1), name=NAME)
    run(settings_of_text, folder / "runs")
    for number in range(2):
        alphabet = "".join(map(chr, range(0x4E00 + number, 0x4E00 + 5_000)))
        (folder / f"{number}.yaml").write_text(f"task: char\ndata: {{alphabet: '{alphabet}'}}\n")
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ("check", "long.conll"),
        ("check", "words.conll"),
        ("check", "wrong.conll"),
        ("check", "long.yaml"),
        ("check", "long.conll", "--set", f"data.label={LONG}"),
        ("check", "long.conll", "--set", LONG),
        ("check", "long.conll", "--set", f"data.columns=[form, {LONG}]"),
        ("check", LONG),
        ("evaluate", "small", "long.conll"),
        ("evaluate", "small", "words.conll"),
        ("evaluate", "small", "wrong.conll"),
        ("inspect", "small", "--text", f"{LONG} dog"),
        ("inspect", "small", "--text", "dog " * 2_000),
        ("inspect", LONG),
        ("tag", "--format", "table", f"{LONG} dog"),
        ("tag", "--model", LONG, "x"),
        ("tag", "--file", LONG),
        ("tag", "--file", "long.conll", "--format", "table"),
        ("score", "--model", "small", LONG),
        ("runs", "rm", LONG),
        ("init", "--example", LONG),
        ("init", LONG),
        (LONG,),
        (f"--{LONG}",),
        ("tag", f"--{LONG}"),
    ],
    ids=lambda command: " ".join(part[:20] for part in command),
)
def test_no_line_is_long(command: tuple[str, ...], folder: Path) -> None:
    done = seqtool_in_process(*command, cwd=folder)
    assert done.code in (0, 2)
    assert max(map(len, done.stderr.splitlines()), default=0) <= 2 * LONGEST_MESSAGE + 20
    assert max(map(len, done.lines), default=0) <= LONGEST_MESSAGE
    if command[0] != "inspect" and command[0] != "tag":
        assert len(done.stdout) + len(done.stderr) < 12_000


SAME_PLACE = "./" * 1_000  # before a path


@pytest.mark.parametrize(
    "command",
    [
        ("runs",),
        ("runs", "compare", f"{SAME_PLACE}runs/small", NAME),
        ("config", "diff", f"{SAME_PLACE}0.yaml", "1.yaml"),
        ("evaluate", "small", "long.conll"),
        ("check", "long.conll"),
        ("tag", "--model", "small", "--format", "table", "--file", "long.conll"),
        ("tag", "--model", "small", "--nbest", "3", "--format", "table", "--file", "long.conll"),
        ("inspect", "small", "--text", f"{LONG} dog"),
        ("inspect", NAME, "--text", "the dog " * 1_000),
        ("inspect", NAME, "--find", "regex:dog|" + "x" * 5_000),
    ],
    ids=lambda command: " ".join(part[:20] for part in command),
)
def test_no_row_of_a_table_is_long(command: tuple[str, ...], folder: Path) -> None:
    done = seqtool_in_process(*command, cwd=folder)
    assert done.code == 0
    rows = [line for line in done.lines if line.startswith("  ") or "  " in line]
    assert rows and max(map(len, rows)) <= WIDEST_TABLE


def test_no_row_of_a_sweep_is_long(capsys: pytest.CaptureFixture[str]) -> None:
    screen = SweepScreen()
    screen.begin("n" * 5_000, "sqlite:///sweep.db", ["data.text", "training.lr"], "loss")
    values = {"data.text": "a\tb" + LONG, "training.lr": "0.1"}
    screen.show([TrialRow(0, "failed", 1.5, values, 3, 8.5, reason=LONG)])
    shown = capsys.readouterr()
    assert [line.count("\t") for line in shown.out.splitlines()] == [5, 5]
    assert max(map(len, shown.out.splitlines())) <= WIDEST_TABLE
    assert max(map(len, shown.err.splitlines())) <= LONGEST_MESSAGE


@pytest.mark.parametrize("output", ["tsv", "jsonl", "conll"])
def test_output_for_programs_is_not_limited(output: str, folder: Path) -> None:
    done = seqtool_in_process("tag", "--format", output, f"{LONG} dog", cwd=folder)
    assert done.code == 0 and LONG in done.stdout
