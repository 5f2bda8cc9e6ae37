"""Resuming: the checkpoint from which an interrupted or finished run continues, or its earlier result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from seqtool.errors import ModelError
from seqtool.settings.training import Training
from seqtool.storage.atomic import present
from seqtool.storage.find_model import MODEL
from seqtool.storage.model_directory import Manifest, read_manifest
from seqtool.storage.run_directory import CHECKPOINTS, RunDirectory
from seqtool.tasks.parts import PreparedRun
from seqtool.training.checkpoints import FORMAT, Checkpoint, Checkpoints
from seqtool.training.engine.events import RowEvent
from seqtool.training.listeners import RunResult
from seqtool.training.provenance import LIKE_FINISHED, MAY_DIFFER, check_same_run, stored_experiment


def continued_run(
    run: RunDirectory, prepared: PreparedRun, warn: Callable[[str], None]
) -> Checkpoint | RunResult | None:
    """Decide how `--resume` continues the finished run of this name.

    Returns:
        The checkpoint from which the run continues; its result if no limit allows another step; None if there
        is no finished run.

    Raises:
        SeqtoolError: other settings than limits differ, or the run has no checkpoint and its limits differ.
    """
    folder = present(run.final)
    try:
        manifest = read_manifest(present(folder / MODEL))
    except ModelError:
        return None
    result = _stored_result(run.final, manifest)
    checkpoint = Checkpoints(folder / CHECKPOINTS).newest(warn)
    if checkpoint is None:
        hint = "the run has no checkpoint and cannot be continued: train it again without --resume"
        check_same_run(
            "the finished run", stored_experiment(folder), prepared, run.final, LIKE_FINISHED, hint
        )
        return result
    hint = "use the settings and data of the finished run, or train it again without --resume"
    check_same_run("the finished run", checkpoint.experiment, prepared, run.final, MAY_DIFFER, hint)
    trainings = _trainings(checkpoint, prepared, folder)
    states = checkpoint.parts
    if all(name in states and states[name].limit_reached(training) for name, training in trainings.items()):
        return result
    return replace(checkpoint.without_extra_rows(trainings), continues=manifest.sha256)


def interrupted_run(
    run: RunDirectory, checkpoints: Checkpoints, prepared: PreparedRun, warn: Callable[[str], None]
) -> Checkpoint | None:
    """Return the checkpoint from which the interrupted run of this name continues; None if it has none.

    Raises:
        SeqtoolError: other settings than limits differ.
    """
    checkpoint = checkpoints.newest(warn)
    if checkpoint is None:
        return None
    hint = "use the settings and data of the interrupted run, or restart with --overwrite"
    check_same_run("the interrupted run", checkpoint.experiment, prepared, run.path, MAY_DIFFER, hint)
    return checkpoint.without_extra_rows(_trainings(checkpoint, prepared, run.path))


def _trainings(checkpoint: Checkpoint, prepared: PreparedRun, run: Path) -> dict[str, Training]:
    """Return the settings of the training of each part.

    Raises:
        ModelError: the checkpoint has another part, or lacks a part before its last one.
    """
    if list(checkpoint.parts) != list(prepared.parts)[: len(checkpoint.parts)]:
        message = "the checkpoint has other parts than the run"
        raise ModelError(message, place=str(run), hint=FORMAT.repair)
    return {name: part.settings.training for name, part in prepared.parts.items()}


def _stored_result(final: Path, manifest: Manifest) -> RunResult | None:
    """Return the result of a finished run from its manifest; None if the manifest lacks a part of it."""
    step, epoch, seconds, parameters = manifest.step, manifest.epoch, manifest.seconds, manifest.parameters
    scores = dict(manifest.scores)
    if step is None or epoch is None or seconds is None or parameters is None or "train_loss" not in scores:
        return None
    train_loss = scores.pop("train_loss")
    row = RowEvent(step, epoch, seconds, 0, train_loss, 0, 0, best=True, last=True, scores=scores)
    rows = manifest.part_rows
    return RunResult(final, row, seconds, parameters, dict(manifest.test_scores), part_rows=rows)
