"""Scores of udtools, the evaluation script of the CoNLL 2018 shared task."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest

from seqtool.evaluation.raw_text import Token


def udtools_scores(gold: str, system: str) -> dict[str, tuple[int, int, int]]:
    """Return hits, system total and gold total of each measure for two texts in CoNLL-U."""
    udeval = pytest.importorskip("udtools.udeval", reason="udtools is not installed")
    options = {"multiple_roots_okay": True}
    one, other = (udeval.load_conllu(io.StringIO(text), "", options) for text in (gold, system))
    return {
        name: (score.correct, score.system_total, score.gold_total)
        for name, score in udeval.evaluate(one, other).items()
    }


def to_conllu(sentences: Sequence[Sequence[Token]]) -> str:
    """Return sentences whose words have four labels in CoNLL-U, with some tree."""
    lines = []
    for sentence in sentences:
        number = 0
        for token in sentence:
            if token.multiword:
                lines.append("\t".join([f"{number + 1}-{number + len(token.words)}", token.form, *"_" * 8]))
            for form, (lemma, upos, xpos, feats) in token.words:
                number += 1
                head = "0" if number == 1 else "1"
                lines.append("\t".join([str(number), form, lemma, upos, xpos, feats, head, "dep", "_", "_"]))
        lines.append("")
    return "\n".join(lines) + "\n"
