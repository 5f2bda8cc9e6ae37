"""Show a character model on a text: its states and first step in numbers, its hidden units as colored rows.

The walk through a text follows the lecture: shapes, the hidden state after each symbol and, for a small
network, the weights and the first step. All states come from the inference code, the only place that computes
gates.

Without color, a row of blocks under the text shows a unit: from ▁ (-1, blue) to █ (1, red).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seqtool.inference.character import CharacterModel
from seqtool.inspection.trace import PARTS, Trace, Unit, shades
from seqtool.reports.first_step import FirstStep, first_step_lines, vector_text
from seqtool.reports.formatting import (
    Color,
    cell_width,
    diverging_color,
    pad,
    surprisal_color,
    terminal_style,
)
from seqtool.reports.weights import Column, column_blocks, is_small, weight_lines
from seqtool.safe_text import limited, visible
from seqtool.types import Array, Arrays

if TYPE_CHECKING:
    from rich.text import Text

    from seqtool.data.vocabulary import SymbolVocabulary
    from seqtool.inspection.unit_ranking import RankedUnit

SHOWN_UNITS = 8
SHOWN_SYMBOLS = 60
LEVELS = "▁▂▃▄▅▆▇█"
MARGIN = 9  # columns of the names on the left of the rows
LINE_BREAK = "↵"


# --- a walk through a text --------------------------------------------------------------------------------


def character_walk(model: CharacterModel, weights: Arrays, text: str, width: int = 80) -> Iterator[str]:
    """Yield shapes, the state after every symbol and, for a small network, its weights and its first step.

    Raises:
        DataError: the text has a symbol that the model does not know.
    """
    ids = model.encode(text)
    symbols = [model.vocabulary.symbols[number] for number in ids.tolist()]
    if not symbols:
        return
    last = f"encoder.{model.settings.num_layers - 1}.h"
    states = model.states(text, {last, "logits"})
    hidden = states[last]
    inputs, input_name = weights["encoder.0.forward.weight_ih"].shape[1], _input_name(model)
    yield ""
    numbers = " ".join(map(str, ids.tolist()[:SHOWN_SYMBOLS])) + (" …" if len(ids) > SHOWN_SYMBOLS else "")
    yield f"the text {limited(visible(text))!r}, as numbers: {numbers}"
    yield f"  input        1x{len(ids)}x{inputs}   (batch, time, {input_name})"
    yield f"  output       1x{len(ids)}x{hidden.shape[1]}   (batch, time, hidden)"
    yield f"  final state  {model.settings.num_layers}x1x{hidden.shape[1]}   (layers, batch, hidden)"
    yield ""
    scores = states["logits"] if model.settings.output != "none" else None
    yield from _state_table(model, symbols[:SHOWN_SYMBOLS], hidden, scores, width)
    final = model.forward(np.asarray(ids, np.int64)[:, None])[1][-1][0][0, 0]
    if np.array_equal(final, hidden[-1]) or np.allclose(final, hidden[-1], atol=1e-6):
        yield f"the last output equals the final state: {vector_text(final)}"
    if is_small(weights):
        yield from weight_lines(weights, width)
        step = _first_step(model, weights, int(ids[0]), text)
        yield from first_step_lines(model.settings, weights, step)


def _shown(model: CharacterModel, symbol: str) -> str:
    """Return a symbol for a person; a byte beyond ASCII as its number."""
    beyond = model.vocabulary.unit == "byte" and symbol > "\x7f"
    return model.vocabulary.show(symbol) if beyond else visible(symbol)


def _input_name(model: CharacterModel) -> str:
    name = "one-hot symbols" if model.settings.input == "onehot" else "embedding"
    return f"{name} and condition {visible(model.condition)}" if model.condition else name


def _input_vector(model: CharacterModel, weights: Arrays, number: int) -> Array:
    """Return the vector that the first layer reads at a symbol."""
    onehot = model.settings.input == "onehot"
    x = np.eye(model.symbol_count, dtype=np.float32) if onehot else weights["embedding.weight"]
    condition = model.condition_number
    parts = [x[number]] if condition is None else [x[number], weights["condition.weight"][condition]]
    return np.concatenate(parts)


def _state_table(
    model: CharacterModel, symbols: Sequence[str], hidden: Array, scores: Array | None, width: int
) -> Iterator[str]:
    """Yield one row per symbol: its one-hot vector if it is short, hidden units, and the best prediction."""
    units = min(hidden.shape[1], SHOWN_UNITS)
    count = len(model.vocabulary)
    first = Column("symbol", [_shown(model, symbol) for symbol in symbols])
    columns = []
    if model.settings.input == "onehot" and count <= SHOWN_UNITS:
        numbers = map(model.vocabulary.symbols.index, symbols)
        columns.append(Column("one-hot", [_onehot(number, count) for number in numbers]))
    for unit in range(units):
        cells = [f"{value:8.4f}" for value in hidden[: len(symbols), unit]]
        columns.append(Column(f"h{unit + 1}", cells, is_number=True))
    if scores is not None:
        best = [_best(model, row) for row in scores[: len(symbols)]]
        columns.append(Column(f"{prediction_kind(model)} (probability)", best))
    yield from column_blocks(first, columns, width)
    if hidden.shape[1] > units:
        yield f"  (units 1 to {units} of {hidden.shape[1]})"


def _best(model: CharacterModel, scores: Array) -> str:
    """Return the most probable symbol with its probability."""
    probabilities = np.exp(scores - scores.max())
    number = int(scores.argmax())
    probability = probabilities[number] / probabilities.sum()
    return f"{_shown(model, model.vocabulary.symbols[number])} ({probability:.3f})"


def prediction_kind(model: CharacterModel) -> str:
    """Return the kind of the predicted symbol: the `next` one, or the `aligned` one of the output."""
    return "aligned" if model.aligned else "next"


def _onehot(number: int, columns: int) -> str:
    return " ".join("1" if column == number else "0" for column in range(columns))


def _first_step(model: CharacterModel, weights: Arrays, number: int, text: str) -> FirstStep:
    """Return the values of the first step of the first layer."""
    x = _input_vector(model, weights, number)
    before = [part[0, 0] for part in model.initial_state()[0]]
    names = {f"encoder.0.{part}" for part in PARTS[model.settings.cell]}
    after = {name.rpartition(".")[2]: array[0] for name, array in model.states(text, names).items()}
    return FirstStep(repr(visible(model.vocabulary.symbols[number])), x, before, after)


# --- hidden units over a text -----------------------------------------------------------------------------


def shown_symbols(symbols: Sequence[str], unit: str) -> list[str]:
    """Return one cell of text for each symbol.

    The first byte of a character shows that character, the other bytes a dot.

    Args:
        unit: `char`, `byte` or `word`.
    """
    if unit != "byte":
        return [LINE_BREAK if symbol == "\n" else visible(symbol) for symbol in symbols]
    cells = ["·"] * len(symbols)
    data = bytes(ord(symbol) for symbol in symbols)
    place = 0
    while place < len(data):
        length = next((size for size in (1, 2, 3, 4) if _is_character(data[place : place + size])), 1)
        if _is_character(data[place : place + length]):
            character = data[place : place + length].decode()
            cells[place] = LINE_BREAK if character == "\n" else visible(character)
        place += length
    return cells


def _is_character(data: bytes) -> bool:
    try:
        return len(data.decode()) == 1
    except UnicodeDecodeError:
        return False


def shown_guess(symbol: str, unit: str) -> str:
    """Return one cell of text for a predicted symbol; a dot for a byte that is no character."""
    if symbol == " ":
        return "␣"
    if unit == "byte" and symbol > "\x7f":
        return "·"
    return LINE_BREAK if symbol == "\n" else visible(symbol)


@dataclass(frozen=True)
class UnitDisplay:
    """Settings of the display of hidden units.

    Attributes:
        units: the units that get a row.
        guess: kind of the predicted symbols, `next` or `aligned`.
        surprisal: whether the surprisal gets a row.
        width: columns of the terminal.
        color: whether rows are colored.
    """

    units: Sequence[Unit]
    guess: str
    surprisal: bool
    width: int
    color: bool


@dataclass(frozen=True)
class _ValueRow:
    """Values between -1 and 1, one for each symbol, with their colors."""

    name: str
    values: Array
    colors: list[Color]

    def cell(self, place: int, symbol: str, width: int, color: bool) -> tuple[str, str]:
        """Return text and style of a cell: the symbol on a color, or a block."""
        if color:
            return pad(symbol, width), terminal_style(self.colors[place])
        return pad(LEVELS[min(7, int((float(self.values[place]) + 1) * 4))], width), ""


def unit_rows(trace: Trace, vocabulary: SymbolVocabulary, display: UnitDisplay) -> Iterator[Text]:
    """Yield the text line by line, within the width of the terminal.

    Each line has a row for the surprisal and for each unit, and below them the best predictions.
    """
    from rich.text import Text

    color = display.color
    symbols = shown_symbols(trace.symbols, vocabulary.unit)
    guesses = [
        [shown_guess(vocabulary.symbols[number], vocabulary.unit) for number in row]
        for row in trace.guesses.tolist()
    ]
    rows = _value_rows(trace, display)
    widths = [
        max(1, cell_width(symbol), *map(cell_width, row))
        for symbol, row in zip(symbols, guesses, strict=True)
    ]
    for line in _wrapped(trace.symbols, widths, max(8, display.width - MARGIN)):
        if not color:
            yield Text(" " * MARGIN + "".join(pad(symbols[place], widths[place]) for place in line))
        for row in rows:
            text = Text(f"{row.name:>{MARGIN - 2}}  ")
            for place in line:
                text.append(*row.cell(place, symbols[place], widths[place], color))
            yield text
        for rank in range(trace.guesses.shape[1]):
            name = display.guess if not rank else ""
            text = Text(f"{name:>{MARGIN - 2}}  ", style="dim" if color and rank else "")
            for place in line:
                likely = color and float(trace.probabilities[place, rank]) > 0.5
                text.append(pad(guesses[place][rank], widths[place]), style="bold" if likely else "")
            yield text
        if display.surprisal and (summary := _line_surprisal(trace.bits[line])):
            yield Text(" " * MARGIN + summary, style="dim" if color else "")
        yield Text("")


def _value_rows(trace: Trace, display: UnitDisplay) -> list[_ValueRow]:
    rows = []
    if display.surprisal:
        bits = np.nan_to_num(trace.bits)
        colors = [surprisal_color(value) for value in bits.tolist()]
        rows.append(_ValueRow("bits", np.clip(bits / 4 - 1, -1, 1), colors))
    for unit in display.units:
        values = shades(unit, trace.states[unit.array][:, unit.index])
        rows.append(_ValueRow(unit.name, values, [diverging_color(value) for value in values.tolist()]))
    return rows


def _wrapped(symbols: Sequence[str], widths: Sequence[int], width: int) -> Iterator[list[int]]:
    """Yield the positions of each line: up to a line break, or as many as fit."""
    line: list[int] = []
    used = 0
    for place, symbol in enumerate(symbols):
        if line and used + widths[place] > width:
            yield line
            line, used = [], 0
        line.append(place)
        used += widths[place]
        if symbol == "\n":
            yield line
            line, used = [], 0
    if line:
        yield line


def _line_surprisal(bits: Array) -> str:
    scored = bits[~np.isnan(bits)]
    return f"{scored.sum():.1f} bits, {scored.mean():.2f} per symbol" if len(scored) else ""


def surprisal_summary(trace: Trace) -> str:
    """Return the surprisal of a whole text; empty if no symbol was scored."""
    bits = trace.bits[~np.isnan(trace.bits)]
    if not len(bits):
        return ""
    nats = bits.mean() * math.log(2)
    return f"{bits.sum():.1f} bits in all, {bits.mean():.3f} per symbol ({nats:.3f} nats)"


def ranking_lines(pattern: str, ranked: Sequence[RankedUnit], symbols: int) -> Iterator[str]:
    """Yield the best units of a pattern with their correlation and a bar."""
    yield f"units that follow {visible(pattern)}, by correlation over {symbols:,} symbols"
    for place, one in enumerate(ranked, start=1):
        bar = "█" * round(abs(one.correlation) * 30)
        yield f"  {place:>2}  {one.unit.name:<8} {one.correlation:+.3f}  {bar}"
