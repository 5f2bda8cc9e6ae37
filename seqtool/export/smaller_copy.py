"""Copy of a model in a half or a quarter of the bytes, with float16 or int8 weights; scores of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from seqtool.errors import ModelError, SeqtoolError
from seqtool.storage.find_model import ModelFolders, input_files
from seqtool.storage.int8_rows import int8_rows, restored_rows
from seqtool.storage.model_directory import MODEL_FORMAT, StoredModel, read_model, write_model
from seqtool.storage.ownership import check_output
from seqtool.tasks.interface import definition
from seqtool.types import Arrays

SmallType = Literal["float16", "int8"]
REPLACED_FACTS = ("files", "format_version", "parameters", "sha256", "task")  # write_model adds these itself


@dataclass(frozen=True)
class SmallerCopy:
    """Sizes and scores of a model and its smaller copy.

    Attributes:
        path: the new model directory.
        sizes: bytes before and after.
        scores: values before and after, by name; empty if there was nothing to score on.
        data: name of the scored data, or the reason why nothing was scored.
    """

    path: Path
    sizes: tuple[int, int]
    scores: dict[str, tuple[float, float]]
    data: str


def write_smaller_copy(
    location: ModelFolders, dtype: SmallType, out: Path | None, files: Sequence[Path], root: Path
) -> SmallerCopy:
    """Write a model directory with smaller weights: `out`, or `NAME-float16` or `NAME-int8` next to the run.

    Args:
        files: data to score both models on; if empty, the held-out data of the run.
        root: directory of all runs, with the cache of encoded texts.

    Raises:
        ModelError: the weights are of this type already, or a weight is too large for float16.
        SeqtoolError: the directory belongs to something else, or one of the files cannot be read.
    """
    original = read_model(location.model)
    copy = original._replace(weights=rounded_weights(original, dtype, location.name))
    inputs = [location.model, *input_files(location, original.manifest), *files]
    path = _free_path(location, dtype, out, inputs)
    scores, data = _scores_before_and_after(location, original, copy, files, root)
    facts = {name: value for name, value in original.manifest.to_json().items() if name not in REPLACED_FACTS}
    facts |= {"dtype": dtype, "made_from": original.manifest.sha256}
    write_model(path, copy.config, copy.vocab, copy.weights, facts, int8=dtype == "int8")
    return SmallerCopy(path, (original.manifest.size, read_model(path).manifest.size), scores, data)


def rounded_weights(model: StoredModel, dtype: SmallType, name: str) -> Arrays:
    """Return the weights that a copy of a model has.

    Args:
        name: name of the model in messages.

    Raises:
        ModelError: the weights are of this type already, or a weight is too large for float16.
    """
    if model.manifest.source.get("dtype") == dtype:
        raise ModelError(f"its weights are {dtype} already", place=name)
    if dtype == "int8":
        return restored_rows(int8_rows(model.weights), MODEL_FORMAT.largest, name, MODEL_FORMAT.repair)
    with np.errstate(over="ignore"):
        weights = {key: array.astype(np.float16) for key, array in model.weights.items()}
    for key, array in weights.items():
        if not np.isfinite(array).all():
            message = f"{key}: a weight is too large for float16"
            raise ModelError(message, place=name, hint="keep the model as it is")
    return weights


def _free_path(location: ModelFolders, dtype: SmallType, out: Path | None, inputs: Sequence[Path]) -> Path:
    """Return the directory to write; only a model directory of which every byte is verified is replaced."""
    base = Path(location.pretrained) if location.pretrained else location.run or location.model
    path = out or base.with_name(f"{base.name}-{dtype}")
    check_output(path, inputs, directory=True)
    if path.exists():
        try:
            read_model(path)
        except ModelError as error:
            message = f"expected a free path or a model directory, found something else: {error.summary}"
            raise SeqtoolError(message, place=str(path), hint="choose another path with --out") from error
    return path


# --- scores -------------------------------------------------------------------------------------------------


def _scores_before_and_after(
    location: ModelFolders, original: StoredModel, copy: StoredModel, files: Sequence[Path], root: Path
) -> tuple[dict[str, tuple[float, float]], str]:
    """Score both models on the same data. Unreadable data are an error only if the user named them.

    Of a model of several parts, each part is scored; data that do not suit another than the last one, such as
    sentences without raw text for a tokenizer, leave out its scores.
    """
    scores: dict[str, tuple[float, float]] = {}
    data = []
    main = [*original.parts][-1]
    for name, part in original.parts.items():
        try:
            scorer = definition(name).scorer(part, location, files, root)
            before, after = scorer.score(part), scorer.score(copy.parts[name])
        except SeqtoolError as error:
            if name != main:
                data.append(f"{name} not scored: {_reason(error)}")
                continue
            if files:
                raise
            return {}, f"not scored: {_reason(error)}; name data with --data"
        scores |= {score: (before[score], after[score]) for score in before}
        data.append(scorer.data)
    return scores, "; ".join(dict.fromkeys(reversed(data)))


def _reason(error: SeqtoolError) -> str:
    problem = error.problems[0]
    return f"{problem.place}: {problem.message}" if problem.place else problem.message
