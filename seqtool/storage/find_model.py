"""Lookup of models: the runs root, the model that a command names, and the newest run that fits a command.

Every command uses the same rule. A reference is a model directory, a run directory, the name of a run
under the runs root or the name of a pretrained model. Without a reference the environment variable
`SEQTOOL_MODEL` is used, otherwise the newest finished run that fits, otherwise a pretrained model that fits.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from seqtool.errors import ModelError, SeqtoolError
from seqtool.safe_text import shorten
from seqtool.storage import ownership
from seqtool.storage.atomic import directories, present
from seqtool.storage.model_directory import Manifest, read_manifest
from seqtool.storage.verified_directory import MANIFEST

MODEL = "model"  # directory of a run that contains its model
CONFIG = "config.yaml"  # file of a run that contains its resolved settings
NAME_A_MODEL = "give the name of a run, a run directory or a model directory"
CONFIG_FILE = "a config"  # kind of a file in a message
LONGEST_REFERENCE = 200  # characters of a name in a message
PARTIAL = ".partial"  # ending of the directory of an unfinished run


class ModelFolders(NamedTuple):
    """A model directory, and the run directory that contains it, if any.

    Attributes:
        pretrained: name of a model that the package ships; it has no run.
    """

    model: Path
    run: Path | None
    pretrained: str | None = None

    @property
    def name(self) -> str:
        """Path of the run, or of the model directory where there is no run; name of a pretrained model."""
        return self.pretrained or str(self.run or self.model)

    @property
    def output_folder(self) -> Path:
        """Directory of generated files: that of the run, or of the model; the current one if pretrained."""
        return Path() if self.pretrained else self.run or self.model.parent


class ModelFilter(NamedTuple):
    """Condition that the newest model must fulfill to be used without being named.

    Attributes:
        task: `char`, `tagger` or `tokenizer`; None accepts all.
        kinds: accepted kinds of character model (`text`, `lines`, `pairs`); empty accepts all.
        description: name of such a model in messages.
        training_command: command that trains such a model, for the hint of a message.
    """

    task: str | None = None
    kinds: tuple[str, ...] = ()
    description: str = "model"
    training_command: str = "train-char configs/hihell.yaml"

    def accepts(self, manifest: Manifest) -> bool:
        """Return whether a model fulfills the condition."""
        return self.task in (None, manifest.task, *manifest.parts) and (
            not self.kinds or manifest.kind in self.kinds
        )


ANY_MODEL = ModelFilter()
TAGGER = ModelFilter("tagger", (), "tagger", "train-tagger configs/toy_tagger.yaml")
TOKENIZER = ModelFilter("tokenizer", (), "tokenizer", "train-tagger my.conllu")
CHARACTER_MODEL = ModelFilter("char", (), "character model")
ALIGNED_MODEL = ModelFilter("char", ("pairs",), "aligned character model (trained on pairs)")
TEXT_MODEL = ModelFilter(
    "char", ("text", "lines"), "character model of running text or of lines", "train-char FILE.txt"
)


def runs_root(option: Path | None = None) -> Path:
    """Return the directory of all runs: `--runs-dir`, else `$SEQTOOL_RUNS`, else `runs`.

    Raises:
        SeqtoolError: it is the directory of the pretrained models, which no command changes.
    """
    root = option or Path(os.environ.get("SEQTOOL_RUNS") or "runs")
    if ownership.is_pretrained(root):
        hint = "use a pretrained model by its name, and choose another directory for runs"
        raise SeqtoolError("this directory contains the pretrained models", place=str(root), hint=hint)
    return root


def find_model(
    reference: str | None,
    root: Path,
    wanted: ModelFilter = ANY_MODEL,
    warn: Callable[[str], None] | None = None,
) -> ModelFolders:
    """Find the model that a reference names, or the newest one that fits, or a pretrained one that fits.

    Args:
        reference: run directory, model directory, name of a run or of a pretrained model; None uses
            `$SEQTOOL_MODEL`, else the newest run, else a pretrained model.
        root: directory of all runs.
        wanted: condition on the newest run. A model that the user names is not checked.
        warn: receives a line for each run that is skipped because it cannot be read, and one if a run has the
            name of a pretrained model.

    Raises:
        ModelError: if there is no such model.
    """
    reference = reference or os.environ.get("SEQTOOL_MODEL")
    if reference:
        return _named_model(reference, root, warn)
    for place, manifest in (*finished_runs(root, warn), *pretrained_models()):
        if wanted.accepts(manifest):
            return place
    raise ModelError(
        f"no trained {wanted.description} here",
        place=str(root),
        hint=f"train one first: seqtool {wanted.training_command}; or name one with --model",
    )


# --- pretrained models --------------------------------------------------------------------------------------


def pretrained_names() -> list[str]:
    """Return the names of the shipped models."""
    try:
        return sorted(entry.name for entry in os.scandir(ownership.PRETRAINED) if entry.is_dir())
    except OSError:  # a package without these directories
        return []


def pretrained_models() -> Iterator[tuple[ModelFolders, Manifest]]:
    """Yield place and manifest of each pretrained model, by name."""
    for name in pretrained_names():
        place = _pretrained(name)
        if place is not None:
            yield place, read_manifest(place.model)


def _pretrained(name: str) -> ModelFolders | None:
    """Return the pretrained model of a name; None if there is none."""
    model = ownership.PRETRAINED / name / MODEL
    known = name in pretrained_names() and (model / MANIFEST).is_file()
    return ModelFolders(model, None, name) if known else None


# --- named models and runs ----------------------------------------------------------------------------------


def _named_model(reference: str, root: Path, warn: Callable[[str], None] | None) -> ModelFolders:
    try:
        found, pretrained = _named_directory(reference, root), _pretrained(reference)
        if found is not None and pretrained is not None and warn is not None:
            warn(f"note: {found.name} is used, not the pretrained model of this name")
        if location := found or pretrained:
            return location
        kind = _kind_of_file(Path(reference))
    except OSError as error:  # such as a directory of another user, or a name that is too long
        shown = shorten(reference, LONGEST_REFERENCE)
        raise ModelError(f"cannot read: {error.strerror}", place=shown, hint=NAME_A_MODEL) from error
    if kind:
        hint = "train it first, then name its run" if kind == CONFIG_FILE else NAME_A_MODEL
        message = f"expected a model, found {kind}"
        raise ModelError(message, place=shorten(reference, LONGEST_REFERENCE), hint=hint)
    names = sorted(place.run.name for place, _ in finished_runs(root) if place.run)
    unfinished = (root / (reference + PARTIAL)).is_dir()
    hint = (
        f"the run {reference} is unfinished: resume it with --resume"
        if unfinished
        else f"runs here: {', '.join(names) or 'none'}; pretrained: {', '.join(pretrained_names()) or 'none'}"
    )
    message = "no model directory, run directory or run of this name"
    raise ModelError(message, place=shorten(reference, LONGEST_REFERENCE), hint=hint)


def _named_directory(reference: str, root: Path) -> ModelFolders | None:
    """Return the model directory, the run directory or the run of a name; None if there is none.

    Raises:
        OSError: it cannot be read.
    """
    for base in (Path(reference), root / reference):
        folders = _folders_at(base)
        if folders is not None:
            model = folders.model.resolve()
            return (_pretrained(model.parent.name) if ownership.is_pretrained(model) else None) or folders
    return None


def _folders_at(base: Path) -> ModelFolders | None:
    """Return the model directory or the run at a path; None if there is none.

    Raises:
        OSError: it cannot be read.
    """
    if (present(base) / MANIFEST).is_file():
        in_run = base.name == MODEL and (present(base.parent) / CONFIG).is_file()
        return ModelFolders(base, base.parent if in_run else None)
    if (present(base / MODEL) / MANIFEST).is_file():
        return ModelFolders(base / MODEL, base)
    return None


def _kind_of_file(path: Path) -> str:
    """Return the kind of a file that is no directory, which cannot be a model; empty if there is none."""
    if path.suffix.lower() in (".yaml", ".yml") and path.is_file():
        return CONFIG_FILE
    if path.is_fifo():
        return "a pipe"
    return "" if path.is_dir() or not path.exists() else "a file"


def input_files(location: ModelFolders, manifest: Manifest) -> list[Path]:
    """Return the data files of a model, from the current directory and from the one that contains `runs`."""
    folders = [Path(), *([location.run.parent.parent] if location.run is not None else [])]
    return [folder / name for folder in folders for name in manifest.data if isinstance(name, str)]


def finished_runs(
    root: Path, warn: Callable[[str], None] | None = None
) -> list[tuple[ModelFolders, Manifest]]:
    """Return the finished runs directly under `root`, the newest first.

    Args:
        warn: receives a line for each run that is skipped because it is damaged or cannot be read.

    Raises:
        ModelError: the root cannot be read.
    """
    runs = sorted(
        _readable_runs(root, warn or (lambda _: None)), key=lambda run: (-run[0], str(run[1].model))
    )
    return [(place, manifest) for _, place, manifest in runs]


def _readable_runs(root: Path, warn: Callable[[str], None]) -> Iterator[tuple[int, ModelFolders, Manifest]]:
    """Yield modification time in nanoseconds, place and manifest of each finished run."""
    for name, folder in directories(root):
        if name.endswith(PARTIAL):
            continue
        try:
            manifest_file = present(folder / MODEL) / MANIFEST
            if manifest_file.is_file():
                modified, run = manifest_file.stat().st_mtime_ns, root / name
                yield modified, ModelFolders(run / MODEL, run), read_manifest(manifest_file.parent)
        except ModelError as error:
            warn(f"warning: skipped a run that cannot be used: {error.summary}")
        except OSError as error:
            warn(f"warning: skipped {folder}: cannot read: {error.strerror}")
