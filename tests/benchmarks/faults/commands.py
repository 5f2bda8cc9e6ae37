"""Every command of seqtool with small inputs, for faults that do not depend on the command."""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from seqtool.config.dump import dump_settings
from tests.support.shell import SEQTOOL, environment
from tests.support.small_runs import WORDS, char_run, run, tagger_run
from tests.support.stored_models import store_character_model, store_conditional_model, store_tokenizer

COMPLETION = {"_SEQTOOL_COMPLETE": "complete_bash", "COMP_WORDS": "seqtool t", "COMP_CWORD": "1"}
STEPS = 20


@dataclass(frozen=True)
class Command:
    """One command line.

    Attributes:
        arguments: words after `seqtool`.
        trains: the command trains, so that it continues without its output.
        result: the command must print a final result; only for a command that trains.
        variables: additional environment variables.
        run: directory of the run that a training command makes.
    """

    arguments: tuple[str, ...]
    trains: bool = False
    result: bool = False
    variables: tuple[tuple[str, str], ...] = ()
    run: str = ""

    def __str__(self) -> str:
        return " ".join(self.arguments) or "completion"

    @property
    def words(self) -> list[str]:
        """The whole command line."""
        return [*SEQTOOL, *self.arguments]

    def environment(self, **extra: str) -> dict[str, str]:
        """Return the environment of the process."""
        return environment(**dict(self.variables), **extra)


def _use(line: str) -> Command:
    return Command(tuple(line.split()))


def _train(line: str, run: str) -> Command:
    return Command(tuple(line.split()), trains=True, result="--json" in line, run=run)


SWEEP = (
    "sweep char.yaml --space space.yaml --sampler grid --no-prune --sign-every 1 --workers 2 --name search"
)
LIGHT = (
    *map(
        _use,
        (
            "--help",
            "--version",
            "tag --help",
            "runs rm --help",
            "tag --model words --file text.txt",
            "tag --model words --file text.txt --json",
            "tag --model words --file text.txt --jobs 2",
            "sample --model text --length 50",
            "sample --model text --length 50 --num 3 --json",
            "sample --model text --length 50 --beam 3",
            "sample --model text --length 50 --temperature 0.5,1",
            "sample --model text --length 5 --prompts text.txt",
            "score --model text --lines --file text.txt",
            "score --model classes --classify --file text.txt",
            "sample --model classes --condition red",
            "predict --model pairs abc",
            "tokenize --model splitter --file text.txt",
            "runs",
            "runs compare text words",
            "config diff char.yaml runs/text",
            "schema",
        ),
    ),
    Command((), variables=tuple(COMPLETION.items())),
)
HEAVY = tuple(
    map(
        _use,
        (
            "check char.yaml",
            "check tagger.yaml --json",
            "evaluate words",
            "evaluate text --json",
            "inspect words",
            "inspect text --text dog",
            "report text",
            "play text",
            "play words",
            "export words --to onnx --out words.onnx",
            "export text --dtype float16",
            "init char text.txt",
            "init char text.txt --json",
            "init tagger train.conll --dev dev.conll",
            "config show tagger.yaml",
            "runs rm --yes other",
        ),
    )
)
TRAINING = (
    _train("train-char char.yaml --name new", "new"),
    _train("train-char char.yaml --name new --json", "new"),
    _train("train-tagger tagger.yaml --name new --quiet", "new"),
    _train(SWEEP, "search/trial-000"),
    _train(f"{SWEEP} --json", "search/trial-000"),
)


def prepare(folder: Path, long_lines: int = 50_000) -> Path:
    """Write data, configs and runs for all commands; return their folder.

    Args:
        long_lines: number of lines of the long text.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, settings in (
        ("text", char_run(folder, max_steps=STEPS)),
        ("words", tagger_run(folder, max_steps=STEPS)),
    ):
        kind = "char" if name == "text" else "tagger"
        (folder / f"{kind}.yaml").write_text(dump_settings(replace(settings, name=name), folder))
        run(replace(settings, name=name), folder / "runs")
    store_character_model(folder / "runs/pairs", kind="pairs")
    store_character_model(folder / "runs/other")
    store_tokenizer(folder / "runs/splitter")
    store_conditional_model(folder / "runs/classes")
    (folder / "space.yaml").write_text("training.lr: [0.01, 0.02]\n")
    draw = random.Random(1)
    lines = (" ".join(draw.choice(WORDS) for _ in range(9)) + "\n" for _ in range(long_lines))
    (folder / "long.txt").write_text("".join(lines))
    return folder


def copy(folder: Path, to: Path) -> Path:
    """Return a copy of a prepared folder, in which one command may write."""
    if to.exists():
        shutil.rmtree(to)
    shutil.copytree(folder, to, copy_function=_link)
    return to


def _link(source: str, target: str) -> None:
    """Copy a file; the long text, which no command writes, becomes a link."""
    if source.endswith("long.txt"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)
