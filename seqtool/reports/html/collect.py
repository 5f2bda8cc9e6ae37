"""`report`: what is known of runs, gathered for the page: their files, and a look inside each model over some text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seqtool.errors import SeqtoolError
from seqtool.inference.character import CharacterModel
from seqtool.inference.load import load_model
from seqtool.inspection.network import LONGEST_TEXT
from seqtool.inspection.text_trace import trace_excerpt
from seqtool.inspection.unit_names import Unit
from seqtool.inspection.unit_ranking import (
    PATTERNS,
    excerpt,
    pattern_values,
    rank_units,
    state_arrays,
    symbol_pattern,
)
from seqtool.inspection.word_ablation import ablate_words
from seqtool.reports.html.facts import ReadText, RunFacts, UnitNote
from seqtool.reports.network import network_parts, network_title
from seqtool.safe_text import shorten
from seqtool.storage.find_model import ModelPlace, find_model, runs_root
from seqtool.storage.model_directory import StoredModel, read_model
from seqtool.storage.run_directory import read_json_lines

if TYPE_CHECKING:
    from seqtool.settings import Settings

EXCERPT = 1200  # characters that are shown
RANKED_ON = (
    30_000  # symbols of a held-out text that units are ranked on, so that a report does not keep one waiting
)
BEST = 6  # units of each pattern
ALL_UNITS = 24  # a network with no more units than this is shown whole
LEAST = 100  # symbols of a text over which a correlation says something
SENTENCES = 3
LONGEST_SENTENCE = 24
FINALS = ("test", "dev", "val", "train")  # where a worst sentence is taken from, the first that is there


@dataclass(frozen=True)
class ReportOptions:
    """What a command wants shown beside the run's own data.

    Attributes:
        texts: for a character model to read, or a tagger to tag; none: what the run held out.
        patterns: that units are to follow, beside the usual ones.
    """

    texts: Sequence[str] = ()
    patterns: Sequence[str] = ()
    runs_dir: Path | None = None


def report_place(references: Sequence[str], out: Path | None, runs_dir: Path | None) -> Path:
    """Where the page goes: into the run it is about; of several runs, or of a bare model, into the current folder."""
    if out is not None:
        return out / "report.html" if out.is_dir() else out
    place = find_model(references[0], runs_root(runs_dir))
    return (place.run if place.run is not None and len(references) == 1 else Path()) / "report.html"


def run_facts(reference: str, options: ReportOptions) -> RunFacts:
    """All that there is to show of a run or a model directory.

    Raises:
        ModelError: if there is none, or if it is damaged.
        SeqtoolError: a text or a pattern of the user's that does not fit the model.
    """
    place = find_model(reference, runs_root(options.runs_dir))
    bundle = read_model(place.model)
    model = load_model(bundle)
    shapes = {name: array.shape for name, array in bundle.weights.items()}
    config = place.run / "config.yaml" if place.run else None
    settings = _settings(config)
    notes: list[str] = []
    evaluation = _evaluation(place, notes)
    texts: list[ReadText] = []
    sentences = []
    if isinstance(model, CharacterModel):
        texts = _texts(model, place, settings, options, notes)
    else:
        sentences = [
            (title, ablate_words(model, tokens))
            for title, tokens in _sentences(bundle, evaluation, settings, options)
        ]
    return RunFacts(
        name=place.run.name if place.run else place.name,
        task=bundle.task,
        title=network_title(bundle.config, shapes),
        parts=network_parts(bundle.config, bundle.vocab, shapes),
        config_text=config.read_text(encoding="utf-8") if config and config.is_file() else "",
        config_path=str(config) if config and config.is_file() else "",
        settings=_flat(settings, bundle.config),
        manifest=bundle.manifest,
        rows=list(read_json_lines(place.run / "metrics.jsonl")) if place.run else [],
        samples=list(read_json_lines(place.run / "samples.jsonl")) if place.run else [],
        evaluation=evaluation,
        texts=texts,
        sentences=sentences,
        notes=notes,
    )


def _settings(config: Path | None) -> Settings | None:
    from seqtool.config import read_settings

    try:
        return read_settings(config).settings if config is not None else None
    except SeqtoolError:
        return None  # of another version, or changed by hand: the page shows its text


def _flat(settings: Settings | None, config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by dotted key; of a bare model those of its network."""
    from dataclasses import asdict

    flat: dict[str, Any] = {}
    for section, value in (asdict(settings) if settings is not None else {"model": config["model"]}).items():
        flat |= (
            {f"{section}.{key}": item for key, item in value.items()}
            if isinstance(value, dict)
            else {section: value}
        )
    return flat


def _evaluation(place: ModelPlace, notes: list[str]) -> dict[str, Any]:
    import json

    path = place.run / "evaluation.json" if place.run else None
    if path is None or not path.is_file():
        notes.append(
            "There is no evaluation.json beside this model, so its scores on held-out data are not shown."
        )
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        notes.append("evaluation.json is damaged, so scores on held-out data are not shown.")
        return {}
    return value if isinstance(value, dict) else {}


# --- character models -------------------------------------------------------------------------------------


def _texts(
    model: CharacterModel,
    place: ModelPlace,
    settings: Settings | None,
    options: ReportOptions,
    notes: list[str],
) -> list[ReadText]:
    if options.texts:
        return [
            _read_text(model, f"the text “{shorten(text, 40)}”", text, options.patterns)
            for text in options.texts
        ]
    if model.kind == "pairs":
        pairs = getattr(settings.data, "pairs", ()) if settings is not None else ()
        return [
            _read_text(model, f"the input “{shorten(source, 40)}”", source, options.patterns)
            for source, _ in pairs[:1]
        ]
    from seqtool.evaluation.text_data import held_out_text

    try:
        text, title = held_out_text(place.run, runs_root(options.runs_dir))[:RANKED_ON], "held-out text"
    except SeqtoolError as error:
        notes.append(
            f"Hidden units are shown over a text that the model made up, since there is no held-out text: {error}."
        )
        text, title = "".join(model.sample("", EXCERPT, seed=0)), "a text that the model made up"
    return [_read_text(model, title, text, options.patterns)] if text else []


def _read_text(model: CharacterModel, title: str, text: str, patterns: Sequence[str]) -> ReadText:
    """A stretch of a text with the units that follow something in it."""
    text = text[:LONGEST_TEXT]
    units = _units(model, text, patterns)
    wanted = pattern_values(patterns[0], text) if patterns else np.ones(len(text))
    start, end = excerpt(wanted, text, EXCERPT) if len(text) > EXCERPT else (0, len(text))
    reading = trace_excerpt(model, text, start, end, [one.unit for one in units])
    return ReadText(
        title, model.vocabulary.unit, model.vocabulary.symbols, model.kind == "pairs", reading, units
    )


def _units(model: CharacterModel, text: str, patterns: Sequence[str]) -> list[UnitNote]:
    """The units that follow a pattern best; of a small network all."""
    targets = {name: symbol_pattern(model, name, text) for name in patterns}  # the user's must be there
    for name in PATTERNS if len(text) >= LEAST else ():
        try:
            targets.setdefault(name, symbol_pattern(model, name, text))
        except SeqtoolError:
            continue  # the text has no quotation, say
    notes: dict[Unit, list[str]] = {}
    if targets:
        for name, ranked in rank_units(model, text, targets, state_arrays(model)).items():
            for one in ranked[:BEST]:
                if one.correlation:
                    notes.setdefault(one.unit, []).append(f"{name} {one.correlation:+.2f}")
    if model.settings.num_layers * model.settings.hidden_size <= ALL_UNITS or not notes:
        everything = [
            Unit(int(part.split(".")[1]), part[-1], index)
            for part in state_arrays(model)
            for index in range(model.settings.hidden_size)
        ]
        return [UnitNote(unit, ", ".join(notes.get(unit, ()))) for unit in everything[: 2 * ALL_UNITS]]
    return [UnitNote(unit, ", ".join(found)) for unit, found in notes.items()]


# --- taggers ----------------------------------------------------------------------------------------------


def _sentences(
    bundle: StoredModel, evaluation: Mapping[str, Any], settings: Settings | None, options: ReportOptions
) -> list[tuple[str, tuple[str, ...]]]:
    """Sentences to look at: the user's; else some that the tagger got wrong; else the first it was trained on."""
    if options.texts:
        from seqtool.data.tagging.unlabeled import TextReader

        reader = TextReader(bundle.config.get("tokenizer") or "whitespace")
        return [
            (f"“{shorten(text, 60)}”", tuple(reader.sentence(text, "--text").tokens))
            for text in options.texts
            if text.strip()
        ]
    worst: list[dict[str, Any]] = next(
        (evaluation[name].get("worst", []) for name in FINALS if name in evaluation), []
    )
    found = [tuple(one["tokens"]) for one in worst if 2 <= len(one["tokens"]) <= LONGEST_SENTENCE]
    if found:
        return [
            (f"A sentence it got wrong: “{shorten(' '.join(tokens), 60)}”", tokens)
            for tokens in found[:SENTENCES]
        ]
    return [
        (f"A sentence it was trained on: “{shorten(' '.join(tokens), 60)}”", tokens)
        for tokens in _training_sentences(settings)
    ]


def _training_sentences(settings: Settings | None) -> list[tuple[str, ...]]:
    from itertools import islice

    from seqtool.data.input_files import expand
    from seqtool.data.tagging.sentences import labeled_blocks
    from seqtool.settings import TaggerSettings

    if not isinstance(settings, TaggerSettings):
        return []
    try:
        paths = expand(settings.data.train, settings.data.source)
        return [
            tuple(block.tokens)
            for path in paths[:1]
            for block in islice(labeled_blocks(path, settings.data), SENTENCES)
        ]
    except SeqtoolError:
        return []
