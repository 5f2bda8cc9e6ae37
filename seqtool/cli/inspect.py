"""`inspect`: show a network, trained or untrained, its processing of a text, and its single units."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from seqtool.cli.conditions import ConditionOption
from seqtool.cli.exit_codes import command
from seqtool.cli.inspect_views import Request, TaggerView, TokenizerView, View
from seqtool.cli.options import (
    AsJson,
    Encoding,
    Files,
    Find,
    Overrides,
    RunsDir,
    StatesFile,
    Top,
    Units,
    complete_config,
    known_encoding,
)

if TYPE_CHECKING:
    from rich.text import Text

    from seqtool.inference.character import CharacterModel
    from seqtool.inspection.network import InspectedModel
    from seqtool.inspection.trace import Unit
    from seqtool.inspection.unit_ranking import RankedUnit
    from seqtool.types import Array

Network = Annotated[
    str,
    typer.Argument(
        metavar="NETWORK",
        help="A YAML config (untrained), name of a run, run directory or model directory.",
        autocompletion=complete_config,
        show_default=False,
    ),
]
TextOption = Annotated[
    list[str] | None,
    typer.Option("--text", "-t", help="Trace the network on this text (repeatable).", show_default=False),
]
SHOWN_UNITS = 3
EXCERPT = 400  # characters of a long text that are shown


@command
def inspect(
    network: Network,
    texts: TextOption = None,
    files: Files = None,
    encoding: Encoding = None,
    units: Units = None,
    find: Find = None,
    top: Top = 10,
    states: StatesFile = None,
    condition: ConditionOption = None,
    overrides: Overrides = None,
    runs_dir: RunsDir = None,
    json: AsJson = False,
) -> None:
    """Show a network and its processing of a text, e.g. seqtool inspect configs/hello.yaml --text hello"""
    from seqtool.errors import SeqtoolError
    from seqtool.evaluation.text_files import Reading
    from seqtool.reports.console import print_lines, say
    from seqtool.storage.find_model import runs_root

    if json and (units or states):
        raise SeqtoolError("--json goes with --find, or alone", hint="--states writes what --units shows")
    inspected = _inspected_model(network, overrides, runs_dir)
    names = [name.strip() for text in units or () for name in text.split(",")]
    request = Request(
        texts=tuple(texts or ()),
        files=tuple(files or ()),
        units=tuple(name for name in names if name != "surprisal"),
        surprisal="surprisal" in names,
        find=find,
        top=top,
        states=states,
        root=runs_root(runs_dir),
        reading=Reading(known_encoding(encoding), say),
        condition=condition,
    )
    views: dict[str, type[View]] = {"char": _CharacterView, "tagger": TaggerView, "tokenizer": TokenizerView}
    view = views[inspected.stored.task](inspected, request)
    view.check_condition()
    if json:
        _print_json(inspected, view, find)
    elif units or find or states:
        print_lines(view.units())
    else:
        print_lines([*_overview(inspected), *view.walk()])


def _inspected_model(network: str, overrides: list[str] | None, runs_dir: Path | None) -> InspectedModel:
    from seqtool.errors import SeqtoolError
    from seqtool.inspection.network import trained_model, untrained_model
    from seqtool.reports.console import say
    from seqtool.storage.plain_files import is_pipe

    path = Path(network)
    if path.suffix.lower() in (".yaml", ".yml") or is_pipe(path):
        return untrained_model(path, overrides or ())
    if overrides:
        raise SeqtoolError("--set changes a config, not a trained model", hint="omit --set")
    return trained_model(network, runs_dir, say)


def _print_json(inspected: InspectedModel, view: View, find: str | None) -> None:
    from seqtool.reports.console import write_json

    shapes = {name: list(array.shape) for name, array in inspected.whole.weights.items()}
    ranking = view.ranking(find) if find else None
    units = [{"unit": ranked.unit.name, "correlation": ranked.correlation} for ranked in ranking or ()]
    write_json(
        {
            "name": inspected.name,
            "config": inspected.whole.config,
            "manifest": inspected.manifest.to_json() if inspected.manifest else {},
            "weights": shapes,
            **({} if ranking is None else {"units": units}),
        }
    )


def _overview(inspected: InspectedModel) -> Iterator[str]:
    from seqtool.reports.console import color_and_width, report_width
    from seqtool.reports.network import details, overview, training_curves

    yield from overview(inspected, report_width())
    yield from details(inspected)
    yield from training_curves(inspected.rows, color_and_width()[1])


# --- character models ---------------------------------------------------------------------------------------


class _CharacterView(View):
    """Contents of the screen for a character model."""

    @property
    def model(self) -> CharacterModel:
        return cast("CharacterModel", self.inspected.model)

    def check_condition(self) -> None:
        """Leave the check to `bound`."""

    def bound(self, text: str) -> CharacterModel:
        """Return the model under the condition of the user, or the most probable one of a text."""
        from seqtool.cli.conditions import for_text

        return for_text(self.model, text, self.request.condition, self.inspected.name)

    def walk(self) -> Iterator[str | Text]:
        from seqtool.evaluation.text_files import read_text
        from seqtool.reports.character_inspection import character_walk
        from seqtool.reports.console import report_width

        files = (read_text(self.model, [path], self.request.reading) for path in self.request.files)
        for text in [*self.request.texts, *files]:
            yield from character_walk(self.bound(text), self.inspected.stored.weights, text, report_width())

    def units(self) -> Iterator[str | Text]:
        from seqtool.inspection.trace import parse_units

        request = self.request
        if request.surprisal:
            self.model.require_likelihood()
        units = parse_units(request.units, self.model.settings)
        text = self._text()
        if request.states is not None:
            yield self._write_states(text, request.states)
        if request.find:
            yield from self._ranked_units(text, request.find)
        elif request.units or request.surprisal:
            whole = bool(request.texts or request.files)
            yield from self._colored(text, (0, len(text) if whole else EXCERPT), units)

    def ranking(self, pattern: str) -> list[RankedUnit]:
        from seqtool.inspection.unit_ranking import state_arrays

        ranked, _ = self._rank(self._text(), pattern, state_arrays(self.model))
        return ranked[: self.request.top]

    def _text(self) -> str:
        from seqtool.inspection.network import text_to_inspect

        request = self.request
        return text_to_inspect(self.inspected, request.texts, request.files, request.root, request.reading)

    def _write_states(self, text: str, file: Path) -> str:
        from seqtool.inspection.trace import character_states, parse_units, write_npz

        units = parse_units(self.request.units, self.model.settings, limit=None)
        arrays = character_states(self.bound(text), text, units)
        write_npz(file, arrays, [*self.request.files, *self.inspected.inputs()])
        return f"{file}: {len(arrays['ids']):,} symbols, {', '.join(arrays)}"

    def _rank(self, text: str, pattern: str, arrays: list[str]) -> tuple[list[RankedUnit], Array]:
        """Return the units of the arrays, the best first, and the value of the pattern at each symbol."""
        from seqtool.inspection.unit_ranking import rank_units, symbol_pattern

        target = symbol_pattern(self.model, pattern, text)
        return rank_units(self.bound(text), text, {pattern: target}, arrays)[pattern], target

    def _ranked_units(self, text: str, pattern: str) -> Iterator[str | Text]:
        """Yield the ranking, and the best units on an excerpt in which the pattern occurs."""
        from seqtool.inspection.trace import parse_units
        from seqtool.inspection.unit_ranking import excerpt, pattern_values, state_arrays
        from seqtool.reports.character_inspection import ranking_lines

        units = parse_units(self.request.units, self.model.settings)
        arrays = list(dict.fromkeys(unit.array for unit in units)) or state_arrays(self.model)
        ranked, target = self._rank(text, pattern, arrays)
        yield from ranking_lines(pattern, ranked[: self.request.top], len(target))
        yield ""
        part = excerpt(pattern_values(pattern, text), text, EXCERPT)
        yield from self._colored(text, part, [best.unit for best in ranked[:SHOWN_UNITS]])

    def _colored(self, text: str, part: tuple[int, int], units: list[Unit]) -> Iterator[str | Text]:
        from seqtool.inspection.trace import trace_excerpt
        from seqtool.reports.character_inspection import (
            UnitDisplay,
            prediction_kind,
            surprisal_summary,
            unit_rows,
        )
        from seqtool.reports.console import color_and_width

        color, width = color_and_width()
        surprisal = self.request.surprisal
        trace = trace_excerpt(self.bound(text), text, *part, units)
        display = UnitDisplay(units, prediction_kind(self.model), surprisal, width, color)
        yield from unit_rows(trace, self.model.vocabulary, display)
        if surprisal:
            yield surprisal_summary(trace)
