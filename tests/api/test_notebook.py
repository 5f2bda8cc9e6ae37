"""Notebooks: live table of `train`, pictures, tables, colored labels, play page, the lecture's notebook."""

from __future__ import annotations

import copy
import math
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest

import seqtool
from seqtool.api.analysis import TaggedSentences
from seqtool.reports import notebook as notebook_module
from seqtool.reports.notebook import NotebookScreen, facts_html, in_notebook, label_hues, tagged_html
from seqtool.reports.svg_chart import line_chart_svg, training_charts
from tests.support.browser import CHROMIUM, DRIVER, MISSING, chromium, console_lines
from tests.support.shell import PROJECT
from tests.support.stored_models import store_character_model, store_tagger

if TYPE_CHECKING:
    from nbformat import NotebookNode

LECTURE = PROJECT / "docs/lecture.ipynb"
DURATION = re.compile(r"\d+(\.\d)?s|\d+:\d\d")
CONFIG = PROJECT / "configs/hihell.yaml"
HOSTILE = "<script>alert(1)</script>&\"'\x1b[31m"


class Elements(HTMLParser):
    """Elements and text of HTML."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


class FakeDisplay:
    """A frontend that counts outputs and keeps what they show."""

    def __init__(self) -> None:
        self.outputs = 0
        self.contents: list[Mapping[str, str]] = []

    def display(self, data: Mapping[str, str], *, raw: bool, display_id: bool) -> FakeDisplay:
        assert raw and display_id
        self.outputs += 1
        self.contents.append(data)
        return self

    def update(self, data: Mapping[str, str], *, raw: bool) -> None:
        assert raw
        self.contents.append(data)


@pytest.fixture
def frontend(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDisplay]:
    """Let this process look like a kernel."""
    fake = FakeDisplay()
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=fake.display))
    yield fake


# --- the lecture --------------------------------------------------------------------------------------------


def outputs_of(notebook: NotebookNode) -> list[list[dict[str, Any]]]:
    """Return the outputs of each cell of code, without durations, threads and play pages."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        contents = []
        for output in cell.outputs:
            data = dict(output.get("data", {"text": output.get("text", "")}))
            if "srcdoc" in data.get("text/html", ""):
                del data["text/html"]
            texts = {kind: DURATION.sub("TIME", str(text)) for kind, text in data.items()}
            texts = {kind: re.sub(r"\d+ threads?|\d+ kB", "N", text) for kind, text in texts.items()}
            contents.append({"type": output.output_type, **texts})
        found.append(contents)
    return found


@pytest.mark.slow
def test_lecture_notebook_prints_its_outputs_again(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    from tests.support.notebooks import execute

    notebook = nbformat.read(LECTURE, as_version=4)
    expected = outputs_of(copy.deepcopy(notebook))
    execute(notebook, tmp_path)
    found = outputs_of(notebook)
    different = [pair for pair in zip(found, expected, strict=True) if pair[0] != pair[1]]
    assert different == [], "write it again: python docs/make_lecture.py"
    by_source = {cell.source: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
    (live,) = by_source['run = seqtool.train("configs/hihell.yaml")']  # one output, which was replaced
    rows = re.findall(r"\d+\t\d\.\d+\t\w+", live.data["text/plain"])
    assert (rows[0], rows[14]) == ("1\t1.658\tllllol", "15\t0.312\tihello") and len(rows) == 15
    assert live.data["text/html"].count("<tr>") == 16 and live.data["text/html"].count("<svg") == 1
    (page,) = by_source["model.play()"]
    assert page.data["text/html"].startswith('<iframe sandbox="allow-scripts"')
    tagged = by_source['tagger_run.model.tag(["The dog ate the apple", "Everybody read that book"])'][0]
    assert tagged.data["text/plain"] == "[['DET', 'NN', 'V', 'DET', 'NN'], ['NN', 'V', 'DET', 'NN']]"


# --- the live table -----------------------------------------------------------------------------------------


def test_training_shows_one_output_that_is_replaced(
    frontend: FakeDisplay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(notebook_module, "REDRAW_EVERY", 0)
    run = seqtool.train(CONFIG, {"training.epochs": 25}, runs_dir=tmp_path)
    assert capsys.readouterr() == ("", "")
    assert frontend.outputs == 1 and len(frontend.contents) > 25
    last, page = frontend.contents[-1], Elements(frontend.contents[-1]["text/html"])
    assert page.names.count("tr") == 21 and page.names.count("svg") == 1
    assert "5 earlier rows: see " in page.texts and str(run.path / "model") in last["text/html"]
    lines = last["text/plain"].splitlines()
    assert "epoch\tloss\tprediction" in lines and "15\t0.312\tihello" in lines
    assert not any(line.startswith("next:") for line in lines)  # it is a command for a shell
    moving = [one["text/plain"].splitlines()[-1] for one in frontend.contents[:-1]]
    assert any(re.fullmatch(r"epoch \d+, step \d+, loss \d\.\d+", line) for line in moving)
    assert "step" not in lines[-1]


def test_redrawing_is_limited(frontend: FakeDisplay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook_module, "REDRAW_EVERY", 1e9)
    seqtool.train(CONFIG, runs_dir=tmp_path)
    assert len(frontend.contents) < 6  # the ends of training, evaluation and run, not the 15 rows and steps
    assert "15\t0.312\tihello" in frontend.contents[-1]["text/plain"]


def test_error_shows_the_last_state(frontend: FakeDisplay, tmp_path: Path) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("stop")

    with pytest.MonkeyPatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(NotebookScreen, "run_started", fail)
        seqtool.train(CONFIG, runs_dir=tmp_path)
    assert "69 parameters" in frontend.contents[-1]["text/plain"]


def test_several_parts_have_one_table_and_their_curves() -> None:
    rows = [
        {"part": part, "epoch": epoch, "step": epoch, "train_loss": 1 / epoch, "val_loss": 2 / epoch}
        for part in ("tokenizer", "tagger")
        for epoch in (1, 2)
    ]
    charts = training_charts(rows)
    assert len(charts) == 2 and "tokenizer train_loss" in charts[0] and "tagger val_loss" in charts[1]


def test_python_outside_of_notebooks_prints_lines_and_imports_no_ipython(tmp_path: Path) -> None:
    assert not in_notebook()
    code = (
        "import sys, seqtool; run = seqtool.train(sys.argv[1], runs_dir=sys.argv[2]); run.plot();"
        "run._repr_html_(); run.model._repr_html_();"
        "print('IPython' in sys.modules, 'matplotlib' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(CONFIG), str(tmp_path)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0] == "epoch\tloss\tprediction" and lines[-1] == "False False"


def test_ipython_in_a_terminal_is_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = SimpleNamespace()  # the shell of a terminal has no kernel
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert not in_notebook()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert not in_notebook()


# --- pictures -----------------------------------------------------------------------------------------------


def points_of(svg: str) -> list[list[tuple[float, float]]]:
    """Return the points of each curve, in pixels."""
    paths = re.findall(r'<path d="M([\d. L]+)" fill="none"', svg)
    return [[tuple(map(float, point.split())) for point in path.split("L")] for path in paths]  # type: ignore[misc]


def test_chart_places_points_by_their_values() -> None:
    svg = line_chart_svg({"a": [(1, 4.0), (2, 2.0), (3, 0.0)], "b": [(1, 0.0), (3, 1.0)]}, "epoch")
    root = ElementTree.fromstring(svg)
    assert root.tag.endswith("svg")
    first, second = points_of(svg)
    (x1, top), (x2, middle), (x3, bottom) = first
    assert x2 == (x1 + x3) / 2 and middle == (top + bottom) / 2 and top < bottom
    assert second[0] == (x1, bottom)
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert {"a", "b", "epoch", "0", "4", "1", "2", "3"} <= set(texts)


@pytest.mark.parametrize("values", [[1.0], [2.0, 2.0], [0.0], [1e-9, 2e-9], [1e12, -1e12], [-3.0, -3.0]])
def test_chart_of_few_or_equal_values_is_drawn(values: list[float]) -> None:
    svg = line_chart_svg({"loss": list(enumerate(values, 1))}, "epoch")
    ElementTree.fromstring(svg)
    (points,) = points_of(svg)
    assert len(points) == len(values) and all(0 <= number <= 420 for point in points for number in point)


def test_missing_and_infinite_values_are_left_out() -> None:
    rows: list[dict[str, object]] = [
        {"epoch": 1, "step": 1, "train_loss": math.inf},
        {"epoch": 2, "step": 2, "train_loss": 1.0},
        {"epoch": 3, "step": 3, "train_loss": None},
        {"epoch": 4, "step": 4, "train_loss": 0.5},
    ]
    (svg,) = training_charts(rows)
    assert len(points_of(svg)[0]) == 2
    assert training_charts([]) == []


def test_rows_of_one_epoch_are_drawn_over_steps() -> None:
    rows = [{"epoch": 1, "step": step, "train_loss": 1 / step} for step in (10, 20, 30)]
    (svg,) = training_charts(rows)
    assert ">step</text>" in svg and len({x for x, _ in points_of(svg)[0]}) == 3


# --- runs, models and labels --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("notebook")
    store_tagger(root / "tagger")
    store_character_model(root / "text")
    return root


def test_models_have_a_short_repr_and_a_table(runs: Path) -> None:
    model = seqtool.load("tagger", runs_dir=runs)
    assert re.fullmatch(r"<Model [^\n]*tagger: tagger[^\n]*>", repr(model)) and len(repr(model)) < 200
    page = Elements(model._repr_html_())
    assert "table" in page.names and any("tagger, " in text for text in page.texts)
    assert any("labels" in text for text in page.texts)


def test_labels_are_a_plain_list_and_keep_their_tokens(runs: Path) -> None:
    model = seqtool.load("tagger", runs_dir=runs)
    found = model.tag([["The", "dog"], ["ate"]])
    assert isinstance(found, list) and found == [list(one) for one in found]
    assert repr(found) == repr(list(found))
    again = pickle.loads(pickle.dumps(found))
    assert again == found and again._repr_html_() == found._repr_html_() == copy.deepcopy(found)._repr_html_()
    texts = Elements(found._repr_html_()).texts
    assert texts == ["The", found[0][0], "dog", found[0][1], "ate", found[1][0]]
    analyzed = model.analyze("The dog ate")
    assert [token.form for token in analyzed[0]] == ["The", "dog", "ate"]
    assert "dog" in Elements(analyzed._repr_html_()).texts
    assert pickle.loads(pickle.dumps(analyzed)) == analyzed


def test_labels_of_one_kind_share_a_color_and_others_differ() -> None:
    hues = label_hues(["O", "B-PER", "I-PER", "B-LOC", "_", "NOUN", "X-Y"])
    assert list(hues) == ["PER", "LOC", "NOUN", "X-Y"] and len(set(hues.values())) == 4
    assert len(set(label_hues([f"L{number}" for number in range(50)]).values())) == 50
    html = tagged_html([(["Ann", "in", "Rome"], ["B-PER", "O", "B-LOC"])], hues)
    assert html.count("background:hsl(") == 2


def test_text_of_users_is_escaped() -> None:
    tagged = TaggedSentences([[HOSTILE, "O"]], [[HOSTILE, "</span><img src=x onerror=alert(1)>"]], [HOSTILE])
    curves = {HOSTILE: [(1.0, 1.0), (2.0, 2.0)]}
    for html in (
        tagged._repr_html_(),
        facts_html(HOSTILE, {HOSTILE: HOSTILE}),
        line_chart_svg(curves, HOSTILE),
    ):
        page = Elements(html)
        assert not {"script", "img"} & set(page.names) and "\x1b" not in html
        assert any("<script>" in text for text in page.texts)


def test_hostile_predictions_are_escaped(frontend: FakeDisplay, tmp_path: Path) -> None:
    pair = "<b>&\"'"
    config = {
        "task": "char",
        "name": "hostile",
        "data": {"pairs": [[pair, pair[::-1]]]},
        "model": {"cell": "rnn", "input": "onehot", "hidden_size": 3},
        "training": {"epochs": 2, "device": "cpu"},
    }
    seqtool.train(config, runs_dir=tmp_path)
    page = Elements(frontend.contents[-1]["text/html"])
    assert "b" not in page.names and any("<" in text for text in page.texts)


def test_play_page_runs_in_its_frame(runs: Path, tmp_path: Path) -> None:
    """The page computes and passes its self-test, but the frame keeps it from the document around it."""
    page = seqtool.load("text", runs_dir=runs).play(height=500)
    assert re.fullmatch(r"<PlayPage of text: \d+ kB; save\(path\) writes it>", repr(page))
    page.save(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page.html
    (tmp_path / "mine.html").write_text("mine")
    with pytest.raises(seqtool.SeqtoolError, match="did not write it"):
        page.save(tmp_path / "mine.html")
    if not (CHROMIUM and DRIVER):
        pytest.skip(MISSING)
    outer = tmp_path / "notebook.html"
    outer.write_text(
        f"<!DOCTYPE html><meta charset='utf-8'><link rel=icon href='data:,'>{page._repr_html_()}"
    )
    with chromium(tmp_path / "profile") as browser:
        browser.get(outer.as_uri())
        assert console_lines(browser) == []
        browser.switch_to.frame(0)
        assert "passed" in browser.find_element("id", "self-test").text
        script = "try { return String(parent.document.title) } catch (error) { return error.name }"
        assert browser.execute_script(script) == "SecurityError"
