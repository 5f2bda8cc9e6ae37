"""Worker for Spark, Ray and Dask: load a tagger once per process, then tag batches of a table.

A `Tagger` holds only the path of a model, so it is small to send to a worker. The worker loads the model with
its first batch and keeps it. A batch is what Spark's `mapInPandas` passes (an iterator of data frames) or
what Ray Data's `map_batches` passes (a data frame, or a dictionary of columns). This module imports none of
pandas, Spark and Ray.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqtool.api.model import Model


@lru_cache(maxsize=4)
def _load_model(path: str) -> Model:
    """Load the model at a path, once per process."""
    from seqtool.api.model import load

    return load(path)


class Tagger:
    """Tagger for one column of sentences.

    >>> tagger = Tagger("/shared/runs/ewt/model")
    >>> schema = "text string, tokens array<string>, labels array<string>"
    >>> frame.mapInPandas(tagger.frames, schema)  # Spark  # doctest: +SKIP
    >>> arguments = ("/shared/runs/ewt/model",)
    >>> dataset.map_batches(Tagger, fn_constructor_args=arguments, concurrency=8)  # Ray  # doctest: +SKIP
    """

    def __init__(
        self, model: str | PathLike[str], column: str = "text", tokens: str = "tokens", labels: str = "labels"
    ) -> None:
        """Store the arguments; the model is loaded with the first batch.

        Args:
            model: run or model directory that every worker can read.
            column: column of sentences, each a raw text or a list of tokens.
            tokens, labels: names of the columns to add, each with one list per sentence.
        """
        self.model = str(model)
        self.column, self.tokens, self.labels = column, tokens, labels

    def __call__(self, batch: Any) -> Any:
        """Return a batch with the two added columns.

        Args:
            batch: a data frame, or a mapping from column names to sequences. The result has the same type.

        Raises:
            ModelError: the model is missing, damaged or not a tagger.
            KeyError: the batch does not have the column.
        """
        if self.column not in batch:
            raise KeyError(f"the batch has no column {self.column!r}, only {', '.join(map(str, batch))}")
        tokens, labels = self.tag(batch[self.column])
        if isinstance(batch, Mapping):
            return {**batch, self.tokens: _column(tokens), self.labels: _column(labels)}
        return batch.assign(**{self.tokens: tokens, self.labels: labels})

    def frames(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Tag an iterator of data frames, in the form that `mapInPandas` requires."""
        for batch in batches:
            yield self(batch)

    def tag(self, sentences: Iterable[str | Sequence[str]]) -> tuple[list[list[str]], list[list[str]]]:
        """Return the tokens and the labels of each sentence; both lists of an empty sentence are empty."""
        model = _load_model(self.model)
        tokens = [
            [token.form for token in model.tokenize(sentence)]
            if isinstance(sentence, str)
            else list(map(str, sentence))
            for sentence in sentences
        ]
        labels = iter(model.tag([words for words in tokens if words]))
        return tokens, [next(labels) if words else [] for words in tokens]


def _column(lists: list[list[str]]) -> Any:
    """Return lists of unequal lengths as an array of objects, the column type that Ray accepts."""
    import numpy as np

    column = np.empty(len(lists), object)
    for index, values in enumerate(lists):
        column[index] = values
    return column
