"""Help, completion in three shells, Ctrl-C during imports, and imports of light commands."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from seqtool.cli.help import split_examples
from seqtool.cli.main import app
from seqtool.cli.options import complete_any_run, complete_config, complete_key, complete_run, config_keys
from seqtool.config.schema import SECTIONS, TASKS, keys, section_class
from tests.support.shell import PROJECT, SEQTOOL, environment, seqtool_in_process
from tests.support.unreadable import unreadable

PRETRAINED = ["english", "shakespeare"]


def commands(group: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words that call each command and group."""
    group = group or typer.main.get_command(app)
    yield path
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))


ALL = list(commands())


@pytest.mark.parametrize("path", ALL, ids=[" ".join(path) or "seqtool" for path in ALL])
def test_help_starts_with_an_example_and_fits_a_terminal(path: tuple[str, ...], tmp_path: Path) -> None:
    done = seqtool_in_process(*path, "--help", cwd=tmp_path, COLUMNS="80")
    assert (done.code, done.stderr) == (0, "")
    assert done.lines[0] in ("Example:", "Examples:")
    assert done.lines[1].startswith(" ".join(("  seqtool", *path)))
    assert len(done.lines) <= 40
    assert max(len(line) for line in done.lines) <= 80
    assert done.stdout.count(f"Usage: {' '.join(('seqtool', *path))} ") == 1
    assert done.stdout == seqtool_in_process(*path, "-h", cwd=tmp_path, COLUMNS="80").stdout


@pytest.mark.parametrize("path", ALL, ids=[" ".join(path) or "seqtool" for path in ALL])
def test_every_option_has_a_help_text(path: tuple[str, ...]) -> None:
    command: Any = typer.main.get_command(app)
    for name in path:
        command = command.commands[name]
    context = command.context_class(command, info_name="seqtool")
    for param in command.get_params(context):
        assert param.help or param.hidden, f"{path}: {param.name}"


def test_help_text_is_split_into_sentence_and_examples() -> None:
    assert split_examples("Do it, e.g. seqtool do a, or do b") == ("Do it.", ["seqtool do a", "seqtool do b"])
    assert split_examples("Do\n it.") == ("Do it.", [])


def test_module_and_script_behave_the_same(tmp_path: Path) -> None:
    script = "import sys; sys.argv[0] = 'seqtool'; from seqtool.__main__ import main; main()"
    for arguments, code in ((["--version"], 0), (["runs", "rm", "gone"], 2)):
        ways = [[*SEQTOOL, *arguments], [sys.executable, "-c", script, *arguments]]
        done = [
            subprocess.run(way, cwd=tmp_path, capture_output=True, check=False, env=environment())
            for way in ways
        ]
        assert [one.returncode for one in done] == [code, code]
        assert done[0].stdout == done[1].stdout
        assert done[0].stderr == done[1].stderr


@pytest.mark.parametrize("handled", [True, False], ids=["handled", "ignored by the caller"])
def test_ctrl_c_during_imports_exits_130(handled: bool, tmp_path: Path) -> None:
    """No traceback is printed. A caller can ignore the signal, as shells do for background jobs."""
    # This module replaces typer. Its import lasts until standard input is closed.
    slow = "import os\nos.write(1, b'loading')\nos.read(0, 1)\nraise SystemExit(7)\n"
    (tmp_path / "typer.py").write_text(slow)
    process = subprocess.Popen(
        [*SEQTOOL, "--version"],
        env=environment(PYTHONPATH=f"{tmp_path}:{PROJECT}"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL if handled else signal.SIG_IGN),  # noqa: PLW1509
    )
    assert process.stdout is not None and process.stdout.read(7) == b"loading"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60) == (b"", b"")
    assert process.returncode == (130 if handled else 7)


def test_misspelled_command_or_option_gets_a_suggestion(tmp_path: Path) -> None:
    done = seqtool_in_process("tain-char", cwd=tmp_path)
    assert (done.code, done.stdout) == (2, "")
    assert "Did you mean 'train-char'" in done.stderr
    done = seqtool_in_process("tag", "--modle", "x", cwd=tmp_path)
    assert done.code == 2
    assert "--model" in done.stderr


# --- completion ---------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("hihell", "hihell~1", "going.partial", "toy"):
        (tmp_path / "runs" / name / "model").mkdir(parents=True)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/a.yaml").touch()
    (tmp_path / "configs/a.txt").touch()
    (tmp_path / "b.yml").touch()
    return tmp_path


@pytest.mark.parametrize(
    "name",
    [
        "$(touch pwned)",
        "`touch pwned`",
        "a;b",
        "a b",
        "a'b",
        'a"b',
        "-rf",
        "~root",
        "a|b",
        "a&b",
        "a\nb",
        "*",
    ],
)
def test_completion_offers_only_names_that_a_shell_reads_as_they_are(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (folder / "runs" / name / "model").mkdir(parents=True)
    (folder / f"{name}.yaml").touch()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("SEQTOOL_RUNS", raising=False)
    assert complete_run("") == ["hihell", "hihell~1", "toy", *PRETRAINED]
    assert complete_any_run("") == ["going.partial", "hihell", "hihell~1", "toy"]
    assert complete_config("") == ["b.yml", "configs/", "runs/", "hihell", "hihell~1", "toy"]


def test_completion_skips_runs_that_cannot_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQTOOL_RUNS", str(folder / "runs"))
    with unreadable(folder / "runs/toy"):
        assert complete_run("") == ["hihell", "hihell~1", *PRETRAINED]


def test_completion_of_runs_and_configs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("SEQTOOL_RUNS", raising=False)
    assert complete_run("") == ["hihell", "hihell~1", "toy", *PRETRAINED]
    assert complete_run("t") == ["toy"]
    assert complete_config("") == ["b.yml", "configs/", "runs/", "hihell", "hihell~1", "toy"]
    assert complete_config("configs/") == ["configs/a.yaml"]
    assert complete_config("gone/") == []
    monkeypatch.setenv("SEQTOOL_RUNS", str(folder / "none"))
    assert complete_run("") == PRETRAINED


def test_completion_of_keys_and_their_values() -> None:
    every = {name for task in TASKS for name in keys(TASKS[task]) if name not in SECTIONS}
    every |= {
        f"{section}.{name}"
        for task in TASKS
        for section in SECTIONS
        for name in keys(section_class(task, section))
    }
    assert set(config_keys()) == every
    assert complete_key("training.lr") == ["training.lr="]
    assert complete_key("training.optimizer=ad") == [
        "training.optimizer=adam",
        "training.optimizer=adamw",
        "training.optimizer=adagrad",
    ]
    assert complete_key("model.bidirectional=") == ["model.bidirectional=true", "model.bidirectional=false"]
    assert complete_key("training.lr=") == []
    assert complete_key("nonsense=") == []


LINES = [
    pytest.param("seqtool trai", ["train-char", "train-tagger"], id="commands"),
    pytest.param("seqtool config s", ["show"], id="commands of a group"),
    pytest.param("seqtool tag --mod", ["--model"], id="options"),
    pytest.param("seqtool tag --model h", ["hihell", "hihell~1"], id="runs"),
    pytest.param("seqtool evaluate t", ["toy"], id="a run as argument"),
    pytest.param("seqtool runs rm g", ["going.partial"], id="unfinished runs"),
    pytest.param("seqtool train-char a.yaml --set training.sc", ["training.schedule="], id="keys"),
    pytest.param("seqtool init --example hih", ["hihell"], id="examples"),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write a program with the name seqtool, and return its folder for PATH."""
    folder = tmp_path_factory.mktemp("bin")
    script = folder / "seqtool"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m seqtool "$@"\n')
    script.chmod(0o755)
    return str(folder)


def shell(program: str, folder: Path, *command: str) -> str:
    if shutil.which(command[0]) is None:
        pytest.skip(f"no {command[0]} here")
    variables = environment(PATH=f"{program}:{os.environ['PATH']}", HOME=str(folder))
    return subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, check=True, timeout=60
    ).stdout


@pytest.mark.parametrize(("line", "expected"), LINES)
def test_completion_in_bash(line: str, expected: list[str], folder: Path, program: str) -> None:
    words = " ".join(f"'{word}'" for word in line.split())
    script = f"""
source <(_SEQTOOL_COMPLETE=source_bash seqtool)
COMP_WORDS=({words}); COMP_CWORD={len(line.split()) - 1}
_seqtool_completion seqtool
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    assert shell(program, folder, "bash", "-c", script).split() == expected


@pytest.mark.parametrize(("line", "expected"), LINES[3:4] + LINES[6:7])
def test_completion_in_fish(line: str, expected: list[str], folder: Path, program: str) -> None:
    script = f"_SEQTOOL_COMPLETE=source_fish seqtool | source; complete -C '{line}'"
    assert [
        found.split("\t")[0] for found in shell(program, folder, "fish", "-c", script).splitlines()
    ] == expected


@pytest.mark.parametrize(("line", "expected"), LINES[3:4] + LINES[6:7])
def test_completion_in_zsh(line: str, expected: list[str], folder: Path, program: str) -> None:
    """Typer's function for zsh returns the matches; functions that print them replace those of zsh."""
    script = f"""
compdef() {{ :; }}
_arguments() {{ print -r -- "$*"; }}
_describe() {{ print -r -- "$*"; }}
source <(_SEQTOOL_COMPLETE=source_zsh seqtool)
words=({" ".join(f"'{word}'" for word in line.split())}); CURRENT={len(line.split())}
_seqtool_completion
"""
    shown = shell(program, folder, "zsh", "-c", script)
    assert all(name.replace("~", "\\~") in shown or name in shown for name in expected)


LOADED = """
import sys, json
from seqtool.cli.exit_codes import run
from seqtool.cli.main import app
try: run(app)
finally:
    heavy = ('torch', 'numpy', 'pydantic', 'yaml', 'rich')
    print(json.dumps([name for name in heavy if name in sys.modules]), file=sys.stderr)
"""


def loaded(cwd: Path, *arguments: str, **variables: str) -> list[str]:
    """Return the heavy packages that a command imports."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env=environment(**variables),
    )
    found: list[str] = json.loads(done.stderr.splitlines()[-1])
    return found


def test_completion_and_help_import_nothing_heavy(folder: Path) -> None:
    for line in ("seqtool train-char --set t", "seqtool tag --model t"):
        words = {
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split()) - 1),
            "_SEQTOOL_COMPLETE": "complete_bash",
        }
        assert loaded(folder, **words) == []
    assert loaded(folder, "tag", "--help") == []


def test_options_are_read_without_pydantic(folder: Path) -> None:
    """Typer 0.29 and later import pydantic, which would add a third to the start of `tag`."""
    assert "pydantic" not in loaded(folder, "tag", "--model", "gone", "A text")
