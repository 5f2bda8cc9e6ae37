"""The model directory: write it whole, verify it, read it. Never torch, never pickle.

A model directory is a closed list of four plain files: `manifest.json` (what it is, and the SHA-256 of every other file
and of itself), `config.json`, `vocab.json`, `weights.safetensors`. Each file is read once, within a size limit and
without following links; what was hashed is what is parsed. Whether the weights fit the config is checked by
`runtime.load`, which knows what a network needs.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqtool.errors import ModelError
from seqtool.files import commit_directory, present

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
FILES = ("config.json", "vocab.json", "weights.safetensors")
SIZE_LIMITS = {MANIFEST: 4 << 20, "config.json": 4 << 20, "vocab.json": 1 << 30, "weights.safetensors": 32 << 30}
Weights = dict[str, np.ndarray[Any, Any]]
Json = dict[str, Any]


@dataclass(frozen=True)
class Bundle:
    """A model in memory, as it lies on disk.

    Attributes:
        config: what the network is and how its input is read.
        vocab: symbols or words, and labels.
        weights: arrays by name, float32 (or float16 for a model that was made smaller).
        manifest: facts: task, sizes, scores, versions, hashes.
    """

    config: Json
    vocab: Json
    weights: Weights
    manifest: Json

    @property
    def task(self) -> str:
        """`char` or `tagger`."""
        return str(self.manifest["task"])


def canonical_json(value: Any) -> bytes:
    """JSON in the one form that is hashed: sorted keys, no spaces, no NaN, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8", "surrogatepass")


def write_bundle(folder: Path, config: Json, vocab: Json, weights: Weights, facts: Mapping[str, Any]) -> None:
    """Commit a model directory as a whole.

    Args:
        folder: where it shall lie; an earlier model there is replaced at once or not at all.
        facts: what the manifest says beyond format, task, sizes and hashes.

    Raises:
        SeqtoolError: if it cannot be written; the earlier model is then untouched.
    """
    from safetensors.numpy import save

    contents = {
        "config.json": canonical_json(config),
        "vocab.json": canonical_json(vocab),
        "weights.safetensors": save({name: np.ascontiguousarray(array) for name, array in weights.items()}),
    }
    manifest: Json = {
        **facts,
        "format_version": FORMAT_VERSION,
        "task": config["task"],
        "parameters": int(sum(array.size for array in weights.values())),
        "files": {name: {"sha256": _sha256(content), "bytes": len(content)} for name, content in contents.items()},
    }
    contents[MANIFEST] = canonical_json({**manifest, "sha256": _sha256(canonical_json(manifest))})

    def fill(fresh: Path) -> None:
        for name, content in contents.items():
            (fresh / name).write_bytes(content)

    commit_directory(folder, fill)


def read_bundle(folder: Path) -> Bundle:
    """Read and verify a model directory.

    Raises:
        ModelError: if it is missing, incomplete, of another format version, or if any byte of it is not what was written.
    """
    try:
        return _read(present(folder))
    except ModelError:
        # `folder` may have been in the moment of its exchange with a newer model: look once more.
        time.sleep(0.05)
        return _read(present(folder))


def read_manifest(folder: Path) -> Json:
    """The verified manifest alone: what a model is, without its weights.

    Raises:
        ModelError: as `read_bundle`.
    """
    path = folder / MANIFEST
    manifest = _parse(path, _read_limited(path))
    if manifest.get("format_version") != FORMAT_VERSION:
        raise ModelError(
            f"expected format version {FORMAT_VERSION}, found {manifest.get('format_version')!r}",
            place=str(path),
            hint="the model was written by another version of seqtool: train it again, or use that version",
        )
    claimed = manifest.get("sha256")
    if claimed != _sha256(canonical_json({key: value for key, value in manifest.items() if key != "sha256"})):
        raise _damaged(path)
    if not isinstance(manifest.get("files"), dict) or set(manifest["files"]) != set(FILES):
        raise ModelError("the manifest does not list the model's files", place=str(path), hint="train the model again")
    return manifest


def _read(folder: Path) -> Bundle:
    if not folder.is_dir():
        raise ModelError("no model directory here", place=str(folder), hint="train a model first, or name another with --model")
    unexpected = sorted({entry.name for entry in folder.iterdir()} - {MANIFEST, *FILES})
    if unexpected:
        raise ModelError(
            f"a file that does not belong to a model: {unexpected[0]!r}", place=str(folder), hint="remove it, or copy the model again"
        )
    manifest = read_manifest(folder)
    contents = {name: _verified(folder / name, manifest["files"][name]) for name in FILES}
    config = _parse(folder / "config.json", contents["config.json"])
    if config.get("task") != manifest.get("task") or config.get("task") not in ("char", "tagger"):
        raise ModelError("config.json and manifest.json name different tasks", place=str(folder))
    vocab = _parse(folder / "vocab.json", contents["vocab.json"])
    return Bundle(config, vocab, read_weights(folder / "weights.safetensors", contents["weights.safetensors"]), manifest)


def _verified(path: Path, expected: Any) -> bytes:
    content = _read_limited(path)
    if not isinstance(expected, dict) or expected.get("sha256") != _sha256(content):
        raise _damaged(path)
    return content


def _read_limited(path: Path) -> bytes:
    """A plain file's bytes, not through a link and never more than its limit."""
    limit = SIZE_LIMITS[path.name]
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        hint = "a model directory holds plain files only" if path.is_symlink() else "copy the whole model directory again"
        raise ModelError(
            f"cannot read: {'a symbolic link' if path.is_symlink() else error.strerror}", place=str(path), hint=hint
        ) from error
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise ModelError("not a plain file", place=str(path), hint="a model directory holds plain files only")
        if facts.st_size > limit:
            raise ModelError(f"{facts.st_size:,} bytes, more than the {limit:,} allowed", place=str(path))
        return file.read(facts.st_size + 1)


def _parse(path: Path, content: bytes) -> Json:
    try:
        value = strict_json(content)
    except ValueError as error:
        raise ModelError(
            f"not the JSON that a model holds: {error}", place=str(path), hint="copy the whole model directory again"
        ) from error
    if not isinstance(value, dict):
        raise ModelError("expected a JSON object", place=str(path))
    return value


def strict_json(content: bytes) -> Any:
    """Parse JSON without NaN; its depth is bounded by the parser itself, which gives up before the stack does.

    Raises:
        ValueError: with the reason.
    """
    try:
        return json.loads(content.decode("utf-8", "surrogatepass"), parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def read_weights(path: Path, content: bytes) -> Weights:
    """Arrays from the bytes of a safetensors file, finite and of a floating type.

    Raises:
        ModelError: naming the array that is not.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        weights: Weights = load(content)
    except (SafetensorError, ValueError, KeyError, struct.error) as error:
        raise ModelError(f"not a safetensors file: {error}", place=str(path), hint="copy the whole model directory again") from error
    for name, array in weights.items():
        if array.dtype not in (np.float32, np.float16):
            raise ModelError(f"{name}: expected float32 or float16, found {array.dtype}", place=str(path))
        if not np.isfinite(array).all():
            raise ModelError(f"{name}: a weight is not finite", place=str(path), hint="train the model again")
    return weights


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _damaged(path: Path) -> ModelError:
    return ModelError(
        "damaged: its SHA-256 is not the one in the manifest", place=str(path), hint="copy the model again from where it was trained"
    )
