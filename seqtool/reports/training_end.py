"""What a person is told when a training run ends or is stopped: scores, places, and the next command to try."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from seqtool.reports.training import TrainingScreen
from seqtool.reports.training_rows import clock
from seqtool.tasks.final_evaluation import FinalEvaluation
from seqtool.tasks.prepare import Prepared
from seqtool.tasks.previews import Preview, preview_sentence
from seqtool.training.session import TrainingSession


def resuming_command(command: Sequence[str]) -> str:
    """What goes on with an interrupted run that these arguments started."""
    return (
        shlex.join(["seqtool", *command, *([] if "--resume" in command else ["--resume"])])
        if command
        else "--resume"
    )


def show_differences(final: Path, kept: Path | None, differ: Sequence[str], screen: TrainingScreen) -> None:
    """Say how the run differs from the one that stood in its place, and where that is now."""
    if kept is not None:
        screen.say(f"an earlier run of this name differs: kept as {kept}")
    elif differ:
        screen.say(f"in the place of an earlier {final} that differs:")
    for line in differ:
        screen.say(f"  {line}")


def show_result(
    running: TrainingSession, evaluation: FinalEvaluation, seconds: float, of_several: bool
) -> None:
    """The final result, where the model lies, and the next command to try."""
    prepared, screen, row = running.prepared, running.screen, running.best.row
    assert row is not None
    rows = Preview(prepared).side_by_side(running.best.weights)
    if rows and not of_several:
        screen.side_by_side("the example with the kept model:", rows)
    scores = (
        ", ".join(f"{name.removeprefix('val_')} {value:.4f}" for name, value in row.scores.items())
        or f"loss {row.train_loss:.3f}"
    )
    screen.say(f"best row: epoch {row.epoch}, {scores}; {clock(seconds)} in all")
    screen.say(f"model: {running.run.model}")
    for line in evaluation.lines():
        screen.say(line)
    if not of_several:
        screen.say(f"next: {_next_command(prepared)}")


def _next_command(prepared: Prepared) -> str:
    corpus = prepared.corpus
    if prepared.config["task"] == "tagger":
        return f'seqtool tag "{" ".join(preview_sentence(corpus).tokens)}"'  # type: ignore[arg-type]
    if corpus.kind == "pairs":  # type: ignore[union-attr]
        return f"seqtool predict {corpus.pairs[0][0]}"  # type: ignore[union-attr]
    return "seqtool sample"
