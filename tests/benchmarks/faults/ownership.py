"""Every output option and every command that trains, with paths that belong to the user or to a run.

A command refuses the path with exit code 2 and changes nothing, or the user's files are still there after it.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.faults.common import counter
from tests.cli.test_output_paths import COMMANDS, make_place, snapshot
from tests.support.shell import seqtool_in_process

USER = "the user's"


def _thesis(folder: Path) -> None:
    folder.mkdir()
    (folder / "thesis.tex").write_text(USER)


TRAINING = "train-char text.txt --name new --quiet --set training.max_steps=1 --set model.hidden_size=2"
# Paths of a run, and what a user can have there.
RUN_PATHS = ("runs/new", "runs/new.partial", "runs/new.partial/lock", "runs/new.partial/metrics.jsonl",
             "runs/new.partial/model", "runs/new.partial/notes.txt", "runs/new/model/notes.txt",
             "runs/new.old", "runs/new~1", "runs/.new.seqtool-removed/notes.txt")  # fmt: skip
KINDS: dict[str, Callable[[Path], object]] = {
    "file": lambda path: path.write_text(USER),
    "directory": _thesis,
    "link": lambda path: path.symlink_to("nowhere"),
    "FIFO": os.mkfifo,
}


@dataclass
class OwnershipReport:
    """Number of paths, of those that were refused, and descriptions of broken promises."""

    paths: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Return whether nothing of the user was changed."""
        return not self.wrong


def walk_outputs(folder: Path, every: int = 1) -> OwnershipReport:
    """Run each command with each path; of these pairs, only each `every`-th."""
    report = OwnershipReport()
    pairs = [*_option_pairs(folder / "list"), *_training_pairs()][::every]
    with counter(len(pairs), "paths") as advance:
        for number, (line, path, kind) in enumerate(pairs):
            here = folder / str(number)
            here.mkdir()
            _walk_one(make_place(here), line, path, kind, report)
            shutil.rmtree(here)
            advance()
    return report


def _option_pairs(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield each output option with every entry of a place, and with new entries of each kind."""
    folder.mkdir()
    existing = list(snapshot(make_place(folder)))
    for param in COMMANDS:
        line = str(param.values[0])
        yield from ((line, path, "") for path in existing)
        yield from ((line, "mine", kind) for kind in KINDS)


def _training_pairs() -> Iterator[tuple[str, str, str]]:
    for options in ("", " --overwrite", " --resume"):
        yield from ((TRAINING + options, path, kind) for path in RUN_PATHS for kind in KINDS)


def _walk_one(place: Path, line: str, path: str, kind: str, report: OwnershipReport) -> None:
    if kind:
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        KINDS[kind](place / path)
    before = snapshot(place)
    words = line.split() if line.startswith("train-") else [*line.split(), path]
    done = seqtool_in_process(*words, cwd=place)
    after = snapshot(place)
    report.paths += 1
    report.refused += done.code == 2
    what = f"{line} {path} {kind}: exit code {done.code}"
    if done.code not in (0, 2) or "Traceback" in done.stderr:
        report.wrong.append(f"{what}: {done.stderr[-200:]}")
    elif done.code == 2 and "error: " not in done.stderr:
        report.wrong.append(f"{what}: without a message")
    elif line.startswith("train-"):
        kept = [entry for entry in _of_user(before) if entry not in _of_user(after)]
        report.wrong += [f"{what}: lost {entry}" for entry in kept]
    else:
        changed = [name for name, entry in before.items() if after.get(name) != entry]
        report.wrong += [f"{what}: changed {name}" for name in changed]


def _of_user(entries: dict[str, object]) -> list[object]:
    """Return the contents of files, and the kinds of links and pipes of the user, wherever they are."""
    return [
        entry
        for entry in entries.values()
        if entry == USER.encode() or (isinstance(entry, int) and not stat.S_ISDIR(entry))
    ]
