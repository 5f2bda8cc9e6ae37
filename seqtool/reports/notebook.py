"""Views of a notebook: the live table of a training, runs, models, tagged sentences and the play page.

IPython is used only if it is running this program; it is no dependency. Text of the user is escaped.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from html import escape
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from seqtool.reports.formatting import format_number, format_score
from seqtool.reports.network import network_parts, network_title
from seqtool.reports.svg_chart import training_charts
from seqtool.reports.training import TrainingScreen, row_cells
from seqtool.safe_text import cell, limited, visible

if TYPE_CHECKING:
    from seqtool.storage.model_directory import StoredModel
    from seqtool.training.engine.events import Prediction, StepEvent
    from seqtool.training.listeners import Row, RunFinished

REDRAW_EVERY = 0.25  # seconds
MOST_ROWS = 20  # of the live table; the curves show all
MOST_POINTS = 1000  # of a live curve; of more, every other one is dropped
LONGEST_PREDICTION = 200  # symbols
MOST_SENTENCES = 100  # that are shown of a list of tagged ones
GREEN, RED = "#2e8b57", "#d03030"
GOLDEN_ANGLE = 137.508  # degrees; hues that are this far apart never coincide
IFRAME_STYLE = "width:100%;border:1px solid #8888;border-radius:6px;background:white"


class Handle(Protocol):
    """A place of a notebook whose content can be replaced."""

    def update(self, data: Mapping[str, str], *, raw: bool) -> None:
        """Replace the content."""


def in_notebook() -> bool:
    """Return whether a kernel of IPython runs this program, so that a frontend can replace its output."""
    module = sys.modules.get("IPython")
    get_shell = getattr(module, "get_ipython", None)
    return get_shell is not None and hasattr(get_shell(), "kernel")


class NotebookScreen(TrainingScreen):
    """One output of a cell that is replaced during a training: messages, the table of rows and the curves."""

    def __init__(self) -> None:
        super().__init__(plain=True)
        self._handle: Handle | None = None
        self._before: list[str] = []  # lines above the table
        self._after: list[str] = []  # lines below it
        self._table: list[Row] = []
        self._points: list[dict[str, object]] = []
        self._now = ""
        self._shown_at = 0.0

    def notice(self, text: str) -> None:
        """Add one line above the table, or below it after its first row."""
        (self._after if self._table else self._before).append(limited(visible(text)))
        self._draw()

    def working(self, what: str, done: int, total: int) -> None:
        """Show the progress of reading data."""
        self._now = f"{what} {done:,}/{total:,}"
        self._draw()

    def _begin_table(self) -> None:
        """Begin the table of a run, or of one of its parts."""
        if self._title:
            self.message(f"training the {self._title}")
        self._now = ""

    def _show_step(self, event: StepEvent) -> None:
        """Show the present loss, a few times a second."""
        if self._is_due():
            beside = "".join(f"; {part} {share}" for part, share in self._beside.items())
            loss = format_number(event.loss)
            self._now = f"epoch {event.epoch}, step {event.step:,}, loss {loss}{beside}"
            self._draw()

    def _show_row(self, row: Row) -> None:
        """Add a row to the table and to the curves."""
        self._table.append(row)
        event = row.event
        values = {"epoch": event.epoch, "step": event.step, "train_loss": event.train_loss, **event.scores}
        self._points.append({**values, "part": row.part})
        if len(self._points) > MOST_POINTS:
            del self._points[1:-1:2]
        self._draw()

    def run_finished(self, finished: RunFinished) -> None:
        """Add the result, without the next command for a shell."""
        super().run_finished(replace(finished, next_command=""))
        self.close()

    def close(self) -> None:
        """Show everything that has not been shown yet, without the progress."""
        super().close()
        self._now = ""
        self._draw(at_once=True)

    def _is_due(self) -> bool:
        return time.monotonic() - self._shown_at >= REDRAW_EVERY

    def _draw(self, *, at_once: bool = False) -> None:
        if not at_once and not self._is_due():
            return
        self._shown_at = time.monotonic()
        data = {"text/plain": self._text(), "text/html": self._html()}
        if self._handle is None:
            display = import_module("IPython.display").display
            self._handle = cast(Handle, display(data, raw=True, display_id=True))
        else:
            self._handle.update(data, raw=True)

    def _shown_rows(self) -> list[tuple[dict[str, str], Prediction]]:
        """Return the cells and predictions of the last rows, those with the columns of the last one."""
        shown: list[tuple[dict[str, str], Prediction]] = []
        for row in reversed(self._table[-MOST_ROWS:]):
            cells = ({"part": row.part} if row.part else {}) | row_cells(row.columns)
            if shown and shown[-1][0].keys() != cells.keys():
                break
            shown.append((cells, row.prediction))
        return shown[::-1]

    def _text(self) -> str:
        rows = self._shown_rows()
        lines = ["\t".join([*cells.values(), limited(visible(one.text()))]) for cells, one in rows]
        header = ["\t".join([*rows[0][0], "prediction"])] if rows else []
        now = [self._now] if self._now else []
        return "\n".join([*self._before, *header, *lines, *self._after, *now])

    def _html(self) -> str:
        rows = self._shown_rows()
        hidden = len(self._table) - len(rows)
        table = _table_html(rows)
        if hidden:
            table = f"<div>{hidden:,} earlier rows: see <code>run.history</code></div>{table}"
        charts = "".join(training_charts(self._points)) if len(self._points) > 1 else ""
        beside = f'<div style="display:flex;flex-wrap:wrap;gap:24px"><div>{table}</div>{charts}</div>'
        now = f"<div>{_safe(self._now)}</div>" if self._now else ""
        return _lines_html(self._before) + beside + _lines_html(self._after) + now


# --- results ------------------------------------------------------------------------------------------------


def facts_html(title: str, facts: Mapping[str, str], below: str = "") -> str:
    """Return a title and a table of names and values, as HTML."""
    rows = "".join(
        f'<tr><th style="text-align:left">{_safe(name)}</th>'
        f'<td style="text-align:left">{_safe(value)}</td></tr>'
        for name, value in facts.items()
    )
    return f"<div><strong>{_safe(title)}</strong><table><tbody>{rows}</tbody></table>{below}</div>"


def score_facts(scores: Mapping[str, float | None]) -> dict[str, str]:
    """Return scores as text by name."""
    return {name: format_score(name, value) for name, value in scores.items() if value is not None}


def model_html(name: str, model: StoredModel, scores: Mapping[str, float | None]) -> str:
    """Return the parts and the scores of a model, as HTML."""
    facts: dict[str, str] = {}
    for part in network_parts(model):
        count = f", {part.parameters:,} parameters" if part.parameters else ""
        facts[part.name] = f"{part.description}{count}"
    return facts_html(f"{name}: {network_title(model)}", {**facts, **score_facts(scores)})


def label_hues(labels: Iterable[str]) -> dict[str, int]:
    """Return the hue of each label, in degrees. Labels of one kind of span (`B-PER`, `I-PER`) share a hue."""
    kinds = dict.fromkeys(kind for label in labels if (kind := label_kind(label)))
    return {kind: round(number * GOLDEN_ANGLE) % 360 for number, kind in enumerate(kinds)}


def label_kind(label: str) -> str:
    """Return a label without the prefix of its span; empty for the label outside of spans."""
    if label in ("O", "_", ""):
        return ""
    prefix, dash, kind = label.partition("-")
    return kind if dash and prefix in ("B", "I", "E", "S", "L", "U") else label


def tagged_html(sentences: Sequence[tuple[Sequence[str], Sequence[str]]], hues: Mapping[str, int]) -> str:
    """Return sentences with their labels below the tokens, each label in its color, as HTML.

    Args:
        sentences: tokens and labels of each.
        hues: hue of each kind of label.
    """
    shown = ""
    for tokens, labels in sentences[:MOST_SENTENCES]:
        pairs = zip(tokens, labels, strict=True)
        parts = [_token(token, label, hues.get(label_kind(label))) for token, label in pairs]
        shown += f'<div style="margin:6px 0;line-height:1.3">{"".join(parts)}</div>'
    rest = len(sentences) - MOST_SENTENCES
    return shown + (f"<div>… and {rest:,} more sentences</div>" if rest > 0 else "")


def _token(token: str, label: str, hue: int | None) -> str:
    color = "" if hue is None else f"background:hsl({hue} 75% 84%);color:#000;"
    return (
        f'<span style="display:inline-block;text-align:center;margin:2px 4px 2px 0;padding:1px 6px;'
        f'border-radius:5px;{color}">{_safe(cell(token))}<br><small>{_safe(cell(label))}</small></span>'
    )


class PlayPage:
    """The play page of a model, which a notebook shows below a cell. `html` is its text."""

    def __init__(self, name: str, html: str, height: int) -> None:
        self.name = name
        self.html = html
        self.height = height

    def save(self, path: str | Path) -> None:
        """Write the page to a file.

        Raises:
            OutputError: the file cannot be written, or another program wrote it.
        """
        from seqtool.reports.play.render import PLAY_MARK
        from seqtool.storage.atomic import write_file
        from seqtool.storage.ownership import check_output

        check_output(Path(path), [], mark=PLAY_MARK)
        write_file(Path(path), self.html.encode("utf-8", "backslashreplace"))

    def _repr_html_(self) -> str:
        """Return a frame with the page. Its scripts cannot reach the notebook."""
        return (
            f'<iframe sandbox="allow-scripts" title="play page of {_safe(self.name)}" height="{self.height}" '
            f'style="{IFRAME_STYLE}" srcdoc="{escape(self.html)}"></iframe>'
        )

    def __repr__(self) -> str:
        """Return one line, which a program without a notebook shows."""
        return f"<PlayPage of {visible(self.name)}: {len(self.html) / 1000:,.0f} kB; save(path) writes it>"


def _safe(text: str) -> str:
    return escape(visible(text))


def _lines_html(lines: Sequence[str]) -> str:
    text = "\n".join(map(escape, lines))
    return f'<pre style="white-space:pre-wrap">{text}</pre>' if lines else ""


def _table_html(rows: Sequence[tuple[Mapping[str, str], Prediction]]) -> str:
    """Return rows of cells and predictions as a table; empty without rows."""
    if not rows:
        return ""
    head = "".join(f"<th>{_safe(name)}</th>" for name in [*rows[0][0], "prediction"])
    body = []
    for cells, prediction in rows:
        values = "".join(f"<td>{_safe(text)}</td>" for text in cells.values())
        body.append(f'<tr>{values}<td style="text-align:left">{_prediction(prediction)}</td></tr>')
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _prediction(prediction: Prediction) -> str:
    """Return a prediction with correct symbols green, and wrong ones red and underlined."""
    parts = []
    for place, symbol in enumerate(prediction.symbols[:LONGEST_PREDICTION]):
        style = ""
        if prediction.expected:
            correct = place < len(prediction.expected) and symbol == prediction.expected[place]
            style = f"color:{GREEN}" if correct else f"color:{RED};text-decoration:underline"
        parts.append(f'<span style="{style}">{_safe(symbol)}</span>' if style else _safe(symbol))
    return _safe(prediction.separator).join(parts)
