"""What an export was, as lines of text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from seqtool.reports.runs import score, size

if TYPE_CHECKING:
    from seqtool.export.float16 import Float16Copy
    from seqtool.export.onnx import OnnxFile


def onnx_lines(done: OnnxFile) -> list[str]:
    """The file, what goes in and comes out, and how it was verified."""
    shapes = ", ".join(f"{batch} x {length}" for batch, length in done.shapes)
    return [
        f"{done.path}  {size(done.size)}",
        *_values("input", done.inputs),
        *_values("output", done.outputs),
        f"verified in onnxruntime on batch x length {shapes}: at most {done.difference:.0%} of the difference that is allowed",
    ]


def _values(what: str, values: Mapping[str, Sequence[str | int]]) -> list[str]:
    return [f"  {what:<6}  {name:<17}  ({', '.join(map(str, shape))})" for name, shape in values.items()]


def onnx_json(done: OnnxFile) -> dict[str, object]:
    """The same for a program."""
    verified = {"shapes": done.shapes, "share_of_tolerance": done.difference}
    return {
        "file": str(done.path),
        "bytes": done.size,
        "inputs": done.inputs,
        "outputs": done.outputs,
        "verified": verified,
    }


def float16_lines(done: Float16Copy) -> list[str]:
    """Size and scores before and after."""
    before, after = done.sizes
    scores = [
        f"  {name:<9}  {score(name, first)} -> {score(name, second)}"
        for name, (first, second) in done.scores.items()
    ]
    return [
        str(done.path),
        f"  size       {size(before)} -> {size(after)}",
        *scores,
        f"  data       {done.data}",
    ]


def float16_json(done: Float16Copy) -> dict[str, object]:
    """The same for a program."""
    return {"model": str(done.path), "bytes": done.sizes, "scores": done.scores, "data": done.data}
