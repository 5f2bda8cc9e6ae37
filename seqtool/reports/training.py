"""What a person sees while a model is trained: the network, a row for every epoch, the end and what to do next.

The rows are the result and go to stdout: a table on a terminal, tab-separated lines in a pipe. All the rest goes to
stderr. Nothing here knows torch; it is told numbers and strings.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from seqtool.reports.console import console, is_terminal, say, write_json
from seqtool.reports.network import NetworkPart, part_lines
from seqtool.reports.progress import ProgressLine
from seqtool.safe_text import shorten, visible

PREDICTION_FROM = 24  # characters of room that a prediction needs to stand in the row
BELOW = " " * 8  # before what stands below a row


@dataclass(frozen=True)
class Prediction:
    """What the network makes of an example, and what it should have made of it.

    Attributes:
        symbols: predicted symbols or labels, or the characters of a generated text.
        expected: the right ones, as many; empty where nothing is right or wrong.
        separator: what stands between them when printed.
    """

    symbols: tuple[str, ...]
    expected: tuple[str, ...] = ()
    separator: str = ""

    def plain(self) -> str:
        """The prediction in one line, unmarked."""
        return visible(self.separator.join(self.symbols))


class TrainingScreen:
    """Prints one run after the other; `--json` moves the rows to stderr, `--quiet` silences all but the rows.

    `--plain` prints on a terminal what a pipe would get.
    """

    def __init__(self, *, quiet: bool = False, as_json: bool = False, plain: bool = False) -> None:
        self.quiet = quiet
        self.as_json = as_json
        self._rows: IO[str] = sys.stderr if as_json else sys.stdout
        self._terminal = not plain and is_terminal(self._rows)
        self._console = console(self._rows) if self._terminal else None
        self._columns: tuple[str, ...] = ()
        self._progress = ProgressLine(self._console, enabled=not quiet, plain=plain)
        self._reader_left = False

    def say(self, message: str) -> None:
        """One line on stderr, unless the user wants quiet."""
        if not self.quiet:
            with self._progress.output_above():
                say(message)

    def warn(self, message: str) -> None:
        """One line on stderr that --quiet silences too."""
        self.say(f"warning: {message}")

    def network(self, title: str, parts: Sequence[NetworkPart]) -> None:
        """Show the title of the network and one line for each part."""
        self.say(title)
        for line in part_lines(parts):
            self.say(line)

    def begin(self) -> None:
        """A new run: its table has its own columns."""
        self._columns = ()
        self._progress.restart()

    def progress(self, done: int, total: int, values: Mapping[str, str]) -> None:
        """Tell how far the work is."""
        self._progress.update(done, total, values)

    def point(self, curve: str, epoch: float, loss: float) -> None:
        """A point of a loss curve."""
        self._progress.point(curve, epoch, loss)

    def row(self, values: Mapping[str, str], prediction: Prediction | None) -> None:
        """One row of the table of epochs."""
        if self.quiet and self.as_json:
            return
        columns = (*values, *(["prediction"] if prediction is not None else []))
        with self._progress.output_above():
            if self._terminal:
                self._terminal_row(values, prediction, columns)
            else:
                self._plain_row(
                    [*values.values(), *([prediction.plain()] if prediction is not None else [])], columns
                )
        self._columns = columns

    def _plain_row(self, cells: list[str], columns: tuple[str, ...]) -> None:
        # A closed pipe does not end a training run: the model matters more than the table.
        if self._reader_left:
            return
        try:
            if columns != self._columns:
                print("\t".join(columns), file=self._rows)
            print("\t".join(cells), file=self._rows, flush=True)
        except BrokenPipeError:
            from seqtool.reports.console import drop_stdout

            self._reader_left = True
            drop_stdout()

    def _terminal_row(
        self, values: Mapping[str, str], prediction: Prediction | None, columns: tuple[str, ...]
    ) -> None:
        """A row as wide as the terminal; what does not fit stands below it, each value with its name."""
        from rich.text import Text

        assert self._console is not None
        widths = {name: max(len(name), len(text), 6) for name, text in values.items()}
        fitting = _fitting(widths, self._console.width)
        inside = (
            len(fitting) == len(values) and self._console.width - _width(widths.values()) >= PREDICTION_FROM
        )
        if columns != self._columns:
            header = "  ".join(name.rjust(widths[name]) for name in fitting)
            more = "  prediction" if prediction is not None and inside else ""
            self._console.print(Text(header + more, style="bold"), crop=True, no_wrap=True)
        line = Text("  ".join(values[name].rjust(widths[name]) for name in fitting))
        rest = [f"{name} {text}" for name, text in values.items() if name not in fitting]
        lines = [
            line,
            *(
                Text(BELOW + below, style="dim")
                for below in _lines_of(rest, self._console.width - len(BELOW))
            ),
        ]
        if prediction is not None:
            if not inside:
                lines.append(Text(BELOW))
            lines[-1].append("  " if inside else "").append_text(marked(prediction))
        for part in lines:
            self._console.print(part, no_wrap=True, overflow="ellipsis")

    def side_by_side(self, title: str, rows: Sequence[tuple[str, str, str]]) -> None:
        """Token, expected and predicted label, as the notebook prints them at the end."""
        self.say(title)
        width = max(len(visible(token)) for token, _, _ in rows)
        label_width = max(len("expected"), *(len(expected) for _, expected, _ in rows))
        self.say(f"  {'':<{width}}  {'expected':<{label_width}}  generated")
        for token, expected, predicted in rows:
            mark = "" if expected == predicted else "  <- wrong"
            self.say(f"  {visible(token):<{width}}  {expected:<{label_width}}  {predicted}{mark}")

    def result(self, value: Mapping[str, Any]) -> None:
        """The one JSON object of `--json`."""
        if self.as_json:
            write_json(value)

    def close(self) -> None:
        """Take the progress line away."""
        self._progress.clear()


def _width(widths: Iterable[int]) -> int:
    """Of columns side by side, a gap behind each."""
    return sum(width + 2 for width in widths)


def _fitting(widths: Mapping[str, int], room: int) -> list[str]:
    """The first columns, as many as there is room for; at least one."""
    names = list(widths)
    while len(names) > 1 and _width(widths[name] for name in names) - 2 > room:
        names.pop()
    return names


def _lines_of(cells: Iterable[str], room: int) -> list[str]:
    """Cells side by side in as many lines as it takes; none is broken."""
    lines: list[str] = []
    for cell in cells:
        if lines and len(lines[-1]) + 2 + len(cell) <= room:
            lines[-1] += f"  {cell}"
        else:
            lines.append(cell)
    return lines


def marked(prediction: Prediction) -> Any:
    """The prediction as rich text: right symbols green, wrong ones red and underlined."""
    from rich.text import Text

    text = Text()
    for index, symbol in enumerate(prediction.symbols):
        if index and prediction.separator:
            text.append(prediction.separator)
        if not prediction.expected:
            text.append(visible(symbol))
        else:
            right = index < len(prediction.expected) and symbol == prediction.expected[index]
            text.append(visible(symbol), style="green" if right else "bold red underline")
    if not prediction.expected:
        text.plain = shorten(text.plain, 200)
    return text
