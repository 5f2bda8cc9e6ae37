"""Output of a sweep: a live table of its trials, then the best trial and the importance of each key."""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seqtool.errors import Problem
from seqtool.reports.console import (
    console,
    is_terminal,
    print_problems,
    say,
    write_final_json,
    write_line,
)
from seqtool.reports.formatting import format_duration
from seqtool.safe_text import cell, shorten
from seqtool.sweep.importance import LEAST_TRIALS
from seqtool.sweep.run import ENDED, Summary, TrialRow

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

SHOWN = 25  # rows of the live table
WIDEST_VALUE = 24  # characters of a value in the table
STYLES = {"running": "bold", "pruned": "dim", "failed": "red"}


def short(text: str) -> str:
    """Return a value as the table shows it: a number with four digits, other texts shortened."""
    try:
        return text if text.lstrip("-").isdecimal() else f"{float(text):.4g}"
    except ValueError:
        return shorten(cell(text), WIDEST_VALUE)


def trial_cells(row: TrialRow, keys: Sequence[str]) -> list[str]:
    """Return the cells of a trial in the table: number, state, score, values of the keys, duration."""
    value = "-" if row.value is None else f"{row.value:.4f}"
    seconds = "-" if row.seconds is None else format_duration(row.seconds)
    return [str(row.place), row.state, value, *(short(row.values.get(key, "-")) for key in keys), seconds]


class SweepScreen:
    """Listener of a sweep: a live table on a terminal, one line for each ended trial in a pipe.

    `quiet` leaves the lines of trials and errors only. `as_json` prints the summary as one object in place
    of the table.
    """

    def __init__(self, *, quiet: bool = False, as_json: bool = False) -> None:
        self.quiet = quiet
        self.as_json = as_json
        self._keys: list[str] = []
        self._metric = ""
        self._rows: Sequence[TrialRow] = ()
        self._printed: set[int] = set()
        self._terminal = is_terminal(sys.stdout) and not as_json and not quiet
        self._live: Live | None = None

    def begin(self, name: str, storage: str, keys: list[str], metric: str) -> None:
        """Print the name of the sweep, its database and the head of the table."""
        self._keys, self._metric = keys, metric
        if not self.quiet:
            say(f"sweep {name}: {', '.join(keys)}")
            say(f"  storage {storage}")
        if self._terminal:
            from rich.live import Live

            self._live = Live(console=console(sys.stdout), auto_refresh=False, transient=True)
            self._live.start()
        elif not self.as_json:
            write_line("\t".join(self._columns()))

    def _columns(self) -> list[str]:
        return ["trial", "state", self._metric, *(key.rpartition(".")[2] for key in self._keys), "time"]

    def show(self, rows: Sequence[TrialRow]) -> None:
        """Show the present state of all trials."""
        self._rows = rows
        if self._live is not None:
            self._live.update(self._table(rows), refresh=True)
            return
        for row in rows:
            if row.state in ENDED and row.place not in self._printed:
                self._printed.add(row.place)
                if not self.as_json:
                    write_line("\t".join(trial_cells(row, self._keys)))
                if row.reason and not self.quiet:
                    say(f"trial {row.place}: {row.reason}")

    def _table(self, rows: Sequence[TrialRow]) -> Table:
        from rich.table import Table

        ended = sum(row.state in ENDED for row in rows)
        table = Table(title=f"{ended} of {len(rows)} trials", title_justify="left", box=None, pad_edge=False)
        for column in self._columns():
            table.add_column(
                column, justify="left" if column == "state" else "right", overflow="ellipsis", no_wrap=True
            )
        started = [row for row in rows if row.state != "waiting"]
        for row in started[-SHOWN:]:
            table.add_row(*trial_cells(row, self._keys), style=STYLES.get(row.state, ""))
        return table

    def close(self) -> None:
        """Replace the live table by a last, static one."""
        if self._live is not None:
            self._live.stop()
            console(sys.stdout).print(self._table(self._rows))
            self._live = None

    def end(self, summary: Summary) -> None:
        """Print the best trial, the importance of each key, and the command that trains the best config."""
        self.close()
        if self.as_json:
            write_final_json(summary.to_json())
        if self.quiet:
            return
        settings = ", ".join(f"{key} {short(text)}" for key, text in summary.best.values.items())
        say(f"best: trial {summary.best.place}, {summary.best.value:.4f} with {settings}")
        say(f"importance: {_importance_text(summary)}")
        place = f" on {summary.best.host}" if summary.best.host not in ("", socket.gethostname()) else ""
        say(f"model: {summary.best.run}/model{place}")
        command = "train-char" if self._metric == "loss" else "train-tagger"
        say(f"next: seqtool {command} {summary.config}")

    @staticmethod
    def worker_killed(cause: str) -> None:
        """Print that a worker was killed and that the sweep continues."""
        say(f"warning: a worker {cause}; another worker resumes its trial")

    @staticmethod
    def database_waits() -> None:
        """Print that the database server does not answer."""
        say("warning: the database does not answer; the sweep waits for it for up to 5 minutes")

    @staticmethod
    def database_kept(path: Path) -> None:
        """Print the new name of a database that cannot be read."""
        say(f"warning: the database cannot be read, and is kept as {path}")

    @staticmethod
    def worker_failed(problems: Sequence[Problem]) -> None:
        """Print the error that ends a worker; called in the process of that worker."""
        print_problems(problems)


def _importance_text(summary: Summary) -> str:
    """Return the share of each key in the differences between scores, or the reason why it is unknown."""
    if summary.importance:
        shares = summary.importance.items()
        return ", ".join(f"{key} {one.share:.0%} ({one.low:.0%} to {one.high:.0%})" for key, one in shares)
    done = sum(row.state == "done" for row in summary.rows)
    if done < LEAST_TRIALS:
        return f"not shown; it needs {LEAST_TRIALS} finished trials, and there are {done}"
    return "not shown; the scores do not differ enough"
