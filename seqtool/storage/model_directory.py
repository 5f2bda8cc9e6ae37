"""The model directory: write it whole, verify it, read it. Never torch, never pickle.

A model directory is a closed list of four plain files: `manifest.json` (what it is, and the SHA-256 of every other file
and of itself), `config.json`, `vocab.json`, `weights.safetensors`. How such a directory is sealed and verified is in
`sealed.py`. Whether the weights fit the config is checked by `runtime.load`, which knows what a network needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqtool.errors import ModelError
from seqtool.storage.verified_directory import (
    MANIFEST,
    Arrays,
    DirectoryFormat,
    Json,
    canonical_json,
    pack_arrays,
    parse_object,
    read_verified,
    read_verified_manifest,
    strict_json,
    unpack_arrays,
    write_verified,
)

__all__ = [
    "FILES",
    "FORMAT_VERSION",
    "MANIFEST",
    "StoredModel",
    "canonical_json",
    "read_manifest",
    "read_model",
    "strict_json",
    "write_model",
]

FORMAT_VERSION = 2
MODEL = DirectoryFormat(
    noun="model",
    version=FORMAT_VERSION,
    limits={"config.json": 4 << 20, "vocab.json": 1 << 30, "weights.safetensors": 32 << 30},
    mend="copy the whole model directory again from where it was trained",
    other_version="the model was written by another version of seqtool: train it again, or use that version",
)
FILES = tuple(MODEL.limits)
Weights = Arrays


@dataclass(frozen=True)
class StoredModel:
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


def write_model(folder: Path, config: Json, vocab: Json, weights: Weights, facts: Mapping[str, Any]) -> None:
    """Commit a model directory as a whole.

    Args:
        folder: where it shall lie; an earlier model there is replaced at once or not at all.
        facts: what the manifest says beyond format, task, sizes and hashes.

    Raises:
        SeqtoolError: if it cannot be written; the earlier model is then untouched.
    """
    contents = {
        "config.json": canonical_json(config),
        "vocab.json": canonical_json(vocab),
        "weights.safetensors": pack_arrays(weights),
    }
    parameters = int(sum(array.size for array in weights.values()))
    write_verified(folder, MODEL, contents, {**facts, "task": config["task"], "parameters": parameters})


def read_model(folder: Path) -> StoredModel:
    """Read and verify a model directory.

    Raises:
        ModelError: if it is missing, incomplete, of another format version, or if any byte of it is not what was written.
    """
    manifest, contents = read_verified(folder, MODEL)
    config = parse_object(folder / "config.json", contents["config.json"], MODEL)
    if config.get("task") != manifest.get("task") or config.get("task") not in ("char", "tagger"):
        raise ModelError(
            "config.json and manifest.json name different tasks", place=str(folder), hint=MODEL.mend
        )
    vocab = parse_object(folder / "vocab.json", contents["vocab.json"], MODEL)
    return StoredModel(
        config,
        vocab,
        unpack_arrays(folder / "weights.safetensors", contents["weights.safetensors"], MODEL),
        manifest,
    )


def read_manifest(folder: Path) -> Json:
    """The verified manifest alone: what a model is, without its weights.

    Raises:
        ModelError: as `read_model`.
    """
    return read_verified_manifest(folder, MODEL)
