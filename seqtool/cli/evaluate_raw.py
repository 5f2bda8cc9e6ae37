"""`evaluate` of a tokenizer: F1 of tokens, sentences and words on the raw text of treebanks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from seqtool.evaluation.tokenizer import TokenizerEvaluation
    from seqtool.storage.model_directory import StoredModel


class TokenizerResult(NamedTuple):
    """Scores of a tokenizer, as `evaluate` prints them.

    Attributes:
        title: name of the data in messages.
        paths: treebanks.
        evaluation: scores and errors.
    """

    title: str
    paths: Sequence[Path]
    evaluation: TokenizerEvaluation

    def lines(self) -> Iterator[str]:
        """Yield the report for a person."""
        from seqtool.reports.raw_text import tokenizer_report

        yield from tokenizer_report(self.evaluation)

    def to_json(self) -> Mapping[str, object]:
        """Return the fields that `--json` prints."""
        return {"data": [str(path) for path in self.paths], **self.evaluation.to_json()}


def evaluate_on_treebanks(stored: StoredModel, run: Path | None, files: Sequence[Path]) -> TokenizerResult:
    """Tokenize the raw text of treebanks and compare the result with their tokens.

    Args:
        stored: the tokenizer.
        run: run of the tokenizer; its test, dev or training files are used if there are no `files`.
        files: CoNLL-U files.

    Raises:
        SeqtoolError: there are neither files nor a run, or a file cannot be read or has no raw text.
    """
    from seqtool.data.tokenization.corpus import read_raw_text
    from seqtool.evaluation.tokenizer import evaluate_tokenizer, treebanks_of_run
    from seqtool.inference.load import load_tokenizer

    paths, encoding, title = treebanks_of_run(run, files)
    paragraphs = [paragraph for path in paths for paragraph in read_raw_text(path, encoding)]
    return TokenizerResult(title, paths, evaluate_tokenizer(load_tokenizer(stored), paragraphs))
