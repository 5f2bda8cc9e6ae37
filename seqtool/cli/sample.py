"""`sample` and `predict`: output of a character model, generated text or a symbol for each input symbol."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqtool.cli.exit_codes import command
from seqtool.cli.options import AsJson, Encoding, Files, ModelOption, RunsDir, known_encoding

if TYPE_CHECKING:
    from seqtool.inference.character import CharacterModel


ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\"}


class Unknown(StrEnum):
    """Treatment of symbols of the prompt that are not in the vocabulary."""

    ERROR = "error"
    SKIP = "skip"


Prompt = Annotated[str | None, typer.Option("--prompt", "-p", help="Text to continue.", show_default=False)]
PromptFile = Annotated[
    Path | None,
    typer.Option(
        "--prompt-file", help="File whose whole text is the prompt; - is standard input.", show_default=False
    ),
]
NoEcho = Annotated[bool, typer.Option("--no-echo", help="Do not print the prompt.")]
Length = Annotated[
    int,
    typer.Option("--length", "-l", min=0, help="Maximum number of symbols to generate, without the prompt."),
]
Temperature = Annotated[
    float,
    typer.Option(
        "--temperature",
        "-t",
        min=0,
        help="Below 1: likely symbols more often; above 1: less often; 0: always the most likely one.",
    ),
]
TopK = Annotated[
    int | None,
    typer.Option("--top-k", min=1, help="Choose among the K most likely symbols.", show_default=False),
]
TopP = Annotated[
    float | None,
    typer.Option(
        "--top-p",
        help="Choose among the most likely symbols with this total probability.",
        show_default=False,
    ),
]
Seed = Annotated[
    int, typer.Option("--seed", min=0, help="Seed of the first sample; later samples use the next seeds.")
]
Number = Annotated[
    int, typer.Option("--num", "-n", min=1, help="Number of samples, separated by a line with ---.")
]
Stop = Annotated[
    str | None,
    typer.Option("--stop", help="End before this text; '\\n' is a line break.", show_default=False),
]
UnknownOption = Annotated[
    Unknown,
    typer.Option("--unknown", help="skip: remove symbols of the prompt that are not in the vocabulary."),
]
Texts = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[TEXT]...", help="Inputs; without any, lines of standard input.", show_default=False
    ),
]


@command
def sample(
    prompt: Prompt = None,
    prompt_file: PromptFile = None,
    encoding: Encoding = None,
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
    """Generate text with a character model,
    e.g. seqtool sample --prompt "ROMEO:", or sample --num 20 --temperature 0.7
    """
    from seqtool.cli.models import text_model
    from seqtool.errors import SeqtoolError
    from seqtool.inference.sampling import Sampler
    from seqtool.reports.text_results import print_sample_json, print_samples

    if prompt is not None and prompt_file is not None:
        raise SeqtoolError("both --prompt and --prompt-file are given", hint="give one of them")
    Sampler(temperature, top_k, top_p)  # refuses wrong options before anything is read
    network = text_model(model, runs_dir).model
    stop = _stop_text(network, stop)
    start = prompt or ""
    if prompt_file is not None:
        start = _read_prompt(prompt_file, network, known_encoding(encoding))
    start = _known_symbols(network, start, str(prompt_file or "--prompt"), skip=unknown is Unknown.SKIP)
    generate = partial(
        network.generate, start, length, temperature=temperature, top_k=top_k, top_p=top_p, stop=stop
    )
    samples = [(number, generate(seed=number)) for number in range(seed, seed + num)]
    if json:
        print_sample_json(start, samples)
    else:
        print_samples("" if no_echo else start, samples, between="" if network.boundary else "---\n")


def _stop_text(model: CharacterModel, stop: str | None) -> str | None:
    r"""Return the text of `--stop`, in which `\n`, `\t`, `\r` and `\\` are what they are in Python.

    Raises:
        DataError: it is empty, or has a symbol that the model cannot generate.
    """
    from seqtool.errors import DataError
    from seqtool.inference.character import unknown_symbol

    if stop is None:
        return None
    if not stop:
        hint = r"to stop at the end of a line: --stop '\n'"
        raise DataError("expected a text, found nothing", place="--stop", hint=hint)
    text = re.sub(r"\\([ntr\\])", lambda match: ESCAPES[match[1]], stop)
    if model.remove_unknown(text)[1]:
        raise unknown_symbol(model, text, "--stop", hint="the model never generates this symbol")
    return text


def _read_prompt(file: Path, model: CharacterModel, encoding: str) -> str:
    """Return the whole text of a file; the last line of a prompt for a model of lines stays open."""
    from seqtool.cli.inputs import read_whole

    text = read_whole(file, "--prompt-file", model, encoding)
    return text.removesuffix("\n").removesuffix("\r") if model.boundary else text


def _known_symbols(model: CharacterModel, prompt: str, name: str, *, skip: bool) -> str:
    """Return the prompt, without unknown symbols if they are to be skipped.

    Raises:
        DataError: there is an unknown symbol, and it is not to be skipped.
    """
    from seqtool.inference.character import unknown_symbol
    from seqtool.reports.console import say

    known, unknown = model.remove_unknown(prompt)
    if not unknown:
        return prompt
    if not skip:
        raise unknown_symbol(model, prompt, name, hint="remove such symbols with --unknown skip")
    shown = " ".join(map(model.vocabulary.show, unknown))
    say(f"note: removed from the prompt, because they are not in the vocabulary: {shown}")
    return known


@command
def predict(
    texts: Texts = None,
    files: Files = None,
    model: ModelOption = None,
    runs_dir: RunsDir = None,
    json: AsJson = False,
) -> None:
    """Print the output of an aligned character model for a text, e.g. seqtool predict hihell"""
    from seqtool.cli.inputs import input_lines
    from seqtool.cli.models import character_model
    from seqtool.errors import ModelError
    from seqtool.reports.console import json_text, write_line
    from seqtool.storage.find_model import ALIGNED_MODEL

    loaded = character_model(model, runs_dir, ALIGNED_MODEL)
    if not loaded.model.aligned:
        raise ModelError(
            "expected a model of aligned pairs, found a model that continues a text",
            place=loaded.name,
            hint="generate text: seqtool sample",
        )
    for text in input_lines(texts, files, loaded.model):
        predicted = loaded.model.predict(text)
        write_line(json_text({"text": text, "prediction": predicted}) if json else predicted)
