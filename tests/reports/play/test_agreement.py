"""The JavaScript of the play page against numpy: scores, labels and tokens of random models."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import regex  # type: ignore[import-untyped]

from seqtool.data.tagging.lemma_scripts import apply_script
from seqtool.data.text.words import PATTERN, TOKEN_PATTERN
from seqtool.data.tokenization.rules import basic, whitespace
from seqtool.inference.load import load_character_model, load_tagger, load_tokenizer
from seqtool.inspection.trace import trace_text
from seqtool.settings.model import CharModel, TokenizerModel
from seqtool.types import Array
from tests.support.browser import CHROMIUM, DRIVER, MISSING, chromium
from tests.support.play_pages import (
    LETTERS,
    SCRIPTS,
    open_page,
    random_character_parts,
    random_tagger_parts,
    several_labels_parts,
    write_page,
)
from tests.support.random_models import (
    UNSEEN,
    WORDS,
    Parts,
    conditional_parts,
    random_sentences,
    stored_model,
    tokenizer_parts,
)

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

TOLERANCE = 1e-4
TEXT_MODELS, TAGGERS = range(62), range(38)  # 100 random models


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    if not (CHROMIUM and DRIVER):
        pytest.skip(MISSING)
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


def assert_close(found: Any, expected: Array) -> None:
    """Compare numbers relative to max(1, |expected|)."""
    values = np.array(found, np.float64).reshape(expected.shape)
    assert np.all(np.abs(values - expected) <= TOLERANCE * np.maximum(1, np.abs(expected)))


# --- text models --------------------------------------------------------------------------------------------

TRACE = """
const [text] = arguments, { model, TextTrace } = window.seqtool;
const trace = new TextTrace(model.text), ids = TextTrace.ids(model.text, text).ids;
trace.setIds(ids);
trace.run(ids.length);
const places = ids.map((_, place) => place), width = trace.width;
const rows = (values) => places.map((place) => Array.from(values.slice(place * width, (place + 1) * width)));
return {
  ids,
  logits: places.map((place) => Array.from(trace.logitsAt(place))),
  bits: Array.from(trace.bits.slice(0, ids.length), (bits) => (Number.isNaN(bits) ? null : bits)),
  guesses: rows(trace.guesses),
  probabilities: rows(trace.probabilities),
  states: trace.recordings.map((record) => Object.fromEntries(Object.keys(record.parts).map((part) =>
    [part, places.map((place) => Array.from(record.at(part, trace.slot(place))))]))),
};
"""


def text_of(seed: int) -> str:
    """Return a random text of several lines."""
    draw = random.Random(seed)
    return "".join(draw.choice(LETTERS) for _ in range(40))


CONDITIONS = """
const [text, line] = arguments, { model, TextTrace } = window.seqtool, { text: network } = model;
const chosen = document.querySelector("#conditions").parentElement.querySelector("select");
const result = {
  names: Array.from(chosen.options, (option) => option.textContent),
  chosen: Number(chosen.value),
  classes: Array.from(network.conditionProbabilities(TextTrace.ids(network, line).ids)),
  logits: [],
};
for (const option of chosen.options) {
  chosen.value = option.value;
  chosen.dispatchEvent(new Event("change"));
  const trace = new TextTrace(network), ids = TextTrace.ids(network, text).ids;
  trace.setIds(ids);
  trace.run(ids.length);
  result.logits.push(ids.map((_, place) => Array.from(trace.logitsAt(place))));
}
result.shown = document.querySelector("#conditions").textContent;
return result;
"""


@pytest.mark.parametrize("seed", range(6))
def test_page_reads_lines_under_the_chosen_condition(browser: Chrome, tmp_path: Path, seed: int) -> None:
    settings = CharModel(
        cell=("rnn", "lstm", "gru")[seed % 3],
        hidden_size=5 + seed,
        num_layers=1 + seed % 2,
        input="onehot" if seed % 2 else "embedding",
        condition_dim=1 + seed,
    )
    names, counts = ("<b>red", "green", "blue"), (5, 0, 2)
    parts = conditional_parts(settings, LETTERS, names, counts, seed=seed)
    model: Any = load_character_model(stored_model(parts))
    open_page(browser, write_page(tmp_path / "model", parts))
    assert "passed" in browser.find_element("id", "self-test").text
    found = browser.execute_script(CONDITIONS, "ab <", "geä")
    assert found["names"] == list(names)
    (classified,) = model.classify(["geä"])
    assert_close(found["classes"], classified.probabilities)
    ids = model.encode("ab <\n")
    for number, logits in enumerate(found["logits"]):
        bound = model.under(number)
        state = bound.forward(model.encode("\n")[:, None])[1]
        assert_close(logits, bound.forward(ids[:, None], state)[0][:, 0])
    assert found["shown"].startswith(("Most probable conditions of this line: ", "This line is too long"))


@pytest.mark.parametrize("seed", TEXT_MODELS)
def test_text_model_has_the_scores_of_numpy(browser: Chrome, tmp_path: Path, seed: int) -> None:
    parts = random_character_parts(seed)
    model, text = load_character_model(stored_model(parts)), text_of(seed)
    open_page(browser, write_page(tmp_path / "model", parts))
    assert "passed" in browser.find_element("id", "self-test").text
    found = browser.execute_script(TRACE, text)
    layers, cell = range(model.settings.num_layers), found["states"][0].keys()
    names = [f"encoder.{layer}.{part}" for layer in layers for part in cell]
    expected = trace_text(model, text, names)
    assert [model.vocabulary.symbols[number] for number in found["ids"]] == list(expected.symbols)
    for layer in layers:
        for part in cell:
            assert_close(found["states"][layer][part], expected.states[f"encoder.{layer}.{part}"])
    bits = np.array([np.nan if value is None else value for value in found["bits"]], float)
    assert np.array_equal(np.isnan(bits), np.isnan(expected.bits))
    assert_close(np.nan_to_num(bits), np.nan_to_num(expected.bits))
    assert_close(found["probabilities"], expected.probabilities)
    if model.kind != "lines":
        ids = np.array(found["ids"])
        assert_close(found["logits"], model.forward(ids[:, None])[0][:, 0])
    clear = expected.probabilities[:, 0] - expected.probabilities[:, 1] > 2 * TOLERANCE
    assert np.array_equal(np.array(found["guesses"])[clear, 0], expected.guesses[clear, 0])


DIVIDE = """
const [pattern, texts] = arguments;
return texts.map((text) => text.match(new RegExp(pattern, "gu")) ?? []);
"""


@pytest.mark.parametrize("pattern", [PATTERN, TOKEN_PATTERN], ids=["text", "tokenized"])
def test_text_is_divided_into_words_as_by_regex(browser: Chrome, pattern: str) -> None:
    browser.get("about:blank")
    draw = random.Random(1)
    assigned = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) not in ("Cn", "Cs")]
    special = list("ab '\u20191.,\n\t <unk>中はーไำ\u0301\u200d\u200c\u0f0b\x85\xa0\u3000\ufeff")
    texts = ["".join(assigned[start : start + 5000]) for start in range(0, len(assigned), 5000)]
    texts += ["".join(draw.choices(draw.choice((special, assigned)), k=30)) for _ in range(2000)]
    texts += ["".join(draw.choices([*special, draw.choice(assigned)], k=30)) for _ in range(2000)]
    assert browser.execute_script(DIVIDE, pattern, texts) == [regex.findall(pattern, text) for text in texts]


@pytest.mark.parametrize("seed", range(6))
def test_edits_give_the_trace_of_the_whole_text(browser: Chrome, tmp_path: Path, seed: int) -> None:
    """Only a part is computed after an edit, which must not change the result."""
    open_page(browser, write_page(tmp_path / "model", random_character_parts(seed)))
    draw, text, edits = random.Random(seed), text_of(seed), []
    for _ in range(12):
        at, cut = draw.randrange(len(text) + 1), draw.randrange(3)
        text = text[:at] + "".join(draw.choices(LETTERS, k=draw.randrange(4))) + text[at + cut :]
        edits.append(text)
    script = """
    const [edits] = arguments, { model, TextTrace } = window.seqtool, trace = new TextTrace(model.text);
    return edits.map((text) => {
      const ids = TextTrace.ids(model.text, text).ids, fresh = new TextTrace(model.text);
      trace.setIds(ids), trace.run(ids.length), fresh.setIds(ids), fresh.run(ids.length);
      const values = (from, name, width) => String(from[name].slice(0, width * ids.length));
      const same = (name, width) => values(trace, name, width) === values(fresh, name, width);
      return same("bits", 1) && same("guesses", trace.width) && same("probabilities", trace.width);
    });
    """
    assert browser.execute_script(script, edits) == [True] * len(edits)


# --- taggers ------------------------------------------------------------------------------------------------

TAG = """
const [sentences] = arguments, tagger = window.seqtool.model.tagger;
return sentences.map((tokens) => {
  const found = tagger.tag(tokens), rows = (values) => values.map((row) => Array.from(row));
  const states = {};
  found.recordings.forEach((cells, layer) => cells.forEach((record, direction) => {
    for (const part of Object.keys(record.parts)) {
      const name = cells.length > 1 ? ["forward.", "backward."][direction] : "";
      const at = (place) => record.at(part, tagger.encoder.slot(direction, place));
      states[`encoder.${layer}.${name}${part}`] = tokens.map((_, place) => Array.from(at(place)));
    }
  }));
  return { scores: rows(found.scores), probabilities: rows(found.probabilities), columns: found.columns,
           states,
           paths: tagger.paths(found.scores, 2).map(({ labels, probability }) => [labels, probability]),
           known: tokens.map((token) => tagger.known(token)) };
});
"""


def check_tagger(browser: Chrome, page: Path, parts: Parts, seed: int) -> None:
    model = load_tagger(stored_model(parts))
    open_page(browser, page)
    assert "passed" in browser.find_element("id", "self-test").text
    sentences = [*random_sentences([1, 2, 9, 14], seed), ["É\u0301te", "e\u0301", "Ǆ", "ſ", "٣٤"]]
    scores, probabilities = model.scores(sentences), model.probabilities(sentences)
    for place, found in enumerate(browser.execute_script(TAG, sentences)):
        assert_close(found["scores"], scores[place])
        assert_close(found["probabilities"], probabilities[place])
        assert found["columns"] == model.tag_columns(sentences)[place]
        assert found["known"] == [model.known(token) for token in sentences[place]]
        for name, values in model.states(sentences[place]).items():
            assert_close(found["states"][name], values)
        expected = model.nbest(sentences[place], 2)
        for (labels, probability), (names, log_probability) in zip(found["paths"], expected, strict=False):
            if len(expected) == len(found["paths"]):  # numpy merges equal sequences
                assert labels == names
                assert probability == pytest.approx(np.exp(log_probability), abs=TOLERANCE)


@pytest.mark.parametrize("seed", TAGGERS)
def test_tagger_has_the_labels_of_numpy(browser: Chrome, tmp_path: Path, seed: int) -> None:
    parts = random_tagger_parts(seed)
    check_tagger(browser, write_page(tmp_path / "model", parts), parts, seed)


@pytest.mark.parametrize("combined", [True, False], ids=["combined", "independent"])
@pytest.mark.parametrize("seed", range(4))
def test_tagger_of_several_labels_has_the_labels_of_numpy(
    browser: Chrome, tmp_path: Path, seed: int, combined: bool
) -> None:
    parts = several_labels_parts(seed, combined)
    check_tagger(browser, write_page(tmp_path / "model", parts), parts, seed)


# --- tokens and lemmas --------------------------------------------------------------------------------------

PIECES = [
    *"aB1.,!?'’-_ \t:;()\"/@é٣\u0301\u00a0\u3000日😀",
    *("Mr.", "U.S.", "can't", "cannot", "gonna", "l'eau", "qu'il", "jusqu’à", "www.x.org/a.", "a@b.co"),
    *("5pm", "10:30", "2000-01-02", ":-)", "...", "!!", "e-mail", "they're", "DON'T", "x.PDF", "3,000.5"),
    *("İ", "don’t", "p.m."),
]


def random_line(draw: random.Random) -> str:
    return "".join(draw.choice(PIECES) + draw.choice(["", " "]) for _ in range(draw.randrange(1, 25)))


@pytest.mark.parametrize("name", ["basic", "whitespace"])
def test_rules_split_as_in_python(browser: Chrome, tmp_path: Path, name: str) -> None:
    config, vocab, weights = random_tagger_parts(0)
    open_page(browser, write_page(tmp_path / "model", ({**config, "tokenizer": name}, vocab, weights)))
    draw = random.Random(1)
    lines = [random_line(draw) for _ in range(1500)]
    split = {"basic": basic, "whitespace": whitespace}[name]
    expected = [[token.form for token in split(line)] for line in lines]
    script = "return arguments[0].map((line) => window.seqtool.model.tokenizer.sentences(line)[0] || [])"
    found = browser.execute_script(script, lines)
    assert [pair for pair in zip(lines, found, expected, strict=True) if pair[1] != pair[2]] == []


@pytest.mark.parametrize("inner_spaces", [False, True], ids=["words", "inner spaces"])
def test_trained_tokenizer_splits_as_in_python(browser: Chrome, tmp_path: Path, inner_spaces: bool) -> None:
    settings = TokenizerModel(hidden_size=5, embedding_dim=4, class_dim=3, filters=6, width=5, num_layers=2)
    config, vocab, weights = tokenizer_parts(settings, inner_spaces=inner_spaces, seed=3)
    weights = {name: 3 * array for name, array in weights.items()}  # so that all classes of characters occur
    weights["output.bias"][1] += 3
    vocab |= {"expansion_suffixes": {"gab": "g a b"}, "expansion_prefixes": {"fe": "f e"}}
    vocab["always_expanded"] = {"c": ["c", "é"], "Ab": ["A", "b"], "жa": ["ж", "a"], "a": ["x"]}
    model = load_tokenizer(stored_model((config, vocab, weights)))
    open_page(browser, write_page(tmp_path / "model", (config, vocab, weights)))
    draw = random.Random(2)
    alphabet = "aabbcdefgABC  012.,!?'\u00a0Жß😀"
    lines = ["".join(draw.choices(alphabet, k=draw.choice([3, 40, 400, 900]))) for _ in range(60)]
    expected = [
        [[word for token in sentence for word in token.words or (token.form,)] for sentence in sentences]
        for sentences in model.tokenize(lines)
    ]
    found = browser.execute_script(
        "return arguments[0].map((line) => window.seqtool.model.tokenizer.sentences(line))", lines
    )
    differing = [pair for pair in zip(lines, found, expected, strict=True) if pair[1] != pair[2]]
    assert differing == []
    assert sum(len(sentences) for sentences in expected) > len(lines)


def test_scripts_give_the_lemmas_of_python(browser: Chrome, tmp_path: Path) -> None:
    parts = several_labels_parts(0)
    open_page(browser, write_page(tmp_path / "model", parts))
    more = ["Saint-Denis", "O'Neill", "l’Éte", "İstanbul", "McDonald", "a", "3D-Druck", "x_y", "Ⅷa"]
    words = [*WORDS, *UNSEEN, *more]
    script = """
    const [scripts, words] = arguments, column = { kind: "lemma", labels: scripts };
    const { tagger } = window.seqtool.model;
    return scripts.map((_, number) => tagger.fileLabels(column, words.map(() => number), words));
    """
    found = browser.execute_script(script, SCRIPTS, words)
    assert found == [[apply_script(one, word) for word in words] for one in SCRIPTS]
