"""Several labels of a corpus: columns of each format, lemmas as scripts, combinations, constant columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seqtool.data.tagging import label_columns
from seqtool.data.tagging.corpus import KnownWords, TaggedCorpus, load_tagged_corpus
from seqtool.errors import DataError
from seqtool.settings.data import TaggerData
from seqtool.settings.model import TaggerModel
from tests.support.small_treebank import LABELS, treebank

TREE = (
    "1\tDogs\tdog\tNOUN\tNNS\tNumber=Plur\t_\t_\t_\t_\n"
    "2-3\tisn't\t_\t_\t_\t_\t_\t_\t_\t_\n"
    "2\tis\tbe\tAUX\tVBZ\t_\t_\t_\t_\t_\n"
    "3\tn't\t_\tPART\tRB\t_\t_\t_\t_\t_\n"
    "3.1\tx\tx\tX\tX\t_\t_\t_\t_\t_\n\n"
)
COLUMNS = "dogs NNS O\nsee VBP O\nAnna NNP B-per\nBo NNP I-per\n\n"


def load(
    folder: Path, text: str, name: str = "train.conllu", base: KnownWords | None = None, **data: Any
) -> TaggedCorpus:
    (folder / name).write_text(text, encoding="utf-8")
    return load_tagged_corpus(TaggerData(train=(str(folder / name),), **data), TaggerModel(), 1, base=base)


def test_columns_of_conllu_are_read_and_lemmas_become_scripts(tmp_path: Path) -> None:
    corpus = load(tmp_path, TREE, labels=LABELS)
    (sentence,) = corpus.train
    assert sentence.tokens == ("Dogs", "is", "n't")
    assert [sentence.column(index) for index in range(4)] == [
        ("NOUN", "AUX", "PART"),
        ("NNS", "VBZ", "RB"),
        ("Number=Plur", "_", "_"),
        ("dog", "be", "_"),
    ]
    assert corpus.columns is not None
    assert [column.name for column in corpus.columns.columns] == list(LABELS)
    assert corpus.columns.columns[3].labels == ("l |-", "l =be")
    assert corpus.columns.combined == (0, 1, 2)
    assert corpus.columns.combinations == ((0, 0, 0), (1, 1, 1), (2, 2, 1))
    (numbers,) = corpus.columns.encode(corpus.train)
    assert numbers.tolist() == [[0, 0, 0, 0], [1, 1, 1, 1], [2, 2, 1, -1]]
    assert corpus.layout.labels == LABELS
    assert "lemma: 2 changes of a form into its lemma" in corpus.notes
    assert "upos + xpos + feats: 3 combinations, scored together" in corpus.notes


def test_span_columns_have_a_scheme_and_are_not_combined(tmp_path: Path) -> None:
    corpus = load(tmp_path, COLUMNS, "train.conll", labels=("2", "3"))
    assert corpus.columns is not None
    assert [(column.scheme, column.inner_scheme) for column in corpus.columns.columns] == [
        ("none", "none"),
        ("iob2", "bioes"),
    ]
    assert corpus.columns.columns[1].labels == ("O", "B-per", "E-per")
    assert (corpus.columns.combined, corpus.columns.combinations) == ((), ())


def test_json_lines_have_a_field_for_each_label(tmp_path: Path) -> None:
    line = '{"tokens": ["Dogs", "bark"], "pos": ["N", "V"], "lemma": ["dog", "bark"]}\n'
    corpus = load(tmp_path, line, "train.jsonl", labels=("pos", "lemma"))
    assert corpus.train[0].column(1) == ("dog", "bark")
    with pytest.raises(DataError, match="without them"):
        load(tmp_path, line, "train.jsonl", labels=("pos", "number"))


def test_constant_columns_are_left_out_with_a_message(tmp_path: Path) -> None:
    tree = TREE.replace("NNS", "_").replace("VBZ", "_").replace("RB", "_")
    corpus = load(tmp_path, tree, labels=LABELS)
    assert "xpos: left out, since all words have the label '_'" in corpus.notes
    assert corpus.columns is not None
    assert [column.name for column in corpus.columns.columns] == ["upos", "feats", "lemma"]
    assert corpus.train[0].column(2) == ("dog", "be", "_")
    alone = load(tmp_path, tree, labels=("upos", "xpos"))
    assert alone.columns is None
    assert alone.labels == ("NOUN", "AUX", "PART")
    assert alone.layout.labels == ()


def test_labels_of_an_earlier_model_come_first(tmp_path: Path) -> None:
    base = KnownWords(("X", "NOUN"), {"dogs": 3}, (("A", "B"),), ((0, 0), (1, 1)))
    corpus = load(tmp_path, TREE, labels=("upos", "xpos"), base=base)
    assert corpus.columns is not None
    assert corpus.labels == corpus.columns.columns[0].labels == ("X", "NOUN", "AUX", "PART")
    assert corpus.columns.columns[1].labels == ("A", "B", "NNS", "VBZ", "RB")
    assert corpus.columns.combinations == ((0, 0), (1, 1), (1, 2), (2, 3), (3, 4))


def test_too_many_combinations_are_not_scored_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_columns, "MOST_COMBINATIONS", 2)
    corpus = load(tmp_path, TREE, labels=LABELS)
    assert corpus.columns is not None
    assert (corpus.columns.combined, corpus.columns.combinations) == ((), ())


def test_other_splits_get_the_same_columns(tmp_path: Path) -> None:
    (tmp_path / "dev.conllu").write_text(treebank(5, 2), encoding="utf-8")
    corpus = load(tmp_path, treebank(30), labels=LABELS, dev=(str(tmp_path / "dev.conllu"),))
    assert corpus.columns is not None
    for sentence, numbers in zip(corpus.dev, corpus.columns.encode(corpus.dev), strict=True):
        assert numbers.shape == (len(sentence.tokens), 4)
        assert (numbers[:, 3] == -1).tolist() == [lemma == "_" for lemma in sentence.column(3)]


@pytest.mark.parametrize(("words", "learned"), [(999, False), (400, True)])
def test_scripts_that_occur_once_are_learned_only_in_a_small_treebank(
    tmp_path: Path, words: int, learned: bool
) -> None:
    common = "1\tdogs\tdog\tNOUN\tNNS\t_\t_\t_\t_\t_\n\n" * (words // 2)
    common += "1\tsaw\tsee\tVERB\tVBD\t_\t_\t_\t_\t_\n\n" * (words // 2)
    once = "1\twent\tgo\tVERB\tVBD\t_\t_\t_\t_\t_\n\n"
    corpus = load(tmp_path, common + once, labels=LABELS)
    assert corpus.columns is not None
    lemma = corpus.columns.columns[-1]
    assert ("l =go" in lemma.labels) is learned
    *_, last = corpus.columns.encode(corpus.train)
    assert bool(last[0, -1] >= 0) is learned  # otherwise it is not trained on
