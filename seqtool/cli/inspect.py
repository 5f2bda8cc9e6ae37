"""`inspect`: look at a network, trained or not, at its way through a text, and at its units, one by one."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqtool.cli.completion import complete_config
from seqtool.cli.exit_codes import command
from seqtool.cli.options import AsJson, Files, Overrides, RunsDir

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.text import Text

    from seqtool.inference.character import CharacterModel
    from seqtool.inference.tagger import TaggerModel
    from seqtool.inspection.network import InspectedModel
    from seqtool.inspection.trace import Unit

What = Annotated[
    str,
    typer.Argument(
        metavar="WHAT",
        help="A YAML config (untrained), a run's name, a run or a model directory.",
        autocompletion=complete_config,
        show_default=False,
    ),
]
TextOption = Annotated[
    list[str] | None,
    typer.Option(
        "--text", "-t", help="Follow the network through this text (repeatable).", show_default=False
    ),
]
Units = Annotated[
    list[str] | None,
    typer.Option(
        "--units",
        metavar="UNITS",
        help="Colour the text by these: h3 (state), c1-8 (cells), 2.f5 (a forget gate of layer 2), surprisal.",
        show_default=False,
    ),
]
Find = Annotated[
    str | None,
    typer.Option(
        "--find",
        metavar="PATTERN",
        help="Rank units by how they follow quotes, line-position, capitals, spaces, brackets or regex:EXPRESSION.",
        show_default=False,
    ),
]
Top = Annotated[
    int, typer.Option("--top", min=1, help="With --find: how many units to list; the best three are shown.")
]
StatesFile = Annotated[
    Path | None,
    typer.Option(
        "--states", metavar="FILE", help="Write symbols and states to this .npz file.", show_default=False
    ),
]
SHOWN_UNITS = 3
EXCERPT = 400  # characters of a long text that are shown


@dataclass(frozen=True)
class _Asked:
    """What is to be looked at."""

    texts: list[str]
    files: list[Path]
    units: list[str]
    find: str | None
    top: int
    states: Path | None
    root: Path

    def unit_names(self) -> tuple[list[str], bool]:
        """Names of units, and whether surprisal is among them."""
        names = [name.strip() for text in self.units for name in text.split(",")]
        return [name for name in names if name != "surprisal"], "surprisal" in names


@command
def inspect(
    what: What,
    texts: TextOption = None,
    files: Files = None,
    units: Units = None,
    find: Find = None,
    top: Top = 10,
    states: StatesFile = None,
    overrides: Overrides = None,
    runs_dir: RunsDir = None,
    json: AsJson = False,
) -> None:
    """Look at a network and its way through a text, e.g. seqtool inspect configs/hello.yaml --text hello"""
    from seqtool.errors import SeqtoolError
    from seqtool.inference.character import CharacterModel
    from seqtool.inspection.network import trained_model, untrained_model
    from seqtool.storage.find_model import runs_root

    is_config = Path(what).suffix.lower() in (".yaml", ".yml")
    if overrides and not is_config:
        raise SeqtoolError(
            "--set changes a config; a trained model is what it is",
            hint="give a YAML file, or leave --set out",
        )
    inspected = untrained_model(Path(what), overrides or ()) if is_config else trained_model(what, runs_dir)
    asked = _Asked(texts or [], files or [], units or [], find, top, states, runs_root(runs_dir))
    if json:
        if units or states:
            raise SeqtoolError(
                "--json goes with --find, or alone", hint="--states writes what --units shows as numbers"
            )
        _print_json(inspected, asked)
    elif not (units or find or states):
        _print(_lines(inspected, asked))
    elif isinstance(inspected.model, CharacterModel):
        _print(_over_text(inspected, inspected.model, asked))
    else:
        _print(_tagger_states(inspected.model, inspected, asked))


def _print(lines: Iterable[str | Text]) -> None:
    """Print lines, all of them found before the first is printed: a mistake in a text comes alone."""
    from seqtool.reports.console import console, write_line

    found = list(lines)
    screen = console(sys.stdout) if any(not isinstance(line, str) for line in found) else None
    for line in found:
        if isinstance(line, str) or screen is None:
            write_line(str(line))
        elif screen.is_terminal:
            screen.print(line, no_wrap=True, overflow="crop", crop=True)
        else:
            write_line(line.plain.rstrip())


def _colour_and_width() -> tuple[bool, int]:
    from seqtool.reports.console import console

    screen = console(sys.stdout)
    return screen.is_terminal and screen.color_system is not None and not screen.no_color, min(
        screen.width, 200
    )


# --- what there is to see ---------------------------------------------------------------------------------------------


def _lines(inspected: InspectedModel, asked: _Asked) -> Iterator[str | Text]:
    from seqtool.inference.character import CharacterModel
    from seqtool.reports.character_inspection import character_walk
    from seqtool.reports.network import details, overview, training_curve

    yield from overview(inspected)
    yield from details(inspected)
    yield from training_curve(inspected.rows)
    model = inspected.model
    if not isinstance(model, CharacterModel):
        for tokens in _sentences(inspected, asked):
            yield from _sentence(model, inspected, tokens)
        return
    from seqtool.evaluation.character import read_text

    for text in [*asked.texts, *(read_text([path]) for path in asked.files)]:
        yield from character_walk(model, inspected.stored.weights, text)


def _sentences(inspected: InspectedModel, asked: _Asked) -> Iterator[tuple[str, ...]]:
    from seqtool.data.tagging.unlabeled import TextReader
    from seqtool.evaluation.character import read_text

    reader = TextReader(inspected.stored.config.get("tokenizer") or "whitespace")
    for text in [*asked.texts, *(line for path in asked.files for line in read_text([path]).splitlines())]:
        tokens = tuple(reader.sentence(text, "--text").tokens)
        if tokens:
            yield tokens


def _sentence(model: TaggerModel, inspected: InspectedModel, tokens: tuple[str, ...]) -> Iterator[str | Text]:
    from seqtool.inspection.trace import ablate_words
    from seqtool.reports.tagger_inspection import effect_lines, marginal_rows, tagger_walk

    colour, width = _colour_and_width()
    yield from tagger_walk(model, inspected.stored.weights, tokens)
    inside = ablate_words(model, tokens)
    yield ""
    yield from marginal_rows(inside, width=width, color=colour)
    yield ""
    yield from effect_lines(inside)


# --- units ------------------------------------------------------------------------------------------------------------


def _over_text(inspected: InspectedModel, model: CharacterModel, asked: _Asked) -> Iterator[str | Text]:
    from seqtool.inspection.network import text_to_inspect
    from seqtool.inspection.trace import parse_units

    names, surprisal = asked.unit_names()
    if surprisal:
        model.require_likelihood()
    units = parse_units(names, model.settings) if names else []
    text = text_to_inspect(inspected, asked.texts, asked.files, asked.root)
    if asked.states is not None:
        from seqtool.inspection.trace import character_states, write_npz

        chosen = parse_units(names, model.settings, limit=None) if names else ()
        arrays = character_states(model, text, chosen)
        write_npz(asked.states, arrays)
        yield f"{asked.states}: {len(arrays['ids']):,} symbols, {', '.join(arrays)}"
    if asked.find:
        yield from _found(model, text, asked, names, surprisal)
    elif names or surprisal:
        whole = bool(asked.texts or asked.files)
        yield from _coloured(model, text, (0, len(text) if whole else EXCERPT), units, surprisal)


def _found(
    model: CharacterModel, text: str, asked: _Asked, names: list[str], surprisal: bool
) -> Iterator[str | Text]:
    """The ranking of the units, and the best of them over a stretch of the text where the pattern is seen."""
    from seqtool.inspection.trace import parse_units
    from seqtool.inspection.unit_ranking import (
        excerpt,
        pattern_values,
        rank_units,
        state_arrays,
        symbol_pattern,
    )
    from seqtool.reports.character_inspection import ranking_lines

    assert asked.find is not None
    target = symbol_pattern(model, asked.find, text)
    parts = (
        list(dict.fromkeys(unit.array for unit in parse_units(names, model.settings)))
        if names
        else state_arrays(model)
    )
    ranked = rank_units(model, text, {asked.find: target}, parts)[asked.find]
    yield from ranking_lines(asked.find, ranked[: asked.top], len(target))
    yield ""
    stretch = excerpt(pattern_values(asked.find, text), text, EXCERPT)
    yield from _coloured(model, text, stretch, [one.unit for one in ranked[:SHOWN_UNITS]], surprisal)


def _coloured(
    model: CharacterModel, text: str, stretch: tuple[int, int], units: list[Unit], surprisal: bool
) -> Iterator[str | Text]:
    from seqtool.inspection.trace import trace_excerpt
    from seqtool.reports.character_inspection import (
        UnitDisplay,
        prediction_kind,
        surprisal_summary,
        unit_rows,
    )

    colour, width = _colour_and_width()
    trace = trace_excerpt(model, text, *stretch, units)
    display = UnitDisplay(units, prediction_kind(model), surprisal, width, colour)
    yield from unit_rows(trace, model.vocabulary, display)
    if surprisal:
        yield surprisal_summary(trace)


def _tagger_states(model: TaggerModel, inspected: InspectedModel, asked: _Asked) -> Iterator[str | Text]:
    from seqtool.errors import SeqtoolError

    if asked.units or asked.find or asked.states is None:
        message = "--units and --find are for character models; this is a tagger"
        raise SeqtoolError(
            message,
            place=inspected.name,
            hint="see what it makes of a sentence: --text, and --states for its numbers",
        )
    sentences = list(_sentences(inspected, asked))
    if len(sentences) != 1:
        raise SeqtoolError(
            f"--states needs one sentence, found {len(sentences)}",
            hint='give it with --text "The dog ate the apple"',
        )
    from seqtool.inspection.trace import tagger_states, write_npz

    arrays = tagger_states(model, sentences[0])
    write_npz(asked.states, arrays)
    yield f"{asked.states}: {len(sentences[0])} tokens, {', '.join(arrays)}"


def _print_json(inspected: InspectedModel, asked: _Asked) -> None:
    from seqtool.reports.console import write_json

    weights = {name: list(array.shape) for name, array in inspected.stored.weights.items()}
    value: dict[str, Any] = {
        "name": inspected.name,
        "config": inspected.stored.config,
        "manifest": inspected.manifest.to_json() if inspected.manifest else {},
        "weights": weights,
    }
    if asked.find:
        value["units"] = _json_ranking(inspected, asked)
    write_json(value)


def _json_ranking(inspected: InspectedModel, asked: _Asked) -> list[dict[str, object]]:
    from seqtool.errors import SeqtoolError
    from seqtool.inference.character import CharacterModel
    from seqtool.inspection.network import text_to_inspect
    from seqtool.inspection.unit_ranking import rank_units, state_arrays, symbol_pattern

    if not isinstance(inspected.model, CharacterModel) or asked.find is None:
        raise SeqtoolError("--find is for character models; this is a tagger", place=inspected.name)
    text = text_to_inspect(inspected, asked.texts, asked.files, asked.root)
    target = symbol_pattern(inspected.model, asked.find, text)
    ranked = rank_units(inspected.model, text, {asked.find: target}, state_arrays(inspected.model))[
        asked.find
    ]
    return [{"unit": one.unit.name, "correlation": one.correlation} for one in ranked[: asked.top]]
