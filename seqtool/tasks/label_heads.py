"""Several labels of a tagger: settings, `config.json` and `vocab.json`, sizes of the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from seqtool.config.overrides import override_text
from seqtool.data.tagging.corpus import KnownWords, TaggedCorpus
from seqtool.data.tagging.label_columns import LEMMA, LabelColumns
from seqtool.data.tagging.split import Sentence
from seqtool.data.tagging.word_encoder import form_counts
from seqtool.settings.data import TaggerData
from seqtool.settings.experiment import TaggerSettings
from seqtool.storage.model_directory import StoredModel
from seqtool.tasks.interface import NetworkPart, count_parameters
from seqtool.types import Json

TREEBANK_LABELS = ("upos", "xpos", "feats", LEMMA)  # of a CoNLL-U file, as far as it has them

if TYPE_CHECKING:
    from seqtool.models.label_heads import HeadSizes


def is_for_one_label(data: TaggerData, overrides: Sequence[str]) -> bool:
    """Return whether the user chose a label, or settings that are for a single label."""
    keys = (("model", "decoder"), ("training", "class_weights"))
    chosen = any(override_text(overrides, key) for key in keys)
    return chosen or data.label != "auto" or data.tokens == "surface"


def labels_with_content(data: TaggerData, sentences: Sequence[Sentence]) -> tuple[str, ...]:
    """Return those of several labels that are not the same for all words; none if only lemmas are left."""
    kept = tuple(
        name
        for index, name in enumerate(data.labels)
        if len(set().union(*(sentence.column(index) for sentence in sentences))) > 1
    )
    return kept if len(kept) > 1 and kept[0] != LEMMA else ()


def with_trained_labels(settings: TaggerSettings, corpus: TaggedCorpus) -> TaggerSettings:
    """Return settings that name only the labels that are trained; constant columns are left out."""
    names = settings.data.labels
    kept = tuple(column.name for column in corpus.columns.columns) if corpus.columns else ()
    if kept == names:
        return settings
    data = replace(settings.data, labels=kept, label="auto" if kept else names[0])
    weights = settings.training.label_weights
    if not isinstance(weights, str):
        weights = {name: weight for name, weight in weights.items() if name in kept} or "auto"
    return replace(settings, data=data, training=replace(settings.training, label_weights=weights))


def heads_config(corpus: TaggedCorpus) -> Json:
    """Return the section `heads` of `config.json`; empty for a single label."""
    if corpus.columns is None:
        return {}
    columns = [
        {
            "name": column.name,
            "kind": column.kind,
            "scheme": column.scheme,
            "inner_scheme": column.inner_scheme,
        }
        for column in corpus.columns.columns
    ]
    return {"heads": {"columns": columns, "combined": list(corpus.columns.combined)}}


def heads_vocabulary(corpus: TaggedCorpus) -> Json:
    """Return the section `heads` of `vocab.json`; empty for a single label."""
    if corpus.columns is None:
        return {}
    labels = [list(column.labels) for column in corpus.columns.columns[1:]]
    combinations = [list(row) for row in corpus.columns.combinations]
    heads = {"columns": labels, "combinations": combinations}
    if corpus.columns.lemma is None:
        return {"heads": heads}
    lemmas = [corpus.lemmas.get(form, []) for form in corpus.encoder.to_json()["forms"]]
    return {"heads": {**heads, "lemmas": lemmas}}


def head_sizes(columns: LabelColumns | None) -> HeadSizes | None:
    """Return the sizes of the output layers of several labels; None for a single label."""
    from seqtool.models.label_heads import HeadSizes

    if columns is None:
        return None
    return HeadSizes(
        labels=tuple(len(column.labels) for column in columns.columns),
        reads_word=tuple(column.kind == "lemma" for column in columns.columns),
        combined=columns.combined,
        combinations=np.array(columns.combinations, np.int64) if columns.combined else None,
    )


def known_words(model: StoredModel) -> KnownWords:
    """Return labels and words of the model that training starts from."""
    heads = model.vocab.get("heads", {})
    return KnownWords(
        tuple(model.vocab["labels"]),
        form_counts(model.vocab),
        tuple(map(tuple, heads.get("columns", ()))),
        tuple(map(tuple, heads.get("combinations", ()))),
        dict(zip(model.vocab["forms"], heads.get("lemmas", ()), strict=False)),
    )


def heads_axes(model: StoredModel) -> dict[str, Mapping[int, Sequence[Any]]]:
    """Return the vocabulary entries of the arrays of further labels; see `TaskDefinition.vocabulary_axes`."""
    if "heads" not in model.vocab:
        return {}
    heads = model.vocab["heads"]
    labels = [model.vocab["labels"], *heads["columns"]]
    axes: dict[str, Mapping[int, Sequence[Any]]] = {
        f"heads.{column}.{part}": {0: labels[column]}
        for column in range(1, len(labels))
        for part in ("weight", "bias")
    }
    combined = model.config["heads"]["combined"]
    if combined:
        rows = [
            tuple(labels[column][number] for column, number in zip(combined, row, strict=True))
            for row in heads["combinations"]
        ]
        axes["heads.combinations"] = {0: rows}
    return axes


def heads_output(model: StoredModel) -> list[NetworkPart]:
    """Describe the output layers of further labels, and the combinations."""
    if "heads" not in model.config:
        return []
    shapes, columns = model.shapes, model.config["heads"]["columns"]
    parts = []
    for index, column in enumerate(columns[1:], 1):
        width, entering = shapes[f"heads.{index}.weight"]
        labels = "changes of a form into its lemma" if column["kind"] == "lemma" else "labels"
        sizes = f"linear {entering} -> {width} {labels}"
        parts.append(NetworkPart(column["name"], sizes, count_parameters(shapes, f"heads.{index}.")))
    combined = model.config["heads"]["combined"]
    if combined:
        names = " + ".join(columns[index]["name"] for index in combined)
        (count,) = shapes["heads.combinations"]
        parts.append(NetworkPart("together", f"{names}: {count} combinations", count))
    return parts
