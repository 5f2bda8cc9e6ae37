"""`sample` and `predict`: output of a character model, generated text or a symbol for each input symbol."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from seqtool.cli.conditions import ConditionOption
from seqtool.cli.exit_codes import command
from seqtool.cli.options import AsJson, Encoding, Files, ModelOption, RunsDir, known_encoding
from seqtool.cli.sample_options import (
    CANDIDATE_LENGTH,
    CANDIDATES,
    LENGTH,
    Beam,
    Choice,
    Interactive,
    Length,
    LengthNorm,
    MinP,
    NoEcho,
    Number,
    Prompt,
    PromptFile,
    Prompts,
    RepetitionPenalty,
    Seed,
    Stop,
    Temperature,
    TopK,
    TopP,
    Unknown,
    UnknownOption,
    refuse_together,
)
from seqtool.cli.sample_texts import Generator, known_symbols, unescaped

if TYPE_CHECKING:
    from seqtool.inference.character import CharacterModel

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
    prompts: Prompts = None,
    encoding: Encoding = None,
    no_echo: NoEcho = False,
    length: Length = None,
    temperature: Temperature = None,
    top_k: TopK = None,
    top_p: TopP = None,
    min_p: MinP = None,
    repetition_penalty: RepetitionPenalty = None,
    beam: Beam = None,
    length_norm: LengthNorm = None,
    seed: Seed = None,
    num: Number = None,
    stop: Stop = None,
    unknown: UnknownOption = Unknown.ERROR,
    interactive: Interactive = False,
    condition: ConditionOption = None,
    model: ModelOption = None,
    runs_dir: RunsDir = None,
    json: AsJson = False,
) -> None:
    """Generate text with a character model,
    e.g. seqtool sample --prompt "ROMEO:", or sample --num 20 --temperature 0.7
    """
    from seqtool.cli.conditions import note_unknown_condition, under_condition
    from seqtool.cli.models import text_model
    from seqtool.reports.samples import print_columns, print_sample_json, print_samples

    choice = Choice(temperature, top_k, top_p, min_p, repetition_penalty, beam, length_norm, seed)
    choice.check(num)
    sources = {"--prompt": prompt, "--prompt-file": prompt_file, "--prompts": prompts}
    _one_source(sources)
    if interactive:
        _check_interactive(choice, prompts, prompt_file, json=json)
    loaded = text_model(model, runs_dir)
    network = under_condition(loaded.model, condition, loaded.name)
    if not json:
        note_unknown_condition(network, "each sample draws one by its probability")
    skip = unknown is Unknown.SKIP
    stop = _stop_text(network, stop)
    starts = _prompts(network, _Sources(prompt, prompt_file, prompts, known_encoding(encoding)), skip=skip)
    if interactive:
        from seqtool.cli.interactive import Dialog, converse

        generator = Generator(network, choice, CANDIDATE_LENGTH if length is None else length, stop)
        dialog = Dialog(generator, num or min(CANDIDATES, beam or CANDIDATES), skip=skip)
        converse(dialog, starts[0], echo=not no_echo)
        return
    generator = Generator(network, choice, LENGTH if length is None else length, stop)
    rows = generator.rows(starts, num or 1)
    between = "" if network.boundary else "---\n"
    if json:
        print_sample_json(sample for row in rows for sample in row)
    elif len(choice.temperatures()) > 1:
        print_columns(rows, echo=not no_echo)
    else:
        print_samples((sample for row in rows for sample in row), between, echo=not no_echo)


def _one_source(sources: Mapping[str, object]) -> None:
    from seqtool.errors import SeqtoolError

    given = [name for name, value in sources.items() if value is not None]
    if len(given) > 1:
        raise SeqtoolError(f"both {given[0]} and {given[1]} are given", hint="give one of them")


def _check_interactive(choice: Choice, prompts: Path | None, prompt_file: Path | None, *, json: bool) -> None:
    """Check that the other options fit --interactive.

    Raises:
        SeqtoolError: one of them does not.
    """
    from seqtool.errors import SeqtoolError

    refuse_together("--interactive", {"--prompts": prompts, "--json": json}, "it writes one text")
    if len(choice.temperatures()) > 1:
        raise SeqtoolError("--interactive needs one temperature", place="--temperature", hint="give one")
    if str(prompt_file) == "-":
        message = "--interactive reads standard input itself"
        raise SeqtoolError(message, place="--prompt-file -", hint="name a file, or use --prompt")


# --- prompts ------------------------------------------------------------------------------------------------


class _Sources(NamedTuple):
    """Options that give prompts, at most one of them, and the encoding of files."""

    prompt: str | None
    prompt_file: Path | None
    prompts: Path | None
    encoding: str


def _prompts(model: CharacterModel, sources: _Sources, *, skip: bool) -> list[str]:
    """Return the prompts; without any, the empty one.

    Raises:
        DataError: a file cannot be read or has no prompt, or there is an unknown symbol.
    """
    if sources.prompts is not None:
        return _read_prompts(model, sources.prompts, sources.encoding, skip=skip)
    start = sources.prompt or ""
    if sources.prompt_file is not None:
        start = _read_prompt(sources.prompt_file, model, sources.encoding)
    return [known_symbols(model, start, str(sources.prompt_file or "--prompt"), skip=skip)]


def _read_prompts(model: CharacterModel, file: Path, encoding: str, *, skip: bool) -> list[str]:
    from seqtool.cli.inputs import read_whole
    from seqtool.errors import DataError

    text = read_whole(file, "--prompts", model, encoding)
    if not text:
        raise DataError("expected prompts, found none", place=str(file), hint="write one on each line")
    lines = text.removesuffix("\n").split("\n")
    return [
        known_symbols(model, line.removesuffix("\r"), str(file), first=number, skip=skip)
        for number, line in enumerate(lines, start=1)
    ]


def _read_prompt(file: Path, model: CharacterModel, encoding: str) -> str:
    """Return the whole text of a file; the last line of a prompt for a model of lines stays open."""
    from seqtool.cli.inputs import read_whole

    text = read_whole(file, "--prompt-file", model, encoding)
    return text.removesuffix("\n").removesuffix("\r") if model.boundary else text


def _stop_text(model: CharacterModel, stop: str | None) -> str | None:
    """Return the text of `--stop`, with escapes.

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
    text = unescaped(stop)
    if model.remove_unknown(text)[1]:
        raise unknown_symbol(model, text, "--stop", hint="the model never generates this symbol")
    return text


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
