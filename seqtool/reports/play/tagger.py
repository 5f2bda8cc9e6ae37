"""Sections of a play page about taggers and tokenizers."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from seqtool.decoding import constraint_scores
from seqtool.inference.heads_config import HeadColumn, HeadsConfig
from seqtool.inference.model_config import read_tagger_config, read_word_vocabulary
from seqtool.inference.tagger import TaggerModel
from seqtool.reports.play.tokenizer_pattern import javascript_rules
from seqtool.settings.model import feature_list
from seqtool.storage.model_directory import StoredModel
from seqtool.types import Arrays

Section = dict[str, object]  # a part of the data of a page, which becomes JSON


def tagger_section(model: TaggerModel, part: StoredModel) -> tuple[Section, Arrays]:
    """Return the section of a tagger, and the scores of label transitions as further arrays."""
    config = read_tagger_config(part.config)
    vocabulary = read_word_vocabulary(part.vocab, config.network, config.heads)
    heads = config.heads or HeadsConfig((HeadColumn("label", "label", model.scheme, model.inner_scheme),), ())
    features = [
        {**asdict(feature), "values": None if values is None else list(values)}
        for feature, values in zip(feature_list(model.settings), vocabulary.features, strict=True)
    ]
    labels = (vocabulary.labels, *vocabulary.further)
    section: Section = {
        "model": {**asdict(model.settings), "features": None},
        "features": features,
        "labels": list(vocabulary.labels),
        "columns": [
            {**head._asdict(), "labels": list(names)}
            for head, names in zip(heads.columns, labels, strict=True)
        ],
        "combined": list(heads.combined),
        "combinations": [list(row) for row in vocabulary.combinations],
        "lemmas": list(vocabulary.lemmas.values()),
        "forms": list(vocabulary.counts),
        "counts": list(vocabulary.counts.values()),
        "characters": None if vocabulary.characters is None else list(vocabulary.characters),
        "normalize": config.normalize,
        "tokenizer": model.tokenizer,
        "pattern": javascript_rules() if model.tokenizer == "basic" else None,
    }
    return section, _rules(model, heads, labels)


def _rules(model: TaggerModel, heads: HeadsConfig, labels: tuple[object, ...]) -> Arrays:
    """Return the scores of first labels, label pairs and last labels of each column that has some."""
    arrays: Arrays = {}
    for column, head in enumerate(heads.columns):
        if len(heads.columns) == 1:
            scores = (model.start, model.transitions, model.end)
            has_rules = model.settings.decoder == "crf" or any(part.any() for part in scores)
        else:
            scores = constraint_scores(labels[column], head.inner_scheme)  # type: ignore[arg-type]
            has_rules = head.inner_scheme != "none"
        if has_rules:
            for name, values in zip(("start", "transitions", "end"), scores, strict=True):
                arrays[f"rules.{column}.{name}"] = values.astype(np.float32)
    return arrays


def tokenizer_section(part: StoredModel) -> Section:
    """Return the section of a trained tokenizer."""
    return {
        "model": part.config["model"],
        "inner_spaces": part.config["inner_spaces"],
        "characters": part.vocab["characters"],
        "expansions": {
            "forms": part.vocab["expansions"],
            "suffixes": part.vocab["expansion_suffixes"],
            "prefixes": part.vocab["expansion_prefixes"],
            "always": part.vocab.get("always_expanded", {}),
        },
    }
