"""The columns of the table of epochs: which numbers of a row are shown, and how."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seqtool.training.engine.events import RowEvent


def clock(seconds: float) -> str:
    """A duration as a person reads it: 4.2s, 1:05, 2:03:07."""
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def number(value: float, digits: int = 3) -> str:
    """A loss or score; a missing one is a dash."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def simple_row(epoch: int, loss: float, accuracy: float | None) -> dict[str, str]:
    """A row of a run without validation."""
    row = {"epoch": str(epoch), "loss": number(loss)}
    if accuracy is not None:
        row["accuracy"] = f"{accuracy:.1%}"
    return row


def character_row(row: RowEvent, block: int, left: float | None) -> dict[str, str]:
    """A row of a character model with validation: nats and bits per symbol, by the name of the protocol.

    Args:
        block: length of the blocks of `blocks N`.
        left: seconds that the run will still take, where that is known.
    """
    scores = row.scores
    name = "carried" if "val_loss_blocks" in scores else "val"
    cells = {
        "epoch": str(row.epoch),
        "step": str(row.step),
        "train": number(row.train_loss),
        "train bits": number(row.train_loss / math.log(2)),
        name: number(scores["val_loss"], 4),
        f"{name} bits": number(scores["val_bits_per_char"]),
    }
    if "val_loss_blocks" in scores:
        cells[f"blocks {block}"] = number(scores["val_loss_blocks"], 4)
    speed = {"lr": f"{row.lr:.1e}", "grad": number(row.grad_norm, 2), "chars/s": f"{row.rate:,.0f}"}
    return cells | speed | {"time": clock(row.seconds), "left": "-" if left is None else clock(left)}


def tagger_row(
    epoch: int, train_loss: float, scores: Mapping[str, float], lr: float, rate: float, seconds: float
) -> dict[str, str]:
    """A row of a tagger with validation."""
    row = {
        "epoch": str(epoch),
        "train": number(train_loss),
        "dev loss": number(scores["val_loss"]),
        "accuracy": f"{scores['val_accuracy']:.2%}",
    }
    if "val_f1" in scores:
        row["F1"] = f"{100 * scores['val_f1']:.2f}"
    return row | {"lr": f"{lr:.1e}", "words/s": f"{rate:,.0f}", "time": clock(seconds)}
