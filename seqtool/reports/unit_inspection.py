"""Hidden units over a text, for a terminal: a row of coloured characters for each unit, the best guesses under them.

Where there is no colour, a row of blocks under the text says the same: from ▁ (-1, blue) to █ (1, red).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from seqtool.inspection.text_trace import Trace
from seqtool.inspection.unit_names import Unit, shades
from seqtool.reports.colors import Colour, diverging, is_dark, surprise
from seqtool.safe_text import visible
from seqtool.types import Array

if TYPE_CHECKING:
    from rich.text import Text

    from seqtool.data.vocabulary import SymbolVocabulary
    from seqtool.inspection.unit_ranking import RankedUnit

LEVELS = "▁▂▃▄▅▆▇█"
MARGIN = 9
BREAK = "↵"


def shown_symbols(symbols: Sequence[str], unit: str) -> list[str]:
    """One cell of text for each symbol; of the bytes of a character the first shows it, the others a dot."""
    if unit == "char":
        return [BREAK if symbol == "\n" else visible(symbol) for symbol in symbols]
    shown = ["·"] * len(symbols)
    data = bytes(ord(symbol) for symbol in symbols)
    place = 0
    while place < len(data):
        length = next((size for size in (1, 2, 3, 4) if _is_character(data[place : place + size])), 1)
        if _is_character(data[place : place + length]):
            character = data[place : place + length].decode()
            shown[place] = BREAK if character == "\n" else visible(character)
        place += length
    return shown


def _is_character(data: bytes) -> bool:
    try:
        return len(data.decode()) == 1
    except UnicodeDecodeError:
        return False


def shown_guess(symbol: str, unit: str) -> str:
    """A guessed symbol in one cell: a space can be seen, a byte that is no character by itself is a dot."""
    if symbol == " ":
        return "␣"
    return "·" if unit == "byte" and symbol > "\x7f" else BREAK if symbol == "\n" else visible(symbol)


def unit_rows(
    reading: Trace,
    vocabulary: SymbolVocabulary,
    units: Sequence[Unit],
    *,
    guess: str,
    surprisal: bool,
    width: int,
    colour: bool,
) -> Iterator[Text]:
    """The text line by line, cut to a width: surprisal and units as coloured rows, and the guesses for what comes next.

    Args:
        guess: what the guesses are: `next` symbols, or `aligned` ones.
    """
    from rich.cells import cell_len
    from rich.text import Text

    shown = shown_symbols(reading.symbols, vocabulary.unit)
    next_ones = [
        [shown_guess(vocabulary.symbols[number], vocabulary.unit) for number in row]
        for row in reading.guesses.tolist()
    ]
    rows: list[tuple[str, Array, list[Colour]]] = []
    if surprisal:
        bits = np.nan_to_num(reading.bits)
        rows.append(("bits", np.clip(bits / 4 - 1, -1, 1), [surprise(value) for value in bits.tolist()]))
    for unit in units:
        values = shades(unit, reading.states[unit.array][:, unit.index])
        rows.append((unit.name, values, [diverging(value) for value in values.tolist()]))
    widths = [
        max(1, cell_len(one), *(cell_len(guess) for guess in below))
        for one, below in zip(shown, next_ones, strict=True)
    ]
    for line in _lines(reading.symbols, widths, max(8, width - MARGIN)):
        if not colour:
            yield Text(" " * MARGIN + "".join(_padded(shown[place], widths[place]) for place in line))
        for name, values, colours in rows:
            text = Text(f"{name:>{MARGIN - 2}}  ")
            for place in line:
                if colour:
                    text.append(_padded(shown[place], widths[place]), style=_on(colours[place]))
                else:
                    text.append(_padded(LEVELS[min(7, int((float(values[place]) + 1) * 4))], widths[place]))
            yield text
        for rank in range(reading.guesses.shape[1]):
            text = Text(
                f"{guess if not rank else '':>{MARGIN - 2}}  ", style="dim" if colour and rank else ""
            )
            for place in line:
                probability = float(reading.probabilities[place, rank])
                text.append(
                    _padded(next_ones[place][rank], widths[place]),
                    style="bold" if colour and probability > 0.5 else "",
                )
            yield text
        if surprisal and (summary := _bits(reading.bits[line])):
            yield Text(" " * MARGIN + summary, style="dim" if colour else "")
        yield Text("")


def _lines(symbols: Sequence[str], widths: Sequence[int], width: int) -> Iterator[list[int]]:
    """Places that are shown in one row: up to a line break, or as many as fit."""
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


def _bits(bits: Array) -> str:
    found = bits[~np.isnan(bits)]
    return f"{found.sum():.1f} bits, {found.mean():.2f} per symbol" if len(found) else ""


def _padded(text: str, width: int) -> str:
    from rich.cells import cell_len

    return text + " " * (width - cell_len(text))


def _on(colour: Colour) -> str:
    background = f"#{colour[0]:02x}{colour[1]:02x}{colour[2]:02x}"
    return f"{'#ffffff' if is_dark(colour) else '#000000'} on {background}"


def reading_summary(reading: Trace) -> str:
    """How surprising the whole text was."""
    found = reading.bits[~np.isnan(reading.bits)]
    if not len(found):
        return ""
    return f"{found.sum():.1f} bits in all, {found.mean():.3f} per symbol ({found.mean() * math.log(2):.3f} nats)"


def ranking_lines(name: str, ranked: Sequence[RankedUnit], symbols: int) -> Iterator[str]:
    """The best units of a pattern with the sign and size of their correlation."""
    yield f"units that follow {visible(name)}, by correlation over {symbols:,} symbols"
    for place, one in enumerate(ranked, start=1):
        bar = "█" * round(abs(one.correlation) * 30)
        yield f"  {place:>2}  {one.unit.name:<8} {one.correlation:+.3f}  {bar}"
