"""Crashes of the computer during a save: unsynced writes are lost, torn or in another order.

The operations of a real save are recorded. Each state of the disk that a crash after any operation can leave
is written to a directory, and the real readers read it. They must find the earlier or the new content, never
a mixture of both, and no error. After the save has returned, they must find the new content. The next save
must succeed and leave no temporary file.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import numpy as np

from seqtool.data.text import encode
from seqtool.data.text.encode import TextCache
from seqtool.errors import ModelError
from seqtool.storage.atomic import present, write_file
from seqtool.storage.find_model import find_model, finished_runs
from seqtool.storage.model_directory import read_model, write_model
from seqtool.storage.ownership import NEW, OLD, REMOVED, TEMPORARY
from seqtool.storage.plain_files import read_json_lines
from seqtool.storage.run_directory import RunDirectory
from seqtool.storage.run_list import list_runs, plan_removals, remove_runs
from seqtool.training.checkpoints import Checkpoint, Checkpoints, PartState
from seqtool.training.run_files import LOGS, JsonLines
from tests.benchmarks.faults.failures import Runs
from tests.benchmarks.faults.recorder import crash_states, final_states, random_state, recorded, write_tree
from tests.support.small_runs import char_run, run, tagger_run

KEY = {"a": "key"}
LOCK_LEFT = "left behind: small/lock"  # of a finished run; the next training deletes it
EVERY = 100_000  # more than there are choices at one place of a small save
NOTES = "notes.txt"  # a file of the user


@dataclass(frozen=True)
class Save:
    """One kind of save.

    Attributes:
        before: writes the earlier content into an empty directory.
        save: writes the new content.
        read: returns what the readers find. An error is a broken promise.
        limit: largest number of choices at one place (unsynced changes of directories, or contents of
            unsynced files). If there are more, so many are drawn at random.
        cleans: the next save deletes temporary files of the crash.
    """

    before: Callable[[Path], object]
    save: Callable[[Path], object]
    read: Callable[[Path], object]
    limit: int = EVERY
    cleans: bool = False


@dataclass
class LossReport:
    """Number of operations and of different states after a crash, and descriptions of broken promises."""

    saves: int = 0
    operations: int = 0
    states: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Return whether all promises were kept."""
        return not self.wrong


def lose_writes(names: Iterable[str] = (), most: int | None = None, seed: int = 1) -> LossReport:
    """Write and read the states after a crash of each save.

    They lie in memory, if the system has a directory for that, since no disk has to be synced here.

    Args:
        names: names of the saves; all if empty.
        most: largest number of states of one save; None for all.
    """
    report, memory = LossReport(), Path("/dev/shm")
    for name in names or SAVES:
        with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
            _lose_writes_of(name, SAVES[name], Path(folder), most, random.Random(seed), report)
    return report


def _lose_writes_of(
    name: str, save: Save, folder: Path, most: int | None, draw: random.Random, report: LossReport
) -> None:
    root, state = folder / "save", folder / "state"
    root.mkdir()
    save.before(root)
    before = save.read(root)
    with recorded(root) as recording:
        save.save(root)
    after = save.read(root)
    assert before != after
    report.saves += 1
    report.operations += len(recording.operations)
    wrong = []
    states = list(crash_states(recording, draw, save.limit))
    states = draw.sample(states, min(most or len(states), len(states)))
    report.states += len(states)
    with patch.object(os, "fsync", lambda _: None):  # the states are on no real disk that could fail
        for count, tree in states:
            write_tree(tree, state)
            problem = _problem(lambda: save.read(state), (before, after)) or _problem(
                lambda: _save_again(save, state), (after,)
            )
            if problem:
                wrong.append(f"{name}, after operation {count} of {len(recording.operations)}: {problem}")
        for tree in final_states(recording, draw, save.limit):
            write_tree(tree, state)
            problem = _problem(lambda: save.read(state), (after,))
            if problem:
                wrong.append(f"{name}, after its end: {problem}")
    report.wrong += wrong[:5]


def _problem(read: Callable[[], object], expected: tuple[object, ...]) -> str:
    try:
        found = read()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "" if found in expected else f"found {found}"


def _save_again(save: Save, root: Path) -> object:
    save.save(root)
    endings = (NEW, OLD, REMOVED, *([TEMPORARY] if save.cleans else []))
    left = [path.name for path in root.rglob(".*") if path.name.endswith(endings)]
    if left:
        raise RuntimeError(f"left behind: {left}")
    return save.read(root)


def lose_writes_of_training(count: int, folder: Path, seed: int = 1) -> LossReport:
    """Crash `count` times during training that resumes a run and replaces another; resume it again."""
    draw, report = random.Random(seed), LossReport()
    for name, make in (("text model", char_run), ("tagger", tagger_run)):
        runs = Runs(make, folder / name)
        shutil.copytree(runs.template, runs.root)
        with recorded(runs.root) as recording:
            run(runs.settings, runs.root, resume=True)
        report.saves += 1
        report.operations += len(recording.operations)
        for _ in range(count // 2):
            after, tree = random_state(recording, draw)
            write_tree(tree, runs.root)
            report.states += 1
            wrong = [line for line in runs.broken_promises(0) if line != LOCK_LEFT]
            report.wrong += [f"{name}, operation {after}: {line}" for line in wrong]
    return report


# --- saves --------------------------------------------------------------------------------------------------


def _read_file(root: Path) -> object:
    path = root / "config.yaml"
    return path.read_bytes() if path.exists() else None


def _write_model(folder: Path, value: float) -> None:
    description = {"kind": "text", "data": {"x": "d"}, "scores": {"train_loss": value}}
    config = {"task": "char", "kind": "text", "value": value}
    write_model(folder, config, {"value": value}, {"w": np.full(3, value, np.float32)}, description)


def _read_model(folder: Path) -> object:
    """Return the parts of a model; None if there is none."""
    try:
        stored = read_model(folder)
    except ModelError as error:
        if "cannot read: No such file" in str(error) or "no model" in str(error):
            return None
        raise
    values = (stored.config["value"], stored.vocab["value"], stored.manifest.scores["train_loss"])
    return (*values, *stored.weights["w"].tolist())


def _save_checkpoint(root: Path, *steps: int) -> None:
    for step in steps:
        part = PartState({"step": step}, {"t": np.full(2, step, np.float32)}, None, {})
        checkpoint = Checkpoint({"step": step}, {}, {"": part}, dict.fromkeys(LOGS, b"%d\n" % step))
        checkpoints = Checkpoints(root / "x.partial/checkpoints")
        checkpoints.newest(_refuse)
        checkpoints.save(checkpoint)


def _read_checkpoint(root: Path) -> object:
    newest = Checkpoints(root / "x.partial/checkpoints").newest(_refuse)
    if newest is None:
        return None
    part = newest.parts[""]
    return newest.experiment, part.numbers, part.tensors["t"].tolist(), dict(newest.logs)


def _refuse(line: str) -> None:
    raise RuntimeError(line)


def _finish_run(root: Path, value: float, config: str = "a", *, overwrite: bool = False) -> None:
    """Make a finished run as training does."""
    run = RunDirectory(root, "x")
    run.start(overwrite=overwrite, resume=run.has_checkpoint())
    write_file(run.path / "config.yaml", config.encode())
    log = JsonLines(run.path / LOGS[0])
    log.restore(b"")
    for _ in range(2):
        log.add({"value": value})
    _write_model(run.model, value)
    _save_checkpoint(root, int(value))
    write_file(run.path / "evaluation.json", b"%d" % value)
    run.finish(overwrite=overwrite)


def _earlier_run(root: Path) -> None:
    _finish_run(root, 1.0)
    (root / "x" / NOTES).write_text("the user's")


def _read_runs(root: Path) -> object:
    """Return the content of the run x, of runs that were kept, and the files of the user."""
    runs = {}
    for place, _ in finished_runs(root, _refuse):
        folder = present(place.model.parent)
        rows = tuple(row["value"] for row in read_json_lines(folder / LOGS[0]))
        texts = ((folder / "config.yaml").read_text(), (folder / "evaluation.json").read_text())
        assert find_model(place.model.parent.name, root).model.name == "model"
        runs[place.model.parent.name] = (_read_model(place.model), rows, texts)
    list_runs(root, _refuse)
    notes = [path.read_text() for path in root.rglob(NOTES)]
    return runs, notes


def _read_only_runs(root: Path) -> object:
    return _read_runs(root)[0]  # type: ignore[index]


def _remove_run(root: Path) -> None:
    if (root / "x").exists() or list(root.glob(".x.*")):
        list(remove_runs(plan_removals(["x"], root)))


def _store_text(root: Path) -> None:
    numbers = {"text": iter([np.arange(20) % 3, np.arange(9) % 3]), "val": iter([np.arange(5) % 3])}
    TextCache(root / ".cache").store(KEY, "abc", numbers)


def _damaged_text(root: Path) -> None:
    _store_text(root)
    (path,) = root.glob(".cache/*/text.bin")
    path.write_bytes(bytes(29))


def _read_text(root: Path) -> object:
    """Return the arrays of an entry; None if there is none. The computer has been started again."""
    with patch.object(encode, "_boot_id", lambda: "after the crash"):
        found = TextCache(root / ".cache").find(KEY)
    return None if found is None else (found.symbols, {k: v.tolist() for k, v in found.arrays.items()})


SAVES = {
    "new file": Save(lambda _: None, lambda root: write_file(root / "config.yaml", b"new"), _read_file),
    "file": Save(
        lambda root: write_file(root / "config.yaml", b"earlier"),
        lambda root: write_file(root / "config.yaml", b"new"),
        _read_file,
    ),
    "new model": Save(
        lambda _: None, lambda root: _write_model(root / "a/m", 2.0), lambda root: _read_model(root / "a/m")
    ),
    "model": Save(
        lambda root: _write_model(root / "m", 1.0),
        lambda root: _write_model(root / "m", 2.0),
        lambda root: _read_model(root / "m"),
    ),
    "new checkpoint": Save(lambda _: None, lambda root: _save_checkpoint(root, 1), _read_checkpoint),
    "checkpoint": Save(
        lambda root: _save_checkpoint(root, 1, 2), lambda root: _save_checkpoint(root, 3), _read_checkpoint
    ),
    "new run": Save(lambda _: None, lambda root: _finish_run(root, 2.0), _read_runs, limit=5, cleans=True),
    "same run": Save(_earlier_run, lambda root: _finish_run(root, 2.0), _read_runs, limit=5, cleans=True),
    "kept run": Save(
        _earlier_run, lambda root: _finish_run(root, 2.0, "b"), _read_runs, limit=5, cleans=True
    ),
    "replaced run": Save(
        _earlier_run,
        lambda root: _finish_run(root, 2.0, "b", overwrite=True),
        _read_runs,
        limit=5,
        cleans=True,
    ),
    "deleted run": Save(
        lambda root: _finish_run(root, 1.0), _remove_run, _read_only_runs, limit=5, cleans=True
    ),
    "new text": Save(lambda _: None, _store_text, _read_text),
    "damaged text": Save(_damaged_text, _store_text, _read_text),
}
