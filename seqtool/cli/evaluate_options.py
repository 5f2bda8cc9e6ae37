"""Options of `evaluate`: data, held-out data, measures, and files to write."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from seqtool.cli.conditions import Prior


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
        help="Held-out data of a tagger (default: test, else dev).",
        show_default=False,
    ),
]
Raw = Annotated[
    bool,
    typer.Option("--raw", help="Tokenize the raw text of CoNLL-U files first."),
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Count only well-formed spans, not as conlleval reads them."),
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
        help="Write gold labels that the model contradicts.",
        show_default=False,
    ),
]
TrainText = Annotated[
    Path | None,
    typer.Option(
        "--train-text",
        help="Training text to compare with (default: that of the run).",
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


Dynamic = Annotated[
    bool,
    typer.Option("--dynamic", help="Also score with weights that adapt to the text (needs torch)."),
]
DynamicRate = Annotated[
    float | None,
    typer.Option("--dynamic-lr", help="With --dynamic: learning rate (default: 0.001).", show_default=False),
]
DynamicDecay = Annotated[
    float | None,
    typer.Option(
        "--dynamic-decay", help="Decay to the trained weights (default: 0.003).", show_default=False
    ),
]
DynamicSegment = Annotated[
    int | None,
    typer.Option("--dynamic-segment", help="Symbols between steps (default: 20).", show_default=False),
]

TAGGER_OPTIONS = "--strict, --against, --suspects, --split, --label and --token"
TEXT_OPTIONS = "--train-text, --block, --fit-temperature, --prior and --dynamic"


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


class DynamicChoice(NamedTuple):
    """Options of dynamic evaluation; None: not given."""

    wanted: bool
    learning_rate: float | None
    decay: float | None
    segment: int | None

    def values(self) -> dict[str, float | int]:
        """Return the given values by the names of `DynamicOptions`.

        Raises:
            SeqtoolError: a value without --dynamic.
        """
        given = {name: value for name, value in self._asdict().items() if name != "wanted"}
        given = {name: value for name, value in given.items() if value is not None}
        if given and not self.wanted:
            from seqtool.errors import SeqtoolError

            option = "--dynamic-" + next(iter(given)).replace("learning_rate", "lr")
            raise SeqtoolError(f"{option} has no effect without --dynamic", hint="add --dynamic")
        return given


class TextOptions(NamedTuple):
    """Options that apply only to character models."""

    train_text: Path | None
    blocks: tuple[int, ...]
    fit_temperature: bool
    dynamic: DynamicChoice
    prior: Prior | None = None

    def given(self) -> bool:
        """Return whether any option is given."""
        return bool(
            self.train_text or self.blocks or self.fit_temperature or self.dynamic.wanted or self.prior
        )
