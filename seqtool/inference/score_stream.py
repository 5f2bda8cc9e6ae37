"""Scores of whole texts, and of a stream of lines in batches and in their order."""

from __future__ import annotations

from collections.abc import Callable

from seqtool.errors import DataError
from seqtool.inference.character import CharacterModel
from seqtool.inference.text_scoring import TextScores

BATCH_LINES = 1024
BATCH_CHARACTERS = 1 << 16


def unknown_symbol(model: CharacterModel, text: str, name: str, first: int = 1, hint: str = "") -> DataError:
    """Return the error for the first unknown symbol of a text, with its line and column.

    Args:
        name: name of the file or argument.
        first: line number of the first line of the text.
    """
    text = model.normalize(text)
    at = int((model.vocabulary.numbers(text) < 0).argmax())
    symbol = chr(model.vocabulary.codes(text)[at])
    if model.vocabulary.unit == "byte":
        at = len(text.encode("utf-8", "surrogatepass")[:at].decode("utf-8", "ignore"))
    line, column = text.count("\n", 0, at), at - text.rfind("\n", 0, at)
    return model.vocabulary.unknown_symbol_error(symbol, place=f"{name}:{first + line}:{column}", hint=hint)


def score_text(model: CharacterModel, name: str, text: str) -> TextScores:
    """Return the scores of a whole text.

    Raises:
        DataError: an unknown symbol, with its line and column.
    """
    text = text.replace("\r\n", model.boundary) if model.boundary else text  # as training reads lines
    try:
        return model.score(text)
    except DataError:
        raise unknown_symbol(model, text, name) from None


class LineScorer:
    """Scores lines in batches and reports them in their order.

    Args:
        report: called with the name of the stream, a line, and its scores.
    """

    def __init__(self, model: CharacterModel, report: Callable[[str, str, TextScores], None]) -> None:
        self._model = model
        self._report = report
        self._pending: list[tuple[str, int, str]] = []
        self._characters = 0

    def add(self, name: str, number: int, line: str) -> None:
        """Add a line, without its line break.

        Args:
            name: name of the stream.
            number: line number.
        """
        self._pending.append((name, number, line))
        self._characters += len(line)
        if self._characters >= BATCH_CHARACTERS or len(self._pending) >= BATCH_LINES:
            self.flush()

    def flush(self) -> None:
        """Score and report all added lines.

        Raises:
            DataError: an unknown symbol, with its line and column. The lines before it are reported.
        """
        pending, self._pending, self._characters = self._pending, [], 0
        try:
            results = self._model.score_lines([line for _, _, line in pending])
        except DataError:
            for name, number, line in pending:
                self._score_one(name, number, line)
            return
        for (name, _, line), scores in zip(pending, results, strict=True):
            self._report(name, line, scores)

    def _score_one(self, name: str, number: int, line: str) -> None:
        try:
            (scores,) = self._model.score_lines([line])
        except DataError:
            raise unknown_symbol(self._model, line, name, number) from None
        self._report(name, line, scores)
