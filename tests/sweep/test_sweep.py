"""Sweeps: the queue of trials, workers, and the command line with killed workers and wrong input."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seqtool.config.load import read_settings
from seqtool.errors import ConfigError, SeqtoolError
from seqtool.reports.sweep import SweepScreen
from seqtool.storage.find_model import find_model
from seqtool.storage.lock import acquire_lock
from seqtool.sweep.database import open_storage
from seqtool.sweep.queue import requeue, stored_trial, trials_by_slot
from seqtool.sweep.space import Dimension
from seqtool.sweep.study import (
    Plan,
    join_study,
    make_plan,
    open_study,
    quiet_optuna,
    suggest_values,
)
from seqtool.sweep.worker import SweepJob, TrialListener, run_worker
from tests.support.shell import Result, seqtool, start

optuna = pytest.importorskip("optuna")

CHAR = """
task: char
name: small
data: {text: text.txt}
model: {hidden_size: 8, embedding_dim: 4}
training: {max_steps: 30, eval_every: 10, batch_size: 4, window: 16, threads: 1, device: cpu}
"""
SPACE = (Dimension("training.lr", (), 0.001, 0.1, None, True), Dimension("model.hidden_size", ("4", "8")))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draw = random.Random(1)
    text = " ".join(draw.choice(["the", "dog", "ate", "an", "apple", "and"]) for _ in range(800))
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    (tmp_path / "small.yaml").write_text(CHAR, encoding="utf-8")
    return tmp_path


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quiet_optuna():
        yield


def plan(**changes: Any) -> Plan:
    return replace(Plan({}, SPACE, "random", 6, 1, maximize=False), **changes)


def memory() -> Any:
    return optuna.storages.InMemoryStorage()


# --- the queue of trials ------------------------------------------------------------------------------


def test_random_search_queues_all_points_once_and_reproducibly() -> None:
    found = [trials_by_slot(open_study(memory(), "a", plan())) for _ in range(2)]
    points = [[trial.system_attrs["fixed_params"] for trial in trials.values()] for trials in found]
    assert points[0] == points[1] and len({json.dumps(point) for point in points[0]}) == 6
    assert all(0.001 <= point["training.lr"] <= 0.1 for point in points[0])


def test_grid_queues_each_point_once() -> None:
    space = (Dimension("model.num_layers", (), 1, 3), Dimension("model.cell", ("rnn", "lstm")))
    made = make_plan({}, space, "grid", None, 1, maximize=False)
    points = [
        trial.system_attrs["fixed_params"]
        for trial in trials_by_slot(open_study(memory(), "a", made)).values()
    ]
    assert made.trials == 6
    assert Counter((point["model.num_layers"], point["model.cell"]) for point in points) == Counter(
        {(layers, cell): 1 for layers in (1, 2, 3) for cell in ("rnn", "lstm")}
    )


def test_plan_has_at_most_as_many_trials_as_the_space_has_points() -> None:
    space = (Dimension("model.cell", ("rnn", "lstm")),)
    assert make_plan({}, space, "tpe", 20, 1, maximize=False).trials == 2
    assert make_plan({}, SPACE, "tpe", None, 1, maximize=False).trials == 20
    with pytest.raises(ConfigError, match="needs steps"):
        make_plan({}, SPACE, "grid", None, 1, maximize=False)


def test_stored_plan_has_the_keys_of_existing_studies() -> None:
    assert list(plan().to_json()) == ["base", "space", "sampler", "trials", "seed", "maximise"]


def test_study_is_extended_by_more_trials_and_refuses_another_plan() -> None:
    storage = memory()
    first = trials_by_slot(open_study(storage, "a", plan()))
    more = trials_by_slot(open_study(storage, "a", plan(trials=9)))
    assert list(more) == list(range(9))
    assert [more[place].system_attrs for place in first] == [trial.system_attrs for trial in first.values()]
    for change in ({"seed": 2}, {"sampler": "tpe"}, {"space": SPACE[:1]}, {"base": {"x": 1}}):
        with pytest.raises(SeqtoolError, match="has another"):
            open_study(storage, "a", plan(**change))


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_requeued_trial_keeps_its_slot_and_its_values(sampler: Any) -> None:
    study = open_study(memory(), "a", plan(sampler=sampler))
    trial = study.ask()
    values = suggest_values(trial, plan(sampler=sampler))
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
    requeue(study, study.get_trials(deepcopy=False)[trial.number])
    waiting = [other for other in trials_by_slot(study).values() if other.state.name == "WAITING"]
    assert len(trials_by_slot(study)) == 6 == len(waiting)
    for _ in range(6):
        again = study.ask()
        second = suggest_values(again, plan(sampler=sampler))
        if again.user_attrs["slot"] == trial.user_attrs["slot"]:
            assert second == values and again.user_attrs["again"] == 1


def test_first_values_of_tpe_differ_between_trials() -> None:
    study = open_study(memory(), "a", plan(sampler="tpe"))
    guesses = [suggest_values(study.ask(), plan(sampler="tpe"))["training.lr"] for _ in range(6)]
    assert len(set(guesses)) == 6


# --- a worker in this process -------------------------------------------------------------------------------


def make_job(folder: Path, made: Plan, **changes: Any) -> SweepJob:
    storage = f"sqlite:///{folder / 'study.db'}"
    config = str(folder / "small.yaml")
    return replace(
        SweepJob(
            config, CHAR, (), "small", folder / "runs", storage, made, prune=True, heartbeat=1, threads=1
        ),
        **changes,
    )


def trials_after(job: SweepJob, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(os, "setsid", lambda: None)
    open_study(open_storage(job.storage, 1), job.name, job.plan)
    run_worker(job, 0, SweepScreen.worker_failed)
    return trials_by_slot(join_study(open_storage(job.storage, 1), job.name, 0))


def test_trial_with_known_values_is_not_trained_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = plan(space=(Dimension("model.hidden_size", ("4",)),), sampler="tpe", trials=3)
    found = trials_after(make_job(folder, made), monkeypatch)
    assert len({trial.value for trial in found.values()}) == 1 and len(found) == 3
    assert len(list((folder / "runs/small").glob("trial-*"))) == 1


def test_bad_trials_are_pruned_and_failed_ones_have_a_reason(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = (
        *(f"0.0{rate}" for rate in range(1, 7)),
        "1e-12",
        "-1",
    )  # the last two: a rate that learns nothing, and an invalid rate
    made = plan(space=(Dimension("training.lr", rates),), sampler="grid", trials=8)
    found = trials_after(make_job(folder, made), monkeypatch)
    states = [trial.state.name for trial in found.values()]
    assert states[:4] == ["COMPLETE"] * 4 and states[6:] == ["PRUNED", "FAIL"]
    assert "expected a number above 0 and at most 1000, found -1" in found[7].user_attrs["reason"]
    runs = folder / "runs/small"
    assert not list(runs.glob("trial-006*")) and (runs / "trial-000/model/manifest.json").is_file()


def test_worker_continues_after_a_pause_in_which_its_trial_was_taken_over(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, taken = TrialListener.row, list[int]()

    def paused_before_row(self: Any, event: Any) -> None:
        trial = self._trial
        if not taken:  # another worker finds no heartbeat
            taken.append(trial.number)
            trial.storage.set_trial_state_values(trial._trial_id, optuna.trial.TrialState.FAIL)
            requeue(trial.study, stored_trial(trial))
        row(self, event)

    monkeypatch.setattr(TrialListener, "row", paused_before_row)
    found = trials_after(make_job(folder, plan(trials=3)), monkeypatch)
    assert [trial.state.name for trial in found.values()] == ["COMPLETE"] * 3
    assert taken == [0] and found[0].user_attrs["again"] == 1


def test_failing_database_ends_a_worker_with_one_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problems: list[Any] = []
    job = make_job(folder, plan(trials=1))
    open_study(open_storage(job.storage, 1), job.name, job.plan)

    def fail(*_: object, **__: object) -> None:
        raise optuna.exceptions.StorageInternalError("database or disk is full")

    monkeypatch.setattr(os, "setsid", lambda: None)
    monkeypatch.setattr(optuna.storages.RDBStorage, "set_trial_state_values", fail)
    with pytest.raises(SystemExit) as end:
        run_worker(job, 0, problems.extend)
    assert end.value.code == 2
    assert [problem.message for problem in problems] == [
        "the database of the sweep cannot be used: database or disk is full"
    ]


def test_worker_ends_other_trials_before_one_whose_run_is_locked(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = folder / "runs/small/trial-000.partial"
    lock, ended = acquire_lock(run), list[int]()
    job = make_job(folder, plan(trials=3))

    def release_later(_: float) -> None:
        ended[:] = [slot for slot in (1, 2) if (folder / f"runs/small/trial-00{slot}").exists()]
        lock.release(run)

    monkeypatch.setattr("seqtool.sweep.worker.time.sleep", release_later)
    found = trials_after(job, monkeypatch)
    assert ended == [1, 2]
    assert [trial.state.name for trial in found.values()] == ["COMPLETE"] * 3


# --- the command line ---------------------------------------------------------------------------------------


def run_sweep(folder: Path, *options: str) -> Result:
    return seqtool("sweep", "small.yaml", "--space", "space.yaml", *options, cwd=folder)


def worker_of(process: subprocess.Popen[bytes]) -> int | None:
    """Return the process number of a worker, which is the leader of a session."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent, session = (entry / "stat").read_text().rpartition(")")[2].split()[1:4:2]
            except OSError:
                continue
            if int(parent) == process.pid and int(session) == int(entry.name):
                return int(entry.name)
    return None


def test_killed_worker_is_replaced_by_that_of_another_command_line(folder: Path) -> None:
    (folder / "space.yaml").write_text(
        "training.lr: [0.001, 0.003, 0.01, 0.03]\nmodel.hidden_size: [4, 8]\n", encoding="utf-8"
    )
    command = (
        "sweep",
        "small.yaml",
        "--space",
        "space.yaml",
        "--sampler",
        "grid",
        "--no-prune",
        "--sign-every",
        "1",
        "--json",
    )
    longer = ("--set", "training.max_steps=1500", "--set", "training.eval_every=500")
    processes = [start(*command, *longer, cwd=folder) for _ in range(2)]
    deadline, storage = time.monotonic() + 200, f"sqlite:///{folder / 'runs/small/sweep.db'}"
    while time.monotonic() < deadline:
        time.sleep(0.2)
        if len(list((folder / "runs/small").glob("trial-*.partial/config.yaml"))) == 2:
            break
    worker = worker_of(processes[0])
    assert worker is not None, [process.poll() or process.communicate() for process in processes]
    os.kill(worker, signal.SIGKILL)
    (killed_out, killed_err), (out, err) = [process.communicate(timeout=300) for process in processes]
    assert processes[0].returncode == 1, killed_out
    assert b"error: a worker was ended by SIGKILL" in killed_err.splitlines()[-1]
    assert b"the same command resumes" in killed_err
    assert processes[1].returncode == 0, err.decode()
    result = json.loads(out)
    assert result["counts"] == {"done": 8, "pruned": 0, "failed": 0}
    assert len({json.dumps(trial["values"]) for trial in result["trials"]}) == 8
    trials = join_study(open_storage(storage, 1), "small", 0).get_trials()
    done = Counter(trial.user_attrs["slot"] for trial in trials if trial.state.name == "COMPLETE")
    assert done == Counter(range(8))  # no trial ran to its end twice
    assert [trial.state.name for trial in trials].count(
        "FAIL"
    ) == 1  # the trial of the killed worker, which was requeued
    best = min(trial["value"] for trial in result["trials"])
    assert result["best"]["value"] == best and result["importance"] == {}  # of 8 trials
    settings = read_settings(folder / result["best"]["config"]).settings
    assert (
        settings.name == "small-best" and str(settings.training.lr) == result["best"]["values"]["training.lr"]
    )
    assert find_model(str(folder / result["best"]["run"]), folder / "runs").model.is_dir()
    # Commands without --model ignore trials.
    assert "pretrained" in find_model(None, folder / "runs").model.parts
    again = run_sweep(folder, "--sampler", "grid", "--no-prune", *longer)
    assert (
        again.code == 0 and len(again.lines) == 9 and f"best: trial {result['best']['place']}" in again.stderr
    )
    (folder / "space.yaml").write_text("training.lr: [0.1]\n", encoding="utf-8")
    other = run_sweep(folder, "--sampler", "grid", *longer)
    assert other.code == 2 and "has another space" in other.stderr and "--overwrite" in other.stderr


def test_wrong_input_is_one_error(folder: Path) -> None:
    (folder / "space.yaml").write_text("training.lrr: [0.1]\n", encoding="utf-8")
    found = run_sweep(folder)
    assert (
        found.code == 2
        and "space.yaml:1:1  training.lrr: unknown key" in found.stderr
        and "Traceback" not in found.stderr
    )
    (folder / "space.yaml").write_text("training.lr: [0.1, 0.2]\n", encoding="utf-8")
    found = run_sweep(folder, "--storage", "nonsense://x")
    assert (
        found.code == 2 and "the storage cannot be opened" in found.stderr and "Traceback" not in found.stderr
    )
    (folder / "small.yaml").write_text(
        CHAR.replace("text: text.txt", "text: text.txt, split: [1.0, 0.0]"), encoding="utf-8"
    )
    found = run_sweep(folder)
    assert found.code == 2 and "there are none" in found.stderr, found.stderr
