"""Evaluation of the best text model on the held-out text of its run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from seqtool.data.text.corpus import CharCorpus
from seqtool.inference.character import CharacterModel
from seqtool.tasks.interface import HeldOutReport, Prepared


def held_out_report(
    model: CharacterModel, prepared: Prepared, split: str, scores: Mapping[str, float]
) -> HeldOutReport | None:
    """Evaluate on one split; None if it does not exist. Training computed the block loss of `val`."""
    from seqtool.evaluation.character import evaluate_part_of_lines, part_of
    from seqtool.evaluation.novelty import novelty
    from seqtool.evaluation.text_scores import evaluate_text

    corpus = cast(CharCorpus, prepared.corpus)
    part = part_of(model, corpus, split)
    if part is None:
        return None
    if corpus.kind == "lines":
        report = evaluate_part_of_lines(model, part)
        train = part_of(model, corpus, "train")
        if split != "val" or train is None:
            return report
        return replace(report, novelty=novelty(model, train.decode(model.vocabulary)))
    training = prepared.settings.training
    block = training.eval_block or training.window
    known = {}
    if split == "val" and "val_loss_blocks" in scores:
        known = {block: scores["val_loss_blocks"]}
    return evaluate_text(model, part.ids, (block,), known)
