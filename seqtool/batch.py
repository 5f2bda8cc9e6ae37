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
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

from seqtool.errors import DataError
from seqtool.storage.find_model import runs_root

if TYPE_CHECKING:
    from seqtool.api.model import Model

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
    >>> arguments, actors = ("/shared/runs/ewt/model",), ray.data.ActorPoolStrategy(size=8)  # doctest: +SKIP
    >>> dataset.map_batches(Tagger, fn_constructor_args=arguments, compute=actors)  # Ray  # doctest: +SKIP
    """

    def __init__(
        self, model: str | PathLike[str], column: str = "text", tokens: str = "tokens", labels: str = "labels"
    ) -> None:
        """Store the arguments; the model is loaded with the first batch.

        Args:
            model: run or model directory that every worker can read. A relative path is made absolute, since
                workers have other current directories.
            column: column of sentences, each a raw text, a list of tokens or a null.
            tokens, labels: names of the columns to add, each with one list per sentence.
        """
        self.model = _absolute(model)
        self.column, self.tokens, self.labels = column, tokens, labels

    def __call__(self, batch: Any) -> Any:
        """Return a batch with the two added columns.

        Args:
            batch: a data frame, a table or record batch of pyarrow, or a mapping from column names to
                sequences. The result has the same type.

        Raises:
            ModelError: the model is missing, damaged or not a tagger.
            DataError: the column has a value that is no text, list of tokens or null.
            KeyError: the batch does not have the column.
        """
        arrow = type(batch).__module__.partition(".")[0] == "pyarrow"
        names = batch.schema.names if arrow else batch
        if self.column not in names:
            raise KeyError(f"the batch has no column {self.column!r}, only {', '.join(map(str, names))}")
        values = batch[self.column].to_pylist() if arrow else batch[self.column]
        added = dict(zip((self.tokens, self.labels), self.tag(values), strict=True))
        if arrow:
            return _with_arrow_columns(batch, added)
        if isinstance(batch, Mapping):
            as_arrays = not isinstance(values, list)
            return {**batch, **{name: _column(lists, as_arrays) for name, lists in added.items()}}
        return batch.assign(**added)

    def frames(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Tag an iterator of batches, in the form that `mapInPandas` and `mapInArrow` require."""
        for batch in batches:
            yield self(batch)

    def tag(self, sentences: Iterable[str | Sequence[str | None] | None]) -> tuple[list[Words], list[Words]]:
        """Return the tokens and the labels of each sentence.

        Both are a null for a null, and empty lists for an empty sentence. A null among the tokens of a
        sentence is left out of the sentence that the model reads, and its label is a null.

        Raises:
            DataError: a sentence is no text, list of tokens or null.
        """
        model = _load_model(self.model)
        tokens = [self._words(model, row, value) for row, value in enumerate(sentences)]
        known = [[word for word in words or () if word is not None] for words in tokens]
        labels = iter(model.tag([words for words in known if words]))
        found = [iter(next(labels)) if words else iter(()) for words in known]
        return tokens, [
            None if words is None else [None if word is None else next(own) for word in words]
            for words, own in zip(tokens, found, strict=True)
        ]

    def _words(self, model: Model, row: int, value: object) -> Words:
        """Return the tokens of a value of the column."""
        if isinstance(value, str):
            return [token.form for token in model.tokenize(value)]
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


def _with_arrow_columns(batch: Any, added: Mapping[str, list[Words]]) -> Any:
    """Return a table or record batch of pyarrow with added or replaced columns of lists."""
    import pyarrow

    kind = pyarrow.list_(pyarrow.string())
    fields = {field.name: (field, batch[field.name]) for field in batch.schema}
    for name, lists in added.items():
        fields[name] = pyarrow.field(name, kind), pyarrow.array(lists, kind)
    schema = pyarrow.schema([field for field, _ in fields.values()], batch.schema.metadata)
    return type(batch).from_arrays([values for _, values in fields.values()], schema=schema)


def _column(lists: list[Words], as_array: bool) -> Any:
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
