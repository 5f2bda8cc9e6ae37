"""Run directories: start, resume and finish a run, and keep or replace an earlier run of the same name.

The directory of an unfinished run is `runs/<name>.partial`, and it is locked. When the run is finished, the
directory is renamed to `runs/<name>`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from seqtool.errors import ModelError, SeqtoolError
from seqtool.storage.atomic import (
    complete_removals,
    delete_temporary_files,
    exchange,
    present,
    recover,
    sync,
    writing,
)
from seqtool.storage.find_model import CONFIG, MODEL, PARTIAL
from seqtool.storage.lock import DirectoryLock, acquire_lock, delete_lock
from seqtool.storage.model_directory import MODEL_FORMAT, read_manifest
from seqtool.storage.ownership import (
    CHECKPOINT_CONTENTS,
    CHECKPOINTS_CONTENTS,
    GROUP_CONTENTS,
    RUN_CONTENTS,
    UNLOCKED_CONTENTS,
    delete_own,
    is_run_entry,
)
from seqtool.storage.plain_files import JSON_LIMIT, read_plain

CHECKPOINTS = "checkpoints"


class RunDirectory:
    """Directory of one run: `<name>.partial` with a lock during training, `<name>` afterwards.

    Attributes:
        final: path of the finished run.
        path: current path of the run.
    """

    def __init__(self, root: Path, name: str) -> None:
        self.final = root / name
        self.path = root / (name + PARTIAL)
        self._lock: DirectoryLock | None = None

    @property
    def model(self) -> Path:
        """Directory of the best model so far."""
        return self.path / MODEL

    @property
    def checkpoints(self) -> Path:
        """Directory of the checkpoints."""
        return self.path / CHECKPOINTS

    def has_checkpoint(self) -> bool:
        """Return whether there is a checkpoint to resume from."""
        return bool(checkpoint_numbers(self.checkpoints))

    def check_can_start(self, *, overwrite: bool, resume: bool) -> None:
        """Check that a start would not delete the checkpoint of an interrupted run.

        Raises:
            SeqtoolError: there is a checkpoint, and neither `overwrite` nor `resume` is set.
        """
        if self.has_checkpoint() and not (overwrite or resume):
            raise SeqtoolError(
                "an interrupted run of this name has a checkpoint",
                place=str(self.path),
                hint="resume it with --resume, or replace it with --overwrite",
            )

    def check_inputs(self, files: Iterable[str | Path]) -> None:
        """Check that the run neither deletes nor replaces one of its input files.

        Raises:
            SeqtoolError: if it does.
        """
        for file in files:
            real = Path(os.path.realpath(file))
            for folder in (Path(os.path.realpath(self.path)), Path(os.path.realpath(self.final))):
                if real.is_relative_to(folder) and is_run_entry(real.relative_to(folder).parts[0]):
                    message = f"this input is a file of {folder}, which the run replaces"
                    raise SeqtoolError(message, place=str(file), hint="train under another --name")

    def start(self, *, overwrite: bool = False, resume: bool = False) -> None:
        """Lock the directory and prepare it for training.

        If the run is resumed, only the unfinished files of a crash are deleted. Otherwise all files that
        seqtool wrote are deleted. Other files stay, and move to the finished run.

        Raises:
            SeqtoolError: another process holds the lock, a checkpoint would be lost, or the directory cannot
                be written.
        """
        with writing(self.path, "--runs-dir"):
            self._lock = acquire_lock(self.path)
        try:
            self.check_can_start(overwrite=overwrite, resume=resume)
            with writing(self.path, "--runs-dir"):
                recover(self.final, RUN_CONTENTS, move_inner_entries)
                complete_removals(self.final.parent, GROUP_CONTENTS)
                if (self.final / MODEL).is_dir():  # left if `finish` is killed after the rename
                    delete_lock(self.final)
                if resume:
                    self._delete_unfinished_files()
                else:
                    delete_own(self.path, UNLOCKED_CONTENTS)
        except BaseException:
            self.release()
            raise

    def _delete_unfinished_files(self) -> None:
        recover(self.model, MODEL_FORMAT.contents)
        delete_temporary_files(self.path)
        for entry in self.checkpoints.iterdir() if self.checkpoints.is_dir() else ():
            contents = CHECKPOINTS_CONTENTS.folder(entry.name)
            if not entry.name.isdecimal() and contents is not None:
                delete_own(entry, contents)

    def release(self) -> None:
        """Release the lock, and delete the directory if it is empty."""
        if self._lock is not None:
            self._lock.release(self.path)
            self._lock = None

    def finish(
        self, *, overwrite: bool = False, continues: str = "", keep_checkpoint: bool = True
    ) -> Path | None:
        """Rename the directory to its final name and release the lock. The last checkpoint is kept.

        An earlier run of that name is replaced if it has the same settings and data, if this run continues
        it, or if `overwrite` is set. Otherwise, or if the user put files into its model, it is renamed to the
        first free name of `<name>~1`, `<name>~2` and so on. Other files of the user move to the new run.

        Args:
            overwrite: replace any earlier run of that name.
            continues: SHA-256 of the manifest of the earlier run that this run continues; empty if there is
                none.
            keep_checkpoint: whether the last checkpoint is kept.

        Returns:
            New path of the earlier run if it was renamed, else None.

        Raises:
            SeqtoolError: the directory cannot be renamed; the earlier run then keeps its name.
        """
        with writing(self.final, "--runs-dir"):
            for number in checkpoint_numbers(self.checkpoints)[1:]:
                with suppress(OSError):
                    delete_own(checkpoint_path(self.checkpoints, number), CHECKPOINT_CONTENTS)
            self._sync()
            replaced = overwrite or same_experiment(self.final, self.path) or _is_model(self.final, continues)
            renamed = exchange(self.path, self.final, RUN_CONTENTS, move_inner_entries, keep=not replaced)
        self.path = self.final
        if not keep_checkpoint:
            with suppress(OSError):
                delete_own(self.checkpoints, CHECKPOINTS_CONTENTS)
        self.release()
        return renamed

    def _sync(self) -> None:
        for entry in self.path.iterdir():
            if entry.is_file() or entry == self.checkpoints:
                sync(entry)
        sync(self.path)


def checkpoint_numbers(folder: Path) -> list[int]:
    """Return the numbers of the checkpoints in a directory, the newest first."""
    names = [entry.name for entry in folder.iterdir() if entry.is_dir()] if folder.is_dir() else []
    return sorted((int(name) for name in names if name.isdecimal()), reverse=True)


def checkpoint_path(folder: Path, number: int) -> Path:
    """Return the directory of a checkpoint by its number."""
    return folder / f"{number:06d}"


def _is_model(run: Path, sha256: str) -> bool:
    """Return whether the manifest of a run's model has this SHA-256."""
    try:
        return bool(sha256) and read_manifest(present(run / MODEL)).sha256 == sha256
    except (OSError, ModelError):
        return False


def same_experiment(first: Path, second: Path) -> bool:
    """Return whether two runs have the same resolved config and the same hashes of their data files."""
    try:
        configs = [read_plain(run / CONFIG, JSON_LIMIT) for run in (first, second)]
        manifests = [read_manifest(present(run / MODEL)) for run in (first, second)]
    except (OSError, ModelError):
        return False
    return configs[0] == configs[1] and manifests[0].data == manifests[1].data


def move_inner_entries(previous: Path, run: Path) -> None:
    """Move seeds, trials of a sweep and files of the user from a replaced run into the new run."""
    for entry in previous.iterdir():
        if not is_run_entry(entry.name) and not os.path.lexists(run / entry.name):
            entry.rename(run / entry.name)
    sync(run)
