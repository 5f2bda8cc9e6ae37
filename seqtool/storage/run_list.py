"""List of runs under the runs root: their state, scores, size and age; deletion and comparison of runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from seqtool.errors import ModelError, SeqtoolError
from seqtool.storage.atomic import present, writing
from seqtool.storage.find_model import CONFIG, MODEL, PARTIAL, find_model
from seqtool.storage.lock import LOCK, is_locked
from seqtool.storage.model_directory import Manifest, read_manifest
from seqtool.storage.plain_files import entries
from seqtool.storage.run_directory import CHECKPOINTS, checkpoint_numbers, checkpoint_path
from seqtool.storage.verified_directory import MANIFEST
from seqtool.types import Json

State = Literal["finished", "running", "unfinished", "damaged"]
# The main score of a run is the first of these: validation before training, F1 before accuracy before loss.
MAIN_SCORES = (
    "val_f1",
    "val_accuracy",
    "val_loss",
    "train_loss",
)
ENTRIES_OF_RUNS = (
    CONFIG,
    "metrics.jsonl",
    MODEL,
    LOCK,
    MANIFEST,
)  # any of these marks a directory as a run or a model


@dataclass(frozen=True)
class RunEntry:
    """One run in the list.

    Attributes:
        name: path relative to the runs root, such as `hihell` or `hihell/seed-1`.
        path: directory of the run.
        state: only a finished run can be used.
        manifest: of its model; empty if there is no model yet.
        size: bytes of all files in the directory.
        modified: last change of the model, or of the directory if there is no model, in seconds since 1970.
    """

    name: str
    path: Path
    state: State
    manifest: Manifest
    size: int
    modified: float

    @property
    def main_score(self) -> tuple[str, float] | None:
        """Name and value of the first score of `MAIN_SCORES` that the run has."""
        scores = self.manifest.all_scores
        return next(((name, scores[name]) for name in MAIN_SCORES if name in scores), None)

    @property
    def checkpoint_size(self) -> int:
        """Bytes of the checkpoints, which are a part of `size`."""
        return folder_size(self.path / CHECKPOINTS)

    def to_json(self) -> Json:
        """Return the object that `--json` prints."""
        return {
            "name": self.name,
            "path": str(self.path),
            "state": self.state,
            "task": self.manifest.task or None,
            "scores": self.manifest.all_scores,
            "kind": self.manifest.kind,
            "parameters": self.manifest.parameters,
            "epoch": self.manifest.epoch,
            "step": self.manifest.step,
            "seed": self.manifest.seed,
            "seconds": self.manifest.seconds,
            "bytes": self.size,
            "checkpoint_bytes": self.checkpoint_size,
            "modified": self.modified,
        }

    def compared_values(self) -> Mapping[str, object]:
        """Return the values other than scores and settings that a comparison shows, by name."""
        manifest = self.manifest
        values: dict[str, object] = {
            "kind": manifest.kind,
            "parameters": manifest.parameters,
            "epoch": manifest.epoch,
            "step": manifest.step,
            "seconds": manifest.seconds,
            "device": manifest.device,
            "threads": manifest.threads,
            "model_bytes": manifest.size,
        }
        values |= {f"version of {name}": version for name, version in manifest.versions.items()}
        values |= {f"data {Path(path).name}": str(digest)[:12] for path, digest in manifest.data.items()}
        return values


def list_runs(root: Path, warn: Callable[[str], None] | None = None) -> list[RunEntry]:
    """Return all runs under the root, the newest first. A run inside a run is named `name/seed-1`.

    Args:
        warn: receives a line for each directory that is skipped because it cannot be read.

    Raises:
        ModelError: the root cannot be read.
    """
    return sorted(_entries(root, warn or (lambda _: None)), key=lambda entry: (-entry.modified, entry.name))


def _entries(root: Path, warn: Callable[[str], None]) -> Iterator[RunEntry]:
    for folder in entries(root):
        if folder.name.startswith(".") or folder.name.endswith((".new", ".old")):
            continue
        try:
            yield from _entries_of(folder)
        except OSError as error:  # such as a directory of another user
            warn(f"warning: skipped {folder}: cannot read: {error.strerror}")
        except ModelError as error:
            warn(f"warning: skipped {error}")


def _entries_of(folder: Path) -> Iterator[RunEntry]:
    """Yield the run in a directory, and the runs inside it."""
    if not folder.is_dir():
        return
    if is_run(folder):
        yield _entry(folder, folder.name)
    for child in entries(folder):
        if child.is_dir() and child.name != MODEL and is_run(child):
            yield _entry(child, f"{folder.name}/{child.name}")


def is_run(folder: Path) -> bool:
    """Return whether a directory is a run, finished or not, or a model."""
    return folder.name.endswith(PARTIAL) or any((folder / name).exists() for name in ENTRIES_OF_RUNS)


def _entry(folder: Path, name: str) -> RunEntry:
    state: State = "finished"
    manifest = Manifest()
    modified = folder.stat().st_mtime
    try:
        model = folder if (folder / MANIFEST).is_file() else present(folder / MODEL)
        manifest = read_manifest(model)
        modified = (model / MANIFEST).stat().st_mtime
    except (ModelError, OSError):
        state = "damaged"
    if folder.name.endswith(PARTIAL):
        state = "running" if is_locked(folder) else "unfinished"
    return RunEntry(name, folder, state, manifest, folder_size(folder), modified)


def folder_size(folder: Path) -> int:
    """Return the bytes of all files in a directory and its subdirectories."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size if not path.is_dir() else 0
        except OSError:  # a running training process deleted the file in the meantime
            continue
    return total


def find_run(reference: str, root: Path) -> RunEntry:
    """Return the entry of the run or model directory that a reference names.

    Raises:
        ModelError: if there is none.
    """
    place = find_model(reference, root)
    folder, model = place.run or place.model, present(place.model)
    modified = (model / MANIFEST).stat().st_mtime
    return RunEntry(reference, folder, "finished", read_manifest(model), folder_size(folder), modified)


# --- deletion -----------------------------------------------------------------------------------------------


def remove_runs(names: list[str], root: Path) -> Iterator[tuple[str, int]]:
    """Delete all named runs, or none if one of them cannot be deleted.

    Yields:
        Name and size in bytes of each deleted run.

    Raises:
        SeqtoolError: if a name is not that of a run, or if a run is being trained.
    """
    folders = {_removable(name, root): name for name in names}
    for folder, name in folders.items():
        size = folder_size(folder)
        hidden = folder.with_name(f".removed-{folder.name}")
        with writing(folder):
            shutil.rmtree(hidden, ignore_errors=True)
            folder.rename(hidden)  # other processes never see a run of which half is deleted
            shutil.rmtree(hidden)
        yield name, size


def remove_checkpoints(names: list[str], root: Path) -> Iterator[tuple[str, int]]:
    """Delete the checkpoints of all named finished runs, or none if one of them is not a finished run.

    Yields:
        Name of each run and size in bytes of its checkpoints.

    Raises:
        SeqtoolError: if a name is not that of a finished run.
    """
    folders = {_removable(name, root): name for name in names}
    for folder, name in folders.items():
        if folder.name.endswith(PARTIAL):
            hint = "an interrupted run is resumed from its checkpoint; runs rm deletes the whole run"
            raise SeqtoolError("this run is not finished", place=name, hint=hint)
    for folder, name in folders.items():
        runs = [folder, *(run for run in folder.iterdir() if not run.is_symlink() and is_run(run))]
        places = [run / CHECKPOINTS for run in runs if not (run / CHECKPOINTS).is_symlink()]
        size = sum(map(folder_size, places))
        with writing(folder):
            for place in places:
                for number in checkpoint_numbers(place):
                    shutil.rmtree(checkpoint_path(place, number))
                if place.is_dir() and not any(place.iterdir()):
                    place.rmdir()
        yield name, size


def _removable(name: str, root: Path) -> Path:
    folder = next((path for path in (root / name, Path(name)) if _is_inside(path, root)), None)
    if folder is None or not (is_run(folder) or _contains_only_runs(folder)):
        names = [entry.name for entry in list_runs(root)]
        unfinished = f"{name}{PARTIAL}"
        hint = f"runs here: {', '.join(names) or 'none'}"
        if unfinished in names:
            hint = f"the unfinished run is {unfinished}"
        raise SeqtoolError("no run of this name", place=name, hint=hint)
    locked = [path for path in (folder, *folder.iterdir()) if path.is_dir() and is_locked(path)]
    if locked:
        raise SeqtoolError("is being trained", place=str(locked[0]), hint="stop it first")
    return folder


def _is_inside(path: Path, root: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and root.resolve() in path.resolve().parents


def _contains_only_runs(folder: Path) -> bool:
    """Return whether a directory contains runs and nothing else, as that of several seeds does."""
    children = [child for child in folder.iterdir() if child.is_dir() and not child.name.startswith(".")]
    return bool(children) and all(is_run(child) for child in children)
