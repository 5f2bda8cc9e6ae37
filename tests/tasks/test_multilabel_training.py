"""Training of several labels: loss, weights, scores, resume, and a start from an earlier model."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from seqtool.evaluation.tagger import evaluate_tagger
from seqtool.inference.load import load_tagger
from seqtool.inference.multilabel_tagger import MultiLabelTagger
from seqtool.inference.word_gate_cache import WordGateCache
from seqtool.models.weights import weight_arrays
from seqtool.settings.experiment import TaggerSettings
from seqtool.storage.model_directory import StoredModel, read_model
from seqtool.tasks.build import build_task, prepare
from seqtool.tasks.multilabel_training import TOGETHER, MultiLabelTask, column_weights
from seqtool.training.engine.trainer import Trainer
from tests.support.small_runs import StopAt, run, stopping
from tests.support.small_tasks import never
from tests.support.small_treebank import LABELS, treebank_run


def trained(settings: TaggerSettings) -> tuple[MultiLabelTask, StoredModel]:
    """Train in memory; return the task and the model."""
    prepared = prepare(settings)
    task = cast(MultiLabelTask, build_task(prepared).task)
    for _ in Trainer(task, settings.training).run():
        pass
    return task, prepared.stored(weight_arrays(task.network))


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(LABELS, id="all"),
        pytest.param(("feats", "lemma"), id="nothing together"),
        pytest.param(("xpos", "upos"), id="no lemma"),
    ],
)
def test_scores_in_training_equal_those_of_the_stored_model(tmp_path: Path, labels: tuple[str, ...]) -> None:
    task, stored = trained(treebank_run(tmp_path, *labels))
    scores = task.evaluate(never)
    report = evaluate_tagger(load_tagger(stored), task.corpus.dev).main_scores()
    del scores["val_loss"]
    assert {name.removeprefix("val_"): value for name, value in scores.items()} == report
    assert ("accuracy_AllTags" in report) == (len(set(labels) - {"lemma"}) > 1)
    assert scores["val_accuracy"] > 0.4


def test_numpy_scores_agree_with_torch(tmp_path: Path) -> None:
    task, stored = trained(treebank_run(tmp_path))
    with torch.no_grad():
        for parameter in task.network.parameters():
            parameter.uniform_(-0.5, 0.5, generator=torch.Generator().manual_seed(len(parameter)))
    model = cast(MultiLabelTagger, load_tagger(stored._replace(weights=weight_arrays(task.network))))
    task.network.eval()
    encoded = task._encode(task.corpus.dev[:1])
    words = encoded.table.read(encoded.words[0][:, None], task.device)
    with torch.no_grad():
        state = task.network.encoder.initial_state(1)
        expected = task.network.column_scores(words, torch.tensor([len(encoded.words[0])]), state)
    tokens = task.corpus.dev[0].tokens
    (batch,) = list(super(MultiLabelTagger, model)._batches([tokens]))
    ours = batch.unpack(batch.scores)
    theirs = torch.cat(expected, dim=2)[:, 0].numpy()
    assert (np.abs(ours - theirs) <= 1e-5 * np.maximum(1, np.abs(theirs))).all()


def test_labels_do_not_depend_on_batches_cache_or_pickling(tmp_path: Path) -> None:
    task, stored = trained(treebank_run(tmp_path))
    model = cast(MultiLabelTagger, load_tagger(stored))
    sentences = [
        [],
        *(sentence.tokens for sentence in task.corpus.dev),
        ["x" * 9, *(f"new{i}" for i in range(99))],
    ]
    together = model.tag_columns(sentences)
    assert together == [model.tag_columns([sentence])[0] for sentence in sentences]
    assert together == pickle.loads(pickle.dumps(model)).tag_columns(sentences)
    assert [columns[0] for columns in together] == model.tag(sentences)
    small = model._cache
    model._cache = WordGateCache(small.encoder, small.embedder, small.cell, 0, small._word_weights)
    assert not model._cache.fits(sentences[-1])
    assert together == model.tag_columns(sentences)
    probabilities = model.tag_with_probabilities(sentences)
    assert [labels for labels, _ in probabilities] == model.tag(sentences)
    assert model.nbest(sentences[1], 1)[0][0] == model.tag(sentences)[1]


def small_task(folder: Path, weights: dict[str, float]) -> MultiLabelTask:
    """Return a task without dropout and replacement; the lemma of one of its words is rare."""
    settings = treebank_run(folder, label_weights=weights)
    with (folder / "train.conllu").open("a", encoding="utf-8") as file:
        file.write("1\tmice\tmouse\tNOUN\tNNS\tNumber=Plur\t_\t_\t_\t_\n\n")
    settings = replace(settings, model=replace(settings.model, dropout=0.0, word_replacement=0.0))
    return cast(MultiLabelTask, build_task(prepare(settings)).task)


def test_lemmas_are_scored_only_where_they_are_learned(tmp_path: Path) -> None:
    task = small_task(tmp_path, {"upos": 0.0, "xpos": 0.0, "feats": 0.0, "lemma": 1.0})
    batches = [task.batch(0, index)[0] for index in range(task.batches(0))]
    learned = LABELS.index("lemma")
    batch = next(batch for batch in batches if (batch.labels[..., learned] >= 0).any())
    labels = batch.labels[..., learned].ravel()
    assert (labels < 0).any()
    given = task._network_input(batch, 0)
    everywhere = task.network.column_scores(*given)[-1].flatten(0, 1)
    places = torch.from_numpy(np.flatnonzero(labels >= 0))
    chosen = task.network.column_scores(*given, places)[-1]
    torch.testing.assert_close(chosen, everywhere[places])
    expected = task._cross_entropy(everywhere, labels)
    assert task.loss(batch, 0, 0).item() == pytest.approx(expected.item(), rel=1e-5)


def test_loss_is_the_weighted_sum_of_the_losses(tmp_path: Path) -> None:
    task = small_task(tmp_path, {"xpos": 0.5, "lemma": 0.0})
    batch = task.batch(0, 0)[0]
    scores = task.network.column_scores(*task._network_input(batch, 0))
    parts = [
        task._cross_entropy(part.flatten(0, 1), batch.labels[..., column].ravel())
        for column, part in enumerate(scores)
    ]
    assert task.network.heads is not None
    together = task.network.heads.combination_scores(scores)
    joint = task._cross_entropy(together.t(), task._combinations(batch.labels))
    expected = TOGETHER * (parts[0] + 0.5 * parts[1] + 0.3 * parts[2]) + (1 - TOGETHER) * joint
    assert task.loss(batch, 0, 0).item() == pytest.approx(expected.item(), rel=1e-6)
    lemma = task.network.heads.layers[2].weight
    (gradient,) = torch.autograd.grad(task.loss(batch, 0, 0), lemma, allow_unused=True)
    assert not gradient.any()


def test_column_weights_have_defaults() -> None:
    assert column_weights("auto", ["a", "b", "c"]) == [1.0, 0.3, 0.3]
    assert column_weights({"c": 0.5}, ["a", "b", "c"]) == [1.0, 0.3, 0.5]


def test_interrupted_run_ends_in_the_same_weights(tmp_path: Path) -> None:
    settings = treebank_run(tmp_path)
    run(settings, tmp_path / "whole")
    with stopping(StopAt(5)), pytest.raises(BaseException, match="stopped"):
        run(settings, tmp_path)
    run(settings, tmp_path, resume=True)
    for name in ("weights.safetensors", "vocab.json", "config.json"):
        assert (tmp_path / "small/model" / name).read_bytes() == (
            tmp_path / "whole/small/model" / name
        ).read_bytes()


def test_training_can_start_from_a_model_with_other_labels(tmp_path: Path) -> None:
    settings: Any = treebank_run(tmp_path)
    run(settings, tmp_path)
    (tmp_path / "train.conllu").write_text(
        "1\tNew\tnew\tADJ\tJJ\tDegree=Pos\t_\t_\t_\t_\n2\tcats\tcat\tNOUN\tNNS\t_\t_\t_\t_\t_\n\n"
    )
    first = read_model(tmp_path / "small/model")
    again = replace(
        settings,
        name="second",
        training=replace(settings.training, init_from=str(tmp_path / "small/model"), max_steps=1, lr=1e-9),
    )
    run(again, tmp_path)
    second = read_model(tmp_path / "second/model")
    for old, new in zip(first.vocab["heads"]["columns"], second.vocab["heads"]["columns"], strict=True):
        assert new[: len(old)] == old
    kept = first.weights["heads.2.weight"]
    np.testing.assert_allclose(second.weights["heads.2.weight"][: len(kept)], kept, atol=1e-6)
    rows = [tuple(row) for row in second.vocab["heads"]["combinations"]]
    places = [rows.index(tuple(row)) for row in first.vocab["heads"]["combinations"]]
    np.testing.assert_allclose(
        second.weights["heads.combinations"][places], first.weights["heads.combinations"], atol=1e-6
    )
    assert len(rows) > len(places)
    forms = second.vocab["forms"]
    lemmas = dict(zip(forms, second.vocab["heads"]["lemmas"], strict=True))
    earlier = zip(first.vocab["forms"], first.vocab["heads"]["lemmas"], strict=True)
    assert all(lemmas[form] == row for form, row in earlier) and lemmas["cats"]


def test_constant_columns_leave_no_trace_in_the_settings(tmp_path: Path) -> None:
    settings = treebank_run(tmp_path, label_weights={"xpos": 0.5})
    train = tmp_path / "train.conllu"
    for tag in ("NNS", "NN", "VBZ", "DT"):
        train.write_text(train.read_text().replace(f"\t{tag}\t", "\t.\t"))
    prepared = prepare(settings)
    assert cast(TaggerSettings, prepared.settings).data.labels == ("upos", "feats", "lemma")
    assert prepared.settings.training.label_weights == "auto"
