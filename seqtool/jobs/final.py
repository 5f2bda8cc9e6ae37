"""The last look at a finished run: its kept model on the held-out data, by the code that `evaluate` uses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from seqtool.data.tagged import TaggedCorpus
from seqtool.jobs.evaluation import TaggerEvaluation, evaluate_tagger
from seqtool.jobs.prepare import Prepared
from seqtool.jobs.text_evaluation import TextEvaluation, evaluate_text
from seqtool.reports.evaluation import summary
from seqtool.runtime.character import CharacterModel
from seqtool.runtime.tagger import TaggerModel

SHORT_TEXT = 200_000  # symbols of a held-out text that are looked at; more would keep the user waiting


@dataclass(frozen=True)
class FinalEvaluation:
    """What `evaluation.json` says: a report for each held-out part; empty where nothing was held out."""

    taggers: dict[str, TaggerEvaluation] = field(default_factory=dict)
    texts: dict[str, TextEvaluation] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The reports by the name of the part."""
        reports: dict[str, TaggerEvaluation | TextEvaluation] = {**self.taggers, **self.texts}
        return {name: report.to_json() for name, report in reports.items()}

    def scores(self) -> dict[str, float]:
        """The scores of the test part, as the manifest and `--json` give them."""
        found: dict[str, float] = {}
        if (tagger := self.taggers.get("test")) is not None:
            found["test_accuracy"] = tagger.counts.tokens.accuracy or 0.0
            if tagger.marks_spans:
                found["test_f1"] = tagger.counts.spans.overall.f1
        if (text := self.texts.get("test")) is not None:
            found["test_loss"] = text.carried
        return found

    def lines(self) -> Iterator[str]:
        """A few lines for the end of a training run."""
        for name, report in self.taggers.items():
            if name in ("dev", "test"):
                yield f"{name}:"
                yield from summary(report)


def evaluate_at_the_end(prepared: Prepared, weights: dict[str, Any]) -> FinalEvaluation:
    """Evaluate the kept model on development and test data, or on the training sentences where there are no others."""
    corpus = prepared.corpus
    if isinstance(corpus, TaggedCorpus):
        model = TaggerModel.from_parts(prepared.config, prepared.vocab, weights)
        parts = {name: part for name, part in (("dev", corpus.dev), ("test", corpus.test)) if part} or {"train": corpus.train}
        return FinalEvaluation(taggers={name: evaluate_tagger(model, part) for name, part in parts.items()})
    if corpus.kind == "pairs":
        return FinalEvaluation()
    character = CharacterModel.from_parts(prepared.config, prepared.vocab, weights)
    blocks = (prepared.settings.training.window,)
    texts = {}
    for name, part in (("val", corpus.val), ("test", corpus.test)):
        if part is not None:
            text = _text(corpus.kind, corpus.vocabulary, part)
            texts[name] = evaluate_text(character, text, None, blocks)
    return FinalEvaluation(texts=texts)


def _text(kind: str, vocabulary: Any, part: Any) -> str:
    if kind == "text":
        return str(vocabulary.decode(part[:SHORT_TEXT].tolist()))
    return "".join(vocabulary.decode(target.tolist()) for target in part.targets[: SHORT_TEXT // 10])
