"""The screen of a training run: the network, a row for each epoch, the result, and the next command to try.

The rows are the result and go to stdout: a table on a terminal, tab-separated lines in a pipe. Everything
else goes to stderr. Training continues if they cannot be written (`continuing_without_output`).
"""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING

from seqtool.errors import pluralize
from seqtool.evaluation.tagger import TaggerEvaluation
from seqtool.evaluation.tokenizer import TokenizerEvaluation
from seqtool.reports.console import console, is_terminal, notice, write_final_json
from seqtool.reports.evaluation import novelty_lines, tagger_summary
from seqtool.reports.formatting import format_duration, format_number
from seqtool.reports.network import network_parts, network_title, part_lines
from seqtool.reports.progress import ProgressLine, TimeLimit
from seqtool.reports.raw_text import tokenizer_summary
from seqtool.safe_text import cell, limited, shorten, visible
from seqtool.tasks.interface import Column, ComparedToken, FinalEvaluation
from seqtool.tasks.parts import RunEvaluation
from seqtool.training.engine.events import Prediction, RowEvent, StepEvent
from seqtool.training.listeners import Listener, NetworkBuilt, Row, RunFinished, RunResult

if TYPE_CHECKING:
    from rich.text import Text

PREDICTION_FROM = 24  # characters of room that a prediction needs to be in the row
BELOW = " " * 8  # indentation of lines below a row
SHOWN_TOKENS = 60  # of the example sentence
LONGEST_PREDICTION = 1000  # columns
FAR_ABOVE = 1.25  # times the loss of a guess
PROGRESS_EVERY = 0.2  # seconds


class TrainingScreen(Listener):
    """Prints runs; `--json` moves the rows to stderr, `--quiet` silences everything but the rows.

    `--plain` prints on a terminal what a pipe would receive.
    """

    def __init__(self, *, quiet: bool = False, as_json: bool = False, plain: bool = False) -> None:
        self.quiet = quiet
        self.as_json = as_json
        self._rows: IO[str] = sys.stderr if as_json else sys.stdout
        self._terminal = not plain and is_terminal(self._rows)
        self._console = console(self._rows) if self._terminal else None
        self._columns: tuple[str, ...] = ()
        self._part, self._title = "", ""
        self._held: list[Row] = []  # of the parts that are trained beside this one
        self._beside: dict[str, str] = {}  # progress of these parts, by name
        self._progress = ProgressLine(self._console, enabled=not quiet, plain=plain)
        self._last_shown = 0.0
        self._outputs = 0  # symbols or labels

    # --- lines on stderr -----------------------------------------------------------------------------------

    def message(self, text: str) -> None:
        """Print one line on stderr, unless quiet."""
        if not self.quiet:
            self.notice(text)

    def notice(self, text: str) -> None:
        """Print one line on stderr, even if quiet."""
        with self._progress.output_above():
            notice(text)

    def warning(self, text: str) -> None:
        """Print one warning on stderr, unless quiet."""
        self.message(f"warning: {text}")

    def working(self, what: str, done: int, total: int) -> None:
        """Show the progress of reading data."""
        self._progress.work(what, done, total)

    def network_built(self, network: NetworkBuilt) -> None:
        """Print one line for each part of the network, with its number of parameters, and the device."""
        self._outputs = network.model.shapes.get("output.bias", (0,))[0]
        self.message(network_title(network.model))
        for line in part_lines(network_parts(network.model)):
            self.message(line)
        ranks = f", {network.ranks} ranks" if network.ranks > 1 else ""
        self.message(f"  device     {network.device}, {pluralize(network.threads, 'thread')}{ranks}")

    # --- during the run ------------------------------------------------------------------------------------

    def run_started(self, part: str = "", title: str = "") -> None:
        """Begin the table of a run, or of one of its parts, and show the rows that the part has already."""
        self._part, self._title, self._beside = part, title, {}
        held, self._held = self._held, []
        self._begin_table()
        for row in held:
            self.row(row)

    def _begin_table(self) -> None:
        """Begin a new table, whose columns may differ from those of the previous run or part."""
        self._columns = ()
        if self._title:
            self.message(f"training the {self._title}")
        self._progress.restart()

    def step(self, event: StepEvent, part: str = "") -> None:
        """Show the progress of the current part, and the progress of a part that is trained beside it."""
        if part != self._part:
            total = event.total_steps
            self._beside[part] = f"{event.step / total:.0%}" if total else f"step {event.step:,}"
        else:
            self._show_step(event)

    def _show_step(self, event: StepEvent) -> None:
        """Update the progress line, at most five times a second."""
        now = time.monotonic()
        if now - self._last_shown < PROGRESS_EVERY:
            return
        self._last_shown = now
        self._progress.point("loss", event.epoch - 1 + event.position / event.batches, event.loss)
        done, total = event.position, event.batches
        if event.total_steps:
            done, total = event.step, event.total_steps
        values = {"": self._part} if self._part else {}
        values |= {"epoch": str(event.epoch), "loss": format_number(event.loss)}
        values |= self._beside or {"lr": f"{event.lr:.1e}"}
        limit = None if event.time_limit is None else TimeLimit(event.seconds, event.time_limit)
        if limit is not None and not event.total_steps:  # the epoch says nothing about the end
            done, total = int(limit.seconds), math.ceil(limit.limit)
        self._progress.update(done, total, values, limit)

    def row(self, row: Row) -> None:
        """Show a row of the present part; a row of a later part is shown when its table begins."""
        if row.part == self._part:
            self._show_row(row)
        else:
            self._held.append(row)

    def _show_row(self, row: Row) -> None:
        """Print one row of the table of epochs."""
        event = row.event
        if "val_loss" in event.scores:
            self._progress.point("validation", event.epoch, event.scores["val_loss"])
        if self.quiet and self.as_json:
            return
        values = ({"part": row.part} if row.part else {}) | row_cells(row.columns)
        prediction = row.prediction
        columns = (*values, "prediction")
        with self._progress.output_above():
            if self._terminal:
                self._terminal_row(values, prediction, columns)
            else:
                self._plain_row([*values.values(), limited(visible(prediction.text()))], columns)
        self._columns = columns

    def _plain_row(self, values: list[str], columns: tuple[str, ...]) -> None:
        if columns != self._columns:
            print("\t".join(columns), file=self._rows)
        print("\t".join(values), file=self._rows, flush=True)

    def _terminal_row(
        self, values: Mapping[str, str], prediction: Prediction, columns: tuple[str, ...]
    ) -> None:
        """Print a row within the width of the terminal. Other cells follow below it with their names."""
        from rich.text import Text

        assert self._console is not None
        room = self._console.width
        widths = {name: max(len(name), len(text), 6) for name, text in values.items()}
        fitting = _fitting(widths, room)
        inside = len(fitting) == len(values) and room - _width(widths.values()) >= PREDICTION_FROM
        if columns != self._columns:
            header = "  ".join(name.rjust(widths[name]) for name in fitting)
            heading = Text(header + ("  prediction" if inside else ""), style="bold")
            self._console.print(heading, crop=True, no_wrap=True)
        lines = [Text("  ".join(values[name].rjust(widths[name]) for name in fitting))]
        rest = [f"{name} {text}" for name, text in values.items() if name not in fitting]
        lines += [Text(BELOW + line, style="dim") for line in _wrapped(rest, room - len(BELOW))]
        if not inside:
            lines.append(Text(BELOW))
        lines[-1].append("  " if inside else "").append_text(marked(prediction))
        for line in lines:
            self._console.print(line, no_wrap=True, overflow="ellipsis")

    # --- the end -------------------------------------------------------------------------------------------

    def run_finished(self, finished: RunFinished) -> None:
        """Print differences from an earlier run, scores, the directory of the model and the next command."""
        result = finished.result
        for line in _difference_lines(finished):
            self.message(line)
        if finished.comparison and not finished.one_of_several:
            for line in _comparison_lines(finished.comparison):
                self.message(line)
        for line in _best_rows(finished):
            self.message(line)
        for line in _loss_doubt(result.row, self._outputs):
            self.warning(line)
        self.message(f"model: {result.run / 'model'}")
        for line in evaluation_lines(finished.evaluation):
            self.message(line)
        if finished.next_command and not finished.one_of_several:
            self.message(f"next: {finished.next_command}")

    def all_finished(self, results: Sequence[RunResult]) -> None:
        """Print mean and standard deviation over several seeds, and the object of `--json`."""
        if len(results) == 1:
            self._result(results[0].to_json())
            return
        mean, deviation = {}, {}
        self.message(f"{len(results)} seeds: mean ± standard deviation")
        for name in results[0].scores:
            values = [result.scores[name] for result in results]
            mean[name], deviation[name] = statistics.mean(values), statistics.stdev(values)
            self.message(f"  {name:<16} {mean[name]:.4f} ± {deviation[name]:.4f}")
        runs = [result.to_json() for result in results]
        self._result({"runs": runs, "mean": mean, "deviation": deviation})

    def _result(self, value: Mapping[str, object]) -> None:
        if self.as_json:
            write_final_json(value)

    def close(self) -> None:
        """Remove the progress line, and show the rows that are held if training has ended early."""
        self._progress.clear()
        held, self._held = self._held, []
        for row in held:
            self._show_row(row)


def _loss_doubt(row: RowEvent, outputs: int) -> Iterator[str]:
    """Warn of a loss that is far above that of a model which gives all symbols or labels one probability."""
    loss = row.scores.get("val_loss", row.train_loss)
    if outputs > 1 and loss > FAR_ABOVE * math.log(outputs):
        guess = f"guessing among {outputs:,} gives {math.log(outputs):.3f}"
        yield f"the loss {loss:.3f} is far above chance ({guess}); lower training.lr, or check the data"


def _difference_lines(finished: RunFinished) -> Iterator[str]:
    if finished.kept is not None:
        yield f"an earlier run of this name differs: kept as {finished.kept}"
    elif finished.differences:
        yield f"replaced an earlier {finished.result.run} that differs:"
    for line in finished.differences:
        yield f"  {line}"


def _comparison_lines(tokens: Sequence[ComparedToken]) -> Iterator[str]:
    """Yield token, expected and predicted label, as the lecture notebook prints them at the end."""
    yield "the example with the kept model:"
    tokens = tokens[:SHOWN_TOKENS]
    width = max(len(cell(token.token)) for token in tokens)
    label_width = max(len("expected"), *(len(cell(token.expected)) for token in tokens))
    yield f"  {'':<{width}}  {'expected':<{label_width}}  generated"
    for token in tokens:
        mark = "" if token.expected == token.predicted else "  <- wrong"
        expected, predicted = cell(token.expected), cell(token.predicted)
        yield f"  {cell(token.token):<{width}}  {expected:<{label_width}}  {predicted}{mark}"


def _best_rows(finished: RunFinished) -> Iterator[str]:
    """Yield a line for the best row of each part, the last one with the duration of the run."""
    *others, (name, main) = finished.rows.items()
    for part, row in others:
        yield f"best row of the {part}: {_scores(row)}"
    of_part = f" of the {name}" if name else ""
    yield f"best row{of_part}: {_scores(main)}; {format_duration(finished.result.seconds)} in all"


def _scores(row: RowEvent) -> str:
    scores = ", ".join(f"{name.removeprefix('val_')} {value:.4f}" for name, value in row.scores.items())
    return f"epoch {row.epoch}, {scores or f'loss {row.train_loss:.3f}'}"


def evaluation_lines(evaluation: RunEvaluation) -> Iterator[str]:
    """Yield the scores of taggers and tokenizers on held-out data, or the novelty of a sample."""
    for name, part in evaluation.parts.items():
        yield from _part_evaluation_lines(part, f"{name}, " if name else "")


def _part_evaluation_lines(evaluation: FinalEvaluation, title: str) -> Iterator[str]:
    for split, report in evaluation.reports.items():
        if isinstance(report, TaggerEvaluation):
            if split in ("dev", "test"):
                yield f"{title}{split}:"
                yield from tagger_summary(report)
        elif isinstance(report, TokenizerEvaluation):
            yield f"{title}{split}:"
            yield from tokenizer_summary(report)
        elif report.novelty is not None:
            yield from novelty_lines(report.novelty)


def row_cells(columns: Sequence[Column]) -> dict[str, str]:
    """Format the cells of a row by the names of their columns."""
    return {column.name: _cell(column) for column in columns}


def _cell(column: Column) -> str:
    if column.value is None or not math.isfinite(column.value):
        return "-"
    return format_duration(column.value) if column.style == "duration" else format(column.value, column.style)


def _width(widths: Iterable[int]) -> int:
    """Return the width of columns side by side, with a gap after each."""
    return sum(width + 2 for width in widths)


def _fitting(widths: Mapping[str, int], room: int) -> list[str]:
    """Return the first columns that fit, at least one."""
    names = list(widths)
    while len(names) > 1 and _width(widths[name] for name in names) - 2 > room:
        names.pop()
    return names


def _wrapped(values: Iterable[str], room: int) -> list[str]:
    """Join cells to lines; no cell is broken."""
    lines: list[str] = []
    for value in values:
        if lines and len(lines[-1]) + 2 + len(value) <= room:
            lines[-1] += f"  {value}"
        else:
            lines.append(value)
    return lines


def marked(prediction: Prediction) -> Text:
    """Color a prediction: correct symbols green, wrong ones red and underlined."""
    from rich.text import Text

    text = Text()
    for index, symbol in enumerate(prediction.symbols):
        if index and prediction.separator:
            text.append(prediction.separator)
        if not prediction.expected:
            text.append(visible(symbol))
        else:
            correct = index < len(prediction.expected) and symbol == prediction.expected[index]
            text.append(visible(symbol), style="green" if correct else "bold red underline")
    if not prediction.expected:
        text.plain = shorten(text.plain, 200)
    text.truncate(LONGEST_PREDICTION, overflow="ellipsis")
    return text
