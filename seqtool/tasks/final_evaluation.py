"""The last look at a finished run: its kept model on the held-out data, by the code that `evaluate` uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from seqtool.data.tagging.corpus import TaggedCorpus
from seqtool.data.text.corpus import CharCorpus
from seqtool.evaluation.novelty import novelty
from seqtool.evaluation.tagger import TaggerEvaluation, evaluate_tagger
from seqtool.evaluation.text_data import part_of
from seqtool.evaluation.text_scores import TextEvaluation, evaluate_lines, evaluate_text
from seqtool.inference.character import CharacterModel
from seqtool.inference.load import load_character_model, load_tagger
from seqtool.reports.evaluation import novelty_lines, tagger_summary
from seqtool.storage.model_directory import Manifest, StoredModel
from seqtool.tasks.prepare import Prepared


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
                yield from tagger_summary(report)
        for text in self.texts.values():
            if text.novelty is not None:
                yield from novelty_lines(text.novelty)


def evaluate_at_the_end(
    prepared: Prepared, weights: dict[str, Any], scores: Mapping[str, float] | None = None
) -> FinalEvaluation:
    """Evaluate the kept model on development and test data, or on the training sentences where there are no others.

    Args:
        scores: those of the kept row, which need not be found out again.
    """
    corpus = prepared.corpus
    stored = StoredModel(prepared.config, prepared.vocab, weights, Manifest())
    if isinstance(corpus, TaggedCorpus):
        model = load_tagger(stored)
        parts = {name: part for name, part in (("dev", corpus.dev), ("test", corpus.test)) if part} or {
            "train": corpus.train
        }
        return FinalEvaluation(taggers={name: evaluate_tagger(model, part) for name, part in parts.items()})
    if corpus.kind == "pairs":
        return FinalEvaluation()
    character = load_character_model(stored)
    texts = {name: _text_report(character, corpus, name, prepared, scores or {}) for name in ("val", "test")}
    return FinalEvaluation(texts={name: report for name, report in texts.items() if report is not None})


def _text_report(
    model: CharacterModel, corpus: CharCorpus, name: str, prepared: Prepared, scores: Mapping[str, float]
) -> TextEvaluation | None:
    """The report on a held-out text or on held-out lines, all of them; the blocks of `val` were scored in training."""
    part = part_of(model, corpus, name)
    if part is None:
        return None
    if corpus.kind == "lines":
        report = evaluate_lines(model, part.lines)
        return (
            replace(report, novelty=novelty(model, _train_text(model, corpus))) if name == "val" else report
        )
    training = prepared.settings.training
    block = training.eval_block or training.window
    known = {block: scores["val_loss_blocks"]} if name == "val" and "val_loss_blocks" in scores else {}
    return evaluate_text(model, part.ids, (block,), known)


def _train_text(model: CharacterModel, corpus: CharCorpus) -> str:
    train = part_of(model, corpus, "train")
    assert train is not None
    return train.decode(model.vocabulary)
