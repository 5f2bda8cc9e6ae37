"""Training, from settings to a finished run: config -> data -> network -> loop -> listeners -> model directory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seqtool.config import dump_settings
from seqtool.errors import Diverged, ModelError, Problem, SeqtoolError, Stopped
from seqtool.reports.training import TrainingScreen
from seqtool.reports.training_end import resuming_command, show_differences, show_result
from seqtool.settings import Settings
from seqtool.storage.atomic import present, write_file
from seqtool.storage.find_model import MODEL
from seqtool.storage.model_directory import read_manifest
from seqtool.storage.run_directory import RunDirectory
from seqtool.storage.verified_directory import canonical_json
from seqtool.tasks.final_evaluation import FinalEvaluation, evaluate_at_the_end
from seqtool.tasks.network import require_torch
from seqtool.tasks.prepare import Prepared, prepare
from seqtool.training.checkpoints import Checkpoint, Checkpoints
from seqtool.training.engine.events import RowEvent
from seqtool.training.engine.ranks import ALONE, Ranks
from seqtool.training.engine.torchrun import Launch
from seqtool.training.init_from import init_from_notes
from seqtool.training.log_files import BestModel
from seqtool.training.provenance import MAY_DIFFER, differences, differences_from_earlier, experiment
from seqtool.training.rank_follower import (
    broadcast_no_run,
    broadcast_state,
    first_rank_first,
    follow,
    ranks_of,
)
from seqtool.training.session import TrainingSession
from seqtool.training.signals import StopFlag, stop_signals

CACHE = ".cache"  # encoded texts, under the runs root


@dataclass(frozen=True)
class TrainOptions:
    """How a command wants a run made, beside its settings."""

    root: Path
    seeds: int = 1
    overwrite: bool = False
    resume: bool = False
    command: tuple[str, ...] = ()
    on_row: Callable[[RowEvent], None] | None = None  # hears of every row, and ends the run by raising


@dataclass(frozen=True)
class RunResult:
    """A finished run: where it lies, and the scores of its kept model."""

    run: Path
    row: RowEvent
    seconds: float
    parameters: int
    test_scores: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {
            "run": str(self.run),
            "model": str(self.run / "model"),
            "scores": {"train_loss": self.row.train_loss, **self.row.scores, **self.test_scores},
            "epoch": self.row.epoch,
            "step": self.row.step,
            "parameters": self.parameters,
            "seconds": round(self.seconds, 3),
        }


def train_all(settings: Settings, options: TrainOptions, screen: TrainingScreen) -> list[RunResult]:
    """Train one run, or one for each of several successive seeds under `<root>/<name>/`.

    Raises:
        SeqtoolError: for what the user can mend; Diverged if a run diverges.
        Stopped: after a stop signal, the best model so far being saved.
    """
    launch = Launch.from_environment()
    if launch.restarts:  # torchrun has started all ranks again: go on from the last checkpoint
        options = replace(options, resume=True)
    with ranks_of(settings, launch) as ranks:
        if options.seeds > 1:
            return _train_seeds(settings, options, screen, ranks)
        if not ranks.is_main_process:
            follow(settings, options.root / CACHE, ranks)
            return []
        result = train(settings, options, screen, ranks)
    screen.result(result.to_json())
    return [result]


def _train_seeds(
    settings: Settings, options: TrainOptions, screen: TrainingScreen, ranks: Ranks
) -> list[RunResult]:
    inner = replace(options, root=options.root / settings.name)
    several = [
        replace(settings, seed=seed, name=f"seed-{seed}")
        for seed in range(settings.seed, settings.seed + options.seeds)
    ]
    if not ranks.is_main_process:
        for one in several:
            follow(one, inner.root / CACHE, ranks)
        return []
    for one in several:  # told before the first of them is trained
        RunDirectory(inner.root, one.name).check_can_start(overwrite=options.overwrite, resume=options.resume)
    results = []
    for one in several:
        screen.say(f"seed {one.seed}")
        results.append(train(one, inner, screen, ranks, of_several=True))
    _summarise(results, screen)
    return results


def _summarise(results: list[RunResult], screen: TrainingScreen) -> None:
    """Mean and deviation of every score over several seeds."""
    summary: dict[str, Any] = {"runs": [result.to_json() for result in results], "mean": {}, "deviation": {}}
    screen.say(f"{len(results)} seeds: mean ± standard deviation")
    for name in results[0].to_json()["scores"]:
        values = [result.to_json()["scores"][name] for result in results]
        summary["mean"][name], summary["deviation"][name] = statistics.mean(values), statistics.stdev(values)
        screen.say(f"  {name:<16} {summary['mean'][name]:.4f} ± {summary['deviation'][name]:.4f}")
    screen.result(summary)


def train(
    settings: Settings,
    options: TrainOptions,
    screen: TrainingScreen,
    ranks: Ranks = ALONE,
    *,
    of_several: bool = False,
) -> RunResult:
    """Train one run and put it in its place."""
    started = time.perf_counter()
    run = RunDirectory(options.root, settings.name)
    run.check_can_start(overwrite=options.overwrite, resume=options.resume)
    with stop_signals() as stop:
        try:
            with stop.interrupting():
                prepared = first_rank_first(ranks, lambda: _prepared(settings, options, screen))
                if of_several and options.resume and (done := _finished(run.final, prepared)) is not None:
                    screen.say(f"{run.final} is finished already")
                    broadcast_no_run(ranks)
                    return done
                running = _start(prepared, run, options, screen, stop, ranks)
            evaluation = _to_the_end(running, options, stop)
            seconds = running.seconds_before + time.perf_counter() - started
            _write_the_end(running, evaluation, seconds)
            differ = differences_from_earlier(run.final, running.prepared, running.circumstances)
            kept = run.finish(overwrite=options.overwrite)
        except BaseException:
            screen.close()
            run.release()
            raise
    result = _result(run.final, running.best, evaluation, seconds)
    show_differences(run.final, kept, differ, screen)
    show_result(running, evaluation, seconds, of_several)
    return result


# --- the beginning ----------------------------------------------------------------------------------------------------


def _finished(final: Path, prepared: Prepared) -> RunResult | None:
    """The result of a finished run with the same settings and data, if it stands there: one of several seeds is not made twice."""
    try:
        manifest = read_manifest(present(final / MODEL))
        if (final / "config.yaml").read_text(encoding="utf-8") != dump_settings(prepared.settings, final):
            return None
        if manifest.data != dict(prepared.corpus.files):
            return None
        if (
            manifest.step is None
            or manifest.epoch is None
            or manifest.seconds is None
            or manifest.parameters is None
        ):
            return None
        scores = dict(manifest.scores)
        row = RowEvent(
            manifest.step,
            manifest.epoch,
            manifest.seconds,
            0,
            scores.pop("train_loss"),
            0,
            0,
            True,
            True,
            scores,
        )
        return RunResult(final, row, row.seconds, manifest.parameters, dict(manifest.test_scores))
    except (ModelError, OSError, KeyError):
        return None


def _start(
    prepared: Prepared,
    run: RunDirectory,
    options: TrainOptions,
    screen: TrainingScreen,
    stop: StopFlag,
    ranks: Ranks,
) -> TrainingSession:
    """Take the run's directory, build the network, and take up an interrupted run where that is wanted."""
    require_torch()
    resume = options.resume and run.has_checkpoint()
    if options.resume and not resume:
        screen.say(f"nothing to resume in {run.path}: starting afresh")
    run.start(overwrite=options.overwrite, resume=resume)
    store = Checkpoints(run.checkpoints)
    checkpoint = store.newest(screen.warn) if resume else None
    if checkpoint is not None:
        _check_same(checkpoint, prepared, run)
    write_file(run.path / "config.yaml", dump_settings(prepared.settings, run.final).encode())
    broadcast_state(ranks, checkpoint.numbers if checkpoint else {}, checkpoint.tensors if checkpoint else {})
    running = TrainingSession(prepared, run, _facts(prepared, options), screen, stop, store, ranks)
    running.on_row = options.on_row
    if checkpoint is not None:
        running.resume_from(checkpoint)
        screen.say(f"going on after step {running.step:,}")
        for line in differences(checkpoint.made_with, running.circumstances):
            screen.warn(f"{line}: the end may differ in its last bits from that of a run left alone")
    return running


def _prepared(settings: Settings, options: TrainOptions, screen: TrainingScreen) -> Prepared:
    """Read the data, and tell what was found."""
    prepared = prepare(
        settings, options.root / CACHE, lambda label, done, total: screen.progress(done, total, {"": label})
    )
    for note in prepared.corpus.notes:
        screen.say(note)
    if prepared.start is not None:
        for line in init_from_notes(prepared.start, prepared.vocab, settings.training.init_from):
            screen.say(line)
    for warning in prepared.corpus.warnings:
        screen.warn(warning)
    return prepared


def _check_same(checkpoint: Checkpoint, prepared: Prepared, run: RunDirectory) -> None:
    """See that the interrupted run is the one that is asked for.

    Raises:
        SeqtoolError: naming every difference that would make it another run.
    """
    found = differences(checkpoint.experiment, experiment(prepared), MAY_DIFFER)
    if found:
        hint = "give the interrupted run's settings and data to go on with it, or start anew with --overwrite"
        raise SeqtoolError(
            [Problem(f"the interrupted run differs in {line}", str(run.path), hint) for line in found]
        )


def _facts(prepared: Prepared, options: TrainOptions) -> dict[str, Any]:
    """What the manifest says of how the model came to be, beside the circumstances."""
    settings = prepared.settings
    kind, files = prepared.config["kind"], dict(prepared.corpus.files)
    facts = {
        "name": settings.name,
        "kind": kind,
        "data": files,
        "command": list(options.command),
        "seed": settings.seed,
    }
    if prepared.start is not None:
        facts["init_from"] = {
            "model": settings.training.init_from,
            "sha256": prepared.start.manifest.sha256,
        }
    return facts


# --- the end ----------------------------------------------------------------------------------------------------------


def _to_the_end(running: TrainingSession, options: TrainOptions, stop: StopFlag) -> FinalEvaluation:
    """Train, and evaluate the kept model.

    Raises:
        Stopped: after a stop signal, everything being saved.
        Diverged: the best model so far being saved.
    """
    try:
        running.train()
        with stop.interrupting():
            evaluation = evaluate_at_the_end(
                running.prepared, running.best.weights, running.best.row.scores if running.best.row else None
            )
        running.part(checkpoint=False)
        return evaluation
    except Diverged:
        running.best.save()
        raise
    except Stopped as stopped:
        running.screen.close()
        running.part(checkpoint=True)
        running.best.save()
        message = f"stopped after step {running.step:,}; go on with: {resuming_command(options.command)}"
        raise Stopped(stopped.signal_number, message) from None


def _write_the_end(running: TrainingSession, evaluation: FinalEvaluation, seconds: float) -> None:
    running.best.save(seconds=round(seconds, 3), test_scores=evaluation.scores())
    write_file(running.run.path / "evaluation.json", canonical_json(evaluation.to_json()) + b"\n")


def _result(final: Path, best: BestModel, evaluation: FinalEvaluation, seconds: float) -> RunResult:
    assert best.row is not None
    parameters = sum(array.size for array in best.weights.values())
    return RunResult(final, best.row, seconds, parameters, evaluation.scores())
