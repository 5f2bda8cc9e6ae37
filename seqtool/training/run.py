"""Training of runs: read the data, build the network, train it, evaluate it and finish the run directory."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seqtool.config.dump import dump_settings
from seqtool.errors import Diverged, Stopped
from seqtool.progress import watched_by
from seqtool.settings.experiment import Settings
from seqtool.storage.atomic import write_file
from seqtool.storage.run_directory import RunDirectory
from seqtool.storage.verified_directory import canonical_json
from seqtool.tasks.build import prepare_run, require_torch
from seqtool.tasks.init_from import init_from_notes
from seqtool.tasks.interface import definition
from seqtool.tasks.parts import PreparedRun, RunEvaluation
from seqtool.training.checkpoints import Checkpoint, Checkpoints
from seqtool.training.engine.ranks import ALONE, Launch, Ranks
from seqtool.training.listeners import Listener, Listeners, RunFinished, RunResult
from seqtool.training.provenance import differences_from_earlier, resume_command
from seqtool.training.rank_follower import (
    broadcast_no_run,
    broadcast_state,
    is_restart,
    prepare_together,
    process_ranks,
    run_follower,
)
from seqtool.training.resume import continued_run, interrupted_run
from seqtool.training.session import StopFlag, TrainingSession, stop_signals
from seqtool.types import Json

CACHE = ".cache"  # directory of encoded texts, inside the directory of all runs


@dataclass(frozen=True)
class TrainOptions:
    """Options of a training command that are not settings.

    Attributes:
        root: directory of all runs.
        seeds: number of runs with successive seeds.
        overwrite: replace a run of the same name.
        resume: resume the run of the same name, interrupted or finished.
        command: arguments of the command line, which are written to the manifest and shown in messages.
        keep_checkpoint: whether a finished run keeps its last checkpoint, so that it can be continued.
    """

    root: Path
    seeds: int = 1
    overwrite: bool = False
    resume: bool = False
    command: tuple[str, ...] = ()
    keep_checkpoint: bool = True


def train_all(
    settings: Settings, options: TrainOptions, listeners: Sequence[Listener] = ()
) -> list[RunResult]:
    """Train one run, or one run for each of several successive seeds.

    The runs of several seeds are written to `<root>/<name>/`.

    Returns:
        The results of the runs; empty on every rank except rank 0.

    Raises:
        SeqtoolError: a user error.
        Diverged: the loss or the gradient of a run is no longer finite.
        Stopped: a stop signal was received; the best model so far is saved.
    """
    launch = Launch.from_environment()
    if is_restart(launch, options.root / settings.name, overwrite=options.overwrite):
        options = replace(options, resume=True)
    with process_ranks(settings, launch, {"--seeds": options.seeds}) as ranks:
        if options.seeds > 1:
            return _train_seeds(settings, options, listeners, ranks)
        if not ranks.is_main_process:
            run_follower(settings, options.root / CACHE, ranks)
            return []
        result = train(settings, options, listeners, ranks)
    Listeners(listeners).all_finished([result])
    return [result]


def _train_seeds(
    settings: Settings, options: TrainOptions, listeners: Sequence[Listener], ranks: Ranks
) -> list[RunResult]:
    inner = replace(options, root=options.root / settings.name)
    seeds = range(settings.seed, settings.seed + options.seeds)
    runs = [replace(settings, seed=seed, name=f"seed-{seed}") for seed in seeds]
    if not ranks.is_main_process:
        for run in runs:
            run_follower(run, inner.root / CACHE, ranks)
        return []
    for run in runs:  # check all runs before the first one is trained
        RunDirectory(inner.root, run.name).check_can_start(overwrite=options.overwrite, resume=options.resume)
    results = []
    for run in runs:
        Listeners(listeners).message(f"seed {run.seed}")
        results.append(train(run, inner, listeners, ranks, one_of_several=True))
    Listeners(listeners).all_finished(results)
    return results


def train(
    settings: Settings,
    options: TrainOptions,
    listeners: Sequence[Listener] = (),
    ranks: Ranks = ALONE,
    *,
    one_of_several: bool = False,
) -> RunResult:
    """Train one run and move it to its final directory.

    Args:
        settings: settings of the run.
        options: options of the command.
        listeners: receivers of the events of the run.
        ranks: processes that train together; this one is rank 0.
        one_of_several: whether the run is one of several seeds.

    With `options.resume`, a finished run is continued if a limit is larger. Otherwise it is not trained
    again, and its earlier result is returned.

    Raises:
        SeqtoolError: a user error.
        Diverged: the loss or the gradient is no longer finite.
        Stopped: a stop signal was received; the best model so far is saved.
    """
    started = time.perf_counter()
    run = RunDirectory(options.root, settings.name)
    run.check_can_start(overwrite=options.overwrite, resume=options.resume)
    everyone = Listeners(listeners)
    with stop_signals() as stop:
        try:
            with stop.interrupting():
                prepared = prepare_together(ranks, lambda: _prepare(settings, options, everyone))
                earlier = None
                if options.resume and not run.has_checkpoint():
                    earlier = continued_run(run, prepared, everyone.warning)
                if isinstance(earlier, RunResult):
                    everyone.notice(f"{run.final} is finished; larger limits continue it")
                    broadcast_no_run(ranks)
                    return earlier
                session = _start(prepared, run, options, earlier, listeners, stop, ranks)
            evaluation = _train_and_evaluate(session, options, everyone, stop)
            seconds = session.seconds_before + time.perf_counter() - started
            _write_results(session, evaluation, seconds)
            differ = differences_from_earlier(run.final, session.prepared, session.environment)
            kept = run.finish(
                overwrite=options.overwrite,
                continues=session.continues,
                keep_checkpoint=options.keep_checkpoint,
            )
        except BaseException:
            everyone.close()
            run.release()
            raise
    result = _result(run.final, session, evaluation, seconds)
    name, main = list(session.prepared.parts.items())[-1]
    task, weights = definition(settings.task), session.best_model.weights[name]
    everyone.run_finished(
        RunFinished(
            result,
            evaluation,
            {name: session.best_model.best[name] for name in session.prepared.parts},
            comparison=task.preview(main).comparison(weights),
            kept=kept,
            differences=differ,
            next_command=task.next_command(main),
            one_of_several=one_of_several,
        )
    )
    return result


# --- start --------------------------------------------------------------------------------------------------


def _prepare(settings: Settings, options: TrainOptions, listeners: Listeners) -> PreparedRun:
    """Read the data and pass its notes and warnings to the listeners."""
    prepared = prepare_run(settings, options.root / CACHE, listeners.working)
    for name, part in prepared.parts.items():
        title = f"{name}: " if part is not prepared.main else ""
        for note in part.corpus.notes:
            listeners.message(title + note)
        place = settings.training.init_from
        if part.initial_model is not None:
            for line in init_from_notes(part.initial_model, part.stored({}), place):
                listeners.message(title + line)
        elif place:
            listeners.message(f"{title}starts from random weights, since {place} has none")
        for warning in part.corpus.warnings:
            listeners.warning(title + warning)
    return prepared


def _start(
    prepared: PreparedRun,
    run: RunDirectory,
    options: TrainOptions,
    checkpoint: Checkpoint | None,
    listeners: Sequence[Listener],
    stop: StopFlag,
    ranks: Ranks,
) -> TrainingSession:
    """Lock the run directory, build the network, and restore a checkpoint.

    Args:
        checkpoint: the checkpoint of the finished run that is continued; without it, that of the interrupted
            run is used.
    """
    require_torch()
    everyone = Listeners(listeners)
    resume = options.resume and checkpoint is None and run.has_checkpoint()
    if options.resume and not resume and checkpoint is None:
        everyone.notice(f"nothing to resume in {run.path}: training starts at the first step")
    run.check_inputs(prepared.files)
    run.start(overwrite=options.overwrite, resume=resume)
    checkpoints = Checkpoints(run.checkpoints)
    if resume:
        checkpoint = interrupted_run(run, checkpoints, prepared, everyone.warning)
    write_file(run.path / "config.yaml", dump_settings(prepared.settings, run.final).encode())
    for name in prepared.parts:
        state = checkpoint.parts.get(name) if checkpoint else None
        broadcast_state(ranks, state.numbers if state else {}, state.tensors if state else {})
    manifest = _manifest_fields(prepared, options)
    session = TrainingSession(prepared, run, manifest, listeners, stop, checkpoints, ranks)
    if checkpoint is not None:
        session.resume_from(checkpoint)
        what = "resumed" if resume else f"continuing the finished run {run.final}"
        everyone.message(f"{what} after {session.position}")
        for line in session.changes_of_course(checkpoint):
            everyone.warning(line)
    return session


def _manifest_fields(prepared: PreparedRun, options: TrainOptions) -> Json:
    """Return the fields of the manifest that are known before training, without the environment."""
    settings = prepared.settings
    fields: Json = {
        "name": settings.name,
        "data": dict(prepared.files),
        "command": list(options.command),
        "seed": settings.seed,
    }
    if prepared.initial_model is not None:
        sha256 = prepared.initial_model.manifest.sha256
        fields["init_from"] = {"model": settings.training.init_from, "sha256": sha256}
    return fields


# --- end ----------------------------------------------------------------------------------------------------


def _train_and_evaluate(
    session: TrainingSession, options: TrainOptions, listeners: Listeners, stop: StopFlag
) -> RunEvaluation:
    """Train the networks, and evaluate the best model.

    Raises:
        Stopped: a stop signal was received; a checkpoint and the best model are saved.
        Diverged: the loss or the gradient is no longer finite; the best model so far is saved.
    """
    try:
        session.train()
        with stop.interrupting(), watched_by(listeners.working):
            evaluation = _evaluate(session)
        listeners.close()
        session.save_on_exit(checkpoint=options.keep_checkpoint)
        return evaluation
    except Diverged as error:
        session.best_model.save()
        raise _diverged(error, session) from None
    except Stopped as stopped:
        listeners.close()
        session.save_on_exit(checkpoint=True)
        session.best_model.save()
        message = f"stopped after {session.position}; resume with: {resume_command(options.command)}"
        raise Stopped(stopped.signal_number, message) from None


def _evaluate(session: TrainingSession) -> RunEvaluation:
    """Evaluate the best model of each part."""
    best, parts = session.best_model, session.prepared.parts
    return RunEvaluation(
        {
            name: definition(part.settings.task).final_evaluation(
                part, best.weights[name], best.best[name].scores
            )
            for name, part in parts.items()
        }
    )


def _diverged(error: Diverged, session: TrainingSession) -> Diverged:
    """Return the error with the part that diverged, its keys, and what is kept."""
    message, hint, part = error.problems[0].message, error.problems[0].hint, session.part
    if part.name:
        message = f"{part.noun}: {message}"
    if part.prepared is not session.prepared.main:
        hint = hint.replace("training.", f"{part.name}.training.")
    kept = list(session.best_model.best)
    if part.name in kept:
        hint += "; the best model so far is kept"
    elif kept:
        hint += f"; the best {' and '.join(kept)} so far is kept"
    return Diverged(message, hint=hint)


def _write_results(session: TrainingSession, evaluation: RunEvaluation, seconds: float) -> None:
    session.best_model.save(seconds=round(seconds, 3), test_scores=evaluation.scores())
    write_file(session.run.path / "evaluation.json", canonical_json(evaluation.to_json()) + b"\n")


def _result(final: Path, session: TrainingSession, evaluation: RunEvaluation, seconds: float) -> RunResult:
    best_model, names = session.best_model, list(session.prepared.parts)
    row = best_model.best[names[-1]]
    own = {"train_loss", *row.scores}
    others = {name: score for name, score in best_model.scores(*names).items() if name not in own}
    parameters = sum(array.size for weights in best_model.weights.values() for array in weights.values())
    return RunResult(final, row, seconds, parameters, evaluation.scores(), others, best_model.rows)
