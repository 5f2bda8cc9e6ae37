"""`inspect` in terminals of 60 and 80 columns: no row of a table is broken, in any view of any model."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from seqtool.reports import console
from seqtool.reports.formatting import cell_width
from seqtool.settings.model import CharModel, Feature, TaggerModel, TokenizerModel
from seqtool.types import Array
from tests.support.play_pages import FEATURES, several_labels_parts
from tests.support.random_models import (
    SPAN_LABELS,
    Parts,
    character_parts,
    stored_model,
    tagger_parts,
    tokenizer_parts,
)
from tests.support.shell import on_terminal_in_process, seqtool_in_process
from tests.support.stored_models import store

if TYPE_CHECKING:
    from rich.text import Text

FORM = (Feature(name="form", dim=6),)
LABELS = ("DET", "NN", "V")
ALPHABET = "\n " + "".join(map(chr, range(33, 127)))


def small_tagger(cell: str, bidirectional: bool = False) -> Parts:
    """Return a tagger such as that of the lecture."""
    model = TaggerModel(
        cell=cell,  # type: ignore[arg-type]
        features=FORM,
        projection=0,
        hidden_size=6 if not bidirectional else 4,
        bidirectional=bidirectional,
        decoder="softmax",
    )
    return tagger_parts(model, LABELS, scheme="none")


def pairs(cell: str) -> Parts:
    """Return a text model such as that of the lecture."""
    return character_parts(CharModel(cell=cell, hidden_size=4, input="onehot"), "hielo", kind="pairs")  # type: ignore[arg-type]


MODELS: dict[str, Parts] = {
    **{f"pairs-{cell}": pairs(cell) for cell in ("rnn", "lstm", "gru")},
    **{f"tagger-{cell}": small_tagger(cell) for cell in ("rnn", "lstm", "gru")},
    "tagger-two": small_tagger("lstm", bidirectional=True),
    "onehot": character_parts(CharModel(cell="rnn", hidden_size=8, input="onehot"), "hielotxyz"[:8]),
    "large": character_parts(CharModel(hidden_size=40, num_layers=3, embedding_dim=16), ALPHABET),
    "lines": character_parts(CharModel(cell="gru", hidden_size=9, embedding_dim=4), ALPHABET, kind="lines"),
    "crf": tagger_parts(TaggerModel(features=FEATURES, hidden_size=20, projection=30), SPAN_LABELS),
    "several": several_labels_parts(1),
    "tokenizer": tokenizer_parts(
        TokenizerModel(hidden_size=4, embedding_dim=3, class_dim=2, filters=5, width=3)
    ),
}
TEXT = "hihell"
SENTENCE = "The internationalization dog ate internationalizationstandardization"
VIEWS = [
    *((name, ("--text", TEXT if name[:6] in ("pairs-", "onehot") else SENTENCE)) for name in MODELS),
    *((name, ()) for name in MODELS),
    *(
        (name, ("--text", SENTENCE, "--units", "h,1.h2-3"))
        for name in ("tagger-lstm", "tagger-two", "crf", "several", "large", "lines")
    ),
    ("large", ("--text", SENTENCE, "--units", "c,2.f5,surprisal")),
    ("large", ("--text", SENTENCE, "--find", "spaces")),
]
# Sentences and equations, which may be continued on further lines.
PROSE = re.compile(
    r"the text |the last output|what each label|\d+ tokens, with|  - stands for|> reads"
    r"|  (characters|symbols|words|labels|classes|tokenizer|size|data|scores|expanded) "
    r"|  (x|[cirfgoznh]1?) = |  W_|.* [+-]\d?\.\d\d|.*\(without it"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("width")
    for name, parts in MODELS.items():
        store(folder / "runs" / name, parts)
    return folder


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize(("name", "options"), VIEWS, ids=lambda value: " ".join(value)[:40] if value else "")
def test_no_row_of_a_table_is_broken(
    name: str, options: tuple[str, ...], columns: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed: list[str | Text] = []
    original = console.print_lines

    def recorded(lines: Iterable[str | Text]) -> None:
        printed.extend(lines)
        original(printed)

    monkeypatch.setattr(console, "print_lines", recorded)
    done = on_terminal_in_process("inspect", name, *options, cwd=folder, columns=columns)
    assert done.code == 0 and "Traceback" not in done.stderr
    assert max(map(cell_width, done.lines)) <= columns
    texts = [line for line in printed if isinstance(line, str)]
    assert [line for line in texts if cell_width(line) > columns and not PROSE.match(line)] == []
    assert len(printed) > 3


def test_small_tagger_shows_all_units_at_each_token(folder: Path) -> None:
    shown = seqtool_in_process("inspect", "tagger-lstm", "--text", "The dog", cwd=folder).lines
    heads = [line.split()[1:] for line in shown if line.startswith("token ") and " h1" in line]
    assert heads == [[f"h{unit}" for unit in range(1, 7)]]
    two = seqtool_in_process("inspect", "tagger-two", "--text", "The dog", cwd=folder).stdout
    assert all(f" h{unit}{sign}" in two for unit in range(1, 5) for sign in "<>")
    assert " h1 " not in seqtool_in_process("inspect", "crf", "--text", "The dog", cwd=folder).stdout


@pytest.mark.parametrize("name", ["tagger-rnn", "tagger-lstm", "tagger-gru", "tagger-two", "pairs-lstm"])
def test_first_step_has_the_numbers_of_the_equations(name: str, folder: Path) -> None:
    """Compute the step from the printed terms, and compare it with the states of the model."""
    from seqtool.inference.load import load_character_model, load_tagger

    is_text = name.startswith("pairs")
    text = TEXT if is_text else "The dog"
    shown = seqtool_in_process("inspect", name, "--text", text, cwd=folder).stdout
    lines = shown[shown.index("the first step, in numbers") :].splitlines()
    assert ("from left to right" in lines[0]) == (name == "tagger-two")
    values = {
        line.split(" = ")[0].strip(): [
            np.array([float(number) for number in vector.split(", ")])
            for vector in re.findall(r"\[([^\]]*)\]", line)
        ]
        for line in lines[2:]
    }
    stored = stored_model(MODELS[name])
    states = (
        load_character_model(stored).states(text) if is_text else load_tagger(stored).states(text.split())
    )
    direction = "forward." if name == "tagger-two" else ""
    after = {
        part: states[f"encoder.0.{direction}{part}"][0]
        for part in "hcifogrzn"
        if f"encoder.0.{direction}{part}" in states
    }
    h1 = next(vectors[-1] for key, vectors in values.items() if key.startswith("h1"))
    assert np.allclose(h1, after["h"], atol=6e-5)
    for gate, activation in (
        ("i", _sigmoid),
        ("f", _sigmoid),
        ("o", _sigmoid),
        ("g", np.tanh),
        ("r", _sigmoid),
    ):
        if gate in after:
            terms = values[f"W_ih_{gate} x + b_ih_{gate}"] + values[f"W_hh_{gate} h0 + b_hh_{gate}"]
            assert np.allclose(activation(terms[0] + terms[1] + terms[2] + terms[3]), after[gate], atol=3e-4)
            assert np.allclose(values[gate][-1], after[gate], atol=6e-5)


def _sigmoid(values: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-values)))
