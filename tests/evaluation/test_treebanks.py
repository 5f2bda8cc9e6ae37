"""Scores on the raw text of treebank files with labels, equal to those of udtools on the files themselves."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from seqtool.evaluation.raw_text import COLUMNS, raw_text_scores
from seqtool.evaluation.tokenizer import TreebankFiles, WordLabeler, gold_document
from seqtool.settings.model import TaggerModel
from tests.support.joint_models import raw_treebank
from tests.support.random_models import FEATURES, tagger
from tests.support.udtools import udtools_scores

FRENCH = Path(os.environ.get("SEQTOOL_DATA", "none")) / "ud_french_sequoia/fr_sequoia-ud-test.conllu"
Sentence = list[list[str]]


def damaged(sentences: list[Sentence], draw: random.Random) -> Iterator[Sentence]:
    """Yield sentences with random errors: joined sentences, split and joined words, and wrong labels."""
    waiting: Sentence = []
    for sentence in sentences:
        waiting += sentence
        if draw.random() < 0.8:
            yield list(_damaged_lines(waiting, draw))
            waiting = []
    if waiting:
        yield list(_damaged_lines(waiting, draw))


def _damaged_lines(lines: Sentence, draw: random.Random) -> Iterator[list[str]]:
    inside = 0
    for cells in lines:
        first, dash, last = cells[0].partition("-")
        inside = int(last) - int(first) + 2 if dash else inside
        if inside:  # an `n-m` line and its words: only labels change
            inside -= 1
            if not dash:
                yield _relabeled(cells, draw)
                continue
            yield cells
            continue
        form = cells[1]
        if len(form) > 2 and draw.random() < 0.1:
            for part in (form[:1], form[1:]):
                yield _relabeled([cells[0], part, *cells[2:]], draw)
            continue
        yield _relabeled(cells, draw)


def _relabeled(cells: list[str], draw: random.Random) -> list[str]:
    """Return a line some of whose labels are wrong."""
    wrong = ("_", "X", "Case=Nom|Extra=Yes", "Case=Nom", "Number=Plur|Case=Nom")
    return [
        draw.choice(wrong) if 2 <= place <= 5 and draw.random() < 0.15 else cell
        for place, cell in enumerate(cells)
    ]


def renumbered(sentence: Sentence) -> str:
    """Return the lines of a sentence with new numbers and some tree."""
    lines, number = [], 0
    for cells in sentence:
        first, dash, last = cells[0].partition("-")
        if dash:
            lines.append("\t".join([f"{number + 1}-{number + 1 + int(last) - int(first)}", *cells[1:]]))
            continue
        number += 1
        head = "0" if number == 1 else "1"
        lines.append("\t".join([str(number), *cells[1:6], head, "dep", "_", cells[9]]))
    return "\n".join([*lines, "", ""])


def sentences_of(text: str) -> list[Sentence]:
    """Return the lines of each sentence as cells, without comments and empty nodes."""
    blocks = ([line.split("\t") for line in block.splitlines()] for block in text.strip().split("\n\n"))
    return [[cells for cells in block if len(cells) == 10 and "." not in cells[0]] for block in blocks]


def check_scores(folder: Path, gold: str, seed: int) -> None:
    """Compare the scores of damaged sentences with those of udtools."""
    sentences = sentences_of(gold)
    system = "".join(map(renumbered, damaged(sentences, random.Random(seed))))
    gold = "".join(map(renumbered, sentences))
    documents = []
    for name, text in (("gold", gold), ("system", system)):
        path = folder / f"{name}.conllu"
        path.write_text(text, encoding="utf-8")
        treebank = TreebankFiles((path,), "auto", name).read()
        documents.append(gold_document(treebank.paragraphs, treebank.labels))
    counts = raw_text_scores(*documents)
    expected = udtools_scores(gold, system)
    assert {name: (count.hits, count.predicted, count.gold) for name, count in counts.items()} == {
        name: expected[name] for name in counts
    }
    assert counts["Lemmas"].hits < counts["Words"].hits < counts["Words"].gold


@pytest.mark.parametrize("seed", range(20))
def test_scores_of_random_errors_are_those_of_udtools(seed: int, tmp_path: Path) -> None:
    check_scores(tmp_path, raw_treebank(40, seed), seed)


@pytest.mark.skipif(not FRENCH.is_file(), reason="SEQTOOL_DATA does not name the real data")
@pytest.mark.parametrize("seed", range(3))
def test_scores_on_a_real_treebank_are_those_of_udtools(seed: int, tmp_path: Path) -> None:
    text = FRENCH.read_text(encoding="utf-8")
    sentences = text.split("\n\n")[seed * 100 : seed * 100 + 100]
    check_scores(tmp_path, "\n\n".join(sentences) + "\n\n", seed)


def test_a_tagger_of_one_label_leaves_the_other_columns_empty() -> None:
    model = tagger(TaggerModel(features=FEATURES, hidden_size=4), ("DET", "NN"), scheme="none")
    labeler = WordLabeler.of(model, "xpos")
    assert labeler.missing == ("lemma", "upos", "feats")
    sentences = [["The", "dog"], ["ate"]]
    columns = [label for sentence in model.tag(sentences) for label in sentence]
    assert list(labeler.labels(sentences)) == [("_", "_", label, "_") for label in columns]
    assert WordLabeler.of(model, "misc:NE").missing == COLUMNS
