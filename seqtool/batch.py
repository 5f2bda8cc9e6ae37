"""Worker for Spark, Ray, Dask and datasets: load a tagger once per process, then tag batches of a table.

A `Tagger` holds only the path of a model, so it is small to send to a worker. The worker loads the model with
its first batch and keeps it. A batch is a data frame of pandas (`mapInPandas` of Spark, `map_partitions` of
Dask), a table or record batch of pyarrow (`mapInArrow`), or a dictionary of columns (`map_batches` of Ray,
`map` of Hugging Face datasets). A null stays a null. This module imports none of these libraries; pyarrow is
imported for a batch of pyarrow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeGuard

from seqtool.errors import DataError, ModelError
from seqtool.storage.find_model import runs_root

if TYPE_CHECKING:
    from seqtool.api.model import Model
    from seqtool.inference.text_tagger import TaggedText

Words: TypeAlias = "list[str | None] | None"  # None for a null
NULL_TYPES = ("NoneType", "NAType", "NaTType")  # of Python and pandas


@lru_cache(maxsize=4)
def _load_model(path: str) -> Model:
    """Load the model at a path, once per process."""
    from seqtool.api.model import load

    return load(path)


class Tagger:
    """Tagger for one column of sentences.

    >>> tagger = Tagger("/shared/runs/ewt/model")
    >>> schema = "text string, tokens array<string>, labels array<string>"
    >>> frame.mapInPandas(tagger.frames, schema)  # Spark, also mapInArrow  # doctest: +SKIP
    >>> tagger = Tagger("/shared/runs/my", columns=["upos", "lemma"], sentences="sentences")
    >>> arguments, actors = ("/shared/runs/ewt/model",), ray.data.ActorPoolStrategy(size=8)  # doctest: +SKIP
    >>> dataset.map_batches(Tagger, fn_constructor_args=arguments, compute=actors)  # Ray  # doctest: +SKIP
    """

    def __init__(
        self,
        model: str | PathLike[str],
        column: str = "text",
        tokens: str = "tokens",
        labels: str = "labels",
        *,
        columns: Sequence[str] = (),
        sentences: str | None = None,
    ) -> None:
        """Store the arguments; the model is loaded with the first batch.

        Args:
            model: run or model directory that every worker can read. A relative path is made absolute, since
                workers have other current directories.
            column: column of rows, each a raw text, a list of tokens or a null. A trained tokenizer splits a
                raw text into sentences; else it is one.
            tokens, labels: names of the columns to add, each with one list per row.
            columns: labels of a tagger that predicts several; each is added as a column of its name.
            sentences: name of a column to add with the ranges of the sentences, `[[0, 5], [5, 9]]`.
        """
        self.model = _absolute(model)
        self.column, self.tokens, self.labels = column, tokens, labels
        self.columns, self.sentences = tuple(columns), sentences

    def __call__(self, batch: Any) -> Any:
        """Return a batch with the added columns.

        Args:
            batch: a data frame, a table or record batch of pyarrow, or a mapping from column names to
                sequences. The result has the same type.

        Raises:
            ModelError: the model is missing, damaged, not a tagger, or lacks a label of `columns`.
            DataError: the column has a value that is no text, list of tokens or null.
            KeyError: the batch does not have the column.
        """
        arrow = type(batch).__module__.partition(".")[0] == "pyarrow"
        names = batch.schema.names if arrow else batch
        if self.column not in names:
            raise KeyError(f"the batch has no column {self.column!r}, only {', '.join(map(str, names))}")
        values = batch[self.column].to_pylist() if arrow else batch[self.column]
        added = self._added(self._rows(values))
        if arrow:
            return _with_arrow_columns(batch, added, self.sentences)
        if isinstance(batch, Mapping):
            as_arrays = not isinstance(values, list)
            return {**batch, **{name: _column(lists, as_arrays) for name, lists in added.items()}}
        return batch.assign(**added)

    def frames(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Tag an iterator of batches, in the form that `mapInPandas` and `mapInArrow` require."""
        for batch in batches:
            yield self(batch)

    def tag(self, sentences: Iterable[str | Sequence[str | None] | None]) -> tuple[list[Words], list[Words]]:
        """Return the tokens and the labels of each row.

        Both are a null for a null, and empty lists for an empty row. A null among the tokens of a sentence is
        left out of the sentence that the model reads, and its label is a null. The tokens of a raw text are
        the words of all its sentences.

        Raises:
            DataError: a row is no text, list of tokens or null.
        """
        rows = self._rows(sentences)
        return [row.tokens for row in rows], [row.columns[0] for row in rows]

    def _added(self, rows: Sequence[_Row]) -> dict[str, list[Any]]:
        """Return the columns to add."""
        added: dict[str, list[Any]] = {self.tokens: [row.tokens for row in rows]}
        for place, name in enumerate((self.labels, *self.columns)):
            added[name] = [row.columns[place] for row in rows]
        if self.sentences is not None:
            added[self.sentences] = [row.sentences for row in rows]
        return added

    def _rows(self, values: Iterable[object]) -> list[_Row]:
        model = _load_model(self.model)
        places = [0, *(self._place(model, name) for name in self.columns)]
        rows = list(values)
        words = [
            None if isinstance(value, str) else self._words(row, value) for row, value in enumerate(rows)
        ]
        known = [[word for word in row or () if word is not None] for row in words]
        labels = iter(model.tag_columns([row for row in known if row]))
        texts = iter(model.tagged_texts([value for value in rows if isinstance(value, str)]))
        return [
            _text_row(next(texts), places)
            if isinstance(value, str)
            else _token_row(words[row], next(labels) if known[row] else None, places)
            for row, value in enumerate(rows)
        ]

    def _place(self, model: Model, name: str) -> int:
        if name in model.columns:
            return model.columns.index(name)
        known = (
            f"its labels are {', '.join(model.columns)}" if model.columns else "it predicts a single label"
        )
        raise ModelError(f"the tagger has no label {name!r}", place=self.model, hint=known)

    def _words(self, row: int, value: object) -> Words:
        """Return the tokens of a value of the column that is no text."""
        if _is_null(value):
            return None
        if isinstance(value, bytes | Mapping | set) or not isinstance(value, Iterable):
            raise self._wrong_type(row, "text, a list of tokens or a null", value)
        words = [None if _is_null(word) else word for word in value]
        for word in words:
            if word is not None and not isinstance(word, str):
                raise self._wrong_type(row, "a list of texts", word, "in a list")
        return [None if word is None else str(word) for word in words]

    def _wrong_type(self, row: int, expected: str, value: object, where: str = "") -> DataError:
        found = " ".join(filter(None, ("found", type(value).__name__, where)))
        place = f"column {self.column!r}, row {row} of the batch"
        hint = "name the column of sentences: Tagger(model, column=…)"
        return DataError(f"expected {expected}, {found}", place=place, hint=hint)


class _Row(NamedTuple):
    """Result of a row: its tokens, their labels of each column, and the ranges of its sentences."""

    tokens: Words
    columns: list[Words]
    sentences: list[list[int]] | None


def _text_row(sentences: TaggedText, places: Sequence[int]) -> _Row:
    """Return the result of a raw text."""
    from seqtool.inference.text_tagger import words_of

    tokens: list[str | None] = []
    columns: list[Words] = [
        [label for _, tags in sentences for label in (tags.columns or [tags.labels])[place]]
        for place in places
    ]
    ranges = []
    for sentence, tags in sentences:
        ranges.append([len(tokens), len(tokens) + len(tags.labels)])
        tokens += words_of(sentence)
    return _Row(tokens, columns, ranges)


def _token_row(words: Words, labels: Sequence[Sequence[str]] | None, places: Sequence[int]) -> _Row:
    """Return the result of a list of tokens, some of which may be nulls; `labels` are those of the others."""
    if words is None:
        return _Row(None, [None for _ in places], None)
    columns: list[Words] = []
    for place in places:
        own = iter(labels[place] if labels else ())
        columns.append([None if word is None else next(own) for word in words])
    return _Row(words, columns, [[0, len(words)]] if words else [])


def _absolute(model: str | PathLike[str]) -> str:
    """Return the absolute path of a model that exists here; else the reference as it is."""
    for path in (Path(model), runs_root() / model):
        if path.exists():
            return str(path.absolute())
    return str(model)


def _is_null(value: object) -> bool:
    """Return whether a value is the null of Python, pandas or numpy."""
    return type(value).__name__ in NULL_TYPES or (_is_float(value) and math.isnan(value))


def _is_float(value: object) -> TypeGuard[float]:
    return isinstance(value, float) or type(value).__name__ in ("float16", "float32")


def _with_arrow_columns(batch: Any, added: Mapping[str, list[Any]], sentences: str | None) -> Any:
    """Return a table or record batch of pyarrow with added or replaced columns of lists.

    Args:
        sentences: name of the column of ranges, if any.
    """
    import pyarrow

    texts, ranges = pyarrow.list_(pyarrow.string()), pyarrow.list_(pyarrow.list_(pyarrow.int64()))
    fields = {field.name: (field, batch[field.name]) for field in batch.schema}
    for name, lists in added.items():
        kind = ranges if name == sentences else texts
        fields[name] = pyarrow.field(name, kind), pyarrow.array(lists, kind)
    schema = pyarrow.schema([field for field, _ in fields.values()], batch.schema.metadata)
    return type(batch).from_arrays([values for _, values in fields.values()], schema=schema)


def _column(lists: list[Any], as_array: bool) -> Any:
    """Return lists of unequal lengths as a column.

    Args:
        as_array: return an array of objects, the column type that Ray accepts.
    """
    if not as_array:
        return lists
    import numpy as np

    column = np.empty(len(lists), object)
    for index, values in enumerate(lists):
        column[index] = values
    return column
