"""`sample`: text that a character model generates, as it comes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqtool.cli.exit_codes import command
from seqtool.cli.options import AsJson, ModelOption, RunsDir

if TYPE_CHECKING:
    from seqtool.inference.character import CharacterModel


class Unknown(StrEnum):
    """What a prompt's symbol that the model does not know does."""

    ERROR = "error"
    SKIP = "skip"


Prompt = Annotated[
    str | None, typer.Option("--prompt", "-p", help="What the text goes on from.", show_default=False)
]
PromptFile = Annotated[
    Path | None,
    typer.Option(
        "--prompt-file", help="The same from a file, all of it; - is standard input.", show_default=False
    ),
]
NoEcho = Annotated[bool, typer.Option("--no-echo", help="Leave the prompt out of what is printed.")]
Length = Annotated[
    int,
    typer.Option("--length", "-l", min=0, help="How many symbols to generate at most, beside the prompt."),
]
Temperature = Annotated[
    float,
    typer.Option(
        "--temperature",
        "-t",
        min=0,
        help="Below 1: more of the likely; above 1: less; 0: always the likeliest.",
    ),
]
TopK = Annotated[
    int | None,
    typer.Option("--top-k", min=1, help="Choose among the K likeliest symbols.", show_default=False),
]
TopP = Annotated[
    float | None,
    typer.Option(
        "--top-p", help="Choose among the likeliest symbols of this probability in all.", show_default=False
    ),
]
Seed = Annotated[
    int, typer.Option("--seed", min=0, help="Another seed, another text; of several samples the first one's.")
]
Number = Annotated[
    int, typer.Option("--num", "-n", min=1, help="How many samples; a line with --- stands between them.")
]
Stop = Annotated[
    str | None, typer.Option("--stop", help="End before this text, e.g. $'\\n'.", show_default=False)
]
UnknownOption = Annotated[
    Unknown,
    typer.Option("--unknown", help="skip: leave out symbols of the prompt that the model does not know."),
]


@command
def sample(
    prompt: Prompt = None,
    prompt_file: PromptFile = None,
    no_echo: NoEcho = False,
    length: Length = 500,
    temperature: Temperature = 1.0,
    top_k: TopK = None,
    top_p: TopP = None,
    seed: Seed = 0,
    num: Number = 1,
    stop: Stop = None,
    unknown: UnknownOption = Unknown.ERROR,
    model: ModelOption = None,
    runs_dir: RunsDir = None,
    json: AsJson = False,
) -> None:
    """Generate text with a character model, e.g. seqtool sample --prompt "ROMEO:", or sample --num 20 --temperature 0.7"""
    from seqtool.cli.model_argument import text_model
    from seqtool.errors import SeqtoolError
    from seqtool.inference.sampling import Sampler
    from seqtool.reports.text_results import print_sample_json, print_samples

    if prompt is not None and prompt_file is not None:
        raise SeqtoolError("both --prompt and --prompt-file are given", hint="give one of them")
    Sampler(temperature, top_k, top_p)  # wrong arguments before anything is read
    used = text_model(model, runs_dir)
    start = _read_prompt(prompt, prompt_file, used.model.boundary)
    start = _known(used.model, start, str(prompt_file or "--prompt"), skip=unknown is Unknown.SKIP)
    seeds = range(seed, seed + num)
    samples = [
        (
            one,
            used.model.generate(
                start, length, temperature=temperature, top_k=top_k, top_p=top_p, seed=one, stop=stop
            ),
        )
        for one in seeds
    ]
    if json:
        print_sample_json(start, samples)
    else:
        print_samples("" if no_echo else start, samples, between="" if used.model.boundary else "---\n")


def _read_prompt(prompt: str | None, file: Path | None, boundary: str) -> str:
    """Return the prompt or the contents of its file, without the last line break for a model of lines."""
    if file is None:
        return prompt or ""
    from seqtool.cli.inputs import read_whole

    text = read_whole(file)
    return text.removesuffix("\n").removesuffix("\r") if boundary else text


def _known(model: CharacterModel, prompt: str, name: str, *, skip: bool) -> str:
    """The prompt, or what is left of it without symbols that the model does not know.

    Raises:
        DataError: there is one, and it is not to be skipped.
    """
    from seqtool.inference.score_stream import unknown_symbol
    from seqtool.reports.console import say

    known, strange = model.remove_unknown(prompt)
    if not strange:
        return prompt
    if not skip:
        raise unknown_symbol(model, prompt, name, hint="--unknown skip leaves it out")
    say(
        f"note: left out of the prompt, since the model does not know them: {' '.join(map(model.vocabulary.show, strange))}"
    )
    return known
