"""Run directories: names, locks, which is newest, and what happens to a run of the same name.

An unfinished run lives in `runs/<name>.partial`, held by an advisory lock; a finished one is put in its place as a
whole. Which model a command means is decided here too, by one rule for every command.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from seqtool.errors import ModelError, SeqtoolError
from seqtool.storage.atomic import exchange, present, recover, sweep_temporary, sync, writing
from seqtool.storage.model_directory import MANIFEST, read_manifest

PARTIAL = ".partial"
LOCK = "lock"
MODEL = "model"
CHECKPOINTS = "checkpoints"


def runs_root(option: Path | None = None) -> Path:
    """Where runs lie: `--runs-dir`, else `$SEQTOOL_RUNS`, else `runs` in the current folder."""
    return option or Path(os.environ.get("SEQTOOL_RUNS") or "runs")


# --- which model a command means --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ModelPlace:
    """A model directory, and the run it belongs to if it lies in one."""

    model: Path
    run: Path | None

    @property
    def name(self) -> str:
        """What a person calls it."""
        return str(self.run or self.model)


def find_model(
    reference: str | None, root: Path, task: str | None = None, kind: str | None = None
) -> ModelPlace:
    """The model that a reference names: a run directory, a model directory or a run's name.

    Args:
        reference: what the user wrote; None: `$SEQTOOL_MODEL`, else the newest finished run of the right kind.
        task: `char` or `tagger`; only used to choose the newest.
        kind: for character models `pairs`, `text` or `lines`, only used to choose the newest (`!pairs`: not that kind).

    Raises:
        ModelError: if there is none.
    """
    reference = reference or os.environ.get("SEQTOOL_MODEL")
    if reference:
        return _named(reference, root)
    fitting = [place for place, manifest in finished_runs(root) if _fits(manifest, task, kind)]
    if not fitting:
        what = {"char": "character model", "tagger": "tagger"}.get(task or "", "model")
        if kind == "pairs":
            what = "aligned character model (trained on pairs)"
        command = (
            "train-tagger configs/toy_tagger.yaml" if task == "tagger" else "train-char configs/hihell.yaml"
        )
        if kind == "!pairs":
            what, command = "character model of running text or of lines", "train-char FILE.txt"
        raise ModelError(
            f"no trained {what} here",
            place=str(root),
            hint=f"train one first: seqtool {command}; or name one with --model",
        )
    return fitting[0]


def _fits(manifest: dict[str, Any], task: str | None, kind: str | None) -> bool:
    if task is not None and manifest.get("task") != task:
        return False
    if kind is None:
        return True
    return manifest.get("kind") != kind[1:] if kind.startswith("!") else manifest.get("kind") == kind


def _named(reference: str, root: Path) -> ModelPlace:
    for base in (Path(reference), root / reference):
        if (present(base) / MANIFEST).is_file():
            run = base.parent if base.name == MODEL and (base.parent / "config.yaml").is_file() else None
            return ModelPlace(base, run)
        if (present(base / MODEL) / MANIFEST).is_file():
            return ModelPlace(base / MODEL, base)
    names = sorted(place.run.name for place, _ in finished_runs(root) if place.run)
    unfinished = (root / (reference + PARTIAL)).is_dir()
    hint = (
        f"the run {reference} is unfinished: go on with --resume"
        if unfinished
        else f"runs here: {', '.join(names) or 'none'}"
    )
    raise ModelError("no model directory, run directory or run of this name", place=reference, hint=hint)


def finished_runs(root: Path) -> list[tuple[ModelPlace, dict[str, Any]]]:
    """Every finished run directly under `root` with its manifest, the newest first; damaged ones are left out."""
    found = []
    for folder in root.iterdir() if root.is_dir() else ():
        manifest_path = present(folder / MODEL) / MANIFEST
        if folder.name.endswith((PARTIAL, ".new", ".old")) or not manifest_path.is_file():
            continue
        try:
            found.append(
                (
                    manifest_path.stat().st_mtime_ns,
                    ModelPlace(folder / MODEL, folder),
                    read_manifest(manifest_path.parent),
                )
            )
        except (ModelError, OSError):
            continue
    return [
        (place, manifest)
        for _, place, manifest in sorted(found, key=lambda item: (-item[0], str(item[1].model)))
    ]


# --- one run being made -----------------------------------------------------------------------------------------------


class RunDirectory:
    """A run while it is made: `<name>.partial` under a lock, then `<name>`.

    Attributes:
        final: where the finished run will lie.
        path: where it lies now.
    """

    def __init__(self, root: Path, name: str) -> None:
        self.final = root / name
        self.path = root / (name + PARTIAL)
        self._lock: IO[str] | None = None

    @property
    def model(self) -> Path:
        """The best model so far."""
        return self.path / MODEL

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / CHECKPOINTS

    def has_checkpoint(self) -> bool:
        """Whether an interrupted run can be gone on with."""
        return bool(numbered(self.checkpoints))

    def check_can_start(self, *, overwrite: bool, resume: bool) -> None:
        """See that nothing is lost by starting.

        Raises:
            SeqtoolError: if an interrupted run would be.
        """
        if self.has_checkpoint() and not (overwrite or resume):
            raise SeqtoolError(
                "an interrupted run of this name holds a checkpoint",
                place=str(self.path),
                hint="go on with --resume, or start anew with --overwrite",
            )

    def start(self, *, overwrite: bool = False, resume: bool = False) -> None:
        """Lock the unfinished run's directory, sweep away what a crash left and, unless the run is resumed, empty it.

        Raises:
            SeqtoolError: if another process holds it, if an interrupted run would be lost, or if nothing can be written.
        """
        with writing(self.path):
            self._take_lock()
        try:
            self.check_can_start(overwrite=overwrite, resume=resume)
            with writing(self.path):
                recover(self.final, inherit_runs)
                shutil.rmtree(
                    self.final / CHECKPOINTS, ignore_errors=True
                )  # of a run that was killed while it took its place
                (self.final / LOCK).unlink(missing_ok=True)
                self._tidy() if resume else self._empty()
        except BaseException:
            self.release()
            raise

    def _tidy(self) -> None:
        recover(self.model)
        sweep_temporary(self.path)
        for entry in self.checkpoints.iterdir() if self.checkpoints.is_dir() else ():
            if not entry.name.isdecimal():
                shutil.rmtree(entry, ignore_errors=True)

    def _empty(self) -> None:
        for entry in self.path.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != LOCK:
                entry.unlink()

    def _take_lock(self) -> None:
        path = self.path / LOCK
        while True:
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                lock = path.open("a+")
            except FileNotFoundError:
                continue  # the run that it belonged to took its place in this very moment
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                lock.seek(0)
                owner = lock.read(500).strip() or "another process"
                lock.close()
                raise SeqtoolError(
                    f"held by {owner}",
                    place=str(self.path),
                    hint="wait for it, or train under another --name",
                ) from error
            if path.exists() and os.fstat(lock.fileno()).st_ino == path.stat().st_ino:
                break
            lock.close()  # the run it belonged to finished in this very moment: its file is gone, take the new one
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {os.uname().nodename}\n")
        lock.flush()
        self._lock = lock

    def release(self) -> None:
        """Let go of the lock, the directory staying where it is (unless nothing is in it)."""
        if self._lock is not None:
            with suppress(OSError):
                (self.path / LOCK).unlink(missing_ok=True)
                self.path.rmdir()
            self._lock.close()
            self._lock = None

    def finish(self, *, overwrite: bool = False) -> Path | None:
        """Put the finished run in its place; its checkpoints go only when it stands there.

        Returns:
            Where an earlier run of this name was moved, or None if there was none or it was replaced.
        """
        kept = None
        with writing(self.final):
            for entry in self.path.iterdir():
                if entry.is_file():
                    sync(entry)
            sync(self.path)
            if self.final.exists() and not overwrite and not same_experiment(self.final, self.path):
                kept = _free_name(self.final)
                self.final.rename(kept)
            try:
                exchange(self.path, self.final, inherit_runs)
            except BaseException:
                if kept is not None and not self.final.exists():
                    with suppress(OSError):
                        kept.rename(self.final)  # the earlier run keeps its name until another can take it
                raise
        self.path = self.final
        shutil.rmtree(self.checkpoints, ignore_errors=True)
        self.release()
        return kept


def numbered(folder: Path) -> list[int]:
    """The numbers of the checkpoints in a folder, the newest first."""
    names = [entry.name for entry in folder.iterdir() if entry.is_dir()] if folder.is_dir() else []
    return sorted((int(name) for name in names if name.isdecimal()), reverse=True)


def same_experiment(first: Path, second: Path) -> bool:
    """Whether two run directories have the same resolved config and were trained on the same bytes."""
    try:
        if (first / "config.yaml").read_bytes() != (second / "config.yaml").read_bytes():
            return False
        return bool(
            read_manifest(present(first / MODEL)).get("data")
            == read_manifest(present(second / MODEL)).get("data")
        )
    except (OSError, ModelError):
        return False


def inherit_runs(previous: Path, run: Path) -> None:
    """Move the runs inside a replaced run (several seeds, a sweep's trials) into the one that took its place."""
    for entry in previous.iterdir():
        is_run = entry.is_dir() and entry.name.removesuffix(".old").removesuffix(".new") not in (
            MODEL,
            CHECKPOINTS,
        )
        if is_run and not (run / entry.name).exists():
            entry.rename(run / entry.name)
    sync(run)


def _free_name(path: Path) -> Path:
    number = 1
    while path.with_name(f"{path.name}~{number}").exists():
        number += 1
    return path.with_name(f"{path.name}~{number}")


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a `.jsonl` file; a last line that a crash cut short is left out."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8") as file:
        for line in file:
            try:
                value = json.loads(line)
            except ValueError:
                return
            if isinstance(value, dict):
                yield value
