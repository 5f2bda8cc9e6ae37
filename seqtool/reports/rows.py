"""The columns of the table of epochs: which numbers of a row are shown, and how."""

from __future__ import annotations

import math
from collections.abc import Mapping


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


def character_row(
    epoch: int, step: int, train_loss: float, scores: Mapping[str, float], window: int, lr: float, rate: float, seconds: float
) -> dict[str, str]:
    """A row of a character model with validation: nats per symbol, by the name of the protocol."""
    row = {"epoch": str(epoch), "step": str(step), "train": number(train_loss)}
    if "val_loss_blocks" in scores:
        row |= {"carried": number(scores["val_loss"], 4), f"blocks {window}": number(scores["val_loss_blocks"], 4)}
    else:
        row |= {"val": number(scores["val_loss"], 4)}
    row["bits"] = number(scores["val_bits_per_char"])
    return row | {"lr": f"{lr:.1e}", "chars/s": f"{rate:,.0f}", "time": clock(seconds)}


def tagger_row(epoch: int, train_loss: float, scores: Mapping[str, float], lr: float, rate: float, seconds: float) -> dict[str, str]:
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
