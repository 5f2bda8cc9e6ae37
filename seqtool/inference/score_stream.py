"""Scoring texts: whole ones, or lines as they come, gathered while the pipe is full and given out in their order."""

from __future__ import annotations

from collections.abc import Callable

from seqtool.cli.model_argument import unknown_symbol
from seqtool.errors import DataError
from seqtool.inference.character import CharacterModel
from seqtool.inference.text_scoring import TextScores

BATCH_LINES = 1024
BATCH_CHARACTERS = 1 << 16


def score_text(model: CharacterModel, name: str, text: str) -> TextScores:
    """What a whole text costs.

    Raises:
        DataError: a symbol that the model does not know, with its line and column.
    """
    text = text.replace("\r\n", "\n") if model.kind == "lines" else text  # as training reads them
    try:
        return model.score(text)
    except DataError:
        raise unknown_symbol(model, text, name) from None


class LineScorer:
    """Takes lines one by one and gives out their scores in the same order.

    Args:
        give: called with the stream's name, a line and its scores.
    """

    def __init__(self, model: CharacterModel, give: Callable[[str, str, TextScores], None]) -> None:
        self._model = model
        self._give = give
        self._pending: list[tuple[str, int, str]] = []
        self._characters = 0

    def add(self, name: str, number: int, line: str) -> None:
        """Take a line, without its end."""
        self._pending.append((name, number, line))
        self._characters += len(line)
        if self._characters >= BATCH_CHARACTERS or len(self._pending) >= BATCH_LINES:
            self.flush()

    def flush(self) -> None:
        """Score and give out all that came.

        Raises:
            DataError: a symbol that the model does not know, with its line and column; lines before it are given out.
        """
        pending, self._pending, self._characters = self._pending, [], 0
        try:
            found = self._model.score_lines([line for _, _, line in pending])
        except DataError:
            for name, number, line in pending:
                self._one(name, number, line)
            return
        for (name, _, line), scores in zip(pending, found, strict=True):
            self._give(name, line, scores)

    def _one(self, name: str, number: int, line: str) -> None:
        try:
            (scores,) = self._model.score_lines([line])
        except DataError:
            raise unknown_symbol(self._model, line, name, number) from None
        self._give(name, line, scores)
