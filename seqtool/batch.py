"""One worker function for clusters: load a tagger once in each process, then tag batches of a table as they come.

A `Tagger` is a small object that holds a model's place. It travels to a worker without the model; there it loads it at its
first batch and keeps it. It takes what Spark's `mapInPandas` gives (an iterator of data frames), and what Ray Data's
`map_batches` gives (one data frame, or a dictionary of columns). Neither pandas nor Spark nor Ray is imported here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqtool.api.model import Model


@lru_cache(maxsize=4)
def _loaded(model: str) -> Model:
    """The model at a place; each process loads it once."""
    from seqtool.api.model import load

    return load(model)


class Tagger:
    """Tags a column of sentences.

    >>> tagger = Tagger("/shared/runs/ewt/model")
    >>> frame.mapInPandas(tagger.frames, "text string, tokens array<string>, labels array<string>")  # Spark  # doctest: +SKIP
    >>> dataset.map_batches(Tagger, fn_constructor_args=("/shared/runs/ewt/model",), concurrency=8)  # Ray  # doctest: +SKIP
    """

    def __init__(
        self, model: str | PathLike[str], column: str = "text", tokens: str = "tokens", labels: str = "labels"
    ) -> None:
        """Keep in mind what to do; nothing is loaded yet.

        Args:
            model: a run or model directory that every worker can read.
            column: of sentences, each a raw text or a list of tokens.
            tokens, labels: columns that are added: for each sentence a list.
        """
        self.model = str(model)
        self.column, self.tokens, self.labels = column, tokens, labels

    def __call__(self, batch: Any) -> Any:
        """A batch with two columns more: a data frame, or a mapping from columns to sequences, and the same comes back.

        Raises:
            ModelError: a model that is missing, damaged or not a tagger.
            KeyError: a batch without the column.
        """
        if self.column not in batch:
            raise KeyError(f"the batch has no column {self.column!r}, only {', '.join(map(str, batch))}")
        tokens, labels = self.tag(batch[self.column])
        if isinstance(batch, Mapping):
            return {**batch, self.tokens: _column(tokens), self.labels: _column(labels)}
        return batch.assign(**{self.tokens: tokens, self.labels: labels})

    def frames(self, batches: Iterable[Any]) -> Iterator[Any]:
        """As `mapInPandas` calls it: data frame for data frame."""
        for batch in batches:
            yield self(batch)

    def tag(self, sentences: Iterable[str | Sequence[str]]) -> tuple[list[list[str]], list[list[str]]]:
        """The tokens and the labels of sentences; an empty one has none of either."""
        model = _loaded(self.model)
        found = [
            [token.form for token in model.tokenize(sentence)]
            if isinstance(sentence, str)
            else list(map(str, sentence))
            for sentence in sentences
        ]
        filled = iter(model.tag([tokens for tokens in found if tokens]))
        return found, [next(filled) if tokens else [] for tokens in found]


def _column(lists: list[list[str]]) -> Any:
    """Lists of unequal lengths as one array of objects, which is what Ray takes for a column."""
    import numpy as np

    made = np.empty(len(lists), object)
    for place, values in enumerate(lists):
        made[place] = values
    return made
