"""List of runs under the runs root: their state, scores, size and age; deletion and comparison of runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from seqtool.errors import ModelError, SeqtoolError
from seqtool.storage.atomic import directories, present, removals, remove_directory, writing
from seqtool.storage.find_model import (
    CONFIG,
    MODEL,
    PARTIAL,
    ModelFolders,
    find_model,
    pretrained_models,
)
from seqtool.storage.lock import LOCK, acquire_lock, is_locked
from seqtool.storage.model_directory import Manifest, read_manifest
from seqtool.storage.ownership import (
    CHECKPOINTS_CONTENTS,
    GROUP_CONTENTS,
    REMOVED,
    Contents,
    delete_own,
    foreign_entry,
)
from seqtool.storage.run_directory import CHECKPOINTS
from seqtool.storage.verified_directory import MANIFEST
from seqtool.types import Json

State = Literal["finished", "running", "unfinished", "damaged"]
# The main score of a run is the first of these: validation before training, F1 before accuracy before loss.
MAIN_SCORES = ("val_f1", "val_accuracy", "val_loss", "train_loss")
# Any of these marks a directory as a run or a model.
ENTRIES_OF_RUNS = (CONFIG, "metrics.jsonl", MODEL, LOCK, MANIFEST)


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
    for name, folder in directories(root):
        try:
            for inner, run in _run_folders(name, folder):
                yield _entry(run, inner)
        except OSError as error:  # such as a directory of another user
            warn(f"warning: skipped {folder}: cannot read: {error.strerror}")
        except ModelError as error:
            warn(f"warning: skipped {error.summary}")


def _run_folders(name: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield name and path of the run in a directory, and of the runs inside it."""
    if not folder.is_dir():
        return
    if is_run(folder):
        yield name, folder
    for inner, child in directories(folder):
        if child.is_dir() and inner != MODEL and is_run(child):
            yield f"{name}/{inner}", child


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


def list_pretrained() -> list[RunEntry]:
    """Return the models that the package ships, by name."""
    return [_finished(place.name, place) for place, _ in pretrained_models()]


def find_run(reference: str, root: Path) -> RunEntry:
    """Return the entry of the run or model directory that a reference names.

    Raises:
        ModelError: if there is none.
    """
    return _finished(reference, find_model(reference, root))


def _finished(name: str, location: ModelFolders) -> RunEntry:
    folder, model = location.run or location.model, present(location.model)
    modified = (model / MANIFEST).stat().st_mtime
    return RunEntry(name, folder, "finished", read_manifest(model), folder_size(folder), modified)


# --- deletion -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Removal:
    """A directory to delete.

    Attributes:
        name: as the user named it.
        folder: the directory, or a hidden one if its deletion was interrupted.
        runs: names of all runs in it.
        size: bytes of all files in it.
    """

    name: str
    folder: Path
    runs: tuple[str, ...]
    size: int


def plan_removals(names: Sequence[str], root: Path) -> list[Removal]:
    """Return what the deletion of the named runs deletes. Nothing is changed.

    A name can also be that of a directory of several seeds or of a sweep, or of a run whose deletion was
    interrupted.

    Raises:
        SeqtoolError: if a name is not that of a run, if a run is being trained, or if a directory contains
            an entry that seqtool did not write.
    """
    plan = {removal.folder: removal for removal in (_find_runs(name, root) for name in names)}
    for folder in plan:
        if not folder.name.endswith(REMOVED):
            check_removable(folder)
    return list(plan.values())


def remove_runs(plan: Sequence[Removal]) -> Iterator[tuple[str, int]]:
    """Delete the runs of a plan.

    Yields:
        Name and size in bytes of each deleted run.

    Raises:
        SeqtoolError: if a training process has started in the meantime, or if a file cannot be deleted.
    """
    for removal in plan:
        folder = removal.folder
        with writing(folder):
            if folder.name.endswith(REMOVED):
                delete_own(folder, GROUP_CONTENTS)
            elif folder.is_dir():  # it may have been inside a directory that was deleted before it
                check_removable(folder)
                partial = [path for path in (folder, *folder.iterdir()) if path.name.endswith(PARTIAL)]
                locks = [acquire_lock(path) for path in partial if path.is_dir()]
                remove_directory(folder, folder, GROUP_CONTENTS)
                for lock in locks:
                    lock.release(folder)
        yield removal.name, removal.size


def plan_checkpoint_removals(names: Sequence[str], root: Path) -> list[Removal]:
    """Return what the deletion of the checkpoints of the named finished runs deletes. Nothing is changed.

    Raises:
        SeqtoolError: if a name is not that of a finished run.
    """
    plan = {removal.folder: removal for removal in (_find_runs(name, root) for name in names)}
    for removal in plan.values():
        if removal.folder.name.endswith((PARTIAL, REMOVED)):
            hint = "an interrupted run is resumed from its checkpoint; runs rm deletes the whole run"
            raise SeqtoolError("this run is not finished", place=removal.name, hint=hint)
    sizes = {folder: sum(map(folder_size, _checkpoint_folders(folder))) for folder in plan}
    return [replace(removal, size=sizes[folder]) for folder, removal in plan.items()]


def remove_checkpoints(plan: Sequence[Removal]) -> Iterator[tuple[str, int]]:
    """Delete the checkpoints of the runs of a plan.

    Yields:
        Name of each run and size in bytes of its checkpoints.
    """
    for removal in plan:
        with writing(removal.folder):
            for folder in _checkpoint_folders(removal.folder):
                delete_own(folder, CHECKPOINTS_CONTENTS)
        yield removal.name, removal.size


def _checkpoint_folders(run: Path) -> list[Path]:
    """Return the directories of checkpoints of a run and of the finished runs inside it."""
    inner = [path for name, path in directories(run) if path.is_dir() and not name.endswith(PARTIAL)]
    runs = [run, *(path for path in inner if path.name != MODEL and not path.is_symlink() and is_run(path))]
    return [path / CHECKPOINTS for path in runs if not (path / CHECKPOINTS).is_symlink()]


def _find_runs(name: str, root: Path) -> Removal:
    """Return the directory that a name means.

    Raises:
        SeqtoolError: if it is not that of a run, of several runs, or of a run whose deletion was interrupted.
    """
    every = sorted((entry.name, entry.path) for entry in list_runs(root) if not entry.path.is_symlink())
    for path in (present(root / name), Path(name)):
        folder = path.resolve()
        runs = tuple(run for run, place in every if folder in (place.resolve(), place.resolve().parent))
        if _is_inside(path, root) and (
            folder in [run.resolve() for _, run in every] or _is_group(path, root)
        ):
            return Removal(name, path, runs, folder_size(path))
    for parent in (root / name).parent, Path(name).parent:
        for removed, hidden in removals(parent):
            if removed == Path(name).name and _is_inside(hidden, root):
                return Removal(name, hidden, (), folder_size(hidden))
    raise _no_run(name, root, [run for run, _ in every])


def _no_run(name: str, root: Path, names: Sequence[str]) -> SeqtoolError:
    hint = f"runs here: {', '.join(names) or 'none'}"
    if f"{name}{PARTIAL}" in names:
        hint = f"the unfinished run is {name}{PARTIAL}"
    owner = next(
        (run for run in names if (root / name).resolve().is_relative_to((root / run).resolve())), None
    )
    if owner is not None and (root / name).exists():
        hint = f"this is a part of the run {owner}; to delete the run: seqtool runs rm {owner}"
    return SeqtoolError("no run of this name", place=name, hint=hint)


def check_removable(folder: Path, contents: Contents = GROUP_CONTENTS) -> None:
    """Check that a directory can be deleted.

    Raises:
        SeqtoolError: if it is not a directory, if a run in it is being trained, or if it contains an entry
            that seqtool did not write.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise SeqtoolError("expected a directory of seqtool", place=str(folder), hint="remove it")
    locked = [path for path in (folder, *folder.iterdir()) if path.is_dir() and is_locked(path)]
    if locked:
        raise SeqtoolError("is being trained", place=str(locked[0]), hint="stop it first")
    foreign = foreign_entry(folder, contents)
    if foreign is not None:
        message = f"contains something that seqtool did not write: {foreign.relative_to(folder)}"
        raise SeqtoolError(message, place=str(folder), hint="move it to another place, then delete the run")


def _is_inside(path: Path, root: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and root.resolve() in path.resolve().parents


def _is_group(folder: Path, root: Path) -> bool:
    """Return whether a directory contains runs and nothing else, as that of several seeds does."""
    children = [child for child in folder.iterdir() if child.is_dir() and not child.name.startswith(".")]
    directly = folder.resolve().parent == root.resolve()
    return directly and bool(children) and all(is_run(child) for child in children)
