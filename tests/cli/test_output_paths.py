"""Output paths of all commands: none may be an input, a model file or a run file; `runs rm`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer

from seqtool.cli.main import app
from tests.support.shell import Result, in_terminal, seqtool, seqtool_in_process
from tests.support.stored_models import store_character_model, store_tagger

ONNX = pytest.mark.skipif(find_spec("onnxruntime") is None, reason="no onnxruntime")
REPORT = pytest.mark.skipif(find_spec("matplotlib") is None, reason="no matplotlib")
GOLD = "the\tDET\ndog\tNN\n\n"
RUN_FILES = ("config.yaml", "metrics.jsonl", "samples.jsonl", "evaluation.json")

# Every option that names an output, by command: arguments without that option, and the inputs among them.
COMMANDS = [
    pytest.param("export text --to onnx --out", [], marks=ONNX, id="export --to onnx --out"),
    pytest.param(
        "export tagger --dtype float16 --data gold.conll --out", ["gold.conll"], id="export --dtype --out"
    ),
    pytest.param("evaluate tagger gold.conll --suspects", ["gold.conll"], id="evaluate --suspects"),
    pytest.param("inspect text --file text.txt --states", ["text.txt"], id="inspect --states"),
    pytest.param("inspect net.yaml --text aab --states", ["net.yaml"], id="inspect CONFIG --states"),
    pytest.param("report text --file text.txt --out", ["text.txt"], marks=REPORT, id="report --out"),
    pytest.param("play text --out", [], id="play --out"),
]
OUTPUT_OPTIONS = {
    ("export", "--out"),
    ("evaluate", "--suspects"),
    ("inspect", "--states"),
    ("report", "--out"),
    ("play", "--out"),
}
# Other options with a path: inputs, and the directory of all runs.
OTHER_PATHS = {
    "--file",
    "--data",
    "--prompt-file",
    "--prompts",
    "--dev",
    "--test",
    "--space",
    "--train-text",
    "--runs-dir",
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Write two runs with models, inputs, links and pipes."""
    return make_place(tmp_path)


def make_place(tmp_path: Path) -> Path:
    """Write two runs with models, inputs, links and pipes."""
    runs = tmp_path / "runs"
    store_tagger(runs / "tagger")
    store_character_model(runs / "text")
    for run in ("tagger", "text"):
        for name in RUN_FILES:
            (runs / run / name).write_text("" if name.endswith("l") and name != "config.yaml" else "{}")
        (runs / run / "config.yaml").unlink()
    (runs / "text.partial/checkpoints/000001").mkdir(parents=True)
    (runs / "text.partial/checkpoints/000001/manifest.json").write_text("{}")
    (runs / "text.partial/checkpoints/000001/tensors.safetensors").write_text("")
    (tmp_path / "gold.conll").write_text(GOLD * 3)
    (tmp_path / "text.txt").write_text("abc\n" * 9)
    (tmp_path / "net.yaml").write_text("task: char\nname: n\ndata: {alphabet: ab}\nmodel: {hidden_size: 3}\n")
    (tmp_path / "thesis.tex").write_text("the user's")
    (tmp_path / "link").symlink_to("thesis.tex")
    (tmp_path / "web").mkdir()
    (tmp_path / "web/manifest.json").write_text('{"name": "a web page"}')
    (tmp_path / "web/index.html").write_text("the user's")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


def snapshot(folder: Path) -> dict[str, object]:
    """Return the content or the kind of every entry below a directory."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        if path.is_file() and not path.is_symlink()
        else path.lstat().st_mode
        for path in sorted(folder.rglob("*"))
    }


def path_options(command: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield every option of a command and its subcommands that takes a path."""
    for inner, subcommand in getattr(command, "commands", {}).items():
        yield from path_options(subcommand, f"{name} {inner}".strip())
    for parameter in command.params:
        names = [option for option in parameter.opts if option.startswith("--")]
        if names and "path" in str(parameter.type).lower():
            yield name, names[0]


def test_every_option_with_a_path_is_an_input_or_tested_here() -> None:
    options = set(path_options(typer.main.get_command(app)))
    assert {(name, option) for name, option in options if option not in OTHER_PATHS} == OUTPUT_OPTIONS
    assert {str(param.values[0]).partition(" ")[0] for param in COMMANDS} == {
        name for name, _ in OUTPUT_OPTIONS
    }


@pytest.mark.parametrize(("arguments", "inputs"), COMMANDS)
def test_no_output_path_is_an_input_a_model_or_a_run_file(
    arguments: str, inputs: list[str], place: Path
) -> None:
    before = snapshot(place)
    refused = [
        *inputs,
        *(
            f"runs/{run}/model/{name}"
            for run in ("text", "tagger")
            for name in ("weights.safetensors", "new")
        ),
        "runs/text/model",
        "runs/tagger",
        *(f"runs/tagger/{name}" for name in RUN_FILES),
        "runs/text.partial/checkpoints/000001/new",
        "runs/text.partial/lock",
        "link",
        "pipe",
        "web/index.html" if "--dtype" in arguments else "link",
        "web" if "--dtype" in arguments else "pipe",
    ]
    for path in refused:
        done = seqtool_in_process(*arguments.split(), path, cwd=place)
        if path == "runs/tagger" and arguments.startswith(("report", "play")):
            continue  # a directory: the page is written into it
        assert done.code == 2, (path, done)
        assert path in done.stderr and "hint: " in done.stderr, (path, done.stderr)
        assert "Traceback" not in done.stderr
        assert done.stdout == ""
        for page in ("report.html", "play.html"):
            (place / "runs/tagger" / page).unlink(missing_ok=True)
        assert snapshot(place) == before, path


@pytest.mark.parametrize(("arguments", "inputs"), COMMANDS)
def test_output_is_written_to_other_paths(arguments: str, inputs: list[str], place: Path) -> None:  # noqa: ARG001
    before = snapshot(place)
    done = seqtool_in_process(*arguments.split(), "new", cwd=place)
    assert done.code == 0, done.stderr
    after = snapshot(place)
    assert any(path.startswith("new") for path in after)
    assert {path: value for path, value in after.items() if path in before} == before


FILES = [param for param in COMMANDS if "--dtype" not in str(param.values[0])]  # these write a plain file
FOREIGN = (b"the user's", b"\0" * 9000, b"<html>a page of the user</html>", GOLD.encode())


@pytest.mark.parametrize(("arguments", "inputs"), FILES)
def test_file_of_the_user_is_not_replaced_and_one_of_seqtool_is(
    arguments: str, inputs: list[str], place: Path
) -> None:
    for content in FOREIGN:
        (place / "mine").write_bytes(content)
        before = snapshot(place)
        done = seqtool_in_process(*arguments.split(), "mine", cwd=place)
        assert (done.code, done.stdout) == (2, "")
        assert "mine  this file exists, and this command did not write it" in done.stderr
        assert "or delete the file" in done.stderr
        assert snapshot(place) == before
    (place / "new").touch()
    for _ in range(2):
        done = seqtool_in_process(*arguments.split(), "new", cwd=place)
        assert done.code == 0, (inputs, done.stderr)
    assert (place / "new").stat().st_size > 0


@REPORT
def test_default_page_of_the_user_in_a_run_is_not_replaced(place: Path) -> None:
    (place / "runs/text/report.html").write_text("the user's")
    before = snapshot(place)
    done = seqtool_in_process("report", "text", cwd=place)
    assert (done.code, "did not write it" in done.stderr) == (2, True)
    assert snapshot(place) == before


def test_float16_copy_replaces_only_a_verified_model(place: Path) -> None:
    call = ("export", "tagger", "--dtype", "float16", "--data", "gold.conll", "--out", "copy")
    (place / "copy.old").mkdir()
    (place / "copy.old/thesis.tex").write_text("the user's")
    for _ in range(2):
        assert seqtool_in_process(*call, cwd=place).code == 0
    vocabulary = place / "copy/vocab.json"
    vocabulary.write_bytes(vocabulary.read_bytes() + b" ")
    before = snapshot(place)
    done = seqtool_in_process(*call, cwd=place)
    assert (done.code, "found something else" in done.stderr) == (2, True)
    assert snapshot(place) == before


def test_init_does_not_overwrite_its_data(tmp_path: Path) -> None:
    (tmp_path / "poems.yaml").write_text("a rose is a rose\n" * 200)
    before = snapshot(tmp_path)
    done = seqtool_in_process("init", "char", "poems.yaml", "--overwrite", cwd=tmp_path)
    assert (done.code, "an input of the command" in done.stderr) == (2, True)
    assert snapshot(tmp_path) == before


def test_init_does_not_replace_a_schema_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "seqtool-schema.json").write_text('{"title": "mine"}')
    before = snapshot(tmp_path)
    assert seqtool_in_process("init", "char", cwd=tmp_path).code == 2
    assert snapshot(tmp_path) == before


def test_training_does_not_replace_its_data(place: Path) -> None:
    for folder in ("runs/own.partial", "runs/own"):
        (place / folder).mkdir()
        path = place / folder / "samples.jsonl"
        path.write_text("a rose is a rose\n" * 200)
        before = snapshot(place)
        done = seqtool_in_process(
            "train-char", path.relative_to(place), "--name", "own", "--overwrite", cwd=place
        )
        assert done.code == 2, done
        assert "which the run replaces" in done.stderr
        shutil.rmtree(place / "runs/.cache", ignore_errors=True)
        assert snapshot(place) == before


# --- runs rm ------------------------------------------------------------------------------------------------


def remove(place: Path, *arguments: str) -> Result:
    return seqtool_in_process("runs", "rm", *arguments, cwd=place)


def test_rm_without_a_terminal_needs_yes(place: Path) -> None:
    before = snapshot(place)
    done = remove(place, "tagger")
    assert (done.code, done.stdout) == (2, "")
    assert "tagger, " in done.stderr
    assert "seqtool runs rm --yes tagger" in done.stderr
    assert snapshot(place) == before
    assert remove(place, "tagger", "--yes").code == 0
    assert not (place / "runs/tagger").exists()


def test_rm_lists_all_runs_of_a_sweep_before_it_asks(place: Path) -> None:
    for number in range(3):
        store_tagger(place / f"runs/s/trial-{number:03d}")
    (place / "runs/s/sweep.db").write_bytes(b"1")
    (place / "runs/s/best.yaml").write_text("{}")
    done = remove(place, "s")
    assert done.code == 2
    assert [line.strip() for line in done.stderr.splitlines()[2:5]] == [
        f"s/trial-{number:03d}" for number in range(3)
    ]
    assert remove(place, "s", "--yes").stdout.startswith("removed s, ")
    assert not (place / "runs/s").exists()


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 0), ("\n", 0)])
def test_rm_asks_on_a_terminal(answer: str, code: int, place: Path) -> None:
    done = in_terminal("runs", "rm", "tagger", cwd=place, keys=answer)
    assert done.code == code
    assert "delete? [y/N]" in done.stdout
    assert (place / "runs/tagger").exists() == (answer != "y\n")
    assert ("nothing was deleted" in done.stdout) == (answer != "y\n")


@pytest.mark.parametrize("name", ["tagger/model", "runs/tagger/model", "text.partial/checkpoints"])
def test_rm_refuses_a_part_of_a_run(name: str, place: Path) -> None:
    before = snapshot(place)
    done = remove(place, "--yes", name)
    assert done.code == 2
    assert "part of the run" in done.stderr or "no run of this name" in done.stderr
    assert snapshot(place) == before


def test_rm_refuses_a_run_with_a_file_of_the_user(place: Path) -> None:
    (place / "runs/tagger/thesis.tex").write_text("the user's")
    before = snapshot(place)
    done = remove(place, "--yes", "text", "tagger")
    assert (done.code, "did not write: thesis.tex" in done.stderr) == (2, True)
    assert snapshot(place) == before


def test_rm_completes_an_interrupted_deletion(place: Path) -> None:
    (place / "runs/tagger").rename(place / "runs/.tagger.seqtool-removed")
    done = remove(place, "--yes", "tagger")
    assert (done.code, done.stdout.split(",")[0]) == (0, "removed tagger")
    assert not list((place / "runs").glob(".*"))


def test_runs_does_not_wait_for_a_pipe_as_lock(place: Path) -> None:
    os.mkfifo(place / "runs/text.partial/lock")
    done = seqtool("runs", cwd=place, timeout=20)
    assert done.code == 0
    assert "text.partial" in done.stdout
