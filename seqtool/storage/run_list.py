"""The runs that lie under the runs root: what they are, how good, how large, how old; taking them away; two side by side."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from seqtool.errors import ModelError, SeqtoolError
from seqtool.storage.atomic import present, writing
from seqtool.storage.model_directory import MANIFEST, read_manifest
from seqtool.storage.run_directory import LOCK, MODEL, PARTIAL, find_model

State = Literal["finished", "running", "unfinished", "damaged"]
SHOWN_SCORES = ("val_f1", "val_accuracy", "val_loss", "train_loss")  # the first that a run has is its score
MARKS = (
    "config.yaml",
    "metrics.jsonl",
    MODEL,
    LOCK,
    MANIFEST,
)  # what tells a run's directory (or a model's) from any other


@dataclass(frozen=True)
class RunEntry:
    """A run.

    Attributes:
        name: what a person calls it, after the runs root.
        path: its directory.
        state: whether it can be used.
        manifest: of its model; empty where there is none yet.
        size: bytes of the whole directory.
        modified: when its model (or, without one, the directory) was last written, in seconds since 1970.
    """

    name: str
    path: Path
    state: State
    manifest: dict[str, Any]
    size: int
    modified: float

    @property
    def task(self) -> str:
        """`char` or `tagger`; empty while there is no model."""
        return str(self.manifest.get("task", ""))

    @property
    def scores(self) -> dict[str, float]:
        """All scores of the kept model, those of the test data among them."""
        return {**self.manifest.get("scores", {}), **self.manifest.get("test_scores", {})}

    @property
    def score(self) -> tuple[str, float] | None:
        """The score that tells most: validation before training, F1 before accuracy before loss."""
        return next(((name, self.scores[name]) for name in SHOWN_SCORES if name in self.scores), None)

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        facts = {
            name: self.manifest.get(name)
            for name in ("kind", "parameters", "epoch", "step", "seed", "seconds")
        }
        place = {"name": self.name, "path": str(self.path), "state": self.state, "task": self.task or None}
        return {**place, "scores": self.scores, **facts, "bytes": self.size, "modified": self.modified}


def list_runs(root: Path) -> list[RunEntry]:
    """Every run under the root, the newest first; the runs inside a run, such as several seeds, by `name/seed-1`."""
    return sorted(_entries(root), key=lambda entry: (-entry.modified, entry.name))


def _entries(root: Path) -> Iterator[RunEntry]:
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        if not folder.is_dir() or folder.name.startswith(".") or folder.name.endswith((".new", ".old")):
            continue
        if is_run(folder):
            yield _entry(folder, folder.name)
        inner = (
            child
            for child in sorted(folder.iterdir())
            if child.is_dir() and child.name != MODEL and is_run(child)
        )
        yield from (_entry(child, f"{folder.name}/{child.name}") for child in inner)


def is_run(folder: Path) -> bool:
    """Whether a directory is a run's, finished or not."""
    return folder.name.endswith(PARTIAL) or any((folder / name).exists() for name in MARKS)


def _entry(folder: Path, name: str) -> RunEntry:
    state: State = "finished"
    manifest: dict[str, Any] = {}
    modified = folder.stat().st_mtime
    try:
        model = folder if (folder / MANIFEST).is_file() else present(folder / MODEL)
        manifest = read_manifest(model)
        modified = (model / MANIFEST).stat().st_mtime
    except (ModelError, OSError):
        state = "damaged"
    if folder.name.endswith(PARTIAL):
        state = "running" if is_held(folder) else "unfinished"
    return RunEntry(name, folder, state, manifest, folder_size(folder), modified)


def folder_size(folder: Path) -> int:
    """Bytes of all files in a directory."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size if not path.is_dir() else 0
        except OSError:  # a run in progress writes and takes away as it likes
            continue
    return total


def is_held(folder: Path) -> bool:
    """Whether a living process trains in this directory."""
    try:
        with (folder / LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


# --- taking away ------------------------------------------------------------------------------------------------------


def remove_runs(names: list[str], root: Path) -> Iterator[tuple[str, int]]:
    """Take runs away, all that are named or, if one of them cannot be, none.

    Yields:
        The name of each that is gone, and the bytes that it held.

    Raises:
        SeqtoolError: for a name that is no run's, and for a run that is being trained.
    """
    folders = {_removable(name, root): name for name in names}
    for folder, name in folders.items():
        size = folder_size(folder)
        hidden = folder.with_name(f".removed-{folder.name}")
        with writing(folder):
            shutil.rmtree(hidden, ignore_errors=True)
            folder.rename(hidden)  # gone at once for whoever looks
            shutil.rmtree(hidden)
        yield name, size


def _removable(name: str, root: Path) -> Path:
    folder = next(
        (
            path
            for path in (root / name, Path(name))
            if path.is_dir() and not path.is_symlink() and _under(path, root)
        ),
        None,
    )
    if folder is None or not (is_run(folder) or _holds_runs_alone(folder)):
        names = [entry.name for entry in list_runs(root)]
        unfinished = f"{name}{PARTIAL}"
        hint = (
            f"the unfinished run is {unfinished}"
            if unfinished in names
            else f"runs here: {', '.join(names) or 'none'}"
        )
        raise SeqtoolError("no run of this name", place=name, hint=hint)
    busy = [path for path in (folder, *folder.iterdir()) if path.is_dir() and is_held(path)]
    if busy:
        raise SeqtoolError("is being trained", place=str(busy[0]), hint="stop it first")
    return folder


def _under(path: Path, root: Path) -> bool:
    return root.resolve() in path.resolve().parents


def _holds_runs_alone(folder: Path) -> bool:
    """The directory of several seeds."""
    children = [child for child in folder.iterdir() if child.is_dir() and not child.name.startswith(".")]
    return bool(children) and all(is_run(child) for child in children)


# --- side by side -----------------------------------------------------------------------------------------------------


def run_entry(reference: str, root: Path) -> RunEntry:
    """The run or model directory that a reference names.

    Raises:
        ModelError: if there is none.
    """
    place = find_model(reference, root)
    folder = place.run or place.model
    manifest_file = present(place.model) / MANIFEST
    return RunEntry(
        reference,
        folder,
        "finished",
        read_manifest(present(place.model)),
        folder_size(folder),
        manifest_file.stat().st_mtime,
    )


def facts(entry: RunEntry) -> dict[str, Any]:
    """What two runs are compared by, beside their scores and settings."""
    manifest = entry.manifest
    named = ("kind", "parameters", "epoch", "step", "seconds", "device", "threads")
    sizes = {"model_bytes": sum(int(file["bytes"]) for file in manifest["files"].values())}
    versions = {f"version of {name}": version for name, version in manifest.get("versions", {}).items()}
    data = {f"data {Path(path).name}": str(value)[:12] for path, value in manifest.get("data", {}).items()}
    return {**{name: manifest.get(name) for name in named}, **sizes, **versions, **data}
