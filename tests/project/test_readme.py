"""What README and docs show is true: every `$` line of a console block runs and its output is compared, and every other command
that is mentioned exists with its options.

In a shown output, a line `...` stands for any lines and `...` at a line's end for the rest of it. White space, times, the number of
threads and of processes are not compared.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import typer.main

from seqtool.cli.main import app
from seqtool.evaluation.character import compare_with_training_text
from seqtool.evaluation.text_data import TextPart
from seqtool.evaluation.text_scores import evaluate_text
from seqtool.reports.evaluation import text_report
from seqtool.settings import CharModel
from tests.support.random_models import character_model
from tests.support.shell import PROJECT, environment, inside

DOCUMENTS = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
STARTS_EMPTY = ("notebook.md", "for-learners.md")
NOT_FOR_THE_COMPARISON = [
    (r"\d+(\.\d+)?s in all", "T in all"),
    (r"\d+ threads", "N threads"),
    (r"at most \d+%", "at most P%"),
    (r"\s+", " "),
]
WORDS = (
    ("The", "A", "This", "My"),
    ("dog", "cat", "child", "horse", "bird"),
    ("sleeps", "sings", "reads", "runs"),
)
SENTENCES = "".join(f"{a}\tDET\n{b}\tNOUN\n{c}\tVERB\n\n" for a, b, c in product(*WORDS))


def blocks(document: Path) -> list[list[tuple[str, list[str]]]]:
    """The console blocks of a document: commands with the lines shown under them."""
    found = []
    for text in re.findall(
        r"^```console\n(.*?)^```$", document.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    ):
        commands: list[tuple[str, list[str]]] = []
        for line in text.splitlines():
            if line.startswith("$ "):
                commands.append((line[2:], []))
            else:
                commands[-1][1].append(line)
        found.append(commands)
    return found


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as it is after the first screen of the README, and a file of labelled sentences."""
    folder = tmp_path_factory.mktemp("shop")
    shutil.copytree(PROJECT / "configs", folder / "configs")
    (folder / "data").mkdir()
    shutil.copyfile(PROJECT / "data/toy.conll", folder / "data/toy.conll")
    (folder / "my.conll").write_text(SENTENCES)
    for command, name in (("train-char", "hihell"), ("train-tagger", "toy_tagger")):
        done = inside(command, f"configs/{name}.yaml", "--quiet", cwd=folder)
        assert done.code == 0, done.stderr
    return folder


@pytest.fixture
def folder(request: pytest.FixtureRequest, shop: Path, tmp_path: Path) -> Path:
    """Where a document's commands run."""
    here = tmp_path / "here"
    if request.param.name in STARTS_EMPTY:
        here.mkdir()
    else:
        shutil.copytree(shop, here)
        if request.param.name == "README.md":
            shutil.rmtree(here / "runs")
    return here


@pytest.mark.parametrize(
    ("document", "folder"),
    [(path, path) for path in DOCUMENTS],
    ids=lambda path: path.name,
    indirect=["folder"],
)
def test_what_is_shown_is_what_comes(document: Path, folder: Path) -> None:
    for block in blocks(document):
        for command, shown in block:
            code, output = run(command, folder)
            wrong = any(line.startswith(("error:", "exit code")) for line in shown)
            assert code == 0 or wrong, f"{command}\n{output}"
            if shown:
                assert matches(normal(shown), normal(output.splitlines())), (
                    f"{document.name}: {command}\n{output}"
                )


def run(command: str, folder: Path) -> tuple[int, str]:
    """A command line: in this process where it is one command, else in a shell."""
    words = shlex.split(command)
    if words[0] == "seqtool" and not re.search(r"[|;<>$]", command):
        done = inside(*words[1:], cwd=folder, merged=True)
        return done.code, done.stdout
    function = f'seqtool() {{ "{sys.executable}" -m seqtool "$@"; }}; '
    shell = subprocess.run(
        ["bash", "-c", f"{function}{{ {command}; }} 2>&1"],
        cwd=folder,
        env=environment(),
        capture_output=True,
        check=False,
    )
    return shell.returncode, shell.stdout.decode()


def normal(lines: list[str]) -> list[str]:
    """Lines without what differs from run to run; empty ones left out."""
    text = [line for line in lines if line.strip()]
    for pattern, replacement in NOT_FOR_THE_COMPARISON:
        text = [re.sub(pattern, replacement, line).strip() for line in text]
    return text


def matches(shown: list[str], lines: list[str]) -> bool:
    """Whether shown lines, with their gaps, are those that came."""
    if not shown:
        return not lines
    if shown[0] == "...":
        return any(matches(shown[1:], lines[start:]) for start in range(len(lines) + 1))
    return bool(lines) and _same(shown[0], lines[0]) and matches(shown[1:], lines[1:])


def _same(shown: str, line: str) -> bool:
    return line.startswith(shown[:-3].rstrip()) if shown.endswith("...") else shown == line


def test_gaps_match_what_they_should() -> None:
    assert matches(["a", "...", "c"], ["a", "b", "b", "c"])
    assert matches(["a", "..."], ["a"])
    assert matches(["a b ..."], ["a b c"])
    assert not matches(["a", "c"], ["a", "b", "c"])
    assert not matches(["...", "d"], ["a"])


def test_the_report_on_a_text_looks_as_shown() -> None:
    """Its numbers are those of a run of a minute; its lines are held to those of a tiny model over the same classes of symbols."""
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```\n(\S+ on the val text of its run\n.*?)^```$", text, re.DOTALL | re.MULTILINE)
    model = character_model(CharModel(hidden_size=9, embedding_dim=4), "\n abc,")
    parts = [
        TextPart("val", model.encode("a cab, a bac\nab c" * 30)),
        TextPart("train", model.encode("b cab a, b\nac" * 90)),
    ]
    found = compare_with_training_text(model, evaluate_text(model, parts[0].ids), *parts)
    report = ["runs/shakespeare on the val text of its run", *text_report(found, "char")]
    assert [_form(line) for line in shown.splitlines()] == [_form(line) for line in report]


def _form(line: str) -> str:
    """A line without its numbers and what was copied."""
    return re.sub(r"\s+", " ", re.sub(r"[\d.,]*\d", "N", re.sub(r"(longest copied .*?): .*", r"\1", line)))


# --- commands that are mentioned ----------------------------------------------------------------------------------------


def mentioned(document: Path) -> Iterator[str]:
    """Command lines between backticks and in blocks of other kinds."""
    text = document.read_text(encoding="utf-8")
    for kind, body in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        if kind in ("sh", "bash"):
            yield from re.findall(r"\bseqtool [a-z][^\n;&|]*", body)
    yield from re.findall(
        r"`(seqtool [a-z-][^`\n]*)`", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    )


CONFIG_FILES = sorted((PROJECT / "configs").glob("*.yaml"))
PLACES = [*DOCUMENTS, PROJECT / "configs/README.md"]


@pytest.mark.parametrize("document", PLACES, ids=lambda path: path.parent.name + "/" + path.name)
def test_commands_that_are_mentioned_exist_with_their_options(document: Path) -> None:
    for line in mentioned(document):
        refuse_unknown(line)


@pytest.mark.parametrize("config", CONFIG_FILES, ids=lambda path: path.name)
def test_commands_in_the_configs_exist(config: Path) -> None:
    lines = re.findall(r"^#\s+(seqtool .*)$", config.read_text(encoding="utf-8"), re.MULTILINE)
    assert lines
    for line in lines:
        refuse_unknown(line)


def refuse_unknown(line: str) -> None:
    """Walk down the commands that a line names, and look its options up."""
    words = line.replace("…", "").split()[1:]
    command: Any = typer.main.get_command(app)
    options: set[str] = set()
    for word in words:
        if not word.startswith("-") and word in getattr(command, "commands", {}):
            command = command.commands[word]
        elif word.startswith("--"):
            options.add(re.split(r"[=.,`]", word)[0])
    context = command.context_class(command, info_name="seqtool")
    known = {name for param in command.get_params(context) for name in param.opts}
    assert options <= known, f"{line}: {sorted(options - known)}"
    named = bool(words) and not words[0].startswith("-")
    assert not named or command.name != "seqtool", f"no such command: {line}"


def test_links_lead_somewhere() -> None:
    for document in PLACES:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_what_is_measured_can_be_repeated() -> None:
    """Each row of the table of peers names a script or a config that is there; `the same` is the row's above."""
    text = (
        (PROJECT / "README.md").read_text(encoding="utf-8").split("## Against its peers")[1].split("\n## ")[0]
    )
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in text.splitlines()
        if line.startswith("| ")
    ][1:]
    assert len(rows) > 20
    for what, ours, _, ratio, repeat in rows:
        if what.startswith("**"):
            continue
        assert ours or ratio, what
        scripts = re.findall(r"`(\w+)\.py", repeat) + re.findall(r"tests\.benchmarks\.(\w+)", repeat)
        configs = re.findall(r"\]\((configs/\w+\.yaml)\)", repeat)
        assert scripts or configs or repeat == "the same", what
        assert all((PROJECT / f"tests/benchmarks/{name}.py").is_file() for name in scripts), what
        assert all((PROJECT / config).is_file() for config in configs), what
