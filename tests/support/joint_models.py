"""Small treebanks with raw text and labels, and small models with a tokenizer and a tagger."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from seqtool.settings.data import TokenizerData
from seqtool.settings.experiment import TokenizerSettings
from seqtool.settings.model import TokenizerModel
from seqtool.settings.training import Training
from seqtool.storage.model_directory import StoredModel, read_model, write_model
from tests.support.small_runs import run
from tests.support.small_treebank import treebank_run, words

MULTIWORD = {"is": ("is", "n't"), "reads": ("to", "reads")}  # words of `isn't`, and of `toreads`


def raw_treebank(count: int, seed: int = 1) -> str:
    """Return sentences in paragraphs, with multiword tokens, and a full stop without a space before it."""
    draw = random.Random(seed)
    lines: list[str] = []
    for sentence in words(count, seed):
        if draw.random() < 0.3:
            lines.append("# newpar")
        number = 1
        for place, (form, lemma, upos, xpos, feats) in enumerate(sentence):
            misc = "SpaceAfter=No" if place == len(sentence) - 2 or draw.random() < 0.1 else "_"
            parts = MULTIWORD[form] if form in MULTIWORD and draw.random() < 0.5 else (form,)
            if len(parts) > 1:
                token = "du" if form == "reads" else "".join(parts)
                lines.append("\t".join([f"{number}-{number + 1}", token, *"_" * 7, misc]))
                misc = "_"
            for part in parts:
                labels = (lemma, upos, xpos, feats) if part == form else (part, "PART", "RB", "_")
                head = "0" if number == 1 else "1"
                lines.append("\t".join([str(number), part, *labels, head, "dep", "_", misc]))
                number += 1
        lines.append("")
    return "\n".join(lines) + "\n"


def write_joint_model(folder: Path, *, epochs: int = 6) -> Path:
    """Train a tokenizer and a tagger on `train.conllu`, and write `tokenizer`, `tagger` and `both`.

    Returns:
        The directory `both`, a model of both parts. `dev.conllu` and `test.conllu` are next to it.
    """
    settings = treebank_run(folder, epochs=epochs)
    for name, count in (("train", 60), ("dev", 20), ("test", 30)):
        (folder / f"{name}.conllu").write_text(raw_treebank(count, len(name) + count), encoding="utf-8")
    tokenizer_settings = TokenizerSettings(
        name="cutter",
        data=TokenizerData(train=settings.data.train, dev=settings.data.dev),
        model=TokenizerModel(hidden_size=6, embedding_dim=6, class_dim=3, filters=8),
        training=Training(epochs=4 * epochs, batch_size=4, window=30, lr=0.02, threads=1, device="cpu"),
    )
    run(tokenizer_settings, folder / "runs")
    run(replace(settings, name="labeler"), folder / "runs")
    parts = [read_model(folder / "runs" / name / "model") for name in ("cutter", "labeler")]
    facts = {"kind": "tagger", "scores": dict(parts[1].manifest.scores)}
    names = (("tokenizer", parts[:1]), ("tagger", parts[1:]), ("both", parts))
    for name, some in names:
        model = StoredModel.joined(some)
        write_model(folder / name, model.config, model.vocab, model.weights, facts)
    return folder / "both"
