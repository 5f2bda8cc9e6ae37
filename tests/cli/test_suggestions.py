"""Wrong command lines: the hint names what to write, and what it names exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from seqtool.cli import suggestions
from seqtool.cli.main import COMMANDS
from tests.support.hints import options_by_command, wrong_options
from tests.support.shell import Result, seqtool_in_process

LINES = [*suggestions._COMMANDS, *(line for table in suggestions._SUBCOMMANDS.values() for line in table)]
WITH_SETTINGS = [name for name, options in options_by_command().items() if "--set" in options]


def refused(command: str, folder: Path) -> Result:
    """Run a command line that the parser refuses."""
    done = seqtool_in_process(*shlex.split(command), cwd=folder)
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr.count("\n hint: ") == 1
    return done


@pytest.mark.parametrize("line", LINES)
def test_suggested_command_lines_exist(line: str) -> None:
    for one in line.split(", or "):
        name = " ".join(re.findall(r"^seqtool ((?:runs|config) [a-z]+|[a-z-]*)", one))
        assert name in options_by_command() or name.startswith("--")
        assert not wrong_options(one, "")


def test_no_name_stands_for_two_commands_or_is_a_command() -> None:
    for table in (suggestions._COMMANDS, *suggestions._SUBCOMMANDS.values()):
        names = " ".join(table.values()).split()
        assert len(names) == len(set(names))
    assert not set(" ".join(suggestions._COMMANDS.values()).split()) & set(COMMANDS)


def test_suggested_options_exist_in_a_command() -> None:
    every = frozenset().union(*options_by_command().values())
    assert set(suggestions._OPTIONS) <= every


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        ("train-char --epochs 3 a.txt", "write --set training.epochs=3"),
        ("train-char a.txt --learning-rate=0.1", "write --set training.lr=0.1"),
        ("train-tagger a.conll --hidden_dim 64", "write --set model.hidden_size=64"),
        ("train-tagger a.conll --optimizr adam", "write --set training.optimizer=adam"),
        ("check a.conll --seq-length 3", "write --set training.window=3"),
        ("train-char a.txt b.txt", "train-char a.txt --set 'data.text=[a.txt, b.txt]'"),
        (
            "train-tagger a.conll b.conll",
            "seqtool train-tagger a.conll --dev b.conll; to train on all files: ",
        ),
        ("train-tagger a.yaml b.yaml", "a run has one config"),
        ("sample 'some text'", "seqtool sample --prompt 'some text'"),
        ("sample --max-tokens 9", "did you mean --length?"),
        ("sample --checkpoint x", "did you mean --model?"),
        ("inspect x 'a b'", "seqtool inspect x --text 'a b'"),
        ("tag --text 'a b'", "a text needs no option: seqtool tag 'a b'"),
        ("tag --modle x", "did you mean --model?"),
        ("score --seed 3", "--seed is an option of seqtool train-char"),
        ("generate", "use: seqtool sample"),
        ("train x", "use: seqtool train-char TEXT, or seqtool train-tagger SENTENCES"),
        ("eval x", "use: seqtool evaluate MODEL"),
        ("test x", "use: seqtool evaluate MODEL"),
        ("runs list", "use: seqtool runs"),
        ("config print", "use: seqtool config show CONFIG"),
        ("a.txt", "seqtool train-char a.txt"),
        ("a.conllu", "seqtool train-tagger a.conllu"),
        ("xyzzy", "see seqtool --help"),
        ("tag --xyzzy", "see seqtool tag --help"),
        ("train-char", "see seqtool train-char --help"),
        ("sample --prompt-file", "see seqtool sample --help"),
    ],
)
def test_hint_names_what_to_write(command: str, hint: str, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "a.conll", "b.conll", "a.conllu"):
        (tmp_path / name).write_text("x")
    assert hint in refused(command, tmp_path).stderr.partition(" hint: ")[2]


def test_unexpected_arguments_are_named(tmp_path: Path) -> None:
    assert refused("sample some text", tmp_path).stderr.startswith("error: unexpected argument: some text\n")
    assert "error: unexpected argument: b.txt\n" in refused("train-char a.txt b.txt", tmp_path).stderr


@pytest.mark.parametrize("command", WITH_SETTINGS)
def test_every_setting_that_is_tried_as_an_option_leads_to_set(command: str, tmp_path: Path) -> None:
    from seqtool.cli.options import config_keys

    own, tried = options_by_command()[command], 0
    for key in config_keys():
        option = "--" + key.rpartition(".")[2].replace("_", "-")
        if option in own or any(option[2:] in names.split() for names in suggestions._OPTIONS.values()):
            continue
        tried += 1
        if tried % 9 == 0:  # each takes 3 ms
            assert "=7" in refused(f"{command} {option} 7", tmp_path).stderr
    assert tried > 40


@pytest.mark.parametrize("name", [name for name in options_by_command() if name not in ("", "config")])
def test_every_command_has_quiet(name: str) -> None:
    assert {"--quiet", "-q"} <= options_by_command()[name]
