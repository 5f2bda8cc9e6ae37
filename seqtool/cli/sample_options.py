"""Options of `sample`: prompts, choice of symbols, and output; combinations that exclude each other."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

LENGTH = 500  # default number of symbols
CANDIDATE_LENGTH = 80  # default number of symbols of a candidate of `--interactive`
CANDIDATES = 3  # default number of candidates


class Unknown(StrEnum):
    """Treatment of symbols of the prompt that are not in the vocabulary."""

    ERROR = "error"
    SKIP = "skip"


Prompt = Annotated[str | None, typer.Option("--prompt", "-p", help="Text to continue.", show_default=False)]
PromptFile = Annotated[
    Path | None,
    typer.Option("--prompt-file", help="The whole text of a file; - is standard input.", show_default=False),
]
Prompts = Annotated[
    Path | None,
    typer.Option(
        "--prompts", metavar="FILE", help="File of prompts, one per line; - is stdin.", show_default=False
    ),
]
NoEcho = Annotated[bool, typer.Option("--no-echo", help="Do not print the prompt.")]
Length = Annotated[
    int | None,
    typer.Option(
        "--length",
        "-l",
        min=0,
        help="Symbols to generate (default: 500, interactive 80).",
        show_default=False,
    ),
]
Temperature = Annotated[
    str | None,
    typer.Option(
        "--temperature",
        "-t",
        metavar="X",
        help="Below 1: likely symbols more often; 0: the best one; several in columns: 0.5,1 (default: 1).",
        show_default=False,
    ),
]
TopK = Annotated[
    int | None,
    typer.Option("--top-k", min=1, help="Choose among the N most likely symbols.", show_default=False),
]
TopP = Annotated[
    float | None,
    typer.Option("--top-p", help="Choose among those with this total probability.", show_default=False),
]
MinP = Annotated[
    float | None,
    typer.Option("--min-p", help="Choose among those above X times the best one.", show_default=False),
]
RepetitionPenalty = Annotated[
    float | None,
    typer.Option(
        "--repetition-penalty",
        help="Above 1: the last 64 symbols less often.",
        show_default=False,
    ),
]
Beam = Annotated[
    int | None,
    typer.Option("--beam", min=1, help="Search the best texts, keeping N per step.", show_default=False),
]
LengthNorm = Annotated[
    float | None,
    typer.Option(
        "--length-norm",
        help="With --beam: compare log p / symbols^X (default: 1).",
        show_default=False,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", min=0, help="Seed of the first sample (default: 0).", show_default=False),
]
Number = Annotated[
    int | None,
    typer.Option(
        "--num", "-n", min=1, help="Samples per prompt (default: 1, interactive 3).", show_default=False
    ),
]
Stop = Annotated[
    str | None,
    typer.Option("--stop", help="End before this text; '\\n' is a line break.", show_default=False),
]
UnknownOption = Annotated[
    Unknown,
    typer.Option("--unknown", help="skip: drop unknown symbols of prompts.", show_default=False),
]
Interactive = Annotated[
    bool, typer.Option("--interactive", "-i", help="Add text, choose among candidates, undo.")
]


class Choice(NamedTuple):
    """Options that decide how symbols are chosen, as the user gave them; None: not given."""

    temperature: str | None
    top_k: int | None
    top_p: float | None
    min_p: float | None
    repetition_penalty: float | None
    beam: int | None
    length_norm: float | None
    seed: int | None

    def temperatures(self) -> list[float]:
        """Return the values of --temperature.

        Raises:
            SeqtoolError: one of them is no number.
        """
        if self.temperature is None:
            return [1.0]
        try:
            return [float(value) for value in self.temperature.split(",")]
        except ValueError:
            from seqtool.errors import SeqtoolError

            message = f"expected a number, or several separated by commas, found {self.temperature!r}"
            raise SeqtoolError(message, place="--temperature", hint="for example -t 0.5,0.8,1.1") from None

    @property
    def penalty(self) -> float:
        """Value of --repetition-penalty; 1 has no effect."""
        return 1.0 if self.repetition_penalty is None else self.repetition_penalty

    def check(self, number: int | None) -> None:
        """Check that the options go together and are in their ranges.

        Args:
            number: value of --num.

        Raises:
            SeqtoolError: they do not, or an option has no effect.
        """
        from seqtool.errors import SeqtoolError
        from seqtool.inference.beam_search import Search
        from seqtool.inference.sampling import Sampler

        if self.beam is None:
            if self.length_norm is not None:
                raise SeqtoolError("--length-norm has no effect without --beam", hint="add --beam 5")
            for temperature in self.temperatures():
                Sampler(temperature, self.top_k, self.top_p, self.min_p, self.penalty)
            return
        random = {
            "--temperature": self.temperature,
            "--top-k": self.top_k,
            "--top-p": self.top_p,
            "--min-p": self.min_p,
            "--repetition-penalty": self.repetition_penalty,
            "--seed": self.seed,
        }
        refuse_together("--beam", random, "a beam search draws nothing at random")
        Search(self.beam, 0, 1.0 if self.length_norm is None else self.length_norm)
        if (number or 1) > self.beam:
            message = f"a beam of {self.beam} has no {number} texts"
            raise SeqtoolError(message, place="--num", hint=f"use --beam {number}")


def refuse_together(option: str, others: Mapping[str, object], reason: str) -> None:
    """Check that none of the other options is given together with an option.

    Raises:
        SeqtoolError: some are.
    """
    from seqtool.errors import SeqtoolError

    given = [name for name, value in others.items() if value is not None and value is not False]
    if given:
        raise SeqtoolError(f"{option} and {', '.join(given)} exclude each other: {reason}", hint="omit one")
