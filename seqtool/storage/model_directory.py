"""Model directory: write it as a whole, verify it, read it, without torch and without pickle.

A model directory contains four plain files: `manifest.json` (description, SHA-256 of every other file and
of itself), `config.json`, `vocab.json` and `weights.safetensors`. `verified_directory.py` writes and
verifies such directories. `inference/load.py` checks that the weights fit the config.

A model can have several parts, such as a tokenizer and a tagger. `config.json` and `vocab.json` then contain
one object for each part under `parts`, and the names of the arrays start with the name of their part
(`tagger.output.weight`). The name of a part is its task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, TypeVar

from seqtool.errors import ModelError
from seqtool.storage.int8_rows import int8_rows, restored_rows
from seqtool.storage.plain_files import is_number, parse_object
from seqtool.storage.verified_directory import (
    DirectoryFormat,
    canonical_json,
    pack_arrays,
    read_verified,
    read_verified_manifest,
    unpack_arrays,
    write_verified,
)
from seqtool.types import Arrays, Json

MODEL_FORMAT = DirectoryFormat(
    noun="model",
    versions=(2, 3),
    limits={"config.json": 4 << 20, "vocab.json": 1 << 30, "weights.safetensors": 32 << 30},
    repair="copy the whole model directory again from where it was trained",
    other_version="the model was written by another version of seqtool: train it again, or use that version",
    largest=1e6,  # products of four weights, which a prediction contains, are far below the end of float32
    dtypes=("F32", "F16", "I8"),
)
PARTS_FORMAT = MODEL_FORMAT._replace(versions=MODEL_FORMAT.versions[::-1])  # of a model of several parts
TASKS = ("char", "tagger", "tokenizer")
T = TypeVar("T")
D = TypeVar("D")


@dataclass(frozen=True)
class Manifest:
    """Description of a model: what it is, how it was trained and what it scored.

    A value that the file does not contain, or that has another type there, is None or empty.

    Attributes:
        task: `char`, `tagger` or `tokenizer`; of a model of several parts, the last one of them.
        kind: kind of character model (`text`, `lines`, `pairs`), or of a tagger.
        name: name of the run.
        sha256: hash of the manifest, which identifies the model.
        size: bytes of the other files together.
        parameters: number of weights.
        data: SHA-256 of the training files by path.
        epoch, step: row of the kept weights.
        seconds: training time.
        scores: training loss and validation scores of the kept row.
        test_scores: scores on test data.
        command: arguments of the command line.
        device, threads, precision: of the training process.
        versions: versions of the libraries by name.
        init_from: SHA-256 of the model that the weights were initialized from.
        forms_min_count: number of times that a word must occur in training to be listed in `vocab.json`.
        parts: tasks of the parts of a model with several parts.
        part_rows: epoch and step of the kept row of each part.
        source: object that `manifest.json` contains.
    """

    task: str = ""
    kind: str | None = None
    name: str | None = None
    sha256: str = ""
    size: int = 0
    parameters: int | None = None
    data: Mapping[str, str] = field(default_factory=dict)
    epoch: int | None = None
    step: int | None = None
    seed: int | None = None
    seconds: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    test_scores: Mapping[str, float] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    device: str | None = None
    threads: int | None = None
    precision: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    init_from: str | None = None
    forms_min_count: int = 1
    parts: tuple[str, ...] = ()
    part_rows: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    source: Json = field(default_factory=dict)

    @classmethod
    def from_json(cls, source: Json) -> Manifest:
        """Convert the object that `manifest.json` contains."""
        files = _typed(source.get("files"), dict, {}).values()
        init_from = _typed(source.get("init_from"), dict, {})
        return cls(
            task=_typed(source.get("task"), str, ""),
            kind=_typed(source.get("kind"), str, None),
            name=_typed(source.get("name"), str, None),
            sha256=_typed(source.get("sha256"), str, ""),
            size=sum(_typed(_typed(entry, dict, {}).get("bytes"), int, 0) for entry in files),
            parameters=_typed(source.get("parameters"), int, None),
            data=_texts(source.get("data")),
            epoch=_typed(source.get("epoch"), int, None),
            step=_typed(source.get("step"), int, None),
            seed=_typed(source.get("seed"), int, None),
            seconds=source.get("seconds") if is_number(source.get("seconds")) else None,
            scores=_numbers(source.get("scores")),
            test_scores=_numbers(source.get("test_scores")),
            command=tuple(part for part in _typed(source.get("command"), list, []) if isinstance(part, str)),
            device=_typed(source.get("device"), str, None),
            threads=_typed(source.get("threads"), int, None),
            precision=_typed(source.get("precision"), str, None),
            versions=_texts(source.get("versions")),
            init_from=_typed(init_from.get("sha256"), str, None),
            forms_min_count=_typed(source.get("forms_min_count"), int, 1),
            parts=tuple(part for part in _typed(source.get("parts"), list, []) if isinstance(part, str)),
            part_rows=_rows(source.get("part_rows")),
            source=source,
        )

    def to_json(self) -> Json:
        """Return the object that `manifest.json` contains, values without a field included."""
        return {**self.source}

    @property
    def all_scores(self) -> dict[str, float]:
        """Scores of the kept row and, after them, those on test data."""
        return {**self.scores, **self.test_scores}


def _typed(value: object, type_: type[T], default: D) -> T | D:
    return value if isinstance(value, type_) and not isinstance(value, bool) else default


def _numbers(value: object) -> dict[str, float]:
    return {name: item for name, item in _typed(value, dict, {}).items() if is_number(item)}


def _rows(value: object) -> dict[str, dict[str, int]]:
    """Return epoch and step by the name of the part; a part without both is left out."""
    rows = {name: _typed(row, dict, {}) for name, row in _typed(value, dict, {}).items()}
    return {
        name: {key: row[key] for key in ("epoch", "step")}
        for name, row in rows.items()
        if all(type(row.get(key)) is int for key in ("epoch", "step"))
    }


def _texts(value: object) -> dict[str, str]:
    return {name: item for name, item in _typed(value, dict, {}).items() if isinstance(item, str)}


class StoredModel(NamedTuple):
    """Contents of a model directory.

    Attributes:
        config: type and sizes of the network, and treatment of its input.
        vocab: symbols, or words and labels.
        weights: arrays by name, float32, or float16 in a copy of half the size. Rows that are stored as int8
            are float32 here.
        manifest: description of the model.
    """

    config: Json
    vocab: Json
    weights: Arrays
    manifest: Manifest

    @property
    def task(self) -> str:
        """`char`, `tagger` or `tokenizer`; of a model of several parts, the last one of them."""
        return self.manifest.task

    @property
    def parts(self) -> dict[str, StoredModel]:
        """Parts of the model by their task, in the order of their use; a single part is the model itself."""
        configs = self.config.get("parts")
        if configs is None:
            return {self.task: self}
        return {name: self._part(name, configs[name]) for name in sorted(configs, key=TASKS[::-1].index)}

    def _part(self, name: str, config: Json) -> StoredModel:
        """Return the part with the name of its task."""
        prefix = f"{name}."
        weights = {
            key.removeprefix(prefix): array for key, array in self.weights.items() if key.startswith(prefix)
        }
        return StoredModel(config, self.vocab["parts"][name], weights, replace(self.manifest, task=name))

    @property
    def main(self) -> StoredModel:
        """The part that does the task of the model, such as the tagger; a single part is the model itself."""
        return self.parts[self.task]

    @classmethod
    def joined(cls, parts: Sequence[StoredModel]) -> StoredModel:
        """Return a model of several parts of different tasks; a single part is returned as it is.

        The manifest is that of the last part.
        """
        if len(parts) == 1:
            return parts[0]
        return cls(
            {"task": parts[-1].task, "parts": {part.task: part.config for part in parts}},
            {"parts": {part.task: part.vocab for part in parts}},
            {f"{part.task}.{name}": array for part in parts for name, array in part.weights.items()},
            parts[-1].manifest,
        )

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every array by its name."""
        return {name: array.shape for name, array in self.weights.items()}


def write_model(
    folder: Path,
    config: Mapping[str, object],
    vocab: Mapping[str, object],
    weights: Arrays,
    description: Mapping[str, object],
    *,
    int8: bool = False,
) -> None:
    """Write a model directory as a whole.

    Args:
        folder: path of the directory; an earlier model there is either replaced or left unchanged.
        description: content of the manifest except format, task, number of parameters and hashes.
        int8: store rows of arrays as whole numbers, in a quarter of the size.

    Raises:
        SeqtoolError: if it cannot be written; the earlier model is then unchanged.
    """
    contents = {
        "config.json": canonical_json(config),
        "vocab.json": canonical_json(vocab),
        "weights.safetensors": pack_arrays(int8_rows(weights) if int8 else weights),
    }
    parameters = int(sum(array.size for array in weights.values()))
    description = {**description, "task": config["task"], "parameters": parameters}
    parts = config.get("parts")
    if isinstance(parts, Mapping):
        description["parts"] = sorted(parts, key=TASKS[::-1].index)
    write_verified(folder, PARTS_FORMAT if "parts" in config else MODEL_FORMAT, contents, description)


def read_model(folder: Path) -> StoredModel:
    """Read and verify a model directory.

    Raises:
        ModelError: if it is missing, incomplete, of another format version, or if a byte was changed after
            writing.
    """
    manifest, contents = read_verified(folder, MODEL_FORMAT)
    config, vocab = (
        parse_object(folder / name, contents[name], MODEL_FORMAT.repair, surrogates=False)
        for name in ("config.json", "vocab.json")
    )
    if config.get("task") != manifest.get("task") or config.get("task") not in TASKS:
        message = "config.json and manifest.json name different tasks"
        raise ModelError(message, place=str(folder), hint=MODEL_FORMAT.repair)
    file = folder / "weights.safetensors"
    stored = unpack_arrays(file, contents[file.name], MODEL_FORMAT)
    weights = restored_rows(stored, MODEL_FORMAT.largest, str(file), MODEL_FORMAT.repair)
    if manifest["format_version"] == PARTS_FORMAT.versions[0] or "parts" in config:
        _check_parts(folder, config, vocab, weights)
    return StoredModel(config, vocab, weights, Manifest.from_json(manifest))


def _check_parts(folder: Path, config: Json, vocab: Json, weights: Arrays) -> None:
    """Check that config, vocabulary and arrays of a model have the same parts.

    Raises:
        ModelError: a part is missing or unknown, or an array belongs to no part.
    """
    parts, vocabularies = config.get("parts"), vocab.get("parts")
    problem = ""
    if not isinstance(parts, dict) or not isinstance(vocabularies, dict):
        problem = "expected the parts of the model in config.json and vocab.json"
    elif parts.keys() != vocabularies.keys() or config["task"] not in parts or not parts.keys() <= set(TASKS):
        problem = "config.json and vocab.json name different parts of the model, or unknown ones"
    elif not all(isinstance(value, dict) for value in (*parts.values(), *vocabularies.values())):
        problem = "expected a JSON object for each part of the model"
    elif any(parts[task].get("task") != task for task in parts):
        problem = "a part of config.json names the task of another part"
    else:
        foreign = [name for name in weights if name.partition(".")[0] not in parts]
        problem = f"the array {foreign[0]!r:.80} belongs to no part of the model" if foreign else ""
    if problem:
        raise ModelError(problem, place=str(folder), hint=MODEL_FORMAT.repair)


def read_manifest(folder: Path) -> Manifest:
    """Read and verify the manifest of a model directory without the other files.

    Raises:
        ModelError: as `read_model`.
    """
    return Manifest.from_json(read_verified_manifest(folder, MODEL_FORMAT))
