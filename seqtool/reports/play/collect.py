"""Collect the content of a play page: configuration, vocabulary, weights, a first text, training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

import numpy as np

from seqtool.data.vocabulary import SymbolVocabulary, valid_text
from seqtool.errors import SeqtoolError
from seqtool.inference.character import CharacterModel
from seqtool.inference.conditional import ConditionalModel
from seqtool.inference.load import load_character_model, load_model, load_tagger
from seqtool.inference.tagger import TaggerModel
from seqtool.inspection.network import read_metrics
from seqtool.inspection.trace import encode_for_trace
from seqtool.reports.html.collect import (
    log_rows,
    run_config,
    run_evaluation,
    training_sentences,
    wrong_sentences,
)
from seqtool.reports.html.run_data import read_samples
from seqtool.reports.network import network_parts, network_title
from seqtool.reports.play.tagger import Section, tagger_section, tokenizer_section
from seqtool.reports.play.weights import Index, pack, shown_weights
from seqtool.settings.experiment import Settings
from seqtool.settings.model import TaggerModel as TaggerSettings
from seqtool.settings.model import feature_list
from seqtool.storage.find_model import ModelFolders, runs_root
from seqtool.storage.model_directory import StoredModel, read_model
from seqtool.types import Array, Arrays

T = TypeVar("T")
FIRST_TEXT = 600  # characters of the text that a page shows first
CHECKED = 12  # symbols or tokens of the self-test
CHECKED_SCORES = 5000  # numbers of the self-test
MOST_ROWS, MOST_SAMPLES, LONGEST_SAMPLE = 2000, 300, 2000


@dataclass(frozen=True)
class PlayData:
    """Content of a play page.

    Attributes:
        name: name of the model.
        meta: everything except the weights, as JSON.
        index: name, shape, bytes of a number and offset of each array in `weights`.
        weights: the arrays one after the other.
        notes: what the page lacks.
    """

    name: str
    meta: Section
    index: Index
    weights: bytes
    notes: Sequence[str]


def collect_play(location: ModelFolders, runs_dir: Path | None) -> PlayData:
    """Collect the data of the page of a model.

    Raises:
        ModelError: the model is damaged.
    """
    directory = read_model(location.model)
    notes: list[str] = []
    name = location.run.name if location.run else Path(location.name).name
    parts = directory.parts if len(directory.parts) > 1 else {directory.task: directory.main}
    shown = {task: _shown_part(part, notes) for task, part in parts.items()}
    main = shown[directory.task]
    log_notes: list[str] = []  # about files that a model directory alone does not have
    settings = run_config(location.run, log_notes)[1]
    run = _Run(location, directory.task, settings, runs_root(runs_dir), log_notes)
    sections, weights = _sections(shown, run)
    meta = {
        "name": name,
        "task": directory.task,
        "title": network_title(main),
        "parts": [asdict(part) for part in network_parts(main)],
        "history": _history(run),
        **sections,
    }
    index, content = pack(weights)
    return PlayData(name, meta, index, content, notes)


@dataclass(frozen=True)
class _Run:
    """The run of a model, if any, and notes about its files."""

    location: ModelFolders
    task: str
    settings: Settings | None
    root: Path
    notes: list[str]


def _shown_part(part: StoredModel, notes: list[str]) -> StoredModel:
    """Return a part of the model with the weights that the page contains."""
    settings = load_model(part).settings
    has_features = hasattr(settings, "features")
    return shown_weights(part, feature_list(cast(TaggerSettings, settings)) if has_features else (), notes)


def _sections(shown: Mapping[str, StoredModel], run: _Run) -> tuple[Section, Arrays]:
    """Return the section of each part of the model, and the weights of all parts under their names."""
    sections: Section = {}
    weights: Arrays = {}
    for task, part in shown.items():
        sections[task], more = SECTIONS[task](part, run)
        weights |= {f"{task}.{name}": array for name, array in {**part.weights, **more}.items()}
    return sections, weights


# --- character models ---------------------------------------------------------------------------------------


def _character_section(part: StoredModel, run: _Run) -> tuple[Section, Arrays]:
    model = load_character_model(part)
    vocabulary = model.vocabulary
    text = _first_text(model, run)
    conditions: Section = {}
    if isinstance(model, ConditionalModel):
        names, model = model.conditions, model.under(model.condition_of_text(text))
        conditions = {"conditions": names._asdict(), "condition": model.condition_number}
    section: Section = {
        "kind": model.kind,
        "unit": vocabulary.unit,
        "normalize": part.config["symbols"]["normalize"],
        "symbols": list(vocabulary.symbols),
        "unknown": vocabulary.unknown,
        "words": _words(vocabulary),
        "model": asdict(model.settings),
        "text": text,
        "check": _character_check(model, text),
    }
    return section | conditions, {}


def _words(vocabulary: SymbolVocabulary) -> Section | None:
    """Return how a page divides a text into words and spells unknown ones; None for other symbols."""
    if vocabulary.unit != "word":
        return None
    from seqtool.data.text.words import word_pattern
    from seqtool.data.word_vocabulary import WordSymbols

    assert isinstance(vocabulary, WordSymbols)
    return {
        "pattern": word_pattern(tokenized=vocabulary.tokenized),
        "tokenized": vocabulary.tokenized,
        "first": vocabulary.first,
        "characters": vocabulary.characters,
    }


def _first_text(model: CharacterModel, run: _Run) -> str:
    """Return the input of the first pair, held-out text, or a text that the model generated."""
    if model.aligned:
        pairs = getattr(run.settings.data, "pairs", ()) if run.settings is not None else ()
        return pairs[0][0] if pairs else "".join(model.vocabulary.symbols[:8])
    if model.settings.output == "none":
        return "".join(model.vocabulary.symbols[:8])
    from seqtool.evaluation.character import held_out_text

    try:
        text = held_out_text(run.location.run, run.root, 2 * FIRST_TEXT)
    except SeqtoolError:
        text = "".join(model.sample("", FIRST_TEXT, seed=0))
    text = model.remove_unknown(text)[0]
    line_end = text.rfind("\n", 0, FIRST_TEXT)
    return valid_text(text[: line_end if line_end > 0 else FIRST_TEXT])


def _character_check(model: CharacterModel, text: str) -> Section:
    """Return the scores of the first symbols; the page compares its own scores with them."""
    text = model.vocabulary.join(model.vocabulary.split(text)[:CHECKED])
    ids = encode_for_trace(model, text)[:CHECKED]
    if model.boundary:  # the state before a line is that after a line break
        ids = model.encode(model.boundary + model.vocabulary.decode(ids).split(model.boundary)[0])
    scores = model.forward(ids[: _rows(len(model.vocabulary)), None])[0][:, 0]
    scores = scores[: int(np.isfinite(scores).all(1).cumprod().sum())]  # a network with ReLU can diverge
    return {"ids": ids[: len(scores)].tolist(), "scores": _numbers(scores)}


def _rows(columns: int) -> int:
    return max(1, min(CHECKED, CHECKED_SCORES // columns))


def _numbers(values: Array) -> list[list[float]]:
    return np.asarray(values, np.float64).round(7).tolist()  # type: ignore[no-any-return]


# --- taggers ------------------------------------------------------------------------------------------------


def _tagger_section(part: StoredModel, run: _Run) -> tuple[Section, Arrays]:
    model = load_tagger(part)
    section, rules = tagger_section(model, part)
    return section | _tagger_text(model, run), rules


def _tagger_text(model: TaggerModel, run: _Run) -> Section:
    """Return the first sentence, one that held-out data have wrong labels for, and its scores."""
    sentences = wrong_sentences(run_evaluation(run.location, run.task, run.notes)) or training_sentences(
        run.settings
    )
    known = [form for form in model.encoder.to_json()["forms"] if " " not in form][:6]
    tokens = next((tokens for tokens in sentences if tokens), tuple(known))[:24]
    checked = tokens[: _rows(len(model.labels))]
    check: Section = {"tokens": [], "scores": [], "labels": []}
    if checked:
        (scores,), (labels,) = model.scores([checked]), model.tag_columns([checked])
        if np.isfinite(scores).all():
            check = {"tokens": checked, "scores": _numbers(scores), "labels": labels}
    return {"text": " ".join(tokens), "check": check}


def _tokenizer_section(part: StoredModel, run: _Run) -> tuple[Section, Arrays]:  # noqa: ARG001
    return tokenizer_section(part), {}


SECTIONS: Mapping[str, Callable[[StoredModel, _Run], tuple[Section, Arrays]]] = {
    "char": _character_section,
    "tagger": _tagger_section,
    "tokenizer": _tokenizer_section,
}


# --- training -----------------------------------------------------------------------------------------------


def _history(run: _Run) -> Section:
    """Return rows and samples of the training; of long logs, evenly spaced ones."""
    rows = log_rows(partial(read_metrics, part=run.task), run.location.run, run.notes)
    samples = log_rows(partial(read_samples, part=run.task), run.location.run, run.notes)
    return {
        "rows": [{"epoch": row.epoch, **row.values} for row in _thinned(rows, MOST_ROWS)],
        "samples": [
            {**asdict(one), "text": one.text[:LONGEST_SAMPLE]} for one in _thinned(samples, MOST_SAMPLES)
        ],
    }


def _thinned(items: Sequence[T], most: int) -> list[T]:
    """Return at most about `most` items, the first and the last included."""
    if len(items) <= most:
        return list(items)
    places = np.unique(np.linspace(0, len(items) - 1, most).round().astype(int))
    return [items[place] for place in places.tolist()]
