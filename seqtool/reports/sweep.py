"""What a person sees of a sweep: a live table of its trials, the best of them, and which settings mattered."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from seqtool.reports.console import console, drop_stdout, is_terminal, say, write_json, write_line
from seqtool.reports.training_rows import clock

if TYPE_CHECKING:
    from rich.table import Table

SHOWN = 25  # rows of the live table
ENDED = ("done", "pruned", "failed")


@dataclass(frozen=True)
class TrialRow:
    """A trial.

    Attributes:
        place: its number.
        state: waiting, running, done, pruned or failed.
        value: its score, or the latest while it runs.
        values: what its settings are, as YAML texts by key.
        rows: evaluations so far.
        reason: why it failed.
        run: its run directory.
    """

    place: int
    state: str
    value: float | None
    values: Mapping[str, str]
    rows: int = 0
    seconds: float | None = None
    reason: str = ""
    run: str = ""

    def cells(self, keys: Sequence[str]) -> list[str]:
        """As a row of the table."""
        value = "-" if self.value is None else f"{self.value:.4f}"
        seconds = "-" if self.seconds is None else clock(self.seconds)
        return [
            str(self.place),
            self.state,
            value,
            *(short(self.values.get(key, "-")) for key in keys),
            seconds,
        ]


@dataclass(frozen=True)
class Summary:
    """A finished sweep."""

    name: str
    storage: str
    rows: Sequence[TrialRow]
    best: TrialRow
    config: str
    importance: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        counts = {state: sum(row.state == state for row in self.rows) for state in ENDED}
        best = {**asdict(self.best), "config": self.config}
        facts = {
            "name": self.name,
            "storage": self.storage,
            "counts": counts,
            "best": best,
            "importance": dict(self.importance),
        }
        return {**facts, "trials": [asdict(row) for row in self.rows]}


def short(text: str) -> str:
    """A value as the table shows it: a number to four digits."""
    try:
        return text if text.lstrip("-").isdecimal() else f"{float(text):.4g}"
    except ValueError:
        return text if len(text) <= 24 else text[:23] + "…"


class SweepScreen:
    """A table that is alive on a terminal; in a pipe a line for each trial that has ended."""

    def __init__(self, *, quiet: bool = False, as_json: bool = False) -> None:
        self.quiet = quiet
        self.as_json = as_json
        self._keys: list[str] = []
        self._told: set[int] = set()
        self._rows: Sequence[TrialRow] = ()
        self._reader_left = False
        self._terminal = is_terminal(sys.stdout) and not as_json and not quiet
        self._live: Any = None
        self._metric = ""

    def begin(self, name: str, storage: str, keys: list[str], metric: str) -> None:
        """The head of the table."""
        self._keys, self._metric = keys, metric
        if not self.quiet:
            say(f"sweep {name}: {', '.join(keys)}")
            say(f"  storage {storage}")
        if self._terminal:
            from rich.live import Live

            self._live = Live(console=console(sys.stdout), auto_refresh=False, transient=True)
            self._live.start()
        elif not self.as_json:
            self._write("\t".join(self._columns()))

    def _write(self, line: str) -> None:
        """A row; a reader that has gone does not end the sweep."""
        if self._reader_left:
            return
        try:
            write_line(line)
        except BrokenPipeError:
            self._reader_left = True
            drop_stdout()

    def _columns(self) -> list[str]:
        return ["trial", "state", self._metric, *(key.rpartition(".")[2] for key in self._keys), "time"]

    def show(self, rows: Sequence[TrialRow]) -> None:
        """How the trials stand."""
        self._rows = rows
        if self._live is not None:
            self._live.update(self._table(rows), refresh=True)
            return
        for row in rows:
            if row.state in ENDED and row.place not in self._told:
                self._told.add(row.place)
                if not self.as_json:
                    self._write("\t".join(row.cells(self._keys)))
                if row.reason and not self.quiet:
                    say(f"trial {row.place}: {row.reason}")

    def _table(self, rows: Sequence[TrialRow]) -> Table:
        from rich.table import Table

        ended = sum(row.state in ENDED for row in rows)
        table = Table(title=f"{ended} of {len(rows)} trials", title_justify="left", box=None, pad_edge=False)
        for column in self._columns():
            table.add_column(
                column, justify="right" if column != "state" else "left", overflow="ellipsis", no_wrap=True
            )
        known = [row for row in rows if row.state != "waiting"][-SHOWN:]
        for row in known:
            style = {"running": "bold", "pruned": "dim", "failed": "red"}.get(row.state, "")
            table.add_row(*row.cells(self._keys), style=style)
        return table

    def close(self) -> None:
        """Leave the table as it stands."""
        if self._live is not None:
            self._live.stop()
            console(sys.stdout).print(self._table(self._rows))
            self._live = None

    def end(self, summary: Summary) -> None:
        """The best trial, which settings mattered, and what to do next."""
        self.close()
        if self.as_json:
            write_json(summary.to_json())
        if self.quiet:
            return
        settings = ", ".join(f"{key} {short(text)}" for key, text in summary.best.values.items())
        say(f"best: trial {summary.best.place}, {summary.best.value:.4f} with {settings}")
        if summary.importance:
            shares = ", ".join(f"{key} {share:.0%}" for key, share in summary.importance.items())
            say(f"what mattered: {shares}")
        say(f"model: {summary.best.run}/model")
        command = "train-char" if self._metric == "loss" else "train-tagger"
        say(f"next: seqtool {command} {summary.config}")
