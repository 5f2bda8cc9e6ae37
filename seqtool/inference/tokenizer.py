"""Inference with a trained tokenizer: raw text to sentences of tokens, with the words of multiword tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np

from seqtool.data.tokenization.boundaries import (
    OUTPUTS,
    Boundaries,
    cuts_of_tokens,
    decode_boundaries,
)
from seqtool.data.tokenization.characters import OUTSIDE, PlainText, plain_text
from seqtool.data.tokenization.pieces import Piece, cut_into_pieces
from seqtool.inference.encoder import DenseGates, Encoder, Packing
from seqtool.inference.tokenizer_config import TokenizerConfig, TokenizerVocabulary
from seqtool.settings.model import TokenizerModel as NetworkSettings
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


class TokenizerNetwork(NamedTuple):
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
            yield from self._decode(texts, plain, self.scores(plain))

    def decode(self, paragraphs: Sequence[str], scores: Sequence[Array]) -> list[list[RawSentence]]:
        """Return the sentences of paragraphs from the result of `scores`."""
        return self._decode(paragraphs, [plain_text(text) for text in paragraphs], scores)

    def scores(self, texts: Sequence[PlainText]) -> list[Array]:
        """Return the scores (characters, outputs) of each text; see `data.tokenization.boundaries`."""
        bounds = _bounds(texts)
        results = np.empty((bounds[-1], OUTPUTS), np.float32)
        symbols = self.characters.encode(_joined([text.codes for text in texts]))
        pieces = cut_into_pieces(len(text.codes) for text in texts)
        pieces.sort(key=lambda piece: piece.start - piece.end)
        first = 0
        while first < len(pieces):
            longest = pieces[first].end - pieces[first].start
            size = max(1, min(BATCH_PIECES, BATCH_CHARACTERS // longest))
            self._score(pieces[first : first + size], bounds, symbols, results)
            first += size
        return [results[start:end] for start, end in pairwise(bounds)]

    def _score(self, pieces: Sequence[Piece], bounds: Sequence[int], symbols: Array, results: Array) -> None:
        """Compute the scores of pieces, the longest first, and write them to the results.

        Args:
            bounds: start of each paragraph in `symbols`.
            symbols: symbol numbers of all paragraphs (characters,).
            results: scores (characters, outputs).
        """
        packing = Packing.of(np.array([piece.end - piece.start for piece in pieces]))
        origins = [bounds[piece.paragraph] for piece in pieces]
        starts = np.array([origin + piece.start for origin, piece in zip(origins, pieces, strict=True)])
        scores = self.network.scores(symbols, starts, packing)
        positions = packing.positions(starts)
        first, last = (
            np.array([origin + end for origin, end in zip(origins, ends, strict=True)])[packing.columns]
            for ends in ([piece.first for piece in pieces], [piece.last for piece in pieces])
        )
        is_scored = (positions >= first) & (positions < last)
        results[positions[is_scored]] = scores[is_scored]

    def _decode(
        self, texts: Sequence[str], plain: Sequence[PlainText], scores: Sequence[Array]
    ) -> list[list[RawSentence]]:
        """Return the sentences of paragraphs; all are decoded together, which is faster for short ones."""
        bounds = _bounds(plain)
        ends = np.array([end - 1 for start, end in pairwise(bounds) if end > start], np.int64)
        if not len(ends):
            return [[] for _ in texts]
        codes = _joined([text.codes for text in plain])
        found = decode_boundaries(codes, np.concatenate(scores), self.inner_spaces, ends)
        tokens = self._tokens(texts, plain, bounds, found)
        stops = found.sentences.tolist()
        sentences = [tokens[start:stop] for start, stop in pairwise([0, *stops])]
        # Number of sentences up to the end of each paragraph: its last token ends a sentence.
        counts = np.searchsorted(found.ends[found.sentences - 1], bounds, side="right").tolist()
        return [sentences[start:stop] for start, stop in pairwise(counts)]

    def _tokens(
        self, texts: Sequence[str], plain: Sequence[PlainText], bounds: Sequence[int], found: Boundaries
    ) -> list[RawToken]:
        """Return the tokens of all paragraphs. As CoNLL-U demands, a token with a space is one word."""
        paragraphs = np.searchsorted(bounds, found.starts, side="right") - 1
        original = _joined(
            [np.arange(len(text.codes)) if text.offsets is None else text.offsets for text in plain]
        )
        numbers = paragraphs.tolist()
        starts, ends = original[found.starts].tolist(), (original[found.ends - 1] + 1).tolist()
        tokens = [
            RawToken(texts[number][start:end], start, end)
            for number, start, end in zip(numbers, starts, ends, strict=True)
        ]
        if self.inner_spaces:
            tokens = [token._replace(form=" ".join(token.form.split())) for token in tokens]
        for number in np.flatnonzero(found.lookup).tolist():
            words = self.expansions.words(tokens[number].form)
            if words is not None and " " not in tokens[number].form:
                tokens[number] = tokens[number]._replace(words=words)
        for number, cuts in cuts_of_tokens(found).items():
            if not tokens[number].words and " " not in tokens[number].form:
                places = original[np.array(cuts) - 1] + 1
                words = _cut(texts[numbers[number]], starts[number], ends[number], places)
                tokens[number] = tokens[number]._replace(words=words)
        for number, token in enumerate(tokens) if self.expansions.always else ():
            certain = self.expansions.certain_words(token.form)
            if certain is not None and " " not in token.form:
                tokens[number] = token._replace(words=certain)
        return tokens


def _bounds(texts: Sequence[PlainText]) -> list[int]:
    """Return the start of each text if all are joined, then the number of characters."""
    return [0, *accumulate(len(text.codes) for text in texts)]


def _joined(parts: Sequence[Array]) -> Array:
    return np.concatenate([*parts, np.zeros(0, np.int64)]).astype(np.int64, copy=False)


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
