"""`evaluate` on raw text: F1 of tokens, sentences and words of treebanks, and of the labels of a tagger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from seqtool.evaluation.tokenizer import TokenizerEvaluation, WordLabeler
    from seqtool.storage.model_directory import StoredModel


class RawTextResult(NamedTuple):
    """Scores on raw text, as `evaluate` prints them.

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


def evaluate_on_treebanks(
    stored: StoredModel, run: Path | None, files: Sequence[Path], encoding: str
) -> RawTextResult:
    """Tokenize and tag the raw text of treebanks, and compare the result with their tokens and labels.

    Args:
        stored: a model with a tokenizer; its words are tagged if it has a tagger.
        run: run of the model; its test, dev or training files are used if there are no `files`.
        files: CoNLL-U files.
        encoding: encoding of the files, or `auto`.

    Raises:
        SeqtoolError: there is no tokenizer, there are neither files nor a run, or a file cannot be read or
            has no raw text.
    """
    from seqtool.errors import SeqtoolError
    from seqtool.evaluation.tokenizer import evaluate_raw_text, treebanks_of_run
    from seqtool.inference.load import load_tokenizer
    from seqtool.tasks.interface import definition

    if "tokenizer" not in stored.parts:
        message = f"--raw needs a model with a tokenizer; this is a {definition(stored.task).noun} alone"
        raise SeqtoolError(message, hint="without --raw, `evaluate` reads the tokens of the file")
    treebanks = treebanks_of_run(run, files, encoding)
    treebank = treebanks.read()
    evaluation = evaluate_raw_text(load_tokenizer(stored), word_labeler(stored), treebank)
    return RawTextResult(treebanks.title, treebanks.paths, evaluation)


def word_labeler(stored: StoredModel) -> WordLabeler | None:
    """Return the tagger of a model with the places of its labels; None if it has none."""
    from seqtool.data.formats.layout import Layout
    from seqtool.evaluation.tokenizer import WordLabeler
    from seqtool.inference.load import load_tagger

    part = stored.parts.get("tagger")
    if part is None:
        return None
    layout = Layout.from_json(part.config.get("layout", {}))
    return WordLabeler.of(load_tagger(part), layout.label_in("conllu"))
