"""Smaller models without personal data: rare and private entries of a vocabulary leave, with their weights.

An entry stays if it occurs at least `MIN_COUNT` times in the training data and `private_kind` finds nothing
in it. The labels of lemmas (scripts that change a form) follow the same rule, and so do the words of
multiword tokens. The other weights are unchanged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from seqtool.data.tagging.lemma_scripts import lemma_script
from seqtool.storage.model_directory import StoredModel
from seqtool.types import Arrays, Json
from tests.support.private_data import private_kind

MIN_COUNT = 3


def shrunk(model: StoredModel, treebank: Path | None) -> StoredModel:
    """Return a model without rare and private entries.

    Args:
        treebank: CoNLL-U file that the model was trained on; None for a model of characters.
    """
    if treebank is None:
        return model
    shrink: Mapping[str, Callable[[StoredModel, Path], StoredModel]] = {
        "tagger": shrunk_tagger,
        "tokenizer": shrunk_tokenizer,
    }
    parts = [shrink[task](part, treebank) for task, part in model.parts.items()]
    return StoredModel.joined(parts)._replace(manifest=model.manifest)


# --- taggers ------------------------------------------------------------------------------------------------


def shrunk_tagger(model: StoredModel, treebank: Path) -> StoredModel:
    """Return a tagger without rare and private forms, values of features and scripts of lemmas."""
    vocab, weights = dict(model.vocab), dict(model.weights)
    kept = [
        (form, count)
        for form, count in zip(vocab["forms"], vocab["counts"], strict=True)
        if count >= MIN_COUNT and private_kind(form) is None
    ]
    forms = vocab["forms"]
    vocab["forms"], vocab["counts"] = [form for form, _ in kept], [count for _, count in kept]
    features = model.config["model"]["features"]
    vocab["features"] = [
        values if values is None else _shrunk_values(values, index, features[index], weights)
        for index, values in enumerate(vocab["features"])
    ]
    if "heads" in vocab:
        heads = _shrunk_heads(model.config["heads"], vocab["heads"], weights, treebank)
        vocab["heads"] = {**heads, "lemmas": _shrunk_lemmas(model, heads, forms, vocab["forms"])}
    return model._replace(vocab=vocab, weights=weights)


def _shrunk_values(values: Sequence[str], index: int, feature: Json, weights: Arrays) -> list[str]:
    """Return the values of a feature without private ones, and remove their rows from the weights.

    The config of the model leaves rare values out (`min_count`), so that their rows are never trained.
    """
    assert feature["min_count"] >= MIN_COUNT, f"{feature['name']}: set min_count to {MIN_COUNT}"
    rows = [place for place, value in enumerate(values) if private_kind(value) is None]
    name, first = f"features.{index}.weight", int(feature["unknown"])
    weights[name] = weights[name][[*range(first), *(first + row for row in rows)]]
    return [values[row] for row in rows]


def _shrunk_heads(config: Json, vocab: Json, weights: Arrays, treebank: Path) -> Json:
    """Return the further labels of a tagger without rare and private scripts of lemmas."""
    counts = Counter(lemma_script(form, lemma) for form, lemma in _forms_and_lemmas(treebank))
    columns = []
    for number, (column, labels) in enumerate(zip(config["columns"][1:], vocab["columns"], strict=True), 1):
        if column["kind"] == "lemma":
            rows = [
                row
                for row, script in enumerate(labels)
                if counts[script] >= MIN_COUNT and private_kind(script) is None
            ]
            labels = [labels[row] for row in rows]
            for name in (f"heads.{number}.weight", f"heads.{number}.bias"):
                weights[name] = weights[name][rows]
        columns.append(labels)
    return {**vocab, "columns": columns}


def _shrunk_lemmas(
    model: StoredModel, heads: Json, forms: Sequence[str], kept: Sequence[str]
) -> list[list[int]]:
    """Return the known lemmas of the forms that stay, with the numbers of the scripts that stay."""
    column = next(
        index for index, head in enumerate(model.config["heads"]["columns"][1:]) if head["kind"] == "lemma"
    )
    before = model.vocab["heads"]["columns"][column]
    after = {script: number for number, script in enumerate(heads["columns"][column])}
    rows = dict(zip(forms, model.vocab["heads"]["lemmas"], strict=True))
    shrunk_rows: list[list[int]] = [[] for _ in kept]
    for form, shrunk_row in zip(kept, shrunk_rows, strict=True):
        for label, script in zip(rows[form][::2], rows[form][1::2], strict=True):
            if before[script] in after:
                shrunk_row += [label, after[before[script]]]
    return shrunk_rows


# --- tokenizers ---------------------------------------------------------------------------------------------


def shrunk_tokenizer(model: StoredModel, treebank: Path) -> StoredModel:
    """Return a tokenizer without rare and private multiword tokens."""
    counts = Counter(form.lower() for form in _multiword_tokens(treebank))

    def may_stay(form: str, words: Iterable[str]) -> bool:
        return counts[form.lower()] >= MIN_COUNT and not any(map(private_kind, (form, *words)))

    vocab = dict(model.vocab)
    for name in ("expansions", "always_expanded"):
        vocab[name] = {form: words for form, words in vocab[name].items() if may_stay(form, words)}
    for name in ("expansion_suffixes", "expansion_prefixes"):
        vocab[name] = {
            end: change for end, change in vocab[name].items() if not any(map(private_kind, (end, change)))
        }
    return model._replace(vocab=vocab)


# --- training data ------------------------------------------------------------------------------------------


def _rows(treebank: Path) -> Iterable[list[str]]:
    for line in treebank.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line.split("\t")


def _forms_and_lemmas(treebank: Path) -> Iterable[tuple[str, str]]:
    for row in _rows(treebank):
        if row[0].isdigit():
            yield row[1], row[2]


def _multiword_tokens(treebank: Path) -> Iterable[str]:
    for row in _rows(treebank):
        if "-" in row[0]:
            yield row[1]
