"""Resumed runs, from files to the finished directory: equal bytes, damage, refused differences."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from seqtool.config.dump import dump_settings
from seqtool.errors import ModelError, SeqtoolError, Stopped
from seqtool.reports.training import TrainingScreen
from seqtool.settings.data import CharData
from seqtool.settings.experiment import CharSettings, Settings
from seqtool.storage.run_directory import checkpoint_numbers
from seqtool.training import run as training_job
from seqtool.training import session
from seqtool.training.checkpoints import Checkpoint, Checkpoints, read_checkpoint
from seqtool.training.run import TrainOptions, train, train_all
from tests.support.conditional import write_files
from tests.support.shell import seqtool, start
from tests.support.small_runs import (
    StopAt,
    char_run,
    count_polls,
    metrics,
    run,
    samples,
    stopping,
    tagger_run,
    tokenizer_run,
    weights,
)


def no_validation(folder: Path, **training: Any) -> CharSettings:
    more = {"max_steps": 16, "optimizer": "sgd", "momentum": 0.9, **training}
    settings = char_run(folder, **more)
    return replace(settings, data=replace(settings.data, split=(1.0, 0.0)))


def no_validation_constant(folder: Path, **training: Any) -> CharSettings:
    return no_validation(folder, **{"schedule": "constant", **training})


def conditions(folder: Path, **training: Any) -> CharSettings:
    """Return a run of lines in three languages, with the same kinds of state."""
    write_files(folder)
    settings = char_run(folder, **{"max_steps": 20, "eval_every": 7, "batch_size": 16, **training})
    data = CharData(text=(str(folder / "prefix.tsv"),), per_line=True, condition="prefix")
    return replace(settings, data=data, model=replace(settings.model, state_reset=0.0, condition_dim=3))


RUNS: dict[str, Callable[[Path], Settings]] = {
    "char": lambda folder: char_run(folder, eval_every=7, max_steps=20),
    "tagger": lambda folder: tagger_run(folder, max_steps=14, ema=0.0, schedule="plateau"),
    "no validation": no_validation,
    "conditions": conditions,
    "tokenizer": lambda folder: tokenizer_run(folder, max_steps=14),
}


def stop_at(settings: Settings, root: Path, poll: int, **options: Any) -> Path:
    """Stop a run at the given check of its stop flag, and return the directory of the unfinished run."""
    with stopping(StopAt(poll)), pytest.raises(Stopped):
        run(settings, root, **options)
    return root / f"{settings.name}.partial"


def assert_same(left: Path, right: Path) -> None:
    assert weights(left) == weights(right)
    assert metrics(left) == metrics(right)
    assert samples(left) == samples(right)
    assert (left / "evaluation.json").read_bytes() == (right / "evaluation.json").read_bytes()
    assert sorted(entry.name for entry in left.iterdir()) == sorted(entry.name for entry in right.iterdir())


@pytest.mark.parametrize("name", RUNS)
def test_run_stopped_several_times_ends_with_equal_bytes(name: str, tmp_path: Path) -> None:
    settings = RUNS[name](tmp_path)
    checks = count_polls(settings, tmp_path / "whole")
    root = tmp_path / "cut"
    stop_at(settings, root, 1)
    for poll in (checks // 2, 2, 4):
        stop_at(settings, root, poll, resume=True)
    run(settings, root, resume=True)
    assert_same(root / "small", tmp_path / "whole" / "small")
    assert [entry.name for entry in root.iterdir() if entry.name != ".cache"] == ["small"]


def test_previous_checkpoint_is_used_if_the_newest_is_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = char_run(tmp_path, max_steps=16, eval_every=5, checkpoint_minutes=1e-9)
    run(settings, tmp_path / "whole")
    partial = stop_at(settings, tmp_path / "cut", 12)
    folder = partial / "checkpoints"
    newest, older = checkpoint_numbers(folder)
    tensors = folder / f"{newest:06d}" / "tensors.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-1])
    with pytest.raises(SeqtoolError, match="has a checkpoint"):
        run(settings, tmp_path / "cut")

    train(settings, TrainOptions(tmp_path / "cut", resume=True), [TrainingScreen(as_json=True)])
    stderr = capsys.readouterr().err
    assert f"{newest:06d}" in stderr and "damaged" in stderr and "using the previous checkpoint" in stderr
    assert "resumed after step" in stderr and older
    assert_same(tmp_path / "cut" / "small", tmp_path / "whole" / "small")


def test_run_whose_checkpoints_are_all_damaged_is_refused(tmp_path: Path) -> None:
    settings = char_run(tmp_path)
    partial = stop_at(settings, tmp_path, 3)
    for manifest in partial.glob("checkpoints/*/manifest.json"):
        manifest.write_bytes(b"{}")
    with pytest.raises(ModelError, match="format version") as raised:
        run(settings, tmp_path, resume=True)
    assert "--overwrite" in raised.value.problems[0].hint
    run(settings, tmp_path, overwrite=True)


def test_files_written_after_the_checkpoint_are_discarded(tmp_path: Path) -> None:
    settings = char_run(tmp_path, max_steps=14, eval_every=3)
    run(settings, tmp_path / "whole")
    partial = stop_at(settings, tmp_path / "cut", 9)
    with (partial / "metrics.jsonl").open("a") as file:
        file.write('{"step": 9, "epoch": 1, "seconds": 0.1')  # a crash within a line
    (partial / "samples.jsonl").unlink()
    (partial / ".config.yaml.x.seqtool-tmp").write_text("left by a crash")
    (partial / "checkpoints" / ".000009.seqtool-new").mkdir()
    (partial / ".model.seqtool-new").mkdir()
    run(settings, tmp_path / "cut", resume=True)
    assert_same(tmp_path / "cut" / "small", tmp_path / "whole" / "small")


def test_only_limits_may_differ_on_resume(tmp_path: Path) -> None:
    settings = char_run(tmp_path)
    stop_at(settings, tmp_path, 5)
    text = Path(settings.data.text[0])
    other = replace(
        settings,
        seed=2,
        model=replace(settings.model, hidden_size=6),
        training=replace(settings.training, lr=0.5),
    )
    with pytest.raises(SeqtoolError) as raised:
        run(other, tmp_path, resume=True)
    assert [
        problem.message.removeprefix("the interrupted run differs in ") for problem in raised.value.problems
    ] == [
        "model.hidden_size: 5 before, 6 now",
        "seed: 1 before, 2 now",
        "training.lr: 0.01 before, 0.5 now",
    ]
    kept = text.read_bytes()
    text.write_bytes(kept + b"sea")
    with pytest.raises(SeqtoolError, match=r"data\.text: other files, or other content"):
        run(settings, tmp_path, resume=True)
    text.write_bytes(kept)
    moved = text.rename(tmp_path / "moved.txt")  # files are compared by content, not by name
    limits = replace(
        settings.training, max_steps=7, max_minutes=5.0, epochs=3, patience=2, checkpoint_minutes=1.0
    )
    result = run(
        replace(settings, data=replace(settings.data, text=(str(moved),)), training=limits),
        tmp_path,
        resume=True,
    )
    assert result.row.step == 7


def test_extended_run_equals_a_longer_run(tmp_path: Path) -> None:
    settings = char_run(tmp_path, schedule="constant", max_steps=12, eval_every=4)
    longer = replace(settings, training=replace(settings.training, max_steps=20))
    run(longer, tmp_path / "whole")
    stop_at(settings, tmp_path / "cut", 9)
    run(longer, tmp_path / "cut", resume=True)
    assert_same(tmp_path / "cut" / "small", tmp_path / "whole" / "small")


def test_limit_before_the_first_row_is_an_error(tmp_path: Path) -> None:
    settings = char_run(tmp_path)
    stop_at(settings, tmp_path, 5)
    short = replace(settings, training=replace(settings.training, max_steps=2))
    with pytest.raises(SeqtoolError, match="before its first row"):
        run(short, tmp_path, resume=True)
    assert (tmp_path / "small.partial" / "checkpoints").is_dir()


def test_resume_without_a_run_starts_one_and_reports_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:

    train(char_run(tmp_path, max_steps=3), TrainOptions(tmp_path, resume=True), [TrainingScreen(quiet=True)])
    assert "nothing to resume" in capsys.readouterr().err


def test_checkpoints_are_written_by_time_by_epoch_and_on_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[int] = []
    save_checkpoint = Checkpoints.save

    def save(self: Checkpoints, checkpoint: Checkpoint) -> None:
        saved.append(checkpoint.parts[""].numbers["progress"]["step"])
        save_checkpoint(self, checkpoint)

    monkeypatch.setattr(Checkpoints, "save", save)
    settings = char_run(tmp_path, max_steps=40)  # 17 steps per epoch
    run(settings, tmp_path / "a")
    assert saved == [40]
    saved.clear()
    monkeypatch.setattr(session, "EPOCH_CHECKPOINT_AFTER", 0.0)
    run(settings, tmp_path / "b")
    assert saved == [17, 34, 40, 40]
    saved.clear()
    run(
        replace(settings, training=replace(settings.training, checkpoint_minutes=1e-9, max_steps=4)),
        tmp_path / "c",
    )
    assert saved == [1, 2, 3, 4, 4, 4]
    saved.clear()
    stop_at(settings, tmp_path / "d", 6)
    assert saved == [5]


def test_best_model_is_restored_from_the_checkpoint(tmp_path: Path) -> None:
    """The best row comes before the stop and only the checkpoint still contains its weights."""
    more = {"lr": 0.5, "schedule": "constant", "warmup_steps": 0, "ema": 0.0, "clip_norm": None}
    settings = char_run(tmp_path, max_steps=24, eval_every=3, **more)
    checks = count_polls(settings, tmp_path / "whole")
    losses = [row["val_loss"] for row in metrics(tmp_path / "whole" / "small")]
    partial = stop_at(settings, tmp_path / "cut", checks - 1)
    assert min(losses) in [row["val_loss"] for row in metrics(partial)][:-1]
    shutil.rmtree(partial / "model")
    run(settings, tmp_path / "cut", resume=True)
    assert_same(tmp_path / "cut" / "small", tmp_path / "whole" / "small")


def test_finished_seeds_are_not_trained_again(tmp_path: Path) -> None:

    settings, screen = tagger_run(tmp_path, max_steps=6), [TrainingScreen(quiet=True, as_json=True)]
    whole = train_all(settings, TrainOptions(tmp_path / "whole", seeds=2), screen)
    checks = count_polls(settings, tmp_path / "count")
    with stopping(StopAt(checks + 3)), pytest.raises(Stopped):
        train_all(settings, TrainOptions(tmp_path / "cut", seeds=2), screen)
    assert (tmp_path / "cut/small/seed-2.partial/checkpoints").is_dir()
    stamp = (tmp_path / "cut/small/seed-1/model").stat().st_mtime_ns
    with pytest.raises(SeqtoolError, match="has a checkpoint"):
        train_all(settings, TrainOptions(tmp_path / "cut", seeds=2), screen)
    results = train_all(settings, TrainOptions(tmp_path / "cut", seeds=2, resume=True), screen)
    assert (tmp_path / "cut/small/seed-1/model").stat().st_mtime_ns == stamp
    for seed in (1, 2):
        assert_same(tmp_path / f"cut/small/seed-{seed}", tmp_path / f"whole/small/seed-{seed}")
    assert [result.to_json()["scores"] for result in results] == [
        result.to_json()["scores"] for result in whole
    ]


def test_checkpoint_with_an_extra_file_is_refused(tmp_path: Path) -> None:
    partial = stop_at(char_run(tmp_path, eval_every=2), tmp_path, 6)
    (folder,) = partial.glob("checkpoints/*")
    assert read_checkpoint(folder).parts[""].best is not None
    (folder / "state.pkl").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"does not belong to a checkpoint: 'state\.pkl'"):
        read_checkpoint(folder)


def test_interrupted_command_is_resumed_from_the_shell(tmp_path: Path) -> None:
    """Exit code and message of Ctrl-C, refusal of a second start, and --resume."""
    (tmp_path / "small.yaml").write_text(dump_settings(char_run(tmp_path, max_steps=100_000, eval_every=5)))
    arguments = ("train-char", "small.yaml")
    process = start(*arguments, cwd=tmp_path)
    while not (tmp_path / "runs/small.partial/metrics.jsonl").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"resume with: seqtool train-char " in stderr and stderr.rstrip().endswith(b"--resume")
    refused = seqtool(*arguments, cwd=tmp_path)
    assert refused.code == 2 and "resume it with --resume, or replace it with --overwrite" in refused.stderr
    both = seqtool(*arguments, "--resume", "--overwrite", cwd=tmp_path)
    assert both.code == 2 and "exclude each other" in both.stderr
    resumed = seqtool(*arguments, "--set", "training.max_steps=6", "--resume", cwd=tmp_path)
    assert resumed.code == 0 and "resumed after step" in resumed.stderr, resumed.stderr
    assert (tmp_path / "runs/small/model").is_dir()


# --- finished runs ------------------------------------------------------------------------------------------

FINISHED: dict[str, tuple[Callable[[Path], Settings], int, int]] = {
    "char, row off the schedule": (lambda path: char_run(path, schedule="constant", eval_every=7), 12, 23),
    "char, regular row": (lambda path: char_run(path, schedule="constant", eval_every=4), 12, 20),
    "tagger": (lambda path: tagger_run(path, schedule="constant", eval_every=5), 7, 14),
    "tagger, plateau": (
        lambda path: tagger_run(path, schedule="plateau", decay_steps=1, eval_every=3),
        7,
        14,
    ),
    "tagger, steps": (lambda path: tagger_run(path, schedule="step", decay_steps=5), 9, 20),
    "no validation, end within an epoch": (no_validation_constant, 7, 41),
    "no validation, end of an epoch": (lambda path: no_validation_constant(path, print_every=3), 20, 41),
}


resume_from = session.TrainingSession.resume_from


def with_limit(settings: Settings, **limits: Any) -> Settings:
    return replace(settings, training=replace(settings.training, **limits))


@pytest.mark.parametrize("name", FINISHED)
def test_continued_finished_run_equals_one_long_run(name: str, tmp_path: Path) -> None:
    make, first, last = FINISHED[name]
    settings = make(tmp_path)
    run(with_limit(settings, max_steps=last), tmp_path / "whole")
    run(with_limit(settings, max_steps=first), tmp_path / "cut")
    finished = tmp_path / "cut" / "small"
    assert len(checkpoint_numbers(finished / "checkpoints")) == 1
    with patch.object(
        session.TrainingSession, "resume_from", autospec=True, side_effect=resume_from
    ) as resumed:
        run(with_limit(settings, max_steps=last), tmp_path / "cut", resume=True)
    assert resumed.call_args.args[1].parts[""].numbers["progress"]["step"] == first
    assert_same(finished, tmp_path / "whole" / "small")
    assert (finished / "config.yaml").read_text() == dump_settings(
        with_limit(settings, max_steps=last), finished
    )
    assert [entry.name for entry in (tmp_path / "cut").iterdir() if entry.name != ".cache"] == ["small"]


def test_continued_run_can_be_stopped_and_resumed(tmp_path: Path) -> None:
    settings = char_run(tmp_path, schedule="constant", eval_every=7)
    longer = with_limit(settings, max_steps=30)
    run(longer, tmp_path / "whole")
    run(with_limit(settings, max_steps=12), tmp_path / "cut")
    model = (tmp_path / "cut" / "small" / "model" / "manifest.json").read_bytes()
    stop_at(longer, tmp_path / "cut", 6, resume=True)
    assert (tmp_path / "cut" / "small" / "model" / "manifest.json").read_bytes() == model
    run(longer, tmp_path / "cut", resume=True)
    assert_same(tmp_path / "cut" / "small", tmp_path / "whole" / "small")
    assert [entry.name for entry in (tmp_path / "cut").iterdir() if entry.name != ".cache"] == ["small"]


def test_run_stopped_in_its_final_evaluation_can_be_continued(tmp_path: Path) -> None:
    for make in (char_run, no_validation_constant):
        folder = tmp_path / make.__name__
        folder.mkdir()
        settings = make(folder, schedule="constant", eval_every=7)
        run(with_limit(settings, max_steps=23), folder / "whole")
        last = count_polls(with_limit(settings, max_steps=12), folder / "count")
        stop_at(with_limit(settings, max_steps=12), folder / "cut", last)
        failure = patch.object(training_job, "_write_results", side_effect=SeqtoolError("full"))
        with failure, pytest.raises(SeqtoolError, match="full"):  # after the final checkpoint
            run(with_limit(settings, max_steps=12), folder / "cut", resume=True)
        run(with_limit(settings, max_steps=23), folder / "cut", resume=True)
        assert_same(folder / "cut" / "small", folder / "whole" / "small")


def test_patience_and_epochs_continue_a_finished_run(tmp_path: Path) -> None:
    settings = tagger_run(tmp_path, schedule="constant", max_steps=None, epochs=2)
    run(settings, tmp_path / "cut")
    run(with_limit(settings, epochs=3), tmp_path / "cut", resume=True)
    run(with_limit(settings, epochs=3), tmp_path / "whole")
    assert_same(tmp_path / "cut" / "small", tmp_path / "whole" / "small")
    settings = tagger_run(tmp_path, schedule="constant", lr=1.0, patience=1, eval_every=2, max_steps=30)
    early = run(settings, tmp_path / "early")
    rows = len(metrics(early.run))
    assert rows < 15
    run(with_limit(settings, patience=rows + 20), tmp_path / "early", resume=True)
    run(with_limit(settings, patience=rows + 20), tmp_path / "patient")
    assert_same(tmp_path / "early" / "small", tmp_path / "patient" / "small")


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_resume_of_a_finished_run_with_unchanged_limits_changes_nothing(tmp_path: Path) -> None:
    settings = char_run(tmp_path, max_steps=9)
    result = run(settings, tmp_path / "runs")
    before = snapshot(tmp_path / "runs" / "small")
    for same in (settings, with_limit(settings, max_steps=8), with_limit(settings, threads=2)):
        assert run(same, tmp_path / "runs", resume=True).to_json() == result.to_json()
    (tmp_path / "small.yaml").write_text(dump_settings(settings))
    again = seqtool("train-char", "small.yaml", "--quiet", "--resume", "--json", cwd=tmp_path)
    assert again.code == 0 and again.stderr == "runs/small is finished; larger limits continue it\n"
    assert json.loads(again.stdout)["scores"] == result.to_json()["scores"]
    assert snapshot(tmp_path / "runs" / "small") == before
    assert not (tmp_path / "runs" / "small.partial").exists()


def test_other_differences_from_a_finished_run_are_refused(tmp_path: Path) -> None:
    settings = char_run(tmp_path, max_steps=6)
    run(settings, tmp_path)
    before = snapshot(tmp_path / "small")
    with pytest.raises(
        SeqtoolError, match=r"the finished run differs in training\.lr: 0\.01 before, 0\.5 now"
    ):
        run(with_limit(settings, lr=0.5, max_steps=9), tmp_path, resume=True)
    shutil.rmtree(tmp_path / "small" / "checkpoints")
    assert run(settings, tmp_path, resume=True).row.step <= 6
    with pytest.raises(SeqtoolError, match=r"training\.max_steps: 6 before, 9 now") as raised:
        run(with_limit(settings, max_steps=9), tmp_path, resume=True)
    assert "no checkpoint" in raised.value.problems[0].hint
    after = snapshot(tmp_path / "small")
    assert after == {path: value for path, value in before.items() if "/checkpoints/" not in path}


def test_continued_cosine_schedule_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = char_run(tmp_path, max_steps=12)
    run(settings, tmp_path)
    capsys.readouterr()
    options = TrainOptions(tmp_path, resume=True)
    train(with_limit(settings, max_steps=20), options, [TrainingScreen(plain=True)])
    stderr = capsys.readouterr().err
    assert "continuing the finished run" in stderr and "after step 12" in stderr
    assert "warning: the cosine schedule now ends at step 20, and the learning rate continues at" in stderr


def test_threads_may_differ_on_resume(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = char_run(tmp_path, max_steps=12)
    stop_at(settings, tmp_path, 6)
    train(with_limit(settings, threads=2), TrainOptions(tmp_path, resume=True), [TrainingScreen(plain=True)])
    assert "threads: 1 before, 2 now: the last bits may differ" in capsys.readouterr().err


def test_run_that_replaced_the_finished_run_is_kept(tmp_path: Path) -> None:
    """A continued run replaces only the run that it continues, not one that took its name meanwhile."""
    settings = char_run(tmp_path, schedule="constant")
    run(with_limit(settings, max_steps=6), tmp_path)
    stop_at(with_limit(settings, max_steps=30), tmp_path, 9, resume=True)
    run(replace(with_limit(settings, max_steps=6), seed=5), tmp_path / "other")
    shutil.rmtree(tmp_path / "small")
    (tmp_path / "other" / "small").rename(tmp_path / "small")
    run(with_limit(settings, max_steps=30), tmp_path, resume=True)
    assert (tmp_path / "small~1").is_dir()
