"""Describe a network: its parts in the order of the data flow, parameters, scores, and exported files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from seqtool.errors import pluralize
from seqtool.reports.console import NARROWEST, WIDEST
from seqtool.reports.formatting import format_duration, format_score, format_size, line_chart, wrapped
from seqtool.safe_text import limited, visible
from seqtool.storage.model_directory import StoredModel
from seqtool.tasks.interface import NetworkPart, Shapes, count_parameters, definition
from seqtool.types import Json

if TYPE_CHECKING:
    from seqtool.export.onnx import OnnxFile
    from seqtool.export.smaller_copy import SmallerCopy
    from seqtool.inspection.network import InspectedModel, MetricsRow

CELLS = {"rnn": "Elman RNN", "lstm": "LSTM", "gru": "GRU"}
COUNT_COLUMNS = 13  # of a number of parameters, with the space before it
WIDEST_CHART = 60  # columns
CHART_MARGIN = 14  # columns around a chart: the indentation and the labels of the axis
CURVES = (  # the columns of each chart
    ("train_loss", "val_loss"),
    ("val_accuracy", "val_f1"),
    ("val_token_f1", "val_word_f1", "val_sentence_f1"),
)


def network_title(model: StoredModel) -> str:
    """Return one line with the kind of the network and its number of parameters."""
    settings = model.config["model"]
    direction = "bidirectional " if _is_bidirectional(model.shapes) else ""
    noun = definition(model.config["task"]).noun
    return f"{direction}{CELLS[settings['cell']]} {noun}, {count_parameters(model.shapes):,} parameters"


def network_parts(model: StoredModel) -> list[NetworkPart]:
    """Return the parts of a network in the order of the data flow."""
    task = definition(model.config["task"])
    layers = _recurrent_layers(model.config["model"], model.shapes)
    return [*task.network_input(model), *layers, *task.network_output(model)]


def part_lines(parts: Sequence[NetworkPart], width: int = WIDEST) -> Iterator[str]:
    """Yield one line for each part: name, description and number of parameters.

    Args:
        width: columns of the terminal; a description that does not fit is continued on further lines.
    """
    names = max(10, *(len(part.name) for part in parts)) if parts else 0
    longest = max((len(part.description) for part in parts), default=0)
    room = max(16, min(longest, width - names - COUNT_COLUMNS - 3))
    for part in parts:
        first, *others = wrapped(part.description, room) if part.description else [""]
        count = f" {part.parameters:>{COUNT_COLUMNS - 1},}" if part.parameters else ""
        yield f"  {part.name:<{names}} {first:<{room}}{count}".rstrip()
        yield from (f"  {'':<{names}} {line}" for line in others)


def _is_bidirectional(shapes: Shapes) -> bool:
    return any(name.startswith("encoder.0.backward.") for name in shapes)


def _recurrent_layers(model: Json, shapes: Shapes) -> Iterator[NetworkPart]:
    cell = f"{model['cell']} ({model['nonlinearity']})" if model["cell"] == "rnn" else model["cell"]
    directions = " x 2 directions" if _is_bidirectional(shapes) else ""
    start = "" if model["initial_state"] == "zeros" else f", {model['initial_state']} initial state"
    for layer in range(model["num_layers"]):
        inputs = shapes[f"encoder.{layer}.forward.weight_ih"][1]
        residual = ", residual" if model["residual"] and layer else ""
        parameters = count_parameters(shapes, f"encoder.{layer}.")
        parameters += count_parameters(shapes, f"initial_state.{layer}.")
        description = f"{cell} {inputs} -> {model['hidden_size']}{directions}{residual}{start}"
        yield NetworkPart(f"layer {layer + 1}", description, parameters)


# --- `inspect` --------------------------------------------------------------------------------------------


def overview(inspected: InspectedModel, width: int = WIDEST) -> Iterator[str]:
    """Yield the name of a network, its title, its parts and its vocabulary; each network of several.

    Args:
        width: columns of the terminal.
    """
    yield inspected.name
    for number, model in enumerate(inspected.whole.parts.values()):
        if number:
            yield ""
        yield network_title(model)
        yield from part_lines(network_parts(model), width)
        yield ""
        for line in definition(model.config["task"]).vocabulary_summary(model):
            if inspected.tokenizer is None or not line.startswith("tokenizer "):  # no rule is used
                yield f"  {line}"


def details(inspected: InspectedModel) -> Iterator[str]:
    """Yield data, scores and training of a network."""
    manifest = inspected.manifest
    if manifest is None:
        return
    size = manifest.size
    on_disk = f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"
    if len(inspected.whole.parts) > 1:
        yield ""
    yield f"  size       {on_disk} on disk, {count_parameters(inspected.whole.shapes):,} parameters"
    for file, sha256 in manifest.data.items():
        yield f"  data       {limited(visible(str(file)))}  SHA-256 {sha256[:12]}…"
    scores = ", ".join(
        f"{name} {value:.4f}" for name, value in manifest.all_scores.items() if value is not None
    )
    if scores:
        step = "unknown" if manifest.step is None else f"{manifest.step:,}"
        yield f"  scores     {scores} (epoch {manifest.epoch}, step {step})"
    if manifest.seconds is not None:
        threads = "" if manifest.threads is None else f"{pluralize(manifest.threads, 'thread')}, "
        duration = format_duration(manifest.seconds)
        yield f"  trained    {duration} on {manifest.device}, {threads}seed {manifest.seed}"
        versions = ", ".join(f"{name} {version}" for name, version in manifest.versions.items())
        yield f"  versions   {versions}"
        yield limited("  command    seqtool " + visible(" ".join(manifest.command)))


def training_curves(rows: Mapping[str, Sequence[MetricsRow]], width: int) -> Iterator[str]:
    """Yield a chart of the losses over the epochs for each part, and a chart of the scores if there are any.

    Args:
        rows: rows of training by the task of the part.
        width: columns of the terminal.
    """
    for part, of_part in rows.items():
        yield from _training_curve(of_part, width, f"{part}: " if len(rows) > 1 else "")


def _training_curve(rows: Sequence[MetricsRow], width: int, title: str) -> Iterator[str]:
    for names in CURVES:
        curves = {
            name: [(row.epoch, row.values[name]) for row in rows if name in row.values] for name in names
        }
        present = {name: points for name, points in curves.items() if points}
        lines = line_chart(present, min(WIDEST_CHART, max(NARROWEST, width) - CHART_MARGIN))
        if lines:
            yield ""
            yield f"{title}{' and '.join(present)} over epochs"
            yield from ("  " + line for line in lines)


def onnx_lines(files: Sequence[OnnxFile]) -> list[str]:
    """Return each file, its inputs and outputs, and the result of its verification."""
    return [line for exported in files for line in _onnx_lines(exported)]


def _onnx_lines(exported: OnnxFile) -> list[str]:
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


def onnx_json(files: Sequence[OnnxFile]) -> dict[str, object]:
    """Return the object that `--json` prints: the first file, and the others under `parts`."""
    first, *others = map(_onnx_json, files)
    return {**first, "parts": others} if others else first


def _onnx_json(exported: OnnxFile) -> dict[str, object]:
    return {
        "file": str(exported.path),
        "bytes": exported.size,
        "inputs": exported.inputs,
        "outputs": exported.outputs,
        "verified": {"shapes": exported.shapes, "share_of_tolerance": exported.difference},
    }


def copy_lines(copy: SmallerCopy) -> list[str]:
    """Return the path of a smaller copy, and sizes and scores before and after the conversion."""
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


def copy_json(copy: SmallerCopy) -> dict[str, object]:
    """Return the object that `--json` prints."""
    return {"model": str(copy.path), "bytes": copy.sizes, "scores": copy.scores, "data": copy.data}
