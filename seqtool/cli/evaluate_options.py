"""Options of `evaluate`: data, held-out data, measures, and files to write."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, NamedTuple

import typer


class Split(StrEnum):
    """Held-out data of the run."""

    TEST = "test"
    DEV = "dev"


Data = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[DATA]...",
        help="Labeled files, or texts; without any, the held-out data of the run.",
        show_default=False,
    ),
]
SplitOption = Annotated[
    Split | None,
    typer.Option(
        "--split",
        help="Taggers without DATA: held-out data to use (default: test, else dev).",
        show_default=False,
    ),
]
Raw = Annotated[
    bool,
    typer.Option(
        "--raw", help="Tokenize the raw text of CoNLL-U files first, and compare tokens and labels."
    ),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict", help="Count only well-formed spans, instead of reading spans as conlleval does."
    ),
]
Against = Annotated[
    str | None,
    typer.Option("--against", metavar="MODEL", help="Another tagger, for a paired test.", show_default=False),
]
SuspectsFile = Annotated[
    Path | None,
    typer.Option(
        "--suspects",
        metavar="FILE",
        help="Write gold labels that the model contradicts, the most certain first.",
        show_default=False,
    ),
]
TrainText = Annotated[
    Path | None,
    typer.Option(
        "--train-text",
        help="Text for n-grams and novelty (default: training data of the run).",
        show_default=False,
    ),
]
Blocks = Annotated[
    list[int] | None,
    typer.Option("--block", min=1, help="Block length to score (default: 64, 256).", show_default=False),
]
FitTemperature = Annotated[
    bool, typer.Option("--fit-temperature", help="Fit the temperature with the lowest loss on the text.")
]


TAGGER_OPTIONS = "--strict, --against, --suspects, --split, --label and --token"


class TaggerOptions(NamedTuple):
    """Options that apply only to taggers."""

    split: Split | None
    strict: bool
    against: str | None
    suspects: Path | None
    label: str | None
    token: str | None

    def given(self) -> bool:
        """Return whether any option is given."""
        return any(self)


class TextOptions(NamedTuple):
    """Options that apply only to character models."""

    train_text: Path | None
    blocks: tuple[int, ...]
    fit_temperature: bool

    def given(self) -> bool:
        """Return whether any option is given."""
        return bool(self.train_text or self.blocks or self.fit_temperature)
