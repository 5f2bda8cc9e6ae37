"""Random models, and their play pages in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seqtool.inference.heads_config import read_heads
from seqtool.inference.load import tagger_shapes
from seqtool.inference.model_config import read_word_vocabulary
from seqtool.reports.play.collect import collect_play
from seqtool.reports.play.render import render_play
from seqtool.settings.model import CharModel, Feature, TaggerModel
from seqtool.storage.find_model import find_model
from tests.support.browser import console_lines, requests
from tests.support.random_models import (
    SPAN_LABELS,
    Parts,
    character_parts,
    random_lemmas,
    random_weights,
    tagger_parts,
    word_parts,
)
from tests.support.stored_models import store

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

TEXT_WORDS = ("\n", " abc", " <unk>", "a", " ß", "ä", "<", " &", "😀", " ")
LETTERS = "\n abcdefghijkläß😀<&"
PLAIN_LABELS = ("DET", "NN", "V", "<b>")
FEATURES = (
    Feature(name="form", dim=4),
    Feature(name="form", dim=3, unknown=False),
    Feature(name="lower", dim=5, min_count=2),
    Feature(name="prefix", length=2, dim=3),
    Feature(name="suffix", length=3, dim=3),
    Feature(name="shape", dim=4),
    Feature(name="char_cnn", dim=5, char_dim=4, width=3),
    Feature(name="char_cnn", dim=4, char_dim=3, width=5),
    Feature(name="char_lstm", dim=4, char_dim=5),
)


def write_page(folder: Path, parts: Parts, **facts: object) -> Path:
    """Write a model and its page; return the path of the page."""
    run = store(folder, parts, **facts)
    data = collect_play(find_model(str(run), folder.parent), None)
    page = run / "play.html"
    page.write_text(render_play(data), encoding="utf-8")
    return page


def open_page(browser: Chrome, path: Path) -> None:
    """Open a page; it must log nothing and request nothing."""
    requests(browser), console_lines(browser)
    browser.get(path.as_uri())
    assert console_lines(browser) == []
    assert requests(browser) == [path.as_uri()]


def random_character_parts(seed: int) -> Parts:
    """Return a random text model; cells, inputs and kinds of data take turns."""
    draw = np.random.default_rng(seed)

    def chance() -> bool:
        return bool(draw.random() < 0.5)

    onehot, tied = seed % 2 == 0, seed % 4 == 1
    hidden = int(draw.integers(1, 20))
    model = CharModel(
        cell=("rnn", "lstm", "gru")[seed % 3],
        nonlinearity="relu" if chance() else "tanh",
        hidden_size=hidden,
        num_layers=int(draw.integers(1, 4)),
        initial_state=("zeros", "learned", "random")[seed % 5 % 3],
        residual=chance(),
        input="onehot" if onehot else "embedding",
        embedding_dim=hidden if tied and chance() else int(draw.integers(1, 12)),
        tied=tied,
        output="adaptive" if seed % 9 == 4 else "linear",
        cutoffs=(4, 7),
    )
    kind = ("text", "lines", "pairs")[seed % 7 % 3]
    if seed % 11 == 3:
        symbols = [chr(byte) for byte in (*range(10, 128), 0xC3, 0xA4, 0x9F, 0xF0, 0x98, 0x80)]
        return character_parts(model, symbols, kind=kind, seed=seed, unit="byte")
    if seed % 11 == 7 and kind != "pairs":
        characters = None if chance() else (" ", "a", "ß", "😀")
        unknown = 2 if characters is None else None
        return word_parts(model, TEXT_WORDS, characters, unknown=unknown, kind=kind, seed=seed)
    unknown = 3 if chance() else None
    return character_parts(model, LETTERS, kind=kind, seed=seed, unknown=unknown)


def random_tagger_parts(seed: int) -> Parts:
    """Return a random tagger; cells, decoders and features take turns."""
    draw = np.random.default_rng(seed)

    def chance() -> bool:
        return bool(draw.random() < 0.5)

    count = int(draw.integers(1, 5))
    chosen = {seed % len(FEATURES), *draw.integers(0, len(FEATURES), count).tolist()}
    decoder = ("softmax", "viterbi", "crf")[seed % 4 % 3]
    spans = decoder != "softmax" and chance()
    model = TaggerModel(
        cell=("rnn", "lstm", "gru")[seed % 3],
        hidden_size=int(draw.integers(1, 12)),
        num_layers=int(draw.integers(1, 3)),
        initial_state=("zeros", "learned", "random")[seed % 5 % 3],
        residual=chance(),
        features=tuple(FEATURES[place] for place in sorted(chosen)),
        projection=int(draw.integers(2, 10)) if chance() else 0,
        layer_norm=chance(),
        bidirectional=chance(),
        decoder=decoder,  # type: ignore[arg-type]
    )
    scheme = ("iob2", "iob1", "io", "bioes")[seed % 4] if spans else "none"
    return tagger_parts(model, SPAN_LABELS if spans else PLAIN_LABELS, scheme=scheme, seed=seed)


HEADS: dict[str, Any] = {
    "columns": [
        {"name": "upos", "kind": "label", "scheme": "none", "inner_scheme": "none"},
        {"name": "feats", "kind": "label", "scheme": "none", "inner_scheme": "none"},
        {"name": "lemma", "kind": "lemma", "scheme": "none", "inner_scheme": "none"},
        {"name": "ner", "kind": "label", "scheme": "iob2", "inner_scheme": "bioes"},
    ],
    "combined": [0, 1],
}
SCRIPTS = ["l |", "l |-", "t |", "u |+é", "p |", "k >-|", "l =be", "0,2 |", "1,-1 -|>+x"]


def several_labels_parts(seed: int, combined: bool = True) -> Parts:
    """Return a tagger of four labels: two that are scored together, lemmas and spans."""
    features = (FEATURES[0], FEATURES[6])
    model = TaggerModel(features=features, hidden_size=7, projection=6 * (seed % 2), decoder="softmax")
    config, vocab, _ = tagger_parts(model, PLAIN_LABELS, scheme="none", seed=seed)
    heads = {**HEADS, "combined": HEADS["combined"] if combined else []}
    combinations = [[0, 0], [0, 2], [1, 1], [2, 0], [2, 1], [3, 2]] if combined else []
    columns = [["_", "Number=Sing", "Number=Plur"], SCRIPTS, list(SPAN_LABELS)]
    config |= {"heads": heads}
    lemmas = random_lemmas(len(vocab["forms"]), len(PLAIN_LABELS), len(SCRIPTS), seed)
    vocab |= {"heads": {"columns": columns, "combinations": combinations, "lemmas": lemmas}}
    typed = read_heads(heads)
    shapes = tagger_shapes(model, read_word_vocabulary(vocab, model, typed), typed)
    return config, vocab, random_weights(shapes, seed)
