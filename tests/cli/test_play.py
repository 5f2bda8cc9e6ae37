"""`play`: the page of a run and of a model directory, its path, and mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seqtool.reports.play.render import page_script
from tests.support.shell import PROJECT, seqtool, seqtool_in_process
from tests.support.stored_models import store_character_model, store_tagger, store_tokenizer


@pytest.fixture
def here(tmp_path: Path) -> Path:
    store_character_model(tmp_path / "runs/text")
    store_character_model(tmp_path / "runs/pairs", kind="pairs")
    store_tagger(tmp_path / "runs/tagger")
    store_tokenizer(tmp_path / "runs/splitter")
    return tmp_path


@pytest.mark.parametrize("name", ["text", "pairs", "tagger", "splitter"])
def test_page_is_written_into_the_run(here: Path, name: str) -> None:
    done = seqtool("play", name, cwd=here)
    assert (done.code, done.stdout, done.stderr) == (0, f"runs/{name}/play.html\n", "")
    page = (here / "runs" / name / "play.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>") and page_script() in page
    assert seqtool("play", name, cwd=here).code == 0  # it replaces its own page


def test_page_of_a_model_directory_is_written_here(here: Path) -> None:
    (here / "copy").mkdir()
    for file in (here / "runs/text/model").iterdir():
        (here / "copy" / file.name).write_bytes(file.read_bytes())
    done = seqtool("play", "copy", "--json", cwd=here)
    values = json.loads(done.stdout)
    assert (values["page"], values["notes"]) == ("play.html", [])
    assert (here / "play.html").exists()


def test_page_is_written_to_another_path(here: Path) -> None:
    (here / "web").mkdir()
    assert seqtool("play", "text", "--out", "web", cwd=here).stdout == "web/play.html\n"
    assert seqtool("play", "text", "-o", "web/a.html", cwd=here).stdout == "web/a.html\n"


def test_open_shows_the_page(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open_new_tab", opened.append)
    assert seqtool_in_process("play", "text", "--open", cwd=here).code == 0
    assert opened == [(here / "runs/text/play.html").as_uri()]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("txet",), "no model directory, run directory or run of this name"),
        (("text", "--out", "nowhere/x.html"), "nowhere"),
        (("text", "--out", "mine.html"), "did not write it"),
        (("text", "--out", "runs/text/model/weights.safetensors"), "part of"),
    ],
    ids=["run", "folder", "foreign file", "model"],
)
def test_mistake_ends_with_exit_code_2(here: Path, arguments: tuple[str, ...], part: str) -> None:
    (here / "mine.html").write_text("<html>mine</html>")
    done = seqtool("play", *arguments, cwd=here)
    assert done.code == 2 and part in done.stderr and "Traceback" not in done.stderr
    assert (here / "mine.html").read_text() == "<html>mine</html>"


def test_page_needs_no_package_for_reports_and_no_torch(here: Path) -> None:
    for name in ("torch", "jinja2", "matplotlib"):
        error = f"ModuleNotFoundError('No module named {name}', name='{name}')"
        (here / f"{name}.py").write_text(f"raise {error}")
    done = seqtool("play", "text", cwd=here, PYTHONPATH=f"{here}:{PROJECT}")
    assert (done.code, done.stdout) == (0, "runs/text/play.html\n")


def test_page_in_the_documents_is_that_of_this_version() -> None:
    page = (PROJECT / "docs/play.html").read_text(encoding="utf-8")
    assert page_script() in page, "write it again: seqtool play hihell --out docs/play.html"
