"""Format the results of `seqtool export` as lines of text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from seqtool.reports.formatting import format_score, format_size

if TYPE_CHECKING:
    from seqtool.export.float16 import Float16Copy
    from seqtool.export.onnx import OnnxFile


def onnx_lines(exported: OnnxFile) -> list[str]:
    """Return the file, its inputs and outputs, and the result of its verification."""
    shapes = ", ".join(f"{batch} x {length}" for batch, length in exported.shapes)
    return [
        f"{exported.path}  {format_size(exported.size)}",
        *_array_lines("input", exported.inputs),
        *_array_lines("output", exported.outputs),
        f"verified in onnxruntime on batch x length {shapes}: "
        f"at most {exported.difference:.0%} of the difference that is allowed",
    ]


def _array_lines(heading: str, arrays: Mapping[str, Sequence[str | int]]) -> list[str]:
    return [f"  {heading:<6}  {name:<17}  ({', '.join(map(str, shape))})" for name, shape in arrays.items()]


def onnx_json(exported: OnnxFile) -> dict[str, object]:
    """Return the object that `--json` prints."""
    return {
        "file": str(exported.path),
        "bytes": exported.size,
        "inputs": exported.inputs,
        "outputs": exported.outputs,
        "verified": {"shapes": exported.shapes, "share_of_tolerance": exported.difference},
    }


def float16_lines(copy: Float16Copy) -> list[str]:
    """Return the path of a float16 copy, and sizes and scores before and after the conversion."""
    before, after = copy.sizes
    scores = [
        f"  {name:<9}  {format_score(name, first)} -> {format_score(name, second)}"
        for name, (first, second) in copy.scores.items()
    ]
    return [
        str(copy.path),
        f"  size       {format_size(before)} -> {format_size(after)}",
        *scores,
        f"  data       {copy.data}",
    ]


def float16_json(copy: Float16Copy) -> dict[str, object]:
    """Return the object that `--json` prints."""
    return {"model": str(copy.path), "bytes": copy.sizes, "scores": copy.scores, "data": copy.data}
