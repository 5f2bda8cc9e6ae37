"""The HTML report: its policy and its contents, in a browser too, with hostile text in every place."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from seqtool.inspection.network import MetricsRow
from seqtool.settings.model import CharModel, Feature
from seqtool.settings.model import TaggerModel as TaggerSettings
from seqtool.storage.model_directory import write_model
from tests.support.browser import CHROMIUM, DRIVER, MISSING, chromium, console_lines, requests, set_size
from tests.support.random_models import FEATURES, Parts, character_parts, tagger_parts
from tests.support.shell import PROJECT, seqtool

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

HOSTILE = "<script>alert('x')</script><img src=http://evil.invalid/x onerror=alert(1)>\x1b[31m\u202e{{7*7}}"
SYMBOLS = "".join(sorted(set(HOSTILE + "\nabcdefgh ABC()")))


def write_run(
    root: Path, name: str, parts: Parts, samples: list[Any], evaluation: dict[str, Any], config: str = ""
) -> Path:
    """Write a run directory like one of training, with random weights."""
    run = root / name
    manifest = {
        "name": name,
        "kind": parts[0]["kind"],
        "seed": 1,
        "epoch": 2,
        "step": 20,
        "scores": {"train_loss": 0.5},
        "seconds": 3.5,
    }
    manifest |= {
        "command": ["train", HOSTILE],
        "data": {f"/far/away/{HOSTILE}": "0" * 64},
        "versions": {"seqtool": "0"},
    }
    write_model(run / "model", *parts, manifest)
    rows = [
        {"epoch": 1, "step": 10, "train_loss": 1.5, "val_loss": 1.6},
        {"epoch": 2, "step": 20, "train_loss": 0.5, "val_loss": None},
    ]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (run / "samples.jsonl").write_text("".join(json.dumps(one) + "\n" for one in samples))
    (run / "evaluation.json").write_text(json.dumps(evaluation))
    (run / "config.yaml").write_text(config or f"# {HOSTILE.replace(chr(27), '')}\n")
    return run


def character_run(root: Path, name: str = "char", hidden: int = 30) -> Path:
    model = CharModel(hidden_size=hidden, embedding_dim=8)
    samples = [
        {"step": 10, "epoch": 1, "text": HOSTILE, "expected": None},
        {"step": 20, "epoch": 2, "text": "abc", "expected": None},
    ]
    report = {
        "symbols": 100,
        "carried": {"nats": 1.5, "bits_per_char": 2.2, "bits_per_byte": 2.1},
        "blocks": {"64": 1.6},
        "classes": {"letters": {"nats": 1.4, "count": 80}},
        "contexts": {"1": 2.5, "5": 1.9, "100": 1.5},
        "ngrams": {"1": 3.0, "2": 2.4},
    }
    return write_run(root, name, character_parts(model, SYMBOLS), samples, {"val": report})


def tagger_run(root: Path, name: str = "tagger") -> Path:
    labels = ("O", "B-<b>", "I-<b>")
    settings = TaggerSettings(features=(*FEATURES, Feature(name="form", dim=2)), hidden_size=6, decoder="crf")
    label = {"hits": 3, "predicted": 4, "support": 5, "precision": 0.75, "recall": 0.6, "f1": 2 / 3}
    tokens = ["The", HOSTILE, "ate", "the", "apple"]
    report = {
        "tokens": 10,
        "accuracy": 0.8,
        "accuracy_interval_95": [0.7, 0.9],
        "sentences": 2,
        "sentence_accuracy": 0.5,
        "known": {"tokens": 8, "accuracy": 0.9},
        "unknown": {"tokens": 0, "accuracy": None},
        "labels": dict.fromkeys(labels, label),
        "confusions": [{"gold": "O", "predicted": "B-<b>", "count": 2}],
        "spans": {**label, "types": {"<b>": label}},
        "worst": [
            {
                "place": f"{HOSTILE}:3",
                "wrong": 1,
                "tokens": tokens,
                "gold": ["O"] * 5,
                "predicted": ["O", "B-<b>", "O", "O", "O"],
            }
        ],
    }
    samples = [{"step": 1, "epoch": 1, "text": "O O", "expected": "O B-<b>"}]
    return write_run(root, name, tagger_parts(settings, labels, scheme="iob2"), samples, {"test": report})


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pages that the command wrote."""
    root = tmp_path_factory.mktemp("report")
    runs = root / "runs"
    character_run(runs)
    tagger_run(runs)
    character_run(runs, "<b>other & one")
    texts = ["--text", HOSTILE + "\nA (b) c\n" * 20, "--find", "regex:b+"]
    results = {
        "char": seqtool("report", "char", *texts, cwd=root),
        "tagger": seqtool("report", "tagger", cwd=root),
        "both": seqtool(
            "report", "char", "<b>other & one", "--text", "abc\nabc", "--out", "both.html", cwd=root
        ),
    }
    for result in results.values():
        assert (result.code, result.stderr) == (0, "")
    assert results["char"].stdout == "runs/char/report.html\n"
    return {name: root / result.stdout.strip() for name, result in results.items()}


# --- the page as text -------------------------------------------------------------------------------------


def test_policy_admits_only_the_script_of_the_page(pages: dict[str, Path]) -> None:
    for path in pages.values():
        text = path.read_text(encoding="utf-8")
        policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
        assert policy is not None
        scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(scripts[-1].encode()).digest()).decode()
        rules = policy[1].replace("&#39;", "'").split("; ")
        assert rules == [
            "default-src 'none'",
            "style-src 'unsafe-inline'",
            "img-src data:",
            f"script-src 'sha256-{digest}'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
        assert len(scripts) == 1 and len(re.findall(r"<script", text)) == 1 + text.count(
            '<script type="application/json"'
        )


def test_page_has_no_control_characters_and_no_external_addresses(pages: dict[str, Path]) -> None:
    for path in pages.values():
        text = path.read_text(encoding="utf-8")
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
        assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", text)
        assert len(text) < 2_000_000


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (None, "There is no evaluation.json"),
        ("{", "evaluation.json is damaged"),
        ("[]", "evaluation.json is damaged"),
        ('{"val": {"symbols": 1}}', "evaluation.json is damaged"),
        ('{"val": {"labels": {"O": 1}}}', "evaluation.json is damaged"),
    ],
    ids=["missing", "no JSON", "no object", "no report", "no scores"],
)
def test_page_has_a_note_about_a_missing_or_damaged_evaluation(
    tmp_path: Path, content: str | None, note: str
) -> None:
    path = character_run(tmp_path / "runs") / "evaluation.json"
    path.unlink() if content is None else path.write_text(content)
    result = seqtool("report", "char", cwd=tmp_path)
    assert (result.code, result.stderr) == (0, "")
    assert note in (tmp_path / result.stdout.strip()).read_text()


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("chra",), "no model directory, run directory or run of this name"),
        (("char", "--find", "regex:("), "unterminated"),
        (("char", "--out", "nowhere/x.html"), "nowhere"),
        (("char", "--text", "Ж"), "not in the alphabet"),
    ],
    ids=["run", "pattern", "output", "text"],
)
def test_mistake_ends_with_exit_code_2(tmp_path: Path, arguments: tuple[str, ...], part: str) -> None:
    character_run(tmp_path / "runs")
    result = seqtool("report", *arguments, cwd=tmp_path)
    assert result.code == 2 and part in result.stderr and "Traceback" not in result.stderr


def test_error_without_jinja2_names_the_extra(tmp_path: Path) -> None:
    character_run(tmp_path / "runs")
    (tmp_path / "jinja2.py").write_text("raise ModuleNotFoundError('No module named jinja2', name='jinja2')")
    result = seqtool("report", "char", cwd=tmp_path, PYTHONPATH=f"{tmp_path}:{PROJECT}")
    assert result.code == 2 and "seqtool[report]" in result.stderr


# --- the page in a browser --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    if not (CHROMIUM and DRIVER):
        pytest.skip(MISSING)
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


def open_page(browser: Chrome, path: Path) -> None:
    requests(browser), console_lines(browser)
    browser.get(path.as_uri())


@pytest.mark.parametrize("name", ["char", "tagger", "both"])
def test_page_requests_nothing_and_logs_no_error(browser: Chrome, pages: dict[str, Path], name: str) -> None:
    open_page(browser, pages[name])
    assert console_lines(browser) == []
    assert requests(browser) == [pages[name].as_uri()]
    assert (
        browser.execute_script("return document.querySelectorAll('img, iframe, object, b > b').length") == 0
    )
    text = str(browser.execute_script("return document.body.textContent"))
    assert "<script>alert('x')</script>" in text
    assert "{{7*7}}" in text and "␛[31m" in text  # braces are text, and ESC is visible
    charts = browser.execute_script(
        "return [...document.querySelectorAll('svg')].map(one => one.getBoundingClientRect().height)"
    )
    assert charts and min(charts) > 100


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("name", ["char", "tagger", "both"])
def test_page_is_as_wide_as_the_screen(
    browser: Chrome, pages: dict[str, Path], name: str, width: int
) -> None:
    set_size(browser, width, 900, dark=width == 400)
    open_page(browser, pages[name])
    assert int(browser.execute_script("return document.documentElement.scrollWidth")) <= width
    paper = str(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
    assert paper == ("rgb(21, 23, 26)" if width == 400 else "rgb(253, 253, 252)")


def test_choice_of_a_unit_colors_the_text(browser: Chrome, pages: dict[str, Path]) -> None:
    set_size(browser, 1280, 900)
    open_page(browser, pages["char"])

    def colors() -> list[str]:
        script = "return [...document.querySelectorAll('.cell b')].map(one => one.style.backgroundColor)"
        return [str(one) for one in browser.execute_script(script)]

    first = colors()
    assert len(first) == len(HOSTILE + "\nA (b) c\n" * 20) and len(set(first)) > 3
    browser.execute_script(
        "const s = document.querySelector('.slide'); s.value = 1; s.dispatchEvent(new Event('input'))"
    )
    second = colors()
    assert second != first
    assert browser.execute_script("return document.querySelector('.pick').selectedIndex") == 1
    browser.find_element("css selector", ".by-bits").click()
    assert colors() not in (first, second)
    assert "bits, " in browser.find_element("css selector", ".reading .sum").text
    browser.find_element("css selector", ".cell").click()
    assert len(browser.find_elements("css selector", ".detail li")) == 5
    options = [option.text for option in browser.find_elements("css selector", ".pick option")]
    assert any("brackets" in option for option in options) and any("regex:b+" in option for option in options)


def test_several_runs_share_the_table_and_the_chart(browser: Chrome, pages: dict[str, Path]) -> None:
    open_page(browser, pages["both"])
    heads = [
        one.text for one in browser.find_elements("css selector", "section:first-of-type .facts thead th")
    ]
    assert heads == ["char", "<b>other & one"]
    legend = str(browser.execute_script("return document.querySelector('.charts svg').textContent"))
    assert "char: training" in legend and "<b>other & one: training" in legend


# --- charts and wide tables ---------------------------------------------------------------------------------


def rows_of(epochs: list[float]) -> list[MetricsRow]:
    return [
        MetricsRow(epoch, {"step": 10 * (place + 1), "train_loss": 1 / (place + 1), "val_loss": 0.9})
        for place, epoch in enumerate(epochs)
    ]


def test_rows_of_one_epoch_are_drawn_over_steps() -> None:
    from seqtool.reports.html.page import LOSSES, _training_curves, time_axis

    assert time_axis([rows_of([1, 2, 3]), rows_of([3, 4])]) == "epoch"
    rows = rows_of([1, 1, 1])
    assert time_axis([rows]) == "step"
    curves, _ = _training_curves([("one", rows)], LOSSES, "step")
    assert [x for x, _ in curves["training"]] == [10, 20, 30]
    assert time_axis([[MetricsRow(1, {"train_loss": 1.0})] * 2]) == "epoch"  # an old run without steps


def test_legend_is_below_the_curves(browser: Chrome, pages: dict[str, Path]) -> None:
    set_size(browser, 1280, 900)
    open_page(browser, pages["both"])
    script = """
    const svg = document.querySelector('.charts svg'), box = (part) => part.getBoundingClientRect();
    const lines = [...svg.querySelectorAll('g[id*="axes_1"] g[id*="line2d"]')].map((one) => box(one).bottom);
    return [Math.max(...lines), box(svg.querySelector('g[id*="legend"]')).top];
    """
    lowest, legend = browser.execute_script(script)
    assert legend >= lowest


def test_curves_of_a_run_differ_in_dash_and_marker() -> None:
    from seqtool.reports.html.page import Chart, draw_chart

    styles = {"a: training": (0, 0), "a: validation": (0, 1)}
    curves = {name: [(1, 1.0), (2, 0.5)] for name in styles}
    svg = str(draw_chart(curves, Chart("loss", "epoch", "nats", styles)))
    assert svg.count("stroke-dasharray") >= 2 and "fill: none" in svg


def test_wide_table_is_marked(browser: Chrome, tmp_path: Path) -> None:
    run = tagger_run(tmp_path / "runs")
    names = [f"label{number}" for number in range(40)]
    report = json.loads((run / "evaluation.json").read_text())
    report["test"]["labels"] = dict.fromkeys(names, report["test"]["labels"]["O"])
    report["test"]["confusions"] = [{"gold": names[0], "predicted": names[39], "count": 2}]
    (run / "evaluation.json").write_text(json.dumps(report))
    done = seqtool("report", "tagger", cwd=tmp_path)
    assert done.code == 0, done.stderr
    for width in (420, 1280):
        set_size(browser, width, 900)
        browser.get((tmp_path / done.stdout.strip()).as_uri())
        frame = browser.find_element("xpath", "//table[@class='matrix']/..")
        assert "wide" in (frame.get_attribute("class") or "").split()
        sign = browser.find_element("xpath", "//table[@class='matrix']/../following-sibling::p")
        assert "scroll it sideways" in sign.text and frame.get_attribute("tabindex") == "0"
