"""Starting from a trained model: whether it is the network that the settings describe, and its weights in a longer vocabulary.

What stands for a symbol, a word's feature or a label in an array (a row, a column) goes by that very symbol, value or label;
those that the model does not know keep the weights that were freshly drawn for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seqtool.data.vocabulary import show_symbol
from seqtool.errors import ModelError, Problem, SeqtoolError
from seqtool.inference.load import load_model
from seqtool.settings import Settings
from seqtool.storage.model_directory import StoredModel, read_model
from seqtool.types import Arrays

Json = Mapping[str, Any]
Keys = dict[str, dict[int, list[Any]]]  # array -> axis -> what each place on it stands for

# What may be another than in the model: it shapes no array, or only how it was first drawn.
FREE = frozenset(("dropout", "dropout_input", "dropout_between", "dropout_output", "weight_dropout"))
FREE |= frozenset(
    (
        "state_reset",
        "word_replacement",
        "word_dropout",
        "forget_bias",
        "features.min_count",
        "features.path",
        "features.frozen",
    )
)
LISTED = 12  # new symbols or labels that are named


def read_initial_model(settings: Settings) -> StoredModel | None:
    """The model that the settings start from, verified; None where they start from nothing.

    Raises:
        ModelError: if there is none, if it is damaged, or for another task.
    """
    if not settings.training.init_from:
        return None
    bundle = read_model(Path(settings.training.init_from))
    if bundle.task != settings.task:
        found = {"char": "a character model", "tagger": "a tagger"}[bundle.task]
        raise ModelError(
            f"cannot start from {found}",
            place=settings.training.init_from,
            hint=f"name a model of task {settings.task}",
        )
    load_model(bundle)  # whether its parts belong together
    unit = "char" if settings.task == "tagger" else settings.data.unit
    if bundle.task == "char" and bundle.config["symbols"]["unit"] != unit:
        message = (
            f"the model's symbols are {bundle.config['symbols']['unit']}s, those of the settings {unit}s"
        )
        raise ModelError(
            message,
            place=settings.training.init_from,
            hint=f"set data.unit: {bundle.config['symbols']['unit']}",
        )
    return bundle


def check_same_network(start: StoredModel, config: Json, place: str) -> None:
    """See that the model is the network that the settings describe.

    Raises:
        SeqtoolError: naming every difference.
    """
    before, now = dict(_described(start.config)), dict(_described(config))
    problems = [
        Problem(
            f"the model to start from has {key} {before.get(key)}, the settings {now.get(key)}",
            place,
            "let the settings say the same",
        )
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
    ]
    if problems:
        raise SeqtoolError(problems)


def _described(config: Json) -> Iterator[tuple[str, Any]]:
    """What makes a network the one that it is."""
    yield "inner_scheme", config.get("inner_scheme")
    for section in ("symbols", "words"):
        yield f"{section}.normalize", config.get(section, {}).get("normalize")
    for name, value in config["model"].items():
        if name != "features":
            yield from [] if name in FREE else [(f"model.{name}", value)]
            continue
        yield "model.features", [feature["name"] for feature in value]
        for place, feature in enumerate(value):
            yield from (
                (f"model.features.{place}.{key}", item)
                for key, item in feature.items()
                if f"features.{key}" not in FREE
            )


def init_from_notes(start: StoredModel, vocab: Json, place: str) -> Iterator[str]:
    """What a person is told of the vocabularies, one line each."""
    yield f"starts from {place}"
    names = {"symbols": "symbols"} if "symbols" in vocab else {"labels": "labels", "forms": "words"}
    for key, noun in names.items():
        old, new = ([_name(item) for item in given[key]] for given in (start.vocab, vocab))
        known = set(old)
        added = [name for name in new if name not in known]
        listed = (
            f": {' '.join(added[:LISTED])}{' …' if len(added) > LISTED else ''}"
            if added and key != "forms"
            else ""
        )
        yield f"{noun}: {len(old):,} of the model, {len(added):,} new{listed}"


def _name(item: Any) -> str:
    return show_symbol(item) if isinstance(item, str) else f"0x{item:02X}"


def transferred_weights(fresh: Arrays, start: StoredModel, config: Json, vocab: Json) -> Arrays:
    """The model's weights in the places that they have in the new vocabulary, and freshly drawn ones in the others."""
    old_keys, new_keys = _keys(start.config, start.vocab), _keys(config, vocab)
    carried = {}
    for name, array in fresh.items():
        carried[name] = array.copy()
        old = start.weights[name]
        pairs = [
            _common(old_keys.get(name, {}).get(axis), new_keys.get(name, {}).get(axis), size)
            for axis, size in enumerate(old.shape)
        ]
        carried[name][np.ix_(*(new for _, new in pairs))] = old[np.ix_(*(before for before, _ in pairs))]
    return carried


def _common(old: list[Any] | None, new: list[Any] | None, size: int) -> tuple[list[int], list[int]]:
    """The places of what both have, in the old and in the new."""
    if old is None or new is None:
        return list(range(size)), list(range(size))
    places = {key: place for place, key in enumerate(new)}
    kept = [(place, places[key]) for place, key in enumerate(old) if key in places]
    return [before for before, _ in kept], [now for _, now in kept]


def _keys(config: Json, vocab: Json) -> Keys:
    """What the places of each array stand for, where they stand for anything in the vocabulary."""
    if "symbols" in vocab:
        symbols = list(vocab["symbols"])
        first = "encoder.0.forward.weight_ih"
        entering: Keys = (
            {first: {1: symbols}}
            if config["model"]["input"] == "onehot"
            else {"embedding.weight": {0: symbols}}
        )
        return {**entering, "output.weight": {0: symbols}, "output.bias": {0: symbols}}
    labels = list(vocab["labels"])
    keys: Keys = {name: {0: labels} for name in ("output.weight", "output.bias", "crf.start", "crf.end")}
    keys["crf.transitions"] = {0: labels, 1: labels}
    for index, feature in enumerate(config["model"]["features"]):
        if feature["name"].startswith("char_"):
            keys[f"features.{index}.embedding.weight"] = {
                0: [None, 1, 2, *vocab["characters"]]
            }  # unknown, begin, end
        else:
            unknown = [None] if feature["unknown"] or feature["name"] == "vectors" else []
            keys[f"features.{index}.weight"] = {0: [*unknown, *vocab["features"][index]]}
    return keys
