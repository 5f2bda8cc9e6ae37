"""Failures of a run: divergence, another process, missing or read-only files, signals; repeated runs."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from seqtool.config.dump import dump_settings
from seqtool.errors import DataError, Diverged, SeqtoolError, Stopped
from seqtool.storage.model_directory import read_model
from seqtool.storage.run_directory import RunDirectory
from seqtool.tasks.interface import definition
from seqtool.training import run as training_job
from seqtool.training.session import StopFlag, stop_signals
from tests.support.shell import seqtool, start
from tests.support.small_runs import StopAt, char_run, run, stopping, tagger_run, text_file


@pytest.fixture(autouse=True)
def interrupts_are_not_ignored() -> Iterator[None]:
    """Handle SIGINT also where a shell started the tests in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_diverged_run_keeps_the_last_good_model_without_nan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seqtool.tasks.character_training import CharacterTask

    real = CharacterTask.loss
    monkeypatch.setattr(
        CharacterTask,
        "loss",
        lambda self, batch, index, draw: real(self, batch, index, draw) * (float("nan") if draw == 7 else 1),
    )
    with pytest.raises(
        Diverged, match=r"the loss is no longer finite at step 8 \(epoch 1, batch 8\)"
    ) as caught:
        run(char_run(tmp_path, eval_every=3), tmp_path)
    assert caught.value.exit_code == 3
    kept = read_model(tmp_path / "small.partial" / "model")
    assert kept.manifest.step in (3, 6)
    for line in (tmp_path / "small.partial" / "metrics.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)


def test_run_in_use_is_refused_with_the_name_of_its_process(tmp_path: Path) -> None:
    first = RunDirectory(tmp_path, "small")
    first.start()
    with pytest.raises(SeqtoolError, match=rf"held by process {os.getpid()} on ") as caught:
        run(char_run(tmp_path), tmp_path)
    assert "wait for it" in caught.value.problems[0].hint
    first.release()
    assert not first.path.exists()
    run(char_run(tmp_path, max_steps=3), tmp_path)


def test_lock_of_a_dead_process_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "small.partial").mkdir()
    (tmp_path / "small.partial" / "lock").write_text("process 1 on elsewhere\n")
    run(char_run(tmp_path, max_steps=3), tmp_path)
    assert read_model(tmp_path / "small" / "model").manifest.step in range(4)
    assert not (tmp_path / "small.partial").exists() and not (tmp_path / "small" / "lock").exists()


def test_missing_data_leave_the_interrupted_run_unchanged(tmp_path: Path) -> None:
    settings = tagger_run(tmp_path, max_steps=8)
    with stopping(StopAt(4)), pytest.raises(Stopped):
        run(settings, tmp_path)
    Path(settings.data.train[0]).unlink()
    with pytest.raises(DataError, match="none with this name"):
        run(settings, tmp_path, resume=True)
    assert list((tmp_path / "small.partial" / "checkpoints").iterdir())


@pytest.mark.parametrize("task", ["char", "tagger"])
def test_root_that_is_a_file_is_one_error(task: str, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file where a folder should be")
    settings = char_run(tmp_path) if task == "char" else tagger_run(tmp_path)
    with pytest.raises(SeqtoolError, match="cannot write: Not a directory") as caught:
        run(settings, tmp_path / "runs")
    assert len(caught.value.problems) == 1


def test_read_only_root_is_one_error(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("nothing is read-only for root")
    (tmp_path / "runs").mkdir(mode=0o555)
    with pytest.raises(SeqtoolError, match="cannot write: Permission denied"):
        run(tagger_run(tmp_path), tmp_path / "runs")


def test_signal_interrupts_the_reading_of_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)

    monkeypatch.setattr(training_job, "prepare_run", prepare)
    with pytest.raises(Stopped) as caught:
        run(char_run(tmp_path), tmp_path)
    assert caught.value.signal_number == signal.SIGTERM


def test_run_interrupted_in_the_final_evaluation_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tagger_run(tmp_path, max_steps=6)
    with monkeypatch.context() as patch:

        def evaluate(*_: object) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(30)

        patch.setattr(type(definition("tagger")), "final_evaluation", evaluate)
        with pytest.raises(Stopped, match="stopped after step 6"):
            run(settings, tmp_path)
    run(settings, tmp_path / "whole")
    run(settings, tmp_path, resume=True)
    assert (tmp_path / "small/model/weights.safetensors").read_bytes() == (
        tmp_path / "whole/small/model/weights.safetensors"
    ).read_bytes()


def test_second_signal_ends_the_process() -> None:
    child = os.fork()
    if not child:
        with stop_signals() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert stop()
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(30)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_signal_that_was_ignored_at_the_start_stays_ignored(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with stop_signals() as stop:
            os.kill(os.getpid(), number)
            assert not stop()
    finally:
        signal.signal(number, before)


def test_second_hangup_has_no_effect() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # tests started by nohup inherit an ignored SIGHUP
    try:
        with stop_signals() as stop:
            for number in (signal.SIGHUP, signal.SIGHUP):
                os.kill(os.getpid(), number)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert stop.signal_number == signal.SIGHUP


def test_stop_signals_restores_the_handlers() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_signals() as stop:
        assert isinstance(stop, StopFlag) and signal.getsignal(signal.SIGTERM) == stop.receive
    assert signal.getsignal(signal.SIGTERM) == before


def test_repeated_run_has_equal_bytes_or_lists_the_differences(tmp_path: Path) -> None:
    text_file(tmp_path)
    (tmp_path / "small.yaml").write_text(dump_settings(char_run(tmp_path, max_steps=6), tmp_path))
    first = seqtool("train-char", "small.yaml", cwd=tmp_path)
    assert first.code == 0, first.stderr
    weights = (tmp_path / "runs/small/model/weights.safetensors").read_bytes()
    again = seqtool("train-char", "runs/small/config.yaml", cwd=tmp_path)
    assert again.code == 0 and "differs" not in again.stderr, again.stderr
    assert (tmp_path / "runs/small/model/weights.safetensors").read_bytes() == weights
    other = seqtool("train-char", "runs/small/config.yaml", "--set", "training.lr=0.02", cwd=tmp_path)
    assert "kept as runs/small~1" in other.stderr and "training.lr: 0.01 before, 0.02 now" in other.stderr
    assert (tmp_path / "runs/small~1/model/weights.safetensors").read_bytes() == weights


def test_manifest_contains_the_circumstances_of_a_run(tmp_path: Path) -> None:
    from seqtool.training.provenance import differences

    settings = char_run(tmp_path, max_steps=3)
    run(settings, tmp_path)
    manifest = tmp_path / "small" / "model"
    facts = read_model(manifest).manifest.to_json()
    assert {"data", "command", "seed", "device", "threads", "precision", "versions"} <= facts.keys()
    now = {**facts, "threads": 3, "versions": {**facts["versions"], "torch": "9.0"}}
    found = differences(facts, now)
    assert found[0] == "threads: 1 before, 3 now" and found[1].startswith("versions.torch: ")


def test_ctrl_c_during_the_reading_of_data_leaves_no_run(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("the dog ate the apple\n" * 400_000)
    started = start("train-char", "long.txt", "--name", "small", "--set", "data.normalize=nfc", cwd=tmp_path)
    while not (tmp_path / "runs/.cache").exists() and started.poll() is None:
        time.sleep(0.01)
    started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=60)
    assert started.returncode == 130 and b"Traceback" not in said, said
    assert not (tmp_path / "runs/small.partial").exists()


def test_refused_resume_changes_nothing(tmp_path: Path) -> None:
    settings = char_run(tmp_path)
    with stopping(StopAt(3)), pytest.raises(Stopped):
        run(settings, tmp_path)
    before = sorted(path for path in (tmp_path / "small.partial").rglob("*"))
    with pytest.raises(SeqtoolError):
        run(replace(settings, seed=5), tmp_path, resume=True)
    assert sorted(path for path in (tmp_path / "small.partial").rglob("*")) == before
