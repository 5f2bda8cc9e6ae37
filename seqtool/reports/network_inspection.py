"""A network to look at, as lines of text: its parts and sizes, what is known of its training, its way through a text.

The walk through a text is the lecture's: shapes, the hidden state after each symbol, and for a network small enough the
weights and the first step in numbers. States come from the runtime, the one place where gates are worked out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from seqtool.inference.character import CharacterModel
from seqtool.inference.tagger import TaggerModel
from seqtool.reports.network import network_parts, network_title
from seqtool.reports.text_chart import chart
from seqtool.reports.training_rows import clock
from seqtool.safe_text import shorten, visible
from seqtool.settings import feature_list
from seqtool.storage.model_directory import Manifest
from seqtool.types import Array

SMALL = 200  # parameters below which weights and the first step are shown
SHOWN_UNITS = 8
SHOWN_TOKENS = 60
GATES = {
    "rnn": ("h",),
    "lstm": ("i", "f", "g", "o"),
    "gru": ("r", "z", "n"),
}  # in the order in which torch stacks them


def overview(
    name: str, config: Mapping[str, Any], vocab: Mapping[str, Any], weights: Mapping[str, Array]
) -> Iterator[str]:
    """What the network is."""
    shapes = {key: array.shape for key, array in weights.items()}
    yield name
    yield network_title(config, shapes)
    parts = network_parts(config, vocab, shapes)
    width = max(len(what) for _, what, _ in parts)
    for part, what, parameters in parts:
        yield f"  {part:<10} {what:<{width}} {parameters:>12,}" if parameters else f"  {part:<10} {what}"


def facts(config: Mapping[str, Any], vocab: Mapping[str, Any], manifest: Manifest | None) -> Iterator[str]:
    """Vocabulary, data, scores and how the model came to be."""
    yield ""
    if config["task"] == "char":
        symbols = " ".join(
            visible(chr(symbol) if isinstance(symbol, int) else symbol) for symbol in vocab["symbols"]
        )
        yield f"  symbols    {len(vocab['symbols'])}: {shorten(symbols, 80)}"
    else:
        yield f"  words      {len(vocab['forms']):,} distinct, {sum(vocab['counts']):,} in training"
        yield f"  labels     {len(vocab['labels'])}: {shorten(' '.join(map(visible, vocab['labels'])), 80)}"
        f1 = config.get("tokenizer_f1")
        yield f"  tokeniser  {config.get('tokenizer') or 'none: needs tokens'}" + (
            f" (token F1 {f1:.4f} in training)" if f1 else ""
        )
    if manifest is None:
        return
    size = manifest.size
    yield f"  size       {f'{size / 1e6:.1f} MB' if size >= 1e6 else f'{size / 1e3:.1f} kB'} on disk, {manifest.parameters:,} parameters"
    for file, sha256 in manifest.data.items():
        yield f"  data       {visible(str(file))}  SHA-256 {sha256[:12]}…"
    scores = ", ".join(
        f"{name} {value:.4f}" for name, value in manifest.all_scores.items() if value is not None
    )
    if scores:
        yield f"  scores     {scores} (epoch {manifest.epoch}, step {manifest.step:,})"
    if manifest.seconds is not None:
        how = f"{clock(manifest.seconds)} on {manifest.device}, {manifest.threads} threads, seed {manifest.seed}"
        yield f"  trained    {how}"
        yield "  versions   " + ", ".join(f"{name} {version}" for name, version in manifest.versions.items())
        yield "  command    seqtool " + visible(" ".join(manifest.command))


def training_curve(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Losses over the epochs, and the course of the score where there is one."""
    for names in (("train_loss", "val_loss"), ("val_accuracy", "val_f1")):
        curves = {
            name: [(row["epoch"], row[name]) for row in rows if row.get(name) is not None] for name in names
        }
        lines = chart({name: points for name, points in curves.items() if points})
        if lines:
            yield ""
            yield f"{' and '.join(name for name in names if curves[name])} over epochs"
            yield from ("  " + line for line in lines)


# --- a character model reads a text -----------------------------------------------------------------------------------


def character_walk(model: CharacterModel, weights: Mapping[str, Array], text: str) -> Iterator[str]:
    """Shapes, the state after every symbol, and for a small network its weights and the first step.

    Raises:
        DataError: a symbol that the model does not know.
    """
    ids = model.encode(text)
    symbols = [model.vocabulary.symbols[number] for number in ids.tolist()]
    if not symbols:
        return
    last = f"encoder.{model.settings.num_layers - 1}.h"
    states = model.states(text, {last, "logits"})
    hidden = states[last]
    width = weights["encoder.0.forward.weight_ih"].shape[1]
    yield ""
    numbers = " ".join(map(str, ids.tolist()[:SHOWN_TOKENS])) + (" …" if len(ids) > SHOWN_TOKENS else "")
    yield f"the text {visible(text)!r}, as numbers: {numbers}"
    yield f"  input        1x{len(ids)}x{width}   (batch, time, {'one-hot symbols' if model.settings.input == 'onehot' else 'embedding'})"
    yield f"  output       1x{len(ids)}x{hidden.shape[1]}   (batch, time, hidden)"
    yield f"  final state  {model.settings.num_layers}x1x{hidden.shape[1]}   (layers, batch, hidden)"
    yield ""
    scores = states["logits"] if model.settings.output == "linear" else None
    yield from _state_table(model, symbols[:SHOWN_TOKENS], hidden, scores)
    final = model.forward(np.asarray(ids, np.int64)[:, None])[1][-1][0][0, 0]
    if np.array_equal(final, hidden[-1]) or np.allclose(final, hidden[-1], atol=1e-6):
        yield f"the last output equals the final state: {_vector(final)}"
    if sum(array.size for array in weights.values()) < SMALL:
        yield from _weights(weights)
        yield from _first_step(model, weights, int(ids[0]), symbols[0], text)


def _state_table(
    model: CharacterModel, symbols: Sequence[str], hidden: Array, scores: Array | None
) -> Iterator[str]:
    units = min(hidden.shape[1], SHOWN_UNITS)
    onehot = model.settings.input == "onehot" and len(model.vocabulary) <= SHOWN_UNITS
    columns = len(model.vocabulary)
    guess = "aligned" if model.kind == "pairs" else "next"
    head = f"  symbol{'  one-hot'.ljust(2 + 2 * columns) if onehot else ''}  " + " ".join(
        f"{f'h{unit + 1}':>8}" for unit in range(units)
    )
    yield head + (f"  {guess} (probability)" if scores is not None else "")
    for place, symbol in enumerate(symbols):
        row = f"  {visible(symbol):<6}"
        if onehot:
            number = model.vocabulary.symbols.index(symbol)
            row += "  " + " ".join("1" if column == number else "0" for column in range(columns)).ljust(
                max(2 * columns, 7)
            )
        row += "  " + " ".join(f"{value:8.4f}" for value in hidden[place, :units])
        if scores is not None:
            probabilities = np.exp(scores[place] - scores[place].max())
            best = int(scores[place].argmax())
            row += f"  {visible(model.vocabulary.symbols[best])} ({probabilities[best] / probabilities.sum():.3f})"
        yield row.rstrip()
    if hidden.shape[1] > units:
        yield f"  (units 1 to {units} of {hidden.shape[1]})"


def _weights(weights: Mapping[str, Array]) -> Iterator[str]:
    yield ""
    yield "weights"
    for name, array in sorted(weights.items()):
        yield f"  {name}  {'x'.join(map(str, array.shape))}"
        for row in np.atleast_2d(array):
            yield "    " + " ".join(f"{value:8.4f}" for value in row)


def _first_step(
    model: CharacterModel, weights: Mapping[str, Array], number: int, symbol: str, text: str
) -> Iterator[str]:
    """The first layer's first step in numbers, gate by gate."""
    cell = model.settings.cell
    w_ih, w_hh, b_ih, b_hh = (
        weights[f"encoder.0.forward.{name}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    x = (
        np.eye(w_ih.shape[1], dtype=np.float32)[number]
        if model.settings.input == "onehot"
        else weights["embedding.weight"][number]
    )
    start = model.initial_state()[0]
    h0 = start[0][0, 0]
    states = model.states(text, {f"encoder.0.{name}" for name in (*GATES[cell], "h", "c")})
    found = {name.rpartition(".")[2]: array[0] for name, array in states.items()}
    yield ""
    yield f"the first step, in numbers: {visible(symbol)!r}"
    yield f"  x = {_vector(x)}   h0 = {_vector(h0)}" + (
        f"   c0 = {_vector(start[1][0, 0])}" if cell == "lstm" else ""
    )
    size = model.settings.hidden_size
    for index, gate in enumerate(GATES[cell]):
        rows = slice(index * size, (index + 1) * size)
        mark = "" if cell == "rnn" else f"_{gate}"
        yield f"  W_ih{mark} x + b_ih{mark}   = {_vector(w_ih[rows] @ x)} + {_vector(b_ih[rows])}"
        yield f"  W_hh{mark} h0 + b_hh{mark}  = {_vector(w_hh[rows] @ h0)} + {_vector(b_hh[rows])}"
        yield "  " + _gate_equation(cell, gate, model.settings.nonlinearity) + f" = {_vector(found[gate])}"
    if cell == "lstm":
        yield f"  c1 = f * c0 + i * g = {_vector(found['c'])}"
        yield f"  h1 = o * tanh(c1) = {_vector(found['h'])}"
    if cell == "gru":
        yield f"  h1 = (1 - z) * n + z * h0 = {_vector(found['h'])}"


def _gate_equation(cell: str, gate: str, nonlinearity: str) -> str:
    if cell == "rnn":
        return f"h1 = {nonlinearity}(their sum)"
    if (cell, gate) == ("gru", "n"):
        return "n = tanh(W_ih_n x + b_ih_n + r * (W_hh_n h0 + b_hh_n))"
    return f"{gate} = {'tanh' if gate == 'g' else 'sigmoid'}(their sum)"


def _vector(values: Array) -> str:
    return (
        "["
        + ", ".join(
            f"{value:.4f}".rstrip("0").rstrip(".") if value in (0, 1) else f"{value:.4f}" for value in values
        )
        + "]"
    )


# --- a tagger reads a sentence ----------------------------------------------------------------------------------------


def tagger_walk(model: TaggerModel, weights: Mapping[str, Array], tokens: Sequence[str]) -> Iterator[str]:
    """Token numbers, shapes, and the labels with their probabilities."""
    if not tokens:
        return
    encoded = model.encoder.encode(list(tokens))
    ((labels, probabilities),) = model.tag_with_probabilities([tokens])
    count, directions = len(tokens), 2 if model.settings.bidirectional else 1
    yield ""
    yield f"{count} tokens, with the numbers of their features (row of each embedding)"
    columns: dict[str, list[str]] = {"token": [visible(token) for token in tokens]}
    looked_up = [feature for feature in feature_list(model.settings) if not feature.name.startswith("char_")]
    for feature, numbers in zip(looked_up, encoded.ids.T.tolist(), strict=True):
        name = feature.name + (str(feature.length) if feature.name in ("prefix", "suffix") else "")
        columns[name] = ["-" if number < 0 else str(number) for number in numbers]
    columns["label"] = labels
    columns["probability"] = [f"{probability:.4f}" for probability in probabilities]
    widths = {name: max(len(name), *map(len, cells)) for name, cells in columns.items()}
    yield "  " + "  ".join(name.ljust(widths[name]) for name in columns).rstrip()
    for place in range(min(count, SHOWN_TOKENS)):
        yield "  " + "  ".join(cells[place].ljust(widths[name]) for name, cells in columns.items()).rstrip()
    entering = weights["encoder.0.forward.weight_ih"].shape[1]
    yield ""
    yield f"  token numbers  1x{count}   (batch, time)"
    yield f"  input          1x{count}x{entering}   (batch, time, features)"
    yield f"  output         1x{count}x{directions * model.settings.hidden_size}   (batch, time, hidden)"
    yield f"  scores         1x{count}x{len(model.labels)}   (batch, time, labels)"
