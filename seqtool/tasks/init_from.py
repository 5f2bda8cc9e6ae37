"""Initial weights from a trained model (`training.init_from`).

The networks must be equal, but the vocabularies may differ. Some arrays have one row or column for each
vocabulary entry: a symbol, a feature value or a label. The weights of an entry are copied if the model knows
the entry. A new entry keeps its random initial weights.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqtool.data.vocabulary import show_symbol
from seqtool.errors import ModelError, Problem, SeqtoolError
from seqtool.inference.load import load_model
from seqtool.settings.experiment import Settings
from seqtool.storage.model_directory import StoredModel, read_model
from seqtool.tasks.interface import Prepared, definition
from seqtool.types import Arrays, Json

# Settings that may differ from those of the initial model. None of them changes the shape of an array. Some
# of them determine its random initial values.
MAY_DIFFER_FROM_INITIAL = frozenset(
    (
        "dropout",
        "dropout_input",
        "dropout_between",
        "dropout_output",
        "weight_dropout",
        "state_reset",
        "word_replacement",
        "word_dropout",
        "embedding_dropout",
        "forget_bias",
        "features.min_count",
        "features.path",
        "features.frozen",
    )
)
LISTED = 12  # new symbols or labels that a message lists


def read_initial_models(parts: Sequence[Settings]) -> dict[str, StoredModel]:
    """Read and verify the model of `training.init_from`, and return its parts by their tasks.

    Args:
        parts: settings of the parts of a run. A part that the model lacks starts from random weights.

    Raises:
        ModelError: the model is missing, damaged, or has none of the parts.
    """
    main = parts[-1]
    reference = main.training.init_from
    if not reference:
        return {}
    stored = read_model(Path(reference))
    models: dict[str, StoredModel] = {
        part.task: stored.parts[part.task] for part in parts if part.task in stored.parts
    }
    if not models:
        noun = definition(stored.task).noun
        raise ModelError(
            f"cannot start from a {noun}", place=reference, hint=f"name a model of task {main.task}"
        )
    for part in parts:
        if part.task in models:
            load_model(models[part.task])  # checks that config, vocabulary and weights fit together
            definition(part.task).check_initial_model(models[part.task], part)
    return models


def network_of_initial_model(reference: str, task: str, *, one_label: bool = False) -> list[str]:
    """Return settings that must equal those of a model as `KEY=VALUE`, for a run without a config of its own.

    These are the settings of its network, and those that decide how data become its input.

    Args:
        reference: value of `training.init_from`.
        task: task of the run.
        one_label: whether the run has a single label, also if the model has several.

    Raises:
        ModelError: the model is missing or damaged.
    """
    model = read_model(Path(reference)).parts.get(task)
    if model is None:  # refused with a message when the run is prepared
        return []
    labels, others = [], MAY_DIFFER_FROM_INITIAL
    if "heads" in model.config and not one_label:  # a decoder would ask for a single label
        names = [column["name"] for column in model.config["heads"]["columns"]]
        labels, others = [f"data.labels={json.dumps(names)}"], others | {"decoder"}
    network = model.config["model"].items()
    return [
        *labels,
        *_input_of_text_model(model),
        *(f"model.{name}={json.dumps(value)}" for name, value in network if name not in others),
    ]


def _input_of_text_model(model: StoredModel) -> Iterator[str]:
    """Yield the settings of `data` that decide what a symbol and a sequence are; none for other models."""
    if "symbols" not in model.config:
        return
    symbols = model.config["symbols"]
    yield from (f"data.{name}={json.dumps(symbols[name])}" for name in ("unit", "normalize"))
    yield f"data.per_line={json.dumps(model.config['kind'] == 'lines')}"
    yield from _conditions_of_text_model(model.config.get("condition", {}))
    if symbols["unit"] == "word":
        yield from (f"data.tokenized={json.dumps(symbols.get('tokenized', False))}", "data.min_count=2")
        yield f"data.spell_unknown={json.dumps('characters' in model.vocab)}"


def _conditions_of_text_model(rule: Mapping[str, str]) -> Iterator[str]:
    """Yield the settings of `data` that say where the condition of a line is; none without conditions."""
    keys = {"file": (), "prefix": ("separator",), "column": ("separator", "column", "text")}
    names = {"column": "condition_column", "text": "text_column"}
    if rule:
        yield f"data.condition={rule['source']}"
        for key in keys[rule["source"]]:
            yield f"data.{names.get(key, key)}={json.dumps(rule[key])}"


def check_same_network(initial_model: StoredModel, config: Json, place: str) -> None:
    """Check that the model has the network that the settings describe.

    Raises:
        SeqtoolError: the networks differ; each difference is one problem.
    """
    before, now = dict(_network_settings(initial_model.config)), dict(_network_settings(config))
    if "heads" in initial_model.config and "heads" in config:  # a single label may come from several
        for names, heads in ((before, initial_model.config["heads"]), (now, config["heads"])):
            names["data.labels"] = [column["name"] for column in heads["columns"]]
    problems = [
        Problem(
            f"the model to start from has {key} {before.get(key)}, the settings have {now.get(key)}",
            place,
            "change the settings to match the model",
        )
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
    ]
    if problems:
        raise SeqtoolError(problems)


def _network_settings(config: Json) -> Iterator[tuple[str, Any]]:
    """Yield the settings that must be equal in both networks, by dotted key."""
    yield "inner_scheme", config.get("inner_scheme")
    for section in ("symbols", "words"):
        yield f"{section}.normalize", config.get(section, {}).get("normalize")
    for name, value in config["model"].items():
        if name == "features":
            yield "model.features", [feature["name"] for feature in value]
            yield from _feature_settings(value)
        elif name not in MAY_DIFFER_FROM_INITIAL:
            yield f"model.{name}", list(value) if isinstance(value, tuple) else value


def _feature_settings(features: Sequence[Json]) -> Iterator[tuple[str, Any]]:
    for index, feature in enumerate(features):
        for key, value in feature.items():
            if f"features.{key}" not in MAY_DIFFER_FROM_INITIAL:
                yield f"model.features.{index}.{key}", value


def init_from_notes(initial_model: StoredModel, model: StoredModel, place: str) -> Iterator[str]:
    """Yield the path of the initial model, then one line about each part of the vocabulary.

    Args:
        initial_model: the model that training starts from.
        model: the model of the run, without weights.
        place: value of `training.init_from`.
    """
    yield f"starts from {place}"
    task = definition(initial_model.task)
    old_lists, new_lists = task.vocabulary_lists(initial_model), task.vocabulary_lists(model)
    for noun, (new_entries, listed) in new_lists.items():
        old = [_shown(entry) for entry in old_lists[noun][0]]
        known = set(old)
        added = [entry for entry in map(_shown, new_entries) if entry not in known]
        names = f": {' '.join(added[:LISTED])}{' …' if len(added) > LISTED else ''}"
        yield f"{noun}: {len(old):,} of the model, {len(added):,} new{names if added and listed else ''}"


def _shown(entry: Any) -> str:
    return show_symbol(entry) if isinstance(entry, str) else f"0x{entry:02X}"


def transferred_weights(fresh: Arrays, initial_model: StoredModel, prepared: Prepared) -> Arrays:
    """Return the initial weights of a run: copies from the model where it has them, else random weights.

    Args:
        fresh: random initial weights of the run's network, by name.
        initial_model: the model that training starts from.
        prepared: the run; it determines the positions of vocabulary entries.
    """
    task = definition(initial_model.task)
    old_axes = task.vocabulary_axes(initial_model)
    new_axes = task.vocabulary_axes(prepared.stored(fresh))
    transferred = {}
    for name, array in fresh.items():
        transferred[name] = array.copy()
        if (
            name not in initial_model.weights
        ):  # of the groups of an adaptive output, which depend on the symbols
            continue
        old, old_entries, new_entries = (
            initial_model.weights[name],
            old_axes.get(name, {}),
            new_axes.get(name, {}),
        )
        pairs = [
            _common(old_entries.get(axis), new_entries.get(axis), size) for axis, size in enumerate(old.shape)
        ]
        source = np.ix_(*(indices for indices, _ in pairs))
        target = np.ix_(*(indices for _, indices in pairs))
        transferred[name][target] = old[source]
    return transferred


def _common(old: Sequence[Any] | None, new: Sequence[Any] | None, size: int) -> tuple[list[int], list[int]]:
    """Return the indices of common entries in the old and in the new vocabulary."""
    if old is None or new is None:
        return list(range(size)), list(range(size))
    positions = {entry: index for index, entry in enumerate(new)}
    common = [(index, positions[entry]) for index, entry in enumerate(old) if entry in positions]
    return [index for index, _ in common], [index for _, index in common]
