"""Small CoNLL-U files whose labels follow from the words, for taggers with several labels."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from seqtool.settings.data import TaggerData
from seqtool.settings.experiment import TaggerSettings, TokenizerPart
from seqtool.settings.model import Feature, TaggerModel, TokenizerModel
from seqtool.settings.training import TokenizerTraining, Training

NOUNS = {"dog": "dogs", "house": "houses", "book": "books", "DVD": "DVDs", "Anna": "Anna"}
VERBS = {"read": "reads", "see": "sees", "be": "is"}
LABELS = ("upos", "xpos", "feats", "lemma")
TRAINING = Training(epochs=3, batch_size=8, lr=0.01, threads=1, device="cpu")


def words(count: int, seed: int = 1) -> Iterator[list[tuple[str, str, str, str, str]]]:
    """Yield sentences of form, lemma, upos, xpos and feats; some words have no lemma."""
    draw = random.Random(seed)
    for _ in range(count):
        noun, verb = draw.choice(list(NOUNS)), draw.choice(list(VERBS))
        plural, number = (NOUNS[noun], "Plur") if draw.random() < 0.5 else (noun, "Sing")
        name = "PROPN" if noun == "Anna" else "NOUN"
        article = draw.choice(["The", "the", "A"])
        yield [
            (article, article.lower(), "DET", "DT", "_"),
            (plural, noun, name, "NNS" if number == "Plur" else "NN", f"Number={number}"),
            (VERBS[verb], verb, "AUX" if verb == "be" else "VERB", "VBZ", "Number=Sing|Person=3"),
            (".", "_", "PUNCT", ".", "_"),
        ][draw.randint(0, 1) :]


def treebank(count: int, seed: int = 1, *, raw: bool = False) -> str:
    """Return the sentences as CoNLL-U; with `raw`, no space is before a period."""
    blocks = []
    for sentence in words(count, seed):
        lines = [
            f"{number}\t{form}\t{lemma}\t{upos}\t{xpos}\t{feats}\t_\t_\t_\t"
            + ("SpaceAfter=No" if raw and number == len(sentence) - 1 else "_")
            for number, (form, lemma, upos, xpos, feats) in enumerate(sentence, 1)
        ]
        blocks.append("\n".join(lines) + "\n\n")
    return "".join(blocks)


def joint_run(folder: Path, *, steps: int = 12, **training: Any) -> TaggerSettings:
    """Write train.conllu and dev.conllu, and return the settings of a tokenizer and a tagger of them.

    Args:
        steps: updates of the tokenizer.
        training: settings of the training of the tagger.
    """
    settings = treebank_run(folder, **training)
    for name, count in (("train", 60), ("dev", 20)):
        text = treebank(count, len(name), raw=True)
        (folder / f"{name}.conllu").write_text(text, encoding="utf-8")
    tokenizer = TokenizerPart(
        model=TokenizerModel(hidden_size=5, embedding_dim=4, class_dim=3, filters=6, unknown=0.1),
        training=TokenizerTraining(
            epochs=None, max_steps=steps, eval_every=5, warmup_steps=2, batch_size=4, window=30
        ),
    )
    return replace(settings, tokenizer=tokenizer)


def treebank_run(folder: Path, *labels: str, seed: int = 1, **training: object) -> TaggerSettings:
    """Write train.conllu and dev.conllu, and return the settings of a small tagger of them."""
    for name, count in (("train", 60), ("dev", 20)):
        (folder / f"{name}.conllu").write_text(treebank(count, len(name)), encoding="utf-8")
    features = (Feature(name="form", dim=6, min_count=2), Feature(name="suffix", length=2, dim=4))
    return TaggerSettings(
        name="small",
        seed=seed,
        data=TaggerData(
            train=(str(folder / "train.conllu"),), dev=(str(folder / "dev.conllu"),), labels=labels or LABELS
        ),
        model=TaggerModel(features=features, hidden_size=6, projection=8, dropout=0.2),
        training=Training(**{**vars(TRAINING), **training}),
    )
