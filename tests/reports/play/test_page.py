"""The play page in a browser: policy, hostile content, sampling, states, hidden words, keyboard."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from seqtool.inference.load import load_character_model, load_tagger
from seqtool.inference.sampling import Sampler
from seqtool.reports.play import weights as play_weights
from seqtool.reports.play.weights import pack, shown_weights
from seqtool.settings.model import CharModel, Feature, TaggerModel, TokenizerModel
from seqtool.storage.model_directory import StoredModel
from seqtool.types import Arrays
from tests.support.browser import CHROMIUM, DRIVER, MISSING, chromium, console_lines, set_size
from tests.support.play_pages import (
    FEATURES,
    LETTERS,
    PLAIN_LABELS,
    open_page,
    random_character_parts,
    several_labels_parts,
    write_page,
)
from tests.support.random_models import (
    SPAN_LABELS,
    Parts,
    character_parts,
    stored_model,
    tagger_parts,
    tokenizer_parts,
)
from tests.support.shell import PROJECT

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

SENTENCE = "The dog ate the apple"
PAIRS = character_parts(
    CharModel(cell="rnn", hidden_size=4, input="onehot"), "hielo", kind="pairs", scale=0.9
)
TEXT = character_parts(CharModel(cell="gru", hidden_size=6, embedding_dim=4), LETTERS, scale=0.9)
CRF = tagger_parts(
    TaggerModel(features=FEATURES[2:6], hidden_size=5, projection=6, decoder="crf"), SPAN_LABELS, seed=4
)
TOKENIZER = tokenizer_parts(TokenizerModel(hidden_size=4, embedding_dim=3, class_dim=2, filters=5, width=3))
VIEWS: dict[str, Parts] = {
    "pairs": PAIRS,
    "text": TEXT,
    "tagger": CRF,
    "several": several_labels_parts(1),
    "tokenizer": TOKENIZER,
}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    if not (CHROMIUM and DRIVER):
        pytest.skip(MISSING)
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        set_size(driver, 1280, 900)
        yield driver


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("pages")
    return {name: write_page(root / name, parts) for name, parts in VIEWS.items()}


def text_of(browser: Chrome, selector: str) -> str:
    return str(browser.execute_script("return document.querySelector(arguments[0]).textContent", selector))


def type_text(browser: Chrome, text: str) -> None:
    """Replace the text of the first text field, as a user who types."""
    browser.execute_script(
        "const area = document.querySelector('textarea'); area.value = arguments[0];"
        "area.dispatchEvent(new Event('input'))",
        text,
    )


# --- safety -------------------------------------------------------------------------------------------------


def test_policy_admits_only_the_script_of_the_page(pages: dict[str, Path]) -> None:
    for path in pages.values():
        text = path.read_text(encoding="utf-8")
        policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
        assert policy is not None
        (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert policy[1].replace("&#x27;", "'").split("; ") == [
            "default-src 'none'",
            "style-src 'unsafe-inline'",
            "img-src data:",
            f"script-src 'sha256-{digest}'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
        assert text.count("<script") == 3 and "eval(" not in script and "innerHTML" not in script
        assert not re.search(r"""(?:src|href)=["'](?!data:)""", text)


def test_policy_blocks_an_injected_script(browser: Chrome, pages: dict[str, Path], tmp_path: Path) -> None:
    """The page would run the script, were it not for the policy: a page without policy does."""
    injected = "<script>window.injected = 1</script><img src='data:,' onerror='window.injected = 1'>"
    text = pages["text"].read_text(encoding="utf-8").replace("<main", injected + "<main")
    for name, is_blocked in (("with", True), ("without", False)):
        page = tmp_path / f"{name}.html"
        page.write_text(text if is_blocked else re.sub('<meta http-equiv="Content-Sec[^>]*>', "", text))
        browser.get(page.as_uri())
        assert browser.execute_script("return window.injected") == (None if is_blocked else 1)
        violations = [line for line in console_lines(browser) if "Content Security Policy" in line]
        assert len(violations) == (2 if is_blocked else 0)
        assert "passed" in text_of(browser, "#self-test")


RUN = "window.hacked=1"
HOSTILE = [
    f"<script>{RUN}</script>",
    f"</script><script>{RUN}</script>",
    f"</SCRIPT ><script>{RUN}</script >",
    f"<!--<script>{RUN}</script>",
    f"--><script>{RUN}</script>",
    f"]]><script>{RUN}</script>",
    f"</style><script>{RUN}</script>",
    f"</title><script>{RUN}</script>",
    f"</textarea><script>{RUN}</script>",
    f"<img src=x onerror={RUN}>",
    f"<svg onload={RUN}>",
    f"<svg><script>{RUN}</script></svg>",
    f"<iframe srcdoc='<script>parent.{RUN}</script>'>",
    f"<a href='javascript:{RUN}'>x</a>",
    f"<body onload={RUN}>",
    f"<details open ontoggle={RUN}>",
    f"<input autofocus onfocus={RUN}>",
    f"<link rel=stylesheet href='javascript:{RUN}'>",
    f"<meta http-equiv=refresh content='0;javascript:{RUN}'>",
    f'" onmouseover="{RUN}',
    f"' onmouseover='{RUN}",
    f"`${{{RUN}}}`",
    f"${{{RUN}}}",
    f"{{{{constructor.constructor('{RUN}')()}}}}",
    f"\\u003cscript\\u003e{RUN}\\u003c/script\\u003e",
    f"\\x3cscript>{RUN}</script>",
    f"\u2028{RUN}//",
    f"');{RUN};//",
    f'"}};{RUN};//',
    f"@@script@@{RUN}",
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "\x00\x1b[31m\u202e<b>",
]


def with_hostile_words() -> Parts:
    """Return a tagger whose words and labels are hostile."""
    config, vocab, weights = tagger_parts(
        TaggerModel(features=(Feature(name="form", dim=3),), hidden_size=4, projection=0, decoder="softmax"),
        [f"{word}{number}" for number, word in enumerate(HOSTILE)],
        scheme="none",
    )
    words = [re.sub(r"\s", "_", word) for word in HOSTILE]
    weights["features.0.weight"] = np.ones((len(words) + 1, 3), np.float32)
    vocab |= {"forms": words, "counts": [1] * len(words), "features": [words]}
    return config, vocab, weights


def assert_harmless(browser: Chrome) -> None:
    assert browser.execute_script("return window.hacked") is None
    elements = "main script, main img, main svg:not(.curves), main iframe, main a, main link, main meta, b b"
    assert browser.execute_script("return document.querySelectorAll(arguments[0]).length", elements) == 0


def test_hostile_words_and_labels_execute_nothing(browser: Chrome, tmp_path: Path) -> None:
    assert len(HOSTILE) >= 30
    page = write_page(tmp_path / "<img src=x onerror=window.hacked=1>", with_hostile_words())
    browser.get(page.as_uri())
    assert console_lines(browser) == []
    for word in HOSTILE:
        type_text(browser, f"{word} dog")
        assert text_of(browser, ".tokens .cell b") != ""
        browser.execute_script("window.seqtool.view.toggle()")
    assert_harmless(browser)
    assert "onerror" in text_of(browser, "h1")


def test_hostile_texts_and_samples_execute_nothing(browser: Chrome, tmp_path: Path) -> None:
    symbols = sorted({symbol for text in HOSTILE for symbol in text} | {"\n"})
    folder = tmp_path / "model"
    folder.mkdir()
    rows = '{"epoch": 1, "step": 1, "train_loss": 1.5}\n{"epoch": 2, "step": 2, "train_loss": 1}\n'
    (folder / "metrics.jsonl").write_text(rows)
    samples = [{"epoch": 1, "step": 1, "text": text, "expected": text} for text in HOSTILE]
    (folder / "samples.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in samples))
    model = CharModel(hidden_size=4, embedding_dim=3)
    page = write_page(folder, character_parts(model, symbols))
    browser.get(page.as_uri())
    assert console_lines(browser) == []
    for number, text in enumerate(HOSTILE):
        type_text(browser, text)
        browser.execute_script(
            "const slider = document.querySelector('.wide input[type=range]'); slider.value = arguments[0];"
            "slider.dispatchEvent(new Event('input')); const { sample } = window.seqtool.view;"
            "sample.prompt.value = arguments[1]; sample.prompt.dispatchEvent(new Event('change'));"
            "sample.grow(3);",
            number,
            text,
        )
    assert_harmless(browser)
    assert browser.execute_script("return document.querySelectorAll('svg.curves').length") == 1


# --- weights ------------------------------------------------------------------------------------------------


def test_large_weights_are_float16_and_agree(
    browser: Chrome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play_weights, "FLOAT32_BYTES", 100)
    config, vocab, weights = random_character_parts(1)
    page = write_page(tmp_path / "model", (config, vocab, weights))
    halves = {name: array.astype(np.float16) for name, array in weights.items()}
    assert "float16" in page.read_text(encoding="utf-8")
    open_page(browser, page)
    assert "stored as float16" in text_of(browser, ".note") and "passed" in text_of(browser, "#self-test")
    model = load_character_model(stored_model((config, vocab, halves)))
    ids = np.arange(len(LETTERS))
    found = browser.execute_script(
        "return window.seqtool.model.scoresOfSymbols(arguments[0]).map((row) => Array.from(row))",
        ids.tolist(),
    )
    assert np.allclose(found, model.forward(ids[:, None])[0][:, 0], atol=1e-4, rtol=1e-4)


def test_pack_keeps_every_number() -> None:
    draw = np.random.default_rng(0)
    arrays: Arrays = {
        "a": draw.standard_normal((3, 5)).astype(np.float32),
        "b": draw.standard_normal(7).astype(np.float16),
        "c": np.array([[1e6]], np.float32),
    }
    index, content = pack(arrays)
    for name, shape, width, offset in index:
        kind = np.float32 if width == 4 else np.float16
        count = int(np.prod(shape))
        values = np.frombuffer(content, kind, count, offset).reshape(shape)
        assert offset % 4 == 0 and np.array_equal(values, arrays[name])


def test_number_beyond_float16_stays_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(play_weights, "FLOAT32_BYTES", 0)
    weights = {"a": np.array([1e5], np.float32), "b": np.ones(2, np.float32)}
    stored = stored_model(TEXT)._replace(weights=weights)
    notes: list[str] = []
    shown = shown_weights(stored, (), notes)
    assert [array.dtype for array in shown.weights.values()] == [np.float32, np.float16]
    assert len(notes) == 1 and "float16" in notes[0]


def with_vectors(rows: int) -> tuple[StoredModel, Parts, TaggerModel]:
    """Return a tagger with a table of pretrained vectors."""
    feature = Feature(name="vectors", dim=4, path="vectors.txt")
    model = TaggerModel(features=(feature,), hidden_size=3, projection=0, decoder="softmax")
    config, vocab, weights = tagger_parts(model, PLAIN_LABELS, scheme="none")
    words = ["dog", *(f"word{number}" for number in range(rows)), "apple"]
    draw = np.random.default_rng(1)
    weights["features.0.weight"] = draw.standard_normal((len(words) + 1, 4)).astype(np.float32)
    parts: Parts = (config, {**vocab, "features": [words]}, weights)
    return stored_model(parts), parts, model


def test_large_table_of_vectors_is_shortened_and_the_page_says_so(
    browser: Chrome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play_weights, "VECTOR_BYTES", 200)
    _, parts, _ = with_vectors(100)
    open_page(browser, write_page(tmp_path / "model", parts))
    note = text_of(browser, ".note")
    assert "Of 102 pretrained word vectors, the page contains 2" in note and "command line" in note
    model = load_tagger(stored_model(parts))
    script = "return window.seqtool.model.tagger.tag(arguments[0]).scores.map((row) => Array.from(row))"
    known = ["The", "dog", "ate", "an", "apple"]
    assert np.allclose(browser.execute_script(script, known), model.scores([known])[0], atol=1e-5)
    assert len(browser.execute_script("return window.seqtool.model.tagger.embedder.features[0].table")) == 12


# --- sampling -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"),
    [(1, None, None), (0.5, 3, None), (2, None, 0.7), (1, 4, 0.5), (0, None, None)],
)
def test_sampling_probabilities_are_those_of_python(
    browser: Chrome, pages: dict[str, Path], temperature: float, top_k: int | None, top_p: float | None
) -> None:
    open_page(browser, pages["text"])
    script = """
    const { model, view } = window.seqtool;
    Object.assign(view.sample.temperature, { value: arguments[1] });
    Object.assign(view.sample.topK, { value: arguments[2] || 0 });
    Object.assign(view.sample.topP, { value: arguments[3] || 1 });
    const { Sample } = window.seqtool, sample = new Sample(model.text, "abc");
    return Array.from(window.seqtool.probabilities(sample.scores(0), view.sample.options));
    """
    found = browser.execute_script(script, "", temperature, top_k, top_p)
    model = load_character_model(stored_model(TEXT))
    scores = model.forward(model.encode("abc")[:, None])[0][-1, 0]
    expected = Sampler(temperature, top_k, top_p).probabilities(scores)
    assert np.allclose(found, expected, atol=1e-5)


def test_equal_seeds_give_equal_samples(browser: Chrome, pages: dict[str, Path]) -> None:
    def sample(seed: int) -> list[int]:
        open_page(browser, pages["text"])
        script = """
        const { sample } = window.seqtool.view;
        sample.seed.value = arguments[0];
        sample.restart(), sample.grow(20), sample.grow(1), sample.grow(9);
        return sample.sample.ids;
        """
        return list(browser.execute_script(script, seed))

    first = sample(1)
    assert len(first) == 30 and sample(1) == first != sample(2)


def test_draws_are_uniform(browser: Chrome, pages: dict[str, Path]) -> None:
    open_page(browser, pages["text"])
    script = """
    const draws = [];
    for (let seed = 0; seed < 100; seed++) {
      for (let place = 0; place < 100; place++) draws.push(window.seqtool.drawNumber(seed, place));
    }
    return draws;
    """
    draws = np.array(browser.execute_script(script))
    counts = np.histogram(draws, 20, (0, 1))[0]
    assert len(set(draws.tolist())) > 9990 and np.sum((counts - 500) ** 2 / 500) < 50
    by_seed = draws.reshape(100, 100)
    assert abs(np.corrcoef(by_seed[:-1].ravel(), by_seed[1:].ravel())[0, 1]) < 0.05
    assert abs(np.corrcoef(by_seed[:, :-1].ravel(), by_seed[:, 1:].ravel())[0, 1]) < 0.05


def test_another_candidate_continues_the_sample(browser: Chrome, pages: dict[str, Path]) -> None:
    open_page(browser, pages["text"])
    browser.execute_script("window.seqtool.view.sample.grow(10)")
    before = browser.execute_script("return window.seqtool.view.sample.sample.ids")
    browser.find_elements("css selector", ".sample-list .cell")[4].click()
    buttons = browser.find_elements("css selector", ".candidates button:not(.chosen)")
    buttons[0].click()
    browser.find_element("xpath", "//button[text()='50 symbols']").click()
    after = browser.execute_script("return window.seqtool.view.sample.sample.ids")
    assert after[:4] == before[:4] and after[4] != before[4] and len(after) == 55
    script = """
    const { model, Sample, view } = window.seqtool, { sample } = view.sample;
    const text = view.sample.prompt.value + model.text.table.decode(sample.ids.slice(0, 20));
    const again = new Sample(model.text, text);
    return [Array.from(again.scores(0)), Array.from(sample.scores(20))];
    """
    again, scores = browser.execute_script(script)
    assert np.allclose(again, scores, atol=1e-5)


# --- states and steps ---------------------------------------------------------------------------------------


def test_changed_unit_gives_the_scores_of_numpy(browser: Chrome, pages: dict[str, Path]) -> None:
    """Set unit 2 of the state to a value after each symbol, here and in numpy."""
    open_page(browser, pages["text"])
    type_text(browser, "abcdefgh")
    for name, value in (("changeUnit", 2), ("changeValue", 0.75)):
        browser.execute_script(f"window.seqtool.view.{name}.value = {value}")
    browser.find_element("xpath", "//button[text()='Set']").click()
    found = browser.execute_script(
        "const { view } = window.seqtool;"
        "return view.ids.map((_, place) => Array.from(view.changed.logitsAt(place)))"
    )
    model = load_character_model(stored_model(TEXT))
    state = model.initial_state()
    for place, number in enumerate(model.encode("abcdefgh").tolist()):
        _, state = model.step(np.array([number]), state)
        state[0][0][0, 0, 1] = 0.75
        expected = model._logits(state[0][0][0].copy())[0]
        assert np.allclose(found[place], expected, atol=1e-4)
    assert "h2 of layer 1 is 0.75 at every symbol" in browser.find_element("tag name", "main").text
    assert browser.find_elements("css selector", ".reading i.moved")
    browser.find_element("xpath", "//button[text()='Undo']").click()
    assert "Nothing is changed." in browser.find_element("tag name", "main").text


def test_step_is_worked_out_with_numbers(browser: Chrome, pages: dict[str, Path]) -> None:
    open_page(browser, pages["pairs"])
    type_text(browser, "hihell")
    browser.find_elements("css selector", ".reading .cell")[1].click()
    text = browser.find_element("css selector", ".equations").text
    model = load_character_model(stored_model(PAIRS))
    states = model.states("hihell", {"encoder.0.h"})["encoder.0.h"]
    shown = ", ".join(f"{value:.4f}" for value in states[1])
    assert f"h2 = tanh(W_ih·x2 + b_ih + W_hh·h1 + b_hh) = [{shown}]" in text
    assert "x2 = [0, 1, 0, 0, 0]" in text
    tables = browser.find_elements("css selector", ".matrices h3")
    assert {one.text.split()[0] for one in tables} == PAIRS[2].keys()


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_gates_are_worked_out_with_numbers(browser: Chrome, tmp_path: Path, cell: str) -> None:
    network = CharModel(cell=cell, hidden_size=3, input="onehot")  # type: ignore[arg-type]
    parts = character_parts(network, "hielo", kind="pairs", scale=0.9)
    open_page(browser, write_page(tmp_path / "model", parts))
    type_text(browser, "hihell")
    browser.find_elements("css selector", ".reading .cell")[2].click()
    lines = browser.find_element("css selector", ".equations").text.splitlines()
    states = load_character_model(stored_model(parts)).states("hihell")
    for part in {"lstm": "ifgoch", "gru": "rznh"}[cell]:
        values = ", ".join(f"{value:.4f}" for value in states[f"encoder.0.{part}"][2])
        assert any(line.startswith(f"{part}3 = ") and line.endswith(f"[{values}]") for line in lines), part


def test_edited_letter_marks_the_changed_output(browser: Chrome, pages: dict[str, Path]) -> None:
    open_page(browser, pages["pairs"])
    first = browser.execute_script("return window.seqtool.view.section.text")
    model = load_character_model(stored_model(PAIRS))
    for letter in "hielo":
        edited = first[0] + letter + first[2:]
        type_text(browser, edited)
        cells = browser.find_elements("css selector", ".reading .cell:not([hidden]) i")
        assert "".join(cell.text for cell in cells) == model.predict(edited)
        marked = ["moved" in (cell.get_attribute("class") or "") for cell in cells]
        assert marked == [a != b for a, b in zip(model.predict(first), model.predict(edited), strict=True)]


def test_student_sees_what_a_unit_does_after_an_edit(browser: Chrome) -> None:
    """Follow the steps of docs/play.md with clicks and keys only, on the page of the documents."""
    from selenium.webdriver.common.keys import Keys

    open_page(browser, PROJECT / "docs/play.html")
    browser.find_element("xpath", "//*[@class='heat-names']/span[text()='h3']").click()
    area = browser.find_element("tag name", "textarea")
    area.click()
    area.send_keys(Keys.HOME, Keys.ARROW_RIGHT, Keys.DELETE, "e")

    def strip_row(name: str) -> list[str]:
        row = browser.find_element("xpath", f"//*[contains(@class, 'unit-strip')]//tr[th[text()='{name}']]")
        return [cell.text for cell in row.find_elements("css selector", "td:not([hidden])")]

    assert strip_row("h3 for “hihell”")[1] == "-0.84" and strip_row("h3")[1] == "-0.27"
    assert len(browser.find_elements("css selector", ".reading i.moved")) == 2
    browser.find_elements("css selector", ".reading .cell")[1].click()
    numbers = browser.find_element("css selector", ".equations").text
    assert "h2 = tanh(W_ih·x2 + b_ih + W_hh·h1 + b_hh) = [" in numbers and "unit 3: (0.0534·1)" in numbers
    unit = browser.find_elements("xpath", "//label[span[text()='Unit']]/input")[0]
    unit.clear()
    unit.send_keys("3")
    browser.find_element("xpath", "//button[text()='Set']").click()
    assert "h3 of layer 1 is 0 at every symbol" in browser.find_element("tag name", "main").text


def test_unit_follows_typing_and_the_slider(browser: Chrome, pages: dict[str, Path]) -> None:
    from selenium.webdriver.common.keys import Keys

    open_page(browser, pages["text"])
    number = browser.find_element("xpath", "//label[starts-with(span/text(), 'Unit (')]/input")
    number.send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.BACKSPACE, "4")
    assert text_of(browser, ".unit-strip tr:nth-child(3) th") == "h4"
    assert browser.execute_script("return window.seqtool.view.units.slider.value") == "4"
    number.send_keys(Keys.CONTROL, "a", Keys.NULL, "99", Keys.ENTER)  # beyond the last unit
    assert number.get_attribute("value") == "6"


# --- taggers ------------------------------------------------------------------------------------------------


def test_hidden_word_gives_the_labels_without_it(browser: Chrome, pages: dict[str, Path]) -> None:
    open_page(browser, pages["tagger"])
    type_text(browser, SENTENCE)
    tokens, model = SENTENCE.split(), load_tagger(stored_model(CRF))
    for place in range(len(tokens)):
        browser.find_elements("css selector", ".tokens .cell")[place].click()
        button = browser.find_element("xpath", "//button[starts-with(text(), 'Hide')]")
        button.click()
        shown = browser.find_elements("css selector", ".tokens .cell:not([hidden]) i:first-of-type")
        labels = [one.text for at, one in enumerate(shown) if at != place]
        assert labels == model.tag([tokens[:place] + tokens[place + 1 :]])[0]
        assert shown[place].text == "hidden"
        browser.find_element("xpath", "//button[text()='Show all words']").click()
    assert text_of(browser, ".tokens .cell i") == model.tag([tokens])[0][0]


def test_features_of_a_word_are_listed(browser: Chrome, pages: dict[str, Path]) -> None:
    open_page(browser, pages["tagger"])
    type_text(browser, "dog Zebra-7")
    rows = browser.find_elements("css selector", ".facts tbody tr")[:4]
    assert [row.text.split()[0] for row in rows] == ["lower", "prefix", "suffix", "shape"]
    assert "known: it occurs 13 times" in browser.find_element("tag name", "main").text
    browser.find_elements("css selector", ".tokens .cell")[1].click()
    text = browser.find_element("tag name", "main").text
    assert "“Zebra-7” is unknown" in text and "Xxxxx-d" in text and "unknown value" in text
    assert browser.find_elements("css selector", ".tokens b.unknown")[0].text == "Zebra-7"


def test_two_best_paths_and_transitions_are_shown(browser: Chrome, pages: dict[str, Path]) -> None:
    open_page(browser, pages["tagger"])
    type_text(browser, SENTENCE)
    model = load_tagger(stored_model(CRF))
    expected = model.nbest(SENTENCE.split(), 2)
    names = ("starts-with(text(), 'best: ')", "starts-with(text(), 'second: ')")
    head = browser.find_elements("xpath", f"//th[{' or '.join(names)}]")
    assert [float(one.text.split()[1]) for one in head] == [
        pytest.approx(100 * np.exp(score), abs=0.06) for _, score in expected
    ]
    text = browser.find_element("tag name", "main").text
    assert "Scores of label pairs (CRF)" in text and "×" in text


# --- use without a mouse, small screens, readers -----------------------------------------------------------


def press(browser: Chrome, *keys: str) -> None:
    browser.switch_to.active_element.send_keys(*keys)


@pytest.mark.parametrize("name", ["text", "pairs", "tagger"])
def test_everything_is_reached_by_keyboard(browser: Chrome, pages: dict[str, Path], name: str) -> None:
    from selenium.webdriver.common.keys import Keys

    open_page(browser, pages[name])
    controls = browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])].filter((one) => one.offsetParent).length",
        "button:not(:disabled), input, select, textarea, [role=listbox], summary",
    )
    seen = set()
    for _ in range(60):
        press(browser, Keys.TAB)
        active = browser.switch_to.active_element
        if active.tag_name == "body":
            break
        is_control = active.tag_name in ("button", "input", "select", "textarea", "summary")
        if is_control or active.get_attribute("role") == "listbox":
            seen.add(active.id)
    assert len(seen) == controls
    browser.execute_script("document.querySelector('[role=listbox]').focus()")
    press(browser, Keys.HOME, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert browser.execute_script("return window.seqtool.view.selected") == 2
    assert browser.find_element("css selector", "[aria-selected=true]").get_attribute("data-place") == "2"


OUTSIDE = """
const parts = [...document.querySelectorAll("section")], right = (one) => one.getBoundingClientRect().right;
return parts.flatMap((part) => [...part.querySelectorAll("select, input, button, textarea")]
  .filter((control) => right(control) > right(part)).map((control) => part.innerText.split("\\n")[0]));
"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("name", VIEWS)
def test_page_is_accessible_and_as_wide_as_the_screen(
    browser: Chrome, pages: dict[str, Path], name: str, width: int, dark: bool
) -> None:
    axe = pytest.importorskip("axe_core_python")
    set_size(browser, width, 900, dark=dark)
    open_page(browser, pages[name])
    assert int(browser.execute_script("return document.documentElement.scrollWidth")) <= width
    assert browser.execute_script(OUTSIDE) == []
    paper = str(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
    assert paper == ("rgb(21, 23, 26)" if dark else "rgb(253, 253, 252)")
    browser.execute_script((Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    script = "const done = arguments[0]; axe.run().then((found) => done(found.violations))"
    violations: list[dict[str, Any]] = browser.execute_async_script(script)
    serious = [one for one in violations if one["impact"] in ("serious", "critical")]
    assert [(one["id"], one["nodes"][0]["failureSummary"]) for one in serious] == []
    set_size(browser, 1280, 900)
