"""Documents agree with the program: console blocks show real output, and mentioned commands exist.

Every `$` line of a `console` block is run. In the shown output, a line `...` matches any lines, and `...` at
the end of a line matches the rest of the line. White space, durations and numbers of threads are not
compared. For commands in other blocks and between backticks, the command and its options are looked up.
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

from seqtool.cli.main import COMMANDS, app
from seqtool.evaluation.character import compare_with_training_text
from seqtool.evaluation.text_files import TextPart
from seqtool.evaluation.text_scores import evaluate_text
from seqtool.reports.evaluation import text_report
from seqtool.settings.model import CharModel
from tests.support.random_models import character_model
from tests.support.shell import PROJECT, copy_examples, environment, seqtool_in_process

README = PROJECT / "README.md"
LONGEST_README = 160
DOCUMENTS = [README, *sorted((PROJECT / "docs").glob("*.md"))]
EMPTY_DIRECTORY = ("notebook.md", "for-learners.md")  # their commands start without configs and runs
NOT_COMPARED = [
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


def console_blocks(document: Path) -> list[list[tuple[str, list[str]]]]:
    """Return the console blocks of a document: commands, each with the lines shown under it."""
    blocks = []
    for text in re.findall(
        r"^```console\n(.*?)^```$", document.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    ):
        commands: list[tuple[str, list[str]]] = []
        for line in text.splitlines():
            if line.startswith("$ "):
                commands.append((line[2:], []))
            else:
                commands[-1][1].append(line)
        blocks.append(commands)
    return blocks


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory with the configs, both lecture models, and a file of labeled sentences."""
    folder = tmp_path_factory.mktemp("trained")
    copy_examples(folder)
    (folder / "my.conll").write_text(SENTENCES)
    for command, name in (("train-char", "hihell"), ("train-tagger", "toy_tagger")):
        done = seqtool_in_process(command, f"configs/{name}.yaml", "--quiet", cwd=folder)
        assert done.code == 0, done.stderr
    return folder


@pytest.fixture
def folder(request: pytest.FixtureRequest, trained: Path, tmp_path: Path) -> Path:
    """Directory in which the commands of a document run."""
    here = tmp_path / "here"
    if request.param.name in EMPTY_DIRECTORY:
        here.mkdir()
    else:
        shutil.copytree(trained, here)
        if request.param == README:
            shutil.rmtree(here / "runs")
    return here


@pytest.mark.parametrize(
    ("document", "folder"),
    [(path, path) for path in DOCUMENTS if console_blocks(path)],
    ids=lambda path: path.name,
    indirect=["folder"],
)
def test_console_blocks_show_the_output_of_their_commands(document: Path, folder: Path) -> None:
    for block in console_blocks(document):
        for command, shown in block:
            code, output = run(command, folder)
            failure = any(line.startswith(("error:", "exit code")) for line in shown)
            assert code == 0 or failure, f"{command}\n{output}"
            if shown:
                assert matches(normalize(shown), normalize(output.splitlines())), (
                    f"{document.name}: {command}\n{output}"
                )


def run(command: str, folder: Path) -> tuple[int, str]:
    """Run a command line, in this process if it is a single command, otherwise in a shell."""
    words = shlex.split(command)
    if words[0] == "seqtool" and not re.search(r"[|;<>$]", command):
        done = seqtool_in_process(*words[1:], cwd=folder, merged=True)
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


def normalize(lines: list[str]) -> list[str]:
    """Return the lines that are not empty, without parts that differ from run to run."""
    text = [line for line in lines if line.strip()]
    for pattern, replacement in NOT_COMPARED:
        text = [re.sub(pattern, replacement, line).strip() for line in text]
    return text


def matches(shown: list[str], lines: list[str]) -> bool:
    """Return whether shown lines, with their gaps, match the lines of an output."""
    if not shown:
        return not lines
    if shown[0] == "...":
        return any(matches(shown[1:], lines[start:]) for start in range(len(lines) + 1))
    return bool(lines) and _same(shown[0], lines[0]) and matches(shown[1:], lines[1:])


def _same(shown: str, line: str) -> bool:
    return line.startswith(shown[:-3].rstrip()) if shown.endswith("...") else shown == line


def test_a_gap_matches_any_lines_and_the_rest_of_a_line() -> None:
    assert matches(["a", "...", "c"], ["a", "b", "b", "c"])
    assert matches(["a", "..."], ["a"])
    assert matches(["a b ..."], ["a b c"])
    assert not matches(["a", "c"], ["a", "b", "c"])
    assert not matches(["...", "d"], ["a"])


def test_the_shown_text_evaluation_has_the_lines_of_a_real_one() -> None:
    """The numbers are from a run of a minute. The lines are compared with those of a tiny model."""
    text = (PROJECT / "docs/text-models.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```\n(\S+ on the val text of its run\n.*?)^```$", text, re.DOTALL | re.MULTILINE)
    model = character_model(CharModel(hidden_size=9, embedding_dim=4), "\n abc,")
    parts = [
        TextPart("val", model.encode("a cab, a bac\nab c" * 30)),
        TextPart("train", model.encode("b cab a, b\nac" * 90)),
    ]
    evaluation = compare_with_training_text(model, evaluate_text(model, parts[0].ids), *parts)
    report = ["runs/shakespeare on the val text of its run", *text_report(evaluation, "char")]
    assert [_form(line) for line in shown.splitlines()] == [_form(line) for line in report]


def _form(line: str) -> str:
    """Return a line without its numbers and without the copied passage."""
    return re.sub(r"\s+", " ", re.sub(r"[\d.,]*\d", "N", re.sub(r"(longest copied .*?): .*", r"\1", line)))


def mentioned(document: Path) -> Iterator[str]:
    """Yield the command lines between backticks and in shell blocks."""
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
def test_mentioned_commands_exist_with_their_options(document: Path) -> None:
    assert [name for line in mentioned(document) for name in unknown_names(line)] == []


@pytest.mark.parametrize("config", CONFIG_FILES, ids=lambda path: path.name)
def test_commands_in_the_configs_exist(config: Path) -> None:
    lines = re.findall(r"^#\s+(seqtool .*)$", config.read_text(encoding="utf-8"), re.MULTILINE)
    assert lines
    assert [name for line in lines for name in unknown_names(line)] == []


@pytest.mark.parametrize(
    ("line", "unknown"),
    [
        ("seqtool tag --model x --file", []),
        ("seqtool tga the dog", ["seqtool tga the dog"]),
        ("seqtool tag --nonsense 3", ["--nonsense"]),
        ("seqtool runs rm --yes --all", ["--all"]),
    ],
)
def test_names_that_do_not_exist_are_found(line: str, unknown: list[str]) -> None:
    assert unknown_names(line) == unknown


def unknown_names(line: str) -> list[str]:
    """Return the options of a command line that do not exist, and the line if its command does not."""
    words = line.replace("…", "").split()[1:]
    command: Any = typer.main.get_command(app)
    options: set[str] = set()
    for word in words:
        if not word.startswith("-") and word in getattr(command, "commands", {}):
            command = command.commands[word]
        elif word.startswith("--"):
            options.add(re.split(r"[=.,`]", word)[0])
    context = command.context_class(command, info_name="seqtool", help_option_names=["-h", "--help"])
    known = {name for param in command.get_params(context) for name in param.opts}
    named = bool(words) and not words[0].startswith("-")
    return [*sorted(options - known), *([line] if named and command.name == "seqtool" else [])]


@pytest.mark.parametrize("document", PLACES, ids=lambda path: path.parent.name + "/" + path.name)
def test_mentioned_modules_exist(document: Path) -> None:
    for name in re.findall(r"python -m ((?:seqtool|tests)[\w.]*)", document.read_text(encoding="utf-8")):
        path = PROJECT / name.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), name


def heading_anchors(document: Path) -> set[str]:
    """Return the anchors of the headings of a document, as GitHub writes them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "document", [*PLACES, PROJECT / "CHANGELOG.md"], ids=lambda path: path.parent.name + "/" + path.name
)
def test_links_lead_to_files_and_headings_that_exist(document: Path) -> None:
    text = re.sub(r"`[^`]*`(?!\])", "", document.read_text(encoding="utf-8"))  # code may look like a link
    for link in re.findall(r"\]\(([^):]+)\)", text):
        name, _, anchor = link.partition("#")
        target = document.parent / name if name else document
        assert target.exists(), link
        assert not anchor or anchor in heading_anchors(target), link


def test_the_index_lists_every_document() -> None:
    index = (PROJECT / "docs/README.md").read_text(encoding="utf-8")
    for path in (PROJECT / "docs").glob("*.md"):
        assert path.name == "README.md" or f"]({path.name})" in index, path.name


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= LONGEST_README


def test_the_command_table_lists_every_command() -> None:
    table = README.read_text(encoding="utf-8").split("## Commands")[1].split("\n## ")[0]
    for name in COMMANDS:
        assert f"| `seqtool {name}" in table, name


def test_every_benchmark_row_names_a_script_or_a_config() -> None:
    """The last column of a row is `the same` if the row above names the script."""
    text = (PROJECT / "docs/benchmarks.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in text.splitlines()
        if line.startswith("| ") and not line.startswith("| what |")
    ]
    assert len(rows) > 20
    for what, ours, _, ratio, repeat in rows:
        assert ours or ratio, what
        scripts = re.findall(r"`(\w+)\.py", repeat) + re.findall(r"tests\.benchmarks\.(\w+)", repeat)
        configs = re.findall(r"\]\(\.\./(configs/\w+\.yaml)\)", repeat)
        assert scripts or configs or repeat == "the same", what
        assert all((PROJECT / f"tests/benchmarks/{name}.py").is_file() for name in scripts), what
        assert all((PROJECT / config).is_file() for config in configs), what
