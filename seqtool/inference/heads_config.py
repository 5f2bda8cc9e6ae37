"""Labels of a tagger that predicts several: their part of `config.json` and `vocab.json` as typed values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, get_args

from seqtool.inference.checked_values import (
    CONFIG,
    VOCAB,
    are_numbers,
    are_strings,
    fail,
    one_of,
)
from seqtool.settings.values import Scheme
from seqtool.types import Json


class HeadColumn(NamedTuple):
    """One of several labels of a tagger.

    Attributes:
        name: name of the column, as in `data.labels`.
        kind: labels, or lemmas, whose labels are scripts.
        scheme: span scheme of the training files.
        inner_scheme: span scheme of the network's labels.
    """

    name: str
    kind: Literal["label", "lemma"]
    scheme: Scheme
    inner_scheme: Scheme


class HeadsConfig(NamedTuple):
    """Labels of a tagger that predicts several.

    Attributes:
        columns: all columns, the main one first.
        combined: indices of the columns that are scored together; empty if none are.
    """

    columns: tuple[HeadColumn, ...]
    combined: tuple[int, ...]


class HeadsVocabulary(NamedTuple):
    """Labels of the further columns of a tagger.

    Attributes:
        columns: labels of every column but the first.
        combinations: combinations of labels that are scored together, as label numbers.
        lemmas: of known words, by form: first labels, each followed by the number of a script.
    """

    columns: tuple[Sequence[str], ...] = ()
    combinations: tuple[tuple[int, ...], ...] = ()
    lemmas: Mapping[str, Sequence[int]] = {}


def read_heads(section: Json) -> HeadsConfig:
    """Read the section `heads` of a configuration.

    Raises:
        ModelError: a missing key, or a value that is not allowed.
    """
    columns, combined = section.get("columns"), section.get("combined")
    if (
        not isinstance(columns, list)
        or len(columns) < 2
        or not all(isinstance(item, dict) for item in columns)
    ):
        fail(CONFIG, "heads.columns: expected two or more JSON objects")
    heads = tuple(_read_head(item, f"heads.columns.{index}") for index, item in enumerate(columns))
    if len({head.name for head in heads}) < len(heads) or heads[0].kind == "lemma":
        fail(CONFIG, "heads.columns: expected different names, and labels in the first column")
    if not are_numbers(combined, len(heads)) or sorted(set(combined)) != combined:
        fail(CONFIG, "heads.combined: expected ascending numbers of columns")
    plain = [index for index, head in enumerate(heads) if head.kind == "label" and head.scheme == "none"]
    if combined and (len(combined) < 2 or combined[0] != 0 or not set(combined) <= set(plain)):
        fail(CONFIG, "heads.combined: expected the first column and others that are neither lemmas nor spans")
    return HeadsConfig(heads, tuple(combined))


def _read_head(item: Json, where: str) -> HeadColumn:
    if type(item.get("name")) is not str:
        fail(CONFIG, f"{where}.name: expected text")
    kind: Literal["label", "lemma"] = one_of(item.get("kind"), f"{where}.kind", ("label", "lemma"))
    scheme: Scheme = one_of(item.get("scheme"), f"{where}.scheme", get_args(Scheme))
    inner_scheme: Scheme = one_of(item.get("inner_scheme"), f"{where}.inner_scheme", get_args(Scheme))
    if (scheme == "none") != (inner_scheme == "none"):
        fail(CONFIG, f"{where}: expected both schemes or none of them to mark spans")
    return HeadColumn(item["name"], kind, scheme, inner_scheme)


def read_heads_vocabulary(vocab: Json, heads: HeadsConfig) -> HeadsVocabulary:
    """Read the section `heads` of a vocabulary.

    Raises:
        ModelError: a missing key, or a value that is not allowed.
    """
    from seqtool.data.tagging.lemma_scripts import is_script  # taggers of one label do without

    section = vocab.get("heads")
    columns, rows = (
        (section.get("columns"), section.get("combinations")) if isinstance(section, dict) else ((), ())
    )
    if not isinstance(columns, list) or len(columns) != len(heads.columns) - 1:
        fail(VOCAB, f"heads.columns: expected {len(heads.columns) - 1} lists of labels")
    for index, labels in enumerate(columns):
        is_lemma = heads.columns[index + 1].kind == "lemma"
        if not are_strings(labels) or not labels or len(set(labels)) < len(labels):
            fail(VOCAB, f"heads.columns.{index}: expected a list of different strings")
        if is_lemma and not all(map(is_script, labels)):
            fail(VOCAB, f"heads.columns.{index}: expected lemma scripts")
    sizes = [len([vocab["labels"], *columns][column]) for column in heads.combined]
    lemmas: Mapping[str, Sequence[int]] = {}
    for head, scripts in zip(heads.columns[1:], columns, strict=True):
        if head.kind == "lemma":
            lemmas = _read_lemmas(
                vocab["heads"].get("lemmas"), vocab["forms"], len(vocab["labels"]), len(scripts)
            )
    return HeadsVocabulary(tuple(columns), _read_combinations(rows, sizes), lemmas)


def _read_lemmas(rows: object, forms: Sequence[str], labels: int, scripts: int) -> dict[str, Sequence[int]]:
    """Read the known lemmas of each form: first labels, each followed by the number of a script."""
    if not isinstance(rows, list) or len(rows) != len(forms) or not set(map(type, rows)) <= {list}:
        fail(VOCAB, f"heads.lemmas: expected a list for each of {len(forms)} forms")
    known = list(filter(None, rows))
    if (
        any(len(row) % 2 for row in known)
        or not are_numbers([number for row in known for number in row[::2]], labels)
        or not are_numbers([number for row in known for number in row[1::2]], scripts)
    ):
        fail(VOCAB, "heads.lemmas: expected first labels, each followed by the number of a script")
    return dict(zip(forms, rows, strict=True))


def _read_combinations(rows: object, sizes: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Read combinations of label numbers, given the number of labels of each combined column."""
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        fail(VOCAB, "heads.combinations: expected a list of lists of label numbers")
    for row in rows:
        if len(row) != len(sizes) or not all(map(are_numbers, ([number] for number in row), sizes)):
            fail(VOCAB, "heads.combinations: expected the number of a label of each combined column")
    first_labels = {row[0] for row in rows}
    if sorted(map(tuple, rows)) != list(dict.fromkeys(map(tuple, rows))) or first_labels != set(
        range(*sizes[:1] or [0])
    ):
        fail(VOCAB, "heads.combinations: expected sorted combinations of all labels of the first column")
    return tuple(map(tuple, rows))
