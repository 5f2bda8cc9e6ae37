"""Training, from settings to a finished run: config -> data -> network -> loop -> listeners -> model directory."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seqtool.bundle import canonical_json
from seqtool.config import dump_settings
from seqtool.errors import SeqtoolError, Stopped
from seqtool.files import write_file
from seqtool.jobs.examples import Examples
from seqtool.jobs.final import evaluate_at_the_end
from seqtool.jobs.listeners import BestModel, RunFiles
from seqtool.jobs.prepare import Prepared, prepare
from seqtool.jobs.signals import stop_signals
from seqtool.reports.network import network_parts, network_title
from seqtool.reports.rows import character_row, clock, number, simple_row, tagger_row
from seqtool.reports.training import TrainingScreen
from seqtool.runs import RunDirectory
from seqtool.settings import CharSettings, Settings
from seqtool.training.steps import RowReport, StepReport
from seqtool.version import VERSION

PROGRESS_EVERY = 0.2  # seconds


@dataclass(frozen=True)
class TrainOptions:
    """How a command wants a run made, beside its settings."""

    root: Path
    seeds: int = 1
    overwrite: bool = False
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunResult:
    """A finished run: where it lies, and the scores of its kept model."""

    run: Path
    row: RowReport
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
    if options.seeds == 1:
        result = train(settings, options, screen)
        screen.result(result.to_json())
        return [result]
    results = []
    for seed in range(settings.seed, settings.seed + options.seeds):
        screen.say(f"seed {seed}")
        one = replace(settings, seed=seed, name=f"seed-{seed}")
        results.append(train(one, replace(options, root=options.root / settings.name), screen, of_several=True))
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


def train(settings: Settings, options: TrainOptions, screen: TrainingScreen, *, of_several: bool = False) -> RunResult:
    """Train one run and put it in its place."""
    started = time.perf_counter()
    with stop_signals() as stop:
        prepared = prepare(settings, options.root / ".cache", lambda label, done, total: screen.progress(done, total, {"": label}))
        for note in prepared.corpus.notes:
            screen.say(note)
        for warning in prepared.corpus.warnings:
            screen.warn(warning)
        run = RunDirectory(options.root, settings.name)
        run.start(overwrite=options.overwrite)
        try:
            write_file(run.path / "config.yaml", dump_settings(settings, run.final).encode())
            best = _loop(prepared, run, options, screen, stop)
            if stop.signal_number is not None:
                best.save()
                raise Stopped(stop.signal_number, f"stopped; the best model so far is in {run.model}")
            seconds = time.perf_counter() - started
            evaluation = evaluate_at_the_end(prepared, best.weights)
            best.save(seconds=round(seconds, 3), test_scores=evaluation.scores())
            write_file(run.path / "evaluation.json", canonical_json(evaluation.to_json()) + b"\n")
            kept = run.finish(overwrite=options.overwrite)
        except BaseException:
            screen.close()
            best_effort_release(run)
            raise
    if kept is not None:
        screen.say(f"an earlier run of this name differs: kept as {kept}")
    assert best.row is not None
    parameters = sum(array.size for array in best.weights.values())
    result = RunResult(run.final, best.row, seconds, parameters, evaluation.scores())
    _tell_the_end(prepared, best, result, screen, of_several)
    for line in evaluation.lines():
        screen.say(line)
    if not of_several:
        screen.say(f"next: {_next_command(prepared)}")
    return result


def best_effort_release(run: RunDirectory) -> None:
    """Let go of a run that did not finish."""
    try:
        run.release()
    except OSError as error:
        raise SeqtoolError(f"cannot release: {error.strerror}", place=str(run.path)) from error


def _loop(prepared: Prepared, run: RunDirectory, options: TrainOptions, screen: TrainingScreen, stop: Any) -> BestModel:
    """Build the network, train it, and tell the listeners."""
    from seqtool.jobs.network import build_task  # torch from here on
    from seqtool.models.build import arrays
    from seqtool.training.loop import Trainer

    settings = prepared.settings
    built = build_task(prepared)
    weights = arrays(built.task.network)
    shapes = {name: array.shape for name, array in weights.items()}
    screen.network(network_title(prepared.config, shapes), network_parts(prepared.config, prepared.vocab, shapes))
    screen.say(f"  device     {built.device}, {built.threads} threads")
    screen.begin()
    best = BestModel(run.model, prepared, _facts(prepared, built, options))
    files, examples = RunFiles(run.path), Examples(prepared)
    trainer = Trainer(built.task, settings.training, stop)
    last_shown = 0.0
    for report in trainer.run():
        if isinstance(report, StepReport):
            now = time.monotonic()
            if now - last_shown >= PROGRESS_EVERY:
                last_shown = now
                screen.progress(report.position, report.batches, _progress_values(report))
            continue
        weights = arrays(built.task.network)
        prediction = examples.prediction(weights)
        accuracy = None if report.scores else examples.training_accuracy(weights)
        files.row(report, prediction)
        screen.row(_cells(settings, report, accuracy), prediction)
        if report.best:
            best.keep(report, weights)
    screen.close()
    if trainer.ended == "patience":
        screen.say(f"no progress in {settings.training.patience} evaluations: stopped early")
    return best


def _progress_values(report: StepReport) -> dict[str, str]:
    return {"epoch": str(report.epoch), "loss": number(report.loss), "lr": f"{report.lr:.1e}"}


def _cells(settings: Settings, row: RowReport, accuracy: float | None) -> Mapping[str, str]:
    if not row.scores:
        return simple_row(row.epoch, row.train_loss, accuracy)
    if isinstance(settings, CharSettings):
        window = settings.training.window
        return character_row(row.epoch, row.step, row.train_loss, row.scores, window, row.lr, row.rate, row.seconds)
    return tagger_row(row.epoch, row.train_loss, row.scores, row.lr, row.rate, row.seconds)


def _facts(prepared: Prepared, built: Any, options: TrainOptions) -> dict[str, Any]:
    """What the manifest says of how the model came to be."""
    import numpy
    import torch

    settings = prepared.settings
    return {
        "name": settings.name,
        "kind": prepared.config["kind"],
        "data": dict(prepared.corpus.files),
        "command": list(options.command),
        "seed": settings.seed,
        "device": str(built.device),
        "threads": built.threads,
        "precision": settings.training.precision,
        "versions": {"seqtool": VERSION, "torch": torch.__version__, "numpy": numpy.__version__, "python": platform.python_version()},
    }


def _tell_the_end(prepared: Prepared, best: BestModel, result: RunResult, screen: TrainingScreen, of_several: bool) -> None:
    """The final result, where the model lies, and the next command to try."""
    examples = Examples(prepared)
    rows = examples.side_by_side(best.weights)
    if rows and not of_several:
        screen.side_by_side("the example with the kept model:", rows)
    row = result.row
    scores = ", ".join(f"{name.removeprefix('val_')} {value:.4f}" for name, value in row.scores.items()) or f"loss {row.train_loss:.3f}"
    screen.say(f"best row: epoch {row.epoch}, {scores}; {clock(result.seconds)} in all")
    screen.say(f"model: {result.run / 'model'}")


def _next_command(prepared: Prepared) -> str:
    corpus = prepared.corpus
    if prepared.config["task"] == "tagger":
        from seqtool.jobs.examples import example_sentence

        return f'seqtool tag "{" ".join(example_sentence(corpus).tokens)}"'  # type: ignore[arg-type]
    if corpus.kind == "pairs":  # type: ignore[union-attr]
        return f"seqtool predict {corpus.pairs[0][0]}"  # type: ignore[union-attr]
    return "seqtool sample"
