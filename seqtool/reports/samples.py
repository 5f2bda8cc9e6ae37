"""Print generated text: one sample after the other, several side by side, or as JSON.

A terminal gets control characters made visible; a pipe gets the exact text, except in columns.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from seqtool.errors import SeqtoolError
from seqtool.inference.sampling import Piece
from seqtool.reports.console import is_terminal, report_width, write_json
from seqtool.reports.formatting import cell_width, pad
from seqtool.safe_text import visible, visible_lines

NARROWEST_COLUMN = 12
WIDEST_COLUMN = 60
BORDER = " | "


@dataclass(frozen=True)
class Sample:
    """A sample that is generated while it is read.

    Attributes:
        prompt: text before it.
        pieces: its text.
        facts: further fields of its JSON object, such as the seed.
    """

    prompt: str
    pieces: Iterable[Piece]
    facts: Mapping[str, float | str]


def print_samples(samples: Iterable[Sample], between: str, *, echo: bool) -> None:
    """Print each sample and end it with a line break.

    A terminal shows each symbol at once. A pipe gets a line at a time.

    Args:
        between: printed between two samples; may be empty.
        echo: print the prompt before each sample.
    """
    terminal = is_terminal(sys.stdout)
    last = ""

    def write(text: str) -> None:
        nonlocal last
        if text:
            last = text[-1]
            sys.stdout.write(visible_lines(text) if terminal else text)
            if terminal or "\n" in text:
                sys.stdout.flush()

    for number, sample in enumerate(samples):
        write(between if number else "")
        last = ""
        write(sample.prompt if echo else "")
        for piece in sample.pieces:
            write(piece.text)
        write("" if last == "\n" else "\n")


def print_sample_json(samples: Iterable[Sample]) -> None:
    """Print one object per sample: prompt, text without prompt, facts, and log probability in nats."""
    for sample in samples:
        texts, total = [], 0.0
        for piece in sample.pieces:
            texts.append(piece.text)
            total += piece.log_probability
        value = {"prompt": sample.prompt, "text": "".join(texts), **sample.facts}
        write_json({**value, "log_probability": round(total, 6)})


def write_text(text: str) -> None:
    """Print a text of any number of lines on stdout as `write_line` does, and flush it."""
    sys.stdout.write(visible_lines(text) if is_terminal(sys.stdout) else text)
    sys.stdout.flush()


def show(text: str) -> None:
    """Print one line of a dialog on stderr, whole and even if quiet, with control characters made visible."""
    print(visible(text), file=sys.stderr, flush=True)


# --- columns ------------------------------------------------------------------------------------------------


def print_columns(rows: Iterable[Sequence[Sample]], *, echo: bool) -> None:
    """Print the samples of each row side by side, with their temperatures as a header.

    A line is printed as soon as each column has it.

    Raises:
        SeqtoolError: the columns do not fit.
    """
    for number, row in enumerate(rows):
        width = min(WIDEST_COLUMN, (report_width() - len(BORDER) * (len(row) - 1)) // len(row))
        if width < NARROWEST_COLUMN:
            message = f"{len(row)} columns do not fit in {report_width()} terminal columns"
            raise SeqtoolError(message, place="--temperature", hint="give fewer temperatures")
        columns = [_Column(sample, width, echo=echo) for sample in row]
        if number:
            write_text("\n")
        write_text(_row([f"temperature {sample.facts['temperature']:g}" for sample in row], width))
        while True:
            filled = [column.fill() for column in columns]
            if not any(filled):
                break
            write_text(_row([column.take() for column in columns], width))


def _row(cells: Sequence[str], width: int) -> str:
    return BORDER.join(pad(cell, width) for cell in cells).rstrip() + "\n"


class _Column:
    """Lines of limited width of a sample."""

    def __init__(self, sample: Sample, width: int, *, echo: bool) -> None:
        self._width = width
        self._lines: deque[str] = deque()
        self._open = ""
        self._texts = self._texts_of(sample, echo)

    @staticmethod
    def _texts_of(sample: Sample, echo: bool) -> Iterator[str]:
        if echo:
            yield sample.prompt
        yield from (piece.text for piece in sample.pieces)

    def fill(self) -> bool:
        """Generate text until a line is complete; return false if there is no further line."""
        while not self._lines:
            text = next(self._texts, None)
            if text is None:
                if self._open:
                    self._lines.append(self._open)
                    self._open = ""
                break
            for number, part in enumerate(text.split("\n")):
                if number:
                    self._lines.append(self._open)
                    self._open = ""
                self._add(visible(part))
        return bool(self._lines)

    def take(self) -> str:
        """Return the next line; empty after the last one."""
        return self._lines.popleft() if self._lines else ""

    def _add(self, text: str) -> None:
        for character in text:
            if cell_width(self._open + character) > self._width:
                head, space, rest = self._open.rpartition(" ")
                if character == " " or not space or not head.strip():
                    head, rest = self._open, ""
                self._lines.append(head)
                self._open = rest
                if character == " " and not rest:
                    continue
            self._open += character
