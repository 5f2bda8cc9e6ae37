"""Runs of a tokenizer and a tagger: one directory, equal to separate runs, exact resume, limits, endings."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqtool.config.dump import dump_settings
from seqtool.config.load import read_settings
from seqtool.errors import Diverged, SeqtoolError
from seqtool.inference.load import load_tagger, load_tokenizer
from seqtool.reports.training import TrainingScreen
from seqtool.settings.experiment import Settings, TaggerSettings
from seqtool.storage.model_directory import StoredModel, read_manifest, read_model
from seqtool.training.checkpoints import Checkpoints, read_checkpoint
from seqtool.training.engine.trainer import Trainer
from seqtool.training.run import TrainOptions, train, train_all
from tests.support.joint_runs import assert_same, rows, short_run, stop_at
from tests.support.shell import seqtool_in_process
from tests.support.small_runs import count_polls, metrics, run
from tests.support.small_treebank import treebank

TOKENIZER_ROWS = [("tokenizer", 5), ("tokenizer", 10), ("tokenizer", 12)]


# --- one directory ------------------------------------------------------------------------------------------


def test_each_part_equals_a_run_of_its_own(tmp_path: Path) -> None:
    settings = short_run(tmp_path)
    result = run(settings, tmp_path / "joint")
    joint = read_model(tmp_path / "joint/small/model")
    assert list(joint.parts) == ["tokenizer", "tagger"]
    for part in settings.parts:
        alone = replace(part, tokenizer=None) if isinstance(part, TaggerSettings) else part
        run(alone, tmp_path / part.task)
        expected = read_model(tmp_path / part.task / "small/model")
        found = joint.parts[part.task]
        assert found.config == expected.config and found.vocab == expected.vocab
        assert found.weights.keys() == expected.weights.keys()
        assert all((found.weights[name] == array).all() for name, array in expected.weights.items())
        own = [row for row in metrics(tmp_path / "joint/small") if row.pop("part") == part.task]
        assert own == metrics(tmp_path / part.task / "small")
        report = json.loads((tmp_path / "joint/small/evaluation.json").read_text())[part.task]
        assert report == json.loads((tmp_path / part.task / "small/evaluation.json").read_text())
        row = joint.manifest.part_rows[part.task]
        assert (row["epoch"], row["step"]) == (expected.manifest.epoch, expected.manifest.step)
        for name, score in expected.manifest.scores.items():
            prefix = "tokenizer_" if part.task == "tokenizer" and name.endswith("_loss") else ""
            assert joint.manifest.scores[prefix + name] == result.scores[prefix + name] == score
    assert rows(tmp_path / "joint/small")[:3] == TOKENIZER_ROWS
    assert result.parameters == joint.manifest.parameters == sum(map(np.size, joint.weights.values()))


def test_the_written_config_repeats_the_run(tmp_path: Path) -> None:
    settings = short_run(tmp_path)
    run(settings, tmp_path / "a")
    read = read_settings(tmp_path / "a/small/config.yaml").settings
    assert isinstance(read, TaggerSettings) and read.tokenizer == settings.tokenizer
    assert dump_settings(read) == dump_settings(read_settings(tmp_path / "a/small/config.yaml").settings)
    run(read, tmp_path / "b")
    assert_same(tmp_path / "a/small", tmp_path / "b/small")


def test_screen_names_the_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(short_run(tmp_path), TrainOptions(tmp_path), [TrainingScreen()])
    done = capsys.readouterr()
    lines = [line.split("\t") for line in done.out.splitlines()]
    assert [line[0] for line in lines] == ["part", *["tokenizer"] * 3, "part", *["tagger"] * 3]
    assert "training the tokenizer, part 1 of 2" in done.err
    assert "training the tagger, part 2 of 2" in done.err
    assert "best row of the tokenizer: epoch" in done.err and "best row of the tagger: epoch" in done.err
    assert "tokenizer, dev:" in done.err and "tagger, dev:" in done.err


def test_json_has_the_scores_of_both_parts(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(dump_settings(short_run(tmp_path)))
    done = seqtool_in_process("train-tagger", "small.yaml", "--json", "--quiet", cwd=tmp_path)
    value = json.loads(done.stdout)
    assert value["parts"].keys() == {"tokenizer", "tagger"}
    expected = {"train_loss", "val_accuracy", "val_token_f1", "val_sentence_f1", "tokenizer_val_loss"}
    assert expected < value["scores"].keys()
    assert (value["epoch"], value["step"]) == tuple(value["parts"]["tagger"].values())
    for command in (("inspect", "small"), ("report", "small"), ("runs",), ("check", "small.yaml", "--json")):
        used = seqtool_in_process(*command, cwd=tmp_path)
        assert used.code == 0, used.stderr
    assert json.loads(used.stdout)["parts"].keys() == {"tokenizer"}
    again = seqtool_in_process("train-tagger", "small.yaml", "--json", "--resume", cwd=tmp_path)
    assert json.loads(again.stdout) == value


def test_keys_of_the_tokenizer_can_be_set(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(dump_settings(short_run(tmp_path)))
    done = seqtool_in_process(
        *("train-tagger", "small.yaml", "--set", "tokenizer.training.max_steps=3"), cwd=tmp_path
    )
    assert done.code == 0, done.stderr
    assert rows(tmp_path / "runs/small")[0] == ("tokenizer", 3)
    done = seqtool_in_process(
        *("train-tagger", "small.yaml", "--name", "none", "--set", "tokenizer=null"), cwd=tmp_path
    )
    assert done.code == 0, done.stderr
    assert read_manifest(tmp_path / "runs/none/model").parts == ()
    assert "part" not in metrics(tmp_path / "runs/none")[0]


# --- resume -------------------------------------------------------------------------------------------------


def test_run_stopped_at_random_steps_ends_with_equal_bytes(tmp_path: Path) -> None:
    settings = short_run(tmp_path)
    checks = count_polls(settings, tmp_path / "whole")
    draw = random.Random(7)
    for number, stops in enumerate(
        ([1], [checks - 1], *(draw.choices(range(2, checks), k=3) for _ in "abc"))
    ):
        root = tmp_path / str(number)
        for at, poll in enumerate(stops):
            if at and poll > checks // 2:  # the resumed run makes fewer checks
                poll //= 3
            stop_at(settings, root, poll, resume=bool(at))
        run(settings, root, resume=True)
        assert_same(root / "small", tmp_path / "whole/small")
        assert [entry.name for entry in root.iterdir() if entry.name != ".cache"] == ["small"]


def test_messages_name_the_part_that_was_interrupted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = short_run(tmp_path)
    checks = count_polls(settings, tmp_path / "whole")
    assert "stopped after step 3 of the tokenizer" in stop_at(settings, tmp_path / "a", 4)
    train(settings, TrainOptions(tmp_path / "a", resume=True), [TrainingScreen()])
    assert "resumed after step 3 of the tokenizer" in capsys.readouterr().err
    assert " of the tagger; resume with" in stop_at(settings, tmp_path / "b", checks - 3)
    train(settings, TrainOptions(tmp_path / "b", resume=True), [TrainingScreen()])
    stderr = capsys.readouterr().err
    assert " of the tagger" in stderr and "training the tagger, part 2 of 2" in stderr
    assert "training the tokenizer" not in stderr


def test_run_killed_between_the_parts_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = short_run(tmp_path)
    run(settings, tmp_path / "whole")
    save = Checkpoints.save

    def save_and_fail(self: Checkpoints, checkpoint: Any) -> None:
        save(self, checkpoint)
        raise SeqtoolError("killed")

    monkeypatch.setattr(Checkpoints, "save", save_and_fail)
    with pytest.raises(SeqtoolError, match="killed"):
        run(settings, tmp_path / "cut")
    monkeypatch.undo()
    partial = tmp_path / "cut/small.partial"
    assert rows(partial) == TOKENIZER_ROWS
    (folder,) = (partial / "checkpoints").iterdir()
    assert list(read_checkpoint(folder).parts) == ["tokenizer"]
    run(settings, tmp_path / "cut", resume=True)
    assert_same(tmp_path / "cut/small", tmp_path / "whole/small")


LIMITS = {  # first and later limits of tokenizer and tagger
    "tokenizer": ((7, 12), (12, 12)),
    "tagger": ((12, 7), (12, 12)),
    "both": ((7, 8), (12, 12)),
}


@pytest.mark.parametrize("name", LIMITS)
def test_continued_finished_run_equals_one_long_run(name: str, tmp_path: Path) -> None:
    first, last = (joint_with_limits(tmp_path, tokenizer, tagger) for tokenizer, tagger in LIMITS[name])
    run(last, tmp_path / "whole")
    run(first, tmp_path / "cut")
    run(last, tmp_path / "cut", resume=True)
    assert_same(tmp_path / "cut/small", tmp_path / "whole/small")
    stamp = (tmp_path / "cut/small/model").stat().st_mtime_ns
    run(last, tmp_path / "cut", resume=True)
    assert (tmp_path / "cut/small/model").stat().st_mtime_ns == stamp


def test_interrupted_run_can_get_larger_limits_in_a_finished_part(tmp_path: Path) -> None:
    first, last = joint_with_limits(tmp_path, 7, 12), joint_with_limits(tmp_path, 12, 12)
    checks = count_polls(first, tmp_path / "count")
    run(last, tmp_path / "whole")
    stop_at(first, tmp_path / "cut", checks - 4)
    run(last, tmp_path / "cut", resume=True)
    assert_same(tmp_path / "cut/small", tmp_path / "whole/small")


def joint_with_limits(folder: Path, tokenizer: int, tagger: int) -> TaggerSettings:
    """Return a run whose schedules do not depend on the limits."""
    settings = short_run(folder, tokenizer, max_steps=tagger, schedule="constant")
    assert settings.tokenizer is not None
    training = replace(settings.tokenizer.training, schedule="constant")
    return replace(settings, tokenizer=replace(settings.tokenizer, training=training))


def test_other_settings_of_the_tokenizer_are_refused(tmp_path: Path) -> None:
    settings = short_run(tmp_path)
    stop_at(settings, tmp_path, 5)
    assert settings.tokenizer is not None
    training = replace(settings.tokenizer.training, lr=0.5, max_steps=9)
    other = replace(settings, tokenizer=replace(settings.tokenizer, training=training))
    with pytest.raises(
        SeqtoolError, match=r"differs in tokenizer\.training\.lr: 0.005 before, 0.5 now"
    ) as raised:
        run(other, tmp_path, resume=True)
    assert len(raised.value.problems) == 1
    with pytest.raises(SeqtoolError, match=r"tokenizer"):
        run(replace(settings, tokenizer=None), tmp_path, resume=True)


# --- endings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["tokenizer", "tagger"])
def test_divergence_keeps_the_parts_that_have_a_row(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, started = short_run(tmp_path), []
    training = settings.parts[0 if part == "tokenizer" else 1].training
    trainer_run = Trainer.run

    def diverging(self: Trainer) -> Any:
        started.append(self.training)
        if self.training == training:
            raise Diverged("the loss is no longer finite at step 1", hint="lower training.lr")
        yield from trainer_run(self)

    monkeypatch.setattr(Trainer, "run", diverging)
    with pytest.raises(Diverged) as raised:
        run(settings, tmp_path)
    problem = raised.value.problems[0]
    assert problem.message.startswith(f"{part}: the loss is no longer finite")
    model = tmp_path / "small.partial/model"
    if part == "tokenizer":
        assert problem.hint == "lower tokenizer.training.lr" and not model.exists()
    else:
        assert problem.hint == "lower training.lr; the best tokenizer so far is kept"
        assert list(read_model(model).parts) == ["tokenizer"]
        load_tokenizer(read_model(model))


def test_several_seeds_train_both_parts(tmp_path: Path) -> None:
    results = train_all(short_run(tmp_path), TrainOptions(tmp_path, seeds=2))
    assert [result.row.step for result in results] and len({result.row.train_loss for result in results}) == 2
    for seed in (1, 2):
        assert list(read_model(tmp_path / f"small/seed-{seed}/model").parts) == ["tokenizer", "tagger"]


# --- start from a trained model -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a joint model and return its directory."""
    folder = tmp_path_factory.mktemp("trained")
    run(short_run(folder), folder)
    return folder / "small/model"


def initial_losses(settings: Settings, root: Path) -> dict[str, float]:
    """Return the training loss of the first row of each part."""
    run(settings, root)
    return {row["part"]: row["train_loss"] for row in reversed(metrics(root / "small"))}


def test_each_part_starts_from_its_part(trained: Path, tmp_path: Path) -> None:
    settings = short_run(tmp_path)
    joint = replace(settings, training=replace(settings.training, init_from=str(trained)))
    fresh, started = initial_losses(settings, tmp_path / "a"), initial_losses(joint, tmp_path / "b")
    assert all(started[part] < fresh[part] for part in ("tokenizer", "tagger"))


def test_a_data_file_gets_the_labels_and_both_parts_of_the_model(tmp_path: Path) -> None:
    (tmp_path / "a.conllu").write_text(treebank(30, raw=True), encoding="utf-8")
    limits = ("--set", "training.max_steps=3", "--set", "tokenizer.training.max_steps=3")
    labels = ("--set", "data.labels=[upos, feats]")
    first = seqtool_in_process("train-tagger", "a.conllu", *limits, *labels, cwd=tmp_path)
    assert first.code == 0, first.stderr
    more = ("--name", "more", "--init-from", "a")
    done = seqtool_in_process("train-tagger", "a.conllu", *limits, *more, cwd=tmp_path)
    assert done.code == 0, done.stderr
    old, new = (read_model(tmp_path / f"runs/{name}/model") for name in ("a", "more"))
    assert list(new.parts) == ["tokenizer", "tagger"]
    assert new.main.vocab["heads"] == old.main.vocab["heads"]
    assert new.manifest.init_from == old.manifest.sha256


@pytest.mark.parametrize("part", ["tokenizer", "tagger"])
def test_a_part_that_the_model_lacks_starts_from_random_weights(
    part: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from seqtool.storage.model_directory import write_model

    alone: StoredModel = read_model(trained).parts[part]
    write_model(tmp_path / "alone", alone.config, alone.vocab, alone.weights, {})
    settings = short_run(tmp_path)
    joint = replace(settings, training=replace(settings.training, init_from=str(tmp_path / "alone")))
    train(joint, TrainOptions(tmp_path), [TrainingScreen()])
    assert f"starts from random weights, since {tmp_path / 'alone'} has none" in capsys.readouterr().err


def test_a_single_part_starts_from_its_part_of_a_joint_model(trained: Path, tmp_path: Path) -> None:
    for part in short_run(tmp_path).parts:
        settings = replace(part, training=replace(part.training, init_from=str(trained), max_steps=2))
        if isinstance(settings, TaggerSettings):
            settings = replace(settings, tokenizer=None)
        run(settings, tmp_path / part.task)
        assert read_manifest(tmp_path / part.task / "small/model").init_from


def test_both_parts_of_a_stored_model_load(trained: Path) -> None:
    stored = read_model(trained)
    sentences = next(iter(load_tokenizer(stored).stream(["The dogs is. A book reads."])))
    assert load_tagger(stored.main).tag([[token.form for token in sentence] for sentence in sentences])
