"""Inference with a trained tokenizer: raw text to sentences of tokens, with the words of multiword tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from seqtool.data.tokenization.boundaries import (
    OUTPUTS,
    Boundaries,
    cuts_of_tokens,
    decode_boundaries,
)
from seqtool.data.tokenization.characters import OUTSIDE, PlainText, plain_text
from seqtool.data.tokenization.windows import Piece, cut_into_pieces
from seqtool.inference.encoder import DenseGates, Encoder, Packing
from seqtool.inference.tokenizer_config import TokenizerConfig, TokenizerVocabulary
from seqtool.settings import TokenizerModel as NetworkSettings
from seqtool.types import Array, Arrays

BATCH_CHARACTERS = 32768  # of the pieces that are computed together
BATCH_PIECES = 128
GROUP_CHARACTERS = 1 << 20  # of the paragraphs whose scores are in memory together


class RawToken(NamedTuple):
    """A token of a raw text: `text[start:end]`.

    Attributes:
        form: the token with single spaces in place of other white space.
        start, end: positions in the text.
        words: forms of the syntactic words of a multiword token; empty for a token that is one word.
    """

    form: str
    start: int
    end: int
    words: tuple[str, ...] = ()


RawSentence = list[RawToken]


@dataclass(frozen=True)
class TokenizerNetwork:
    """The network of a tokenizer.

    Attributes:
        tables: contribution of a symbol at each position of the filter, embeddings included: (filter width,
            symbols, filters).
        bias: bias of the convolution (filters,).
        encoder: the recurrent layers.
        output: weights (width, outputs).
        output_bias: (outputs,).
    """

    tables: Array
    bias: Array
    encoder: Encoder
    output: Array
    output_bias: Array

    @classmethod
    def from_weights(cls, model: NetworkSettings, classes: Array, weights: Arrays) -> TokenizerNetwork:
        """Build the network from weights with the names of a model directory.

        Args:
            classes: class of each symbol (symbols,).
        """
        symbols = weights["embedding.weight"].astype(np.float32, copy=False)
        by_class = weights["classes.weight"].astype(np.float32, copy=False)
        filters = weights["conv.weight"].astype(np.float32, copy=False)  # (filters, inputs, filter width)
        embedded = np.concatenate([symbols, by_class[classes]], axis=1)
        return cls(
            tables=np.ascontiguousarray(embedded @ filters.transpose(2, 1, 0)),
            bias=weights["conv.bias"].astype(np.float32, copy=False),
            encoder=Encoder.from_weights(model, weights, bidirectional=True),
            output=np.ascontiguousarray(weights["output.weight"].T, np.float32),
            output_bias=weights["output.bias"].astype(np.float32),
        )

    def scores(self, symbols: Array, starts: Array, packing: Packing) -> Array:
        """Return the scores of packed pieces by place: (total, outputs).

        Args:
            symbols: pieces one after the other (total,).
            starts: start of each piece in `symbols`, in the order of the packing (batch,).
            packing: packing of the pieces.
        """
        places = packing.positions(starts)
        x = self._convolve(symbols, places, packing)
        gates = DenseGates(self.encoder.cells[0], x, packing.backward)
        scores, _ = self.encoder.run(gates, packing, output=self.output)
        scores += self.output_bias
        return scores

    def _convolve(self, symbols: Array, places: Array, packing: Packing) -> Array:
        """Return the output of convolution and ReLU by place: (total, filters)."""
        width = len(self.tables)
        half = width // 2
        steps, lengths = packing.steps, packing.lengths[packing.columns]
        x = self.tables[half][symbols[places]]
        for offset in range(-half, half + 1):
            if offset:
                inside = (steps + offset >= 0) & (steps + offset < lengths)
                neighbors = np.where(inside, symbols[np.where(inside, places + offset, 0)], OUTSIDE)
                x += self.tables[half + offset][neighbors]
        x += self.bias
        activated: Array = np.maximum(x, 0, out=x)
        return activated


class TokenizerModel:
    """A trained tokenizer. It can be pickled and shared by threads.

    Attributes:
        settings: settings of the network.
        characters: numbers of the characters.
        expansions: words of multiword tokens.
        inner_spaces: whether tokens may contain spaces.
    """

    def __init__(self, config: TokenizerConfig, vocabulary: TokenizerVocabulary, weights: Arrays) -> None:
        self.settings = config.network
        self.characters = vocabulary.characters
        self.expansions = vocabulary.expansions
        self.inner_spaces = config.inner_spaces
        self.network = TokenizerNetwork.from_weights(self.settings, self.characters.classes, weights)

    def tokenize(self, paragraphs: Sequence[str]) -> list[list[RawSentence]]:
        """Return the sentences of each paragraph.

        The result for a paragraph does not depend on the others. Pass many short paragraphs in one call,
        because they are computed together.
        """
        return list(self.stream(paragraphs))

    def stream(self, paragraphs: Sequence[str]) -> Iterator[list[RawSentence]]:
        """Yield the sentences of each paragraph; memory does not grow with their number."""
        for texts in _groups(paragraphs):
            plain = [plain_text(text) for text in texts]
            for text, codes, scores in zip(texts, plain, self.scores(plain), strict=True):
                yield self._sentences(text, codes, scores)

    def decode(self, paragraphs: Sequence[str], scores: Sequence[Array]) -> list[list[RawSentence]]:
        """Return the sentences of paragraphs from the result of `scores`."""
        return [
            self._sentences(text, plain_text(text), values)
            for text, values in zip(paragraphs, scores, strict=True)
        ]

    def scores(self, texts: Sequence[PlainText]) -> list[Array]:
        """Return the scores (characters, outputs) of each text; see `data.tokenization.boundaries`."""
        results = [np.empty((len(text.codes), OUTPUTS), np.float32) for text in texts]
        symbols = [self.characters.encode(text.codes) for text in texts]
        pieces = cut_into_pieces(len(text) for text in symbols)
        pieces.sort(key=lambda piece: piece.start - piece.end)
        first = 0
        while first < len(pieces):
            longest = pieces[first].end - pieces[first].start
            size = max(1, min(BATCH_PIECES, BATCH_CHARACTERS // longest))
            self._score(pieces[first : first + size], symbols, results)
            first += size
        return results

    def _score(self, pieces: Sequence[Piece], symbols: Sequence[Array], results: Sequence[Array]) -> None:
        """Compute the scores of pieces, the longest first, and write them to the results."""
        packing = Packing.of(np.array([piece.end - piece.start for piece in pieces]))
        joined = np.concatenate([symbols[piece.paragraph][piece.start : piece.end] for piece in pieces])
        starts = np.cumsum(packing.lengths) - packing.lengths
        by_place = self.network.scores(joined, starts, packing)
        scores = np.empty_like(by_place)
        scores[packing.positions(starts)] = by_place
        for piece, start in zip(pieces, (starts - [piece.start for piece in pieces]).tolist(), strict=True):
            scored = scores[start + piece.first : start + piece.last]
            results[piece.paragraph][piece.first : piece.last] = scored

    def _sentences(self, text: str, plain: PlainText, scores: Array) -> list[RawSentence]:
        """Return the sentences of a paragraph from its scores."""
        if not len(plain.codes):
            return []
        found = decode_boundaries(plain.codes, scores, self.inner_spaces)
        tokens = self._tokens(text, plain, found)
        first = [0, *found.sentences.tolist()]
        return [tokens[start:end] for start, end in pairwise(first)]

    def _tokens(self, text: str, plain: PlainText, found: Boundaries) -> list[RawToken]:
        starts = plain.original(found.starts).tolist()
        ends = (plain.original(found.ends - 1) + 1).tolist()
        tokens = [RawToken(text[start:end], start, end) for start, end in zip(starts, ends, strict=True)]
        if self.inner_spaces:
            tokens = [token._replace(form=" ".join(token.form.split())) for token in tokens]
        for number in np.flatnonzero(found.lookup).tolist():
            words = self.expansions.words(tokens[number].form)
            if words is not None:
                tokens[number] = tokens[number]._replace(words=words)
        for number, cuts in cuts_of_tokens(found).items():
            if not tokens[number].words:
                words = _cut(text, starts[number], ends[number], plain.original(np.array(cuts) - 1) + 1)
                tokens[number] = tokens[number]._replace(words=words)
        return tokens


def _cut(text: str, start: int, end: int, cuts: Array) -> tuple[str, ...]:
    """Return the parts of a token between its cuts."""
    places = [start, *cuts.tolist(), end]
    return tuple(" ".join(text[a:b].split()) for a, b in pairwise(places))


def _groups(paragraphs: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cut paragraphs into groups of a limited number of characters."""
    first, size = 0, 0
    for number, text in enumerate(paragraphs):
        if size and size + len(text) > GROUP_CHARACTERS:
            yield paragraphs[first:number]
            first, size = number, 0
        size += len(text)
    if first < len(paragraphs):
        yield paragraphs[first:]
