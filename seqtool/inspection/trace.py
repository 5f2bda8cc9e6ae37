"""Traces through a network: states and gates of units (h3, 2.f5) over a text; the effect of hiding a word."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seqtool.decoding import log_softmax
from seqtool.errors import SeqtoolError
from seqtool.inference.character import CharacterModel
from seqtool.inference.tagger import TaggerModel
from seqtool.inference.text_scoring import iter_carried_states
from seqtool.settings.model import RecurrentModel
from seqtool.storage.atomic import replaced_file
from seqtool.storage.ownership import check_output
from seqtool.types import Array

PARTS = {"rnn": "h", "lstm": "hcifog", "gru": "hrzn"}
GATES = "ifozr"  # values from 0 to 1
SHOWN = 8  # number of units that a letter without numbers means
MEANINGS = {
    "h": "state",
    "c": "cell",
    "i": "input gate",
    "f": "forget gate",
    "o": "output gate",
    "g": "candidate",
    "r": "reset gate",
    "z": "update gate",
    "n": "candidate",
}
_NAME = re.compile(r"(?:(\d+)\.)?([a-z])(?:(\d+)(?:-(\d+))?)?", re.ASCII)


@dataclass(frozen=True, order=True)
class Unit:
    """One number of a network's state or gates at each step.

    Attributes:
        layer: counted from 0.
        part: letter of the state or gate.
        index: counted from 0.
    """

    layer: int
    part: str
    index: int

    @property
    def name(self) -> str:
        """Name of the unit as users write it."""
        return f"{f'{self.layer + 1}.' if self.layer else ''}{self.part}{self.index + 1}"

    @property
    def array(self) -> str:
        """Name of the array of `CharacterModel.states` that contains the unit as a column."""
        return f"encoder.{self.layer}.{self.part}"


def parse_units(texts: Sequence[str], model: RecurrentModel, limit: int | None = SHOWN) -> list[Unit]:
    """Return the units with the given names: `h3`, `c1-8`, `2.f5`, or `h` for the first units.

    Args:
        texts: one name or several, separated by commas, in each text.
        limit: number of units that a letter alone means; None for all of its layer.

    Raises:
        SeqtoolError: a name is malformed, or the network has no such unit.
    """
    units: list[Unit] = []
    for name in (name.strip() for text in texts for name in text.split(",")):
        match = _NAME.fullmatch(name)
        if match is None:
            raise _unit_error(name, "expected a unit such as h3, c1-8 or 2.f5", model)
        layer, part = int(match[1] or 1), match[2]
        if part not in PARTS[model.cell]:
            raise _unit_error(name, f"an {model.cell} has no {part!r}", model)
        if not 1 <= layer <= model.num_layers:
            raise _unit_error(name, f"there is no layer {layer}", model)
        first = int(match[3] or 1)
        last = int(match[4] or match[3] or min(limit or model.hidden_size, model.hidden_size))
        if not 1 <= first <= last <= model.hidden_size:
            raise _unit_error(name, f"units are counted from 1 to {model.hidden_size}", model)
        units += [Unit(layer - 1, part, index) for index in range(first - 1, last)]
    return list(dict.fromkeys(units))


def _unit_error(name: str, message: str, model: RecurrentModel) -> SeqtoolError:
    parts = ", ".join(f"{part} ({MEANINGS[part]})" for part in PARTS[model.cell])
    layers = f" in {model.num_layers} layers" if model.num_layers > 1 else ""
    return SeqtoolError(
        f"{name!r}: {message}",
        place="--units",
        hint=f"this network has {model.hidden_size} units{layers}, each with {parts}",
    )


def shades(unit: Unit, values: Array) -> Array:
    """Return a unit's values scaled to the range of its colors, from -1 (blue) to 1 (red).

    Values 0 and 1 of a gate become -1 and 1. States and cells are divided by the largest absolute value.
    """
    if unit.part in GATES:
        return np.asarray(2 * values - 1, np.float32)
    largest = float(np.abs(values).max(initial=0.0))
    return np.asarray(values / (largest or 1.0), np.float32)


GUESSES = 5  # predictions that are kept at each symbol
CONTEXT = 1000  # characters that are read before an excerpt
_LINES = 128  # lines that are read together


@dataclass(frozen=True)
class Trace:
    """Results at each symbol of a text.

    Attributes:
        symbols: the symbols of the text; for a model of lines, each line ends with a line feed.
        guesses: numbers of the most probable next (or aligned) symbols, the best first: (length, 5). Without
            an output layer there are no columns.
        probabilities: their probabilities, of the same shape.
        bits: surprisal of each symbol; NaN for a symbol that was not predicted, such as the first of a text.
        states: arrays (length, hidden) by name, see `CharacterModel.states`.
    """

    symbols: tuple[str, ...]
    guesses: Array
    probabilities: Array
    bits: Array
    states: dict[str, Array]

    def last(self, count: int) -> Trace:
        """Return the trace of the last symbols."""
        start = len(self.symbols) - count
        states = {name: values[start:] for name, values in self.states.items()}
        return Trace(
            self.symbols[start:], self.guesses[start:], self.probabilities[start:], self.bits[start:], states
        )


def encode_for_trace(model: CharacterModel, text: str | bytes) -> Array:
    """Return the symbol numbers of a text; for a model of lines, every line is terminated.

    Raises:
        DataError: a symbol is unknown.
    """
    if boundary := model.boundary:
        lines = model.text(text).removesuffix(boundary).split(boundary)
        text = "".join(line + boundary for line in lines)
    return model.encode(text)


def trace_parts(
    model: CharacterModel, ids: Array, names: Collection[str] | None
) -> Iterator[tuple[Array, dict[str, Array]]]:
    """Yield positions (count,), and states and logits (count, …) after them by name, part by part.

    Args:
        ids: see `encode_for_trace`.
        names: names of the arrays; None for all.
    """
    if not model.boundary:
        yield from iter_carried_states(model, ids, names)
        return
    (boundary,) = model.encode(model.boundary)
    ends = np.flatnonzero(ids == boundary) + 1
    starts = np.concatenate([[0], ends[:-1]])
    order = np.argsort(starts - ends, kind="stable")  # by length, the longest first
    for first in range(0, len(order), _LINES):
        lines = order[first : first + _LINES]
        positions = starts[lines] + np.arange(int((ends - starts)[lines].max()))[:, None]  # (time, lines)
        inside = positions < ends[lines]
        _, state = model.forward(np.full((1, len(lines)), boundary, np.int64))
        arrays, _ = model.forward_recorded(ids[np.where(inside, positions, 0)], state, names)
        yield positions[inside], {name: values[inside] for name, values in arrays.items()}


def trace_text(model: CharacterModel, text: str | bytes, names: Collection[str] = ()) -> Trace:
    """Return the trace of a text.

    Args:
        names: names of the states to keep.

    Raises:
        DataError: a symbol is unknown.
    """
    ids = encode_for_trace(model, text)
    has_scores = model.settings.output != "none"
    width = min(GUESSES, len(model.vocabulary)) if has_scores else 0
    guesses, probabilities = np.zeros((len(ids), width), np.int64), np.zeros((len(ids), width), np.float32)
    bits = np.full(len(ids) + 1, np.nan)  # of the symbol after each position
    states: dict[str, Array] = {}
    for positions, arrays in trace_parts(model, ids, {*names, *(["logits"] if has_scores else [])}):
        if has_scores:
            scores = log_softmax(arrays.pop("logits"))
            best = np.argsort(-scores, axis=1, kind="stable")[:, :width]
            guesses[positions], probabilities[positions] = best, np.exp(np.take_along_axis(scores, best, 1))
            following = np.minimum(positions + 1, len(ids) - 1)
            bits[positions + 1] = -scores[np.arange(len(positions)), ids[following]] / math.log(2)
        for name, values in arrays.items():
            states.setdefault(name, np.empty((len(ids), values.shape[1]), np.float32))[positions] = values
    symbols = tuple(map(model.vocabulary.symbols.__getitem__, ids.tolist()))
    return Trace(symbols, guesses, probabilities, _surprisal(model, ids, bits[:-1]), states)


def _surprisal(model: CharacterModel, ids: Array, bits: Array) -> Array:
    """Return the surprisal of each symbol. `bits` are predicted from the symbol before, also across lines."""
    if model.aligned:
        return np.full(len(ids), np.nan)
    if model.boundary and model.settings.output != "none":
        boundary = model.encode(model.boundary)
        first = -log_softmax(model.forward(boundary[:, None])[0][0, 0]) / math.log(2)
        begins_line = np.concatenate([[True], ids[:-1] == boundary[0]])[: len(ids)]
        return np.where(begins_line, first[ids], bits)
    return bits


def trace_excerpt(model: CharacterModel, text: str, start: int, end: int, units: Sequence[Unit]) -> Trace:
    """Return the trace of characters `start` to `end` of a text.

    The model first reads the text before them.
    """
    before = "" if model.boundary else text[max(0, start - CONTEXT) : start]
    trace = trace_text(model, before + text[start:end], {unit.array for unit in units})
    return trace.last(len(trace.symbols) - len(model.encode(before)))


# --- arrays in a file ---------------------------------------------------------------------------------------


def character_states(model: CharacterModel, text: str, units: Sequence[Unit] = ()) -> dict[str, Array]:
    """Return `symbols`, `ids`, `bits` and the states: whole arrays, or of some units by their names.

    Raises:
        DataError: a symbol is unknown.
    """
    layers = range(model.settings.num_layers)
    names = {unit.array for unit in units} or {
        f"encoder.{layer}.{part}" for layer in layers for part in PARTS[model.settings.cell]
    }
    trace = trace_text(model, text, names)
    arrays = {
        "symbols": np.array(trace.symbols, "U1"),
        "ids": encode_for_trace(model, text),
        "bits": trace.bits,
    }
    if units:
        return arrays | {unit.name: trace.states[unit.array][:, unit.index] for unit in units}
    return arrays | trace.states


def tagger_states(model: TaggerModel, tokens: Sequence[str]) -> dict[str, Array]:
    """Return `tokens`, `labels` and their `probabilities`, and all states of a sentence."""
    (probabilities,) = model.probabilities([tokens])
    arrays = {
        "tokens": np.array(list(tokens), np.str_),
        "labels": np.array(model.labels, np.str_),
        "probabilities": probabilities,
    }
    return arrays | model.states(tokens)


STATES_MARK = b"states written by seqtool"  # comment of the zip archive


def write_npz(path: Path, arrays: Mapping[str, Array], inputs: Iterable[Path] = ()) -> None:
    """Write arrays to an .npz file without pickle, through a temporary file.

    Raises:
        SeqtoolError: the file cannot be written, or it is one of the inputs, a model file or a run file.
    """
    check_output(path, inputs, mark=STATES_MARK, option="--states")
    with replaced_file(path) as file:
        np.savez(file, **arrays, allow_pickle=False)
        file.seek(-2, os.SEEK_END)  # a zip archive ends with the length of its comment, and the comment
        file.write(len(STATES_MARK).to_bytes(2, "little") + STATES_MARK)


LONGEST = 80  # tokens; a sentence is tagged once for every word


@dataclass(frozen=True)
class WordAblation:
    """Probabilities of all labels in a sentence, and the effects of leaving out words.

    Attributes:
        tokens: the words.
        labels: the best label of each token, in the scheme of the network, which can be finer than that of
            the files.
        names: all labels.
        probabilities: (tokens, names).
        effects: effect of a left-out word (column) on the label of a token (row): (tokens, tokens), 0 on the
            diagonal. None for a sentence of one word, or of more than `LONGEST`.
        instead: number of the label that a token (row) gets if a word (column) is left out; None as for
            `effects`.
    """

    tokens: tuple[str, ...]
    labels: tuple[str, ...]
    names: tuple[str, ...]
    probabilities: Array
    effects: Array | None
    instead: Array | None


def ablate_words(model: TaggerModel, tokens: Sequence[str]) -> WordAblation:
    """Tag a sentence, and tag it again without each of its words."""
    count = len(tokens)
    (table,) = model.probabilities([tokens])
    best = table.argmax(1)
    effects = instead = None
    if 1 < count <= LONGEST:
        shortened = [[*tokens[:left_out], *tokens[left_out + 1 :]] for left_out in range(count)]
        effects, instead = np.zeros((count, count)), np.tile(best[:, None], count)
        for left_out, probabilities in enumerate(model.probabilities(shortened)):
            rows = np.delete(np.arange(count), left_out)
            without = probabilities[np.arange(count - 1), best[rows]]
            effects[rows, left_out] = table[rows, best[rows]] - without
            instead[rows, left_out] = probabilities.argmax(1)
    labels = tuple(model.labels[number] for number in best)
    return WordAblation(tuple(tokens), labels, model.labels, table, effects, instead)
