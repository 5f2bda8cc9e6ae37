"""Session of a new user: from an empty folder to a tagger. The hint of each error leads to the next step.

The test also runs the shell script of the examples.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from tests.support.shell import PROJECT, Result, environment, seqtool_in_process

WORDS = (
    ("The", "A", "This", "My"),
    ("dog", "cat", "child", "horse", "bird"),
    ("sleeps", "sings", "reads", "runs"),
)
LABELS = ("DET", "NOUN", "VERB")
FAST = ("--set", "training.epochs=12", "--quiet")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a folder that contains only a file of the user: token, tab, label."""
    rows = [
        "".join(f"{word}\t{label}\n" for word, label in zip(words, LABELS, strict=True))
        for words in product(*WORDS)
    ]
    (tmp_path / "my.conll").write_text("\n".join(rows))
    return tmp_path


def answered(done: Result, *parts: str) -> None:
    """Check that a command ended with 2 and that its message contains these parts."""
    assert (done.code, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in done.stderr


def test_three_commands_lead_to_a_tagged_sentence(home: Path) -> None:
    looked = seqtool_in_process("check", "my.conll", cwd=home)
    assert looked.lines[-1] == "nothing looks wrong"
    trained = seqtool_in_process("train-tagger", "my.conll", *FAST, cwd=home)
    assert trained.code == 0
    tagged = seqtool_in_process("tag", "The cat sleeps", cwd=home)
    assert tagged.stdout == "The\tDET\ncat\tNOUN\nsleeps\tVERB\n\n"


def test_hint_of_each_error_leads_to_the_next_step(home: Path) -> None:
    # a wrong path
    answered(
        seqtool_in_process("train-tagger", "mine.conll", cwd=home),
        "mine.conll  there is no such file",
        "did you mean my.conll?",
    )
    # settings written to a file, with a misspelled key
    assert seqtool_in_process("init", "tagger", "my.conll", cwd=home).code == 0
    config = home / "my.yaml"
    good = config.read_text()
    config.write_text(good.replace("hidden_size", "hidden_sise"))
    answered(
        seqtool_in_process("train-tagger", "my.yaml", cwd=home),
        "my.yaml:",
        "hidden_sise",
        "did you mean hidden_size?",
    )
    # a value of the wrong type and a value out of its range, reported together
    config.write_text(
        good.replace("lr: 0.004", "lr: fast").replace("bidirectional: true", "bidirectional: perhaps")
    )
    answered(
        seqtool_in_process("train-tagger", "my.yaml", cwd=home),
        "training.lr: expected a number",
        "model.bidirectional: expected true or false",
    )
    # a missing column
    config.write_text(good.replace("  split:", "  label: 3\n  split:"))
    answered(seqtool_in_process("train-tagger", "my.yaml", cwd=home), "column", " hint: ")
    # the wrong command for the config
    config.write_text(good)
    answered(seqtool_in_process("train-char", "my.yaml", cwd=home), "run: seqtool train-tagger my.yaml")
    # the corrected file works
    assert seqtool_in_process("train-tagger", "my.yaml", *FAST, cwd=home).code == 0
    assert seqtool_in_process("tag", "A bird sings", cwd=home).stdout.split() == [
        "A",
        "DET",
        "bird",
        "NOUN",
        "sings",
        "VERB",
    ]


def test_training_works_without_development_file(home: Path) -> None:
    seen = seqtool_in_process("check", "my.conll", cwd=home)
    assert "held out of train by seed 1 (data.split: 0.1)" in seen.stdout
    answered(seqtool_in_process("train-tagger", "my.conll", "--dev", "gone.conll", cwd=home), "gone.conll")


def test_separator_is_detected_or_set(home: Path) -> None:
    text = (home / "my.conll").read_text()
    (home / "blanks.conll").write_text(text.replace("\t", " "))
    seen = seqtool_in_process("check", "blanks.conll", cwd=home)
    assert "2 columns separated by" in seen.stdout
    assert seen.lines[-1] == "nothing looks wrong"
    answered(
        seqtool_in_process("check", "blanks.conll", "--set", "data.separator=tab", cwd=home),
        "blanks.conll",
        "`data.separator` says what separates",
    )
    assert seqtool_in_process("check", "blanks.conll", "--set", "data.separator=space", cwd=home).code == 0


def test_check_shows_a_wrong_label_column(home: Path) -> None:
    """With the first column as label, words are listed as labels, and one option corrects it."""
    wrong = seqtool_in_process(
        "check", "my.conll", "--set", "data.columns=[pos, form]", "--set", "data.label=pos", cwd=home
    )
    assert "  sleeps " in wrong.stdout or "  The " in wrong.stdout
    assert "  NOUN " in seqtool_in_process("check", "my.conll", "--set", "data.label=2", cwd=home).stdout


# --- a text of one's own ------------------------------------------------------------------------------------


STEPS = ("--set", "training.max_steps=2", "--set", "training.warmup_steps=0", "--set", "training.threads=1")
GERMAN = "Der Fluß ist schön, und über die Brücke gehen täglich viele Menschen.\n" * 30
PROSE = "The cät sat on the mat.\nThen it went away, to see the river.\n" * 40


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"hello world, one line without an end", "characters"),
        (PROSE.replace("\n", "\r\n").encode(), "\\r"),
        (PROSE.encode("utf-16"), "characters in utf-16"),
        (GERMAN.encode("latin-1"), "not UTF-8; read as cp1252"),
        (b"aba", "too short to be used"),
        (b"a b " * 5000, "3 different"),
    ],
    ids=["a line without end", "CR LF", "UTF-16", "latin-1", "three symbols", "one long line"],
)
def test_any_text_can_be_trained_on(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "my.txt").write_bytes(content)
    done = seqtool_in_process("train-char", "my.txt", *STEPS, cwd=tmp_path)
    assert done.code == 0, done.stderr
    assert said in done.stderr
    assert seqtool_in_process("sample", "-m", "my", "--length", "5", "--seed", "1", cwd=tmp_path).code == 0


def test_binary_data_are_trained_on_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "my.bin").write_bytes(bytes(range(256)) * 20)
    refused = seqtool_in_process("train-char", "my.bin", *STEPS, cwd=tmp_path)
    assert refused.code == 2 and "data.unit: byte" in refused.stderr
    trained = seqtool_in_process("train-char", "my.bin", "--set", "data.unit=byte", *STEPS, cwd=tmp_path)
    assert trained.code == 0 and "bytes" in trained.stderr


def test_many_small_files_are_one_text(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    for number in range(300):
        (tmp_path / f"notes/{number:03}.txt").write_text(f"note {number}\n")
    (tmp_path / "my.txt").write_text("x" * 100)
    assert (
        seqtool_in_process(
            "train-char", "my.txt", *STEPS, "--set", "data.text=notes/*.txt", cwd=tmp_path
        ).code
        == 0
    )
    found = seqtool_in_process("train-char", "my.txt", *STEPS, "--set", "data.text=notes", cwd=tmp_path)
    answered(found, "expected a file, found a folder", "notes/*")


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("my.txt", b"", ("expected a text, found an empty file",)),
        ("my.txt", b"\xef\xbb\xbf", ("expected a text, found nothing but white space",)),
        ("my.txt", b" \n\t\r\n ", ("expected a text, found nothing but white space",)),
        ("my.txt", b"ab", ("expected a text of at least 3 symbols, found 2", "give a longer text")),
        (".", None, ("expected a config file, found a directory",)),
        ("pipe.txt", None, ("expected a file, found a pipe", "write them to a file first")),
        ("-", None, ("there is no such file",)),
    ],
    ids=["empty", "a mark alone", "white space", "two symbols", "a folder", "a pipe", "standard input"],
)
def test_input_that_is_not_text_exits_2_without_files(
    name: str, content: bytes | None, parts: tuple[str, ...], tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    if name == "pipe.txt":
        os.mkfifo(tmp_path / name)
    before = sorted(tmp_path.rglob("*"))
    answered(seqtool_in_process("train-char", name, *STEPS, cwd=tmp_path), *parts)
    assert sorted(tmp_path.rglob("*")) == before


# --- the example script -------------------------------------------------------------------------------------


@pytest.fixture
def program(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which `seqtool` is on the path."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "seqtool").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m seqtool "$@"\n')
    (folder / "seqtool").chmod(0o755)
    return environment(PATH=f"{folder}:{os.environ['PATH']}")


def script(home: Path, program: dict[str, str], config: str) -> subprocess.CompletedProcess[str]:
    line = [str(PROJECT / "examples/tag_new_files.sh"), config, "inbox"]
    return subprocess.run(line, cwd=home, env=program, capture_output=True, text=True, check=False)


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_example_script_trains_tags_and_uses_exit_codes(home: Path, program: dict[str, str]) -> None:
    seqtool_in_process("init", "tagger", "my.conll", cwd=home)
    config = home / "my.yaml"
    good = config.read_text().replace("epochs: 40", "epochs: 4")
    config.write_text(good.replace("lr:", "lrr:"))
    (home / "inbox").mkdir()
    (home / "inbox/a.txt").write_text("The dog sings\n")
    done = script(home, program, "my.yaml")
    assert done.returncode == 2
    assert "did you mean lr?" in done.stderr
    config.write_text(good)
    (home / "inbox/b.txt").write_bytes(b"\xff\xfe\n")
    done = script(home, program, "my.yaml")
    assert done.returncode == 2
    assert done.stdout.splitlines() == ["inbox/a.tsv"]
    assert "1 files could not be tagged" in done.stderr
    assert (home / "inbox/a.tsv").read_text().startswith("The\t")
    assert not list((home / "inbox").glob("b.tsv*"))
    (home / "inbox/b.txt").unlink()
    again = script(home, program, "my.yaml")
    assert (again.returncode, again.stdout) == (0, "")
