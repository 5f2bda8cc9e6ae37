"""Collect the data of the HTML report: the files of a run, and the model's behavior on texts or sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np

from seqtool.data.vocabulary import valid_text
from seqtool.errors import ModelError, SeqtoolError
from seqtool.inference.character import CharacterModel
from seqtool.inference.conditional import ConditionalModel
from seqtool.inference.load import load_model, load_tokenizer
from seqtool.inference.text_tagger import words_of
from seqtool.inference.tokenizer import TokenizerModel
from seqtool.inspection.network import LONGEST_TEXT, read_metrics
from seqtool.inspection.trace import Unit, WordAblation, ablate_words, trace_excerpt
from seqtool.inspection.unit_ranking import (
    PATTERNS,
    excerpt,
    pattern_values,
    rank_units,
    state_arrays,
    symbol_pattern,
)
from seqtool.reports.console import say
from seqtool.reports.html.evaluations import EVALUATION, EvaluationReport, read_evaluation
from seqtool.reports.html.run_data import OtherPart, RunData, TracedText, UnitNote, read_samples
from seqtool.reports.network import network_parts, network_title
from seqtool.safe_text import shorten
from seqtool.storage.find_model import ModelFolders, find_model, input_files, runs_root
from seqtool.storage.model_directory import StoredModel, read_model
from seqtool.storage.plain_files import exists
from seqtool.tasks.interface import NetworkPart, count_parameters, definition

if TYPE_CHECKING:
    from seqtool.settings.experiment import Settings

R = TypeVar("R")
EXCERPT = 1200  # characters of a text that are shown
RANKED_SYMBOLS = 30_000  # of held-out text; more would make the report slow
UNITS_PER_PATTERN = 6
SMALL_NETWORK = 24  # units; a network of this size is shown completely
MIN_SYMBOLS = 100  # of a text for a meaningful correlation
SENTENCES = 3
MAX_TOKENS = 24  # of a sentence
PARTS = ("test", "dev", "val", "train")  # the first one with a report provides the worst sentences


@dataclass(frozen=True)
class ReportOptions:
    """Additional content of the report.

    Attributes:
        texts: input for the model; if empty, held-out data of the run.
        patterns: additional patterns for the ranking of hidden units.
        runs_dir: root of the runs, if the user names one.
    """

    texts: Sequence[str] = ()
    patterns: Sequence[str] = ()
    runs_dir: Path | None = None


@dataclass(frozen=True)
class _Source:
    """A model and the files it comes from.

    Attributes:
        tokenizer: trained tokenizer of a model of several parts.
        settings: settings of the run; None if `config.yaml` is missing or cannot be read.
        evaluation: reports by the name of the held-out part.
        notes: what cannot be shown; functions append to it.
    """

    location: ModelFolders
    stored: StoredModel
    tokenizer: TokenizerModel | None
    settings: Settings | None
    evaluation: Mapping[str, EvaluationReport]
    options: ReportOptions
    notes: list[str] = field(default_factory=list)


REPORT_MARK = b'<meta name="generator" content="seqtool">'  # in the template of the page


def report_path(references: Sequence[str], out: Path | None, runs_dir: Path | None) -> Path:
    """Return the path of the report.

    By default it is in the directory of the run, or in the current directory for several runs and for a model
    without a run.
    """
    if out is not None:
        return out / "report.html" if out.is_dir() else out
    location = find_model(references[0], runs_root(runs_dir))
    return (location.run if location.run is not None and len(references) == 1 else Path()) / "report.html"


def collect_inputs(references: Sequence[str], runs_dir: Path | None) -> Iterator[Path]:
    """Yield what the report reads: the model directories, and the data files that their runs may show."""
    for reference in references:
        location = find_model(reference, runs_root(runs_dir))
        yield location.model
        yield from input_files(location, read_model(location.model).manifest)


def collect_run(reference: str, options: ReportOptions) -> RunData:
    """Collect all data of a run or of a model directory.

    Raises:
        ModelError: the model does not exist or is damaged.
        SeqtoolError: a text or a pattern does not fit the model.
    """
    location = find_model(reference, runs_root(options.runs_dir), warn=say)
    whole = read_model(location.model)
    stored = whole.main
    model = load_model(stored)
    notes: list[str] = []
    config_text, settings = run_config(location.run, notes)
    tokenizer = load_tokenizer(whole) if "tokenizer" in whole.parts else None
    evaluation = run_evaluation(location, stored.task, notes)
    source = _Source(location, stored, tokenizer, settings, evaluation, options, notes)
    texts: list[TracedText] = []
    sentences: list[tuple[str, WordAblation]] = []
    if isinstance(model, CharacterModel):
        texts = _texts(model, source)
    elif not isinstance(model, TokenizerModel):
        sentences = [(title, ablate_words(model, tokens)) for title, tokens in _sentences(source)]
    return RunData(
        name=location.run.name if location.run else location.name,
        task=stored.task,
        command=definition(stored.task).command,
        title=network_title(stored),
        parts=_networks(whole),
        config_text=config_text,
        config_path=str(location.run / "config.yaml") if location.run and config_text else "",
        settings=_flat_settings(source),
        manifest=stored.manifest,
        rows=log_rows(partial(read_metrics, part=stored.task), location.run, notes),
        samples=log_rows(partial(read_samples, part=stored.task), location.run, notes),
        evaluation=source.evaluation,
        texts=texts,
        sentences=sentences,
        notes=notes,
        others=[
            OtherPart(
                task,
                network_title(part),
                log_rows(partial(read_metrics, part=task), location.run, []),
                run_evaluation(location, task, []),
            )
            for task, part in list(whole.parts.items())[:-1]
        ],
    )


def _networks(model: StoredModel) -> list[NetworkPart]:
    """Return the parts of a network; of a model of several parts, those of each after a heading."""
    if len(model.parts) == 1:
        return network_parts(model)
    return [
        line
        for task, part in model.parts.items()
        for line in (NetworkPart(task, "", count_parameters(part.shapes)), *network_parts(part))
    ]


def run_config(run: Path | None, notes: list[str]) -> tuple[str, Settings | None]:
    """Return the text and the settings of a run's config; empty and None if there are none."""
    from seqtool.config.load import parse_settings, read_run_text

    if run is None or not exists(run / "config.yaml"):
        return "", None
    try:
        text = read_run_text(run)
    except SeqtoolError as error:
        notes.append(f"The settings are not shown. {error.summary}.")
        return "", None
    try:
        return text, parse_settings(text, name=str(run / "config.yaml"), folder=run).settings
    except SeqtoolError:
        return text, None  # another version wrote it, or a user changed it; the report shows its text


def log_rows(read: Callable[[Path], Iterator[R]], run: Path | None, notes: list[str]) -> list[R]:
    """Return the rows of a log file up to the first damaged one, which becomes a note."""
    rows: list[R] = []
    try:
        for row in read(run) if run is not None else ():
            rows.append(row)
    except ModelError as error:
        notes.append(f"A part of the training is not shown. {error.summary}.")
    return rows


def _flat_settings(source: _Source) -> dict[str, object]:
    """Return settings by dotted key; for a model without a run, those of the network."""
    sections = {"model": source.stored.config["model"]}
    if source.settings is not None:
        sections = asdict(source.settings)
    flat: dict[str, object] = {}
    for section, value in sections.items():
        if isinstance(value, dict):
            flat |= {f"{section}.{key}": item for key, item in value.items()}
        else:
            flat[section] = value
    return flat


def run_evaluation(location: ModelFolders, part: str, notes: list[str]) -> Mapping[str, EvaluationReport]:
    if location.run is None or not exists(location.run / EVALUATION):
        notes.append(f"There is no {EVALUATION} for this model. Scores on held-out data are not shown.")
        return {}
    try:
        return read_evaluation(location.run, part)
    except ModelError as error:
        notes.append(f"{EVALUATION} is damaged. Scores on held-out data are not shown. {error.summary}.")
        return {}


# --- texts of a character model ---------------------------------------------------------------------------


def _texts(model: CharacterModel, source: _Source) -> list[TracedText]:
    """Trace the user's texts; otherwise the first input of pairs, held-out text, or a generated text."""
    patterns = source.options.patterns
    if texts := source.options.texts:
        return [_trace(model, f"the text “{shorten(text, 40)}”", text, patterns) for text in texts]
    if model.aligned:
        pairs = getattr(source.settings.data, "pairs", ()) if source.settings is not None else ()
        return [_trace(model, f"the input “{shorten(text, 40)}”", text, patterns) for text, _ in pairs[:1]]
    title, text = _held_out_or_generated(model, source)
    return [_trace(model, title, text, patterns)] if text else []


def _held_out_or_generated(model: CharacterModel, source: _Source) -> tuple[str, str]:
    """Return a title and a text."""
    from seqtool.evaluation.character import held_out_text

    try:
        root = runs_root(source.options.runs_dir)
        return "held-out text", held_out_text(source.location.run, root, RANKED_SYMBOLS)
    except SeqtoolError as error:
        source.notes.append(
            f"There is no held-out text ({error.summary}). "
            "Hidden units are shown over a text that the model generated."
        )
        return "a text that the model generated", valid_text("".join(model.sample("", EXCERPT, seed=0)))


def _trace(model: CharacterModel, title: str, text: str, patterns: Sequence[str]) -> TracedText:
    """Choose an excerpt of a text and the units to show, and trace them."""
    text = text[:LONGEST_TEXT]
    if isinstance(model, ConditionalModel):
        model = model.under(model.condition_of_text(text))
        title += f", condition {model.condition}"
    units = _units(model, text, patterns)
    weights = pattern_values(patterns[0], text) if patterns else np.ones(len(text))
    start, end = excerpt(weights, text, EXCERPT) if len(text) > EXCERPT else (0, len(text))
    trace = trace_excerpt(model, text, start, end, [one.unit for one in units])
    known = model.vocabulary
    return TracedText(title, known.unit, known.symbols, model.aligned, trace, units)


def _units(model: CharacterModel, text: str, patterns: Sequence[str]) -> list[UnitNote]:
    """Return the units with the best correlation for each pattern; all units of a small network."""
    targets = {name: symbol_pattern(model, name, text) for name in patterns}
    for name in PATTERNS if len(text) >= MIN_SYMBOLS else ():
        try:
            targets.setdefault(name, symbol_pattern(model, name, text))
        except SeqtoolError:
            continue  # the text does not contain this pattern; only the user's patterns are required
    notes: dict[Unit, list[str]] = {}
    if targets:
        for name, ranked in rank_units(model, text, targets, state_arrays(model)).items():
            for one in ranked[:UNITS_PER_PATTERN]:
                if one.correlation:
                    notes.setdefault(one.unit, []).append(f"{name} {one.correlation:+.2f}")
    units = list(notes)
    if model.settings.num_layers * model.settings.hidden_size <= SMALL_NETWORK or not notes:
        units = _all_units(model)[: 2 * SMALL_NETWORK]
    return [UnitNote(unit, ", ".join(notes.get(unit, ()))) for unit in units]


def _all_units(model: CharacterModel) -> list[Unit]:
    return [
        Unit(int(part.split(".")[1]), part[-1], index)
        for part in state_arrays(model)
        for index in range(model.settings.hidden_size)
    ]


# --- sentences of a tagger --------------------------------------------------------------------------------


def _sentences(source: _Source) -> list[tuple[str, tuple[str, ...]]]:
    """Return titles and sentences: the user's; else wrongly tagged ones; else training sentences."""
    if source.options.texts:
        return [
            (f"“{shorten(' '.join(tokens) if source.tokenizer else text, 60)}”", tokens)
            for text in source.options.texts
            if text.strip()
            for tokens in _cut(source, text)
        ]
    title, sentences = "A sentence with wrong labels", wrong_sentences(source.evaluation)
    if not sentences:
        title, sentences = "A training sentence", training_sentences(source.settings)
    return [(f"{title}: “{shorten(' '.join(tokens), 60)}”", tokens) for tokens in sentences]


def _cut(source: _Source, text: str) -> list[tuple[str, ...]]:
    """Return the words of each sentence of a text; without a trained tokenizer it is one sentence."""
    if source.tokenizer is not None:
        return [tuple(words_of(sentence)) for sentence in source.tokenizer.tokenize([text])[0]]
    from seqtool.data.tagging.unlabeled import TextReader

    reader = TextReader(source.stored.config.get("tokenizer") or "whitespace")
    return [tuple(reader.sentence(text, "--text").tokens)]


def wrong_sentences(evaluation: Mapping[str, EvaluationReport]) -> list[tuple[str, ...]]:
    worst = next((evaluation[name].worst for name in PARTS if name in evaluation), ())
    return [one.tokens for one in worst if 2 <= len(one.tokens) <= MAX_TOKENS][:SENTENCES]


def training_sentences(settings: Settings | None) -> list[tuple[str, ...]]:
    """Return the first sentences that a tagger was trained on; none if its files are gone."""
    from seqtool.data.input_files import expand
    from seqtool.data.tagging.sentences import labeled_blocks
    from seqtool.settings.experiment import TaggerSettings

    if settings is None:
        return []
    data = cast(TaggerSettings, settings).data
    try:
        paths = expand(data.train, data.source)
        return [
            tuple(block.tokens)
            for path in paths[:1]
            for block in islice(labeled_blocks(path, data), SENTENCES)
        ]
    except SeqtoolError:
        return []
