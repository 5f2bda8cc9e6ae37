"""A trained model for other runtimes: one ONNX file, verified in onnxruntime before it is kept."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from seqtool.errors import SeqtoolError
from seqtool.inference.character import CharacterModel
from seqtool.inference.load import load_model
from seqtool.inference.tagger import TaggerModel
from seqtool.storage.atomic import write_file, writing
from seqtool.storage.find_model import ModelPlace
from seqtool.storage.model_directory import StoredModel, read_model

LARGEST = 1_900_000_000  # bytes of weights; a file holds two gigabytes at most


@dataclass(frozen=True)
class Onnx:
    """What was exported.

    Attributes:
        path: the file.
        size: its bytes.
        inputs, outputs: name and shape of each.
        shapes: the (batch, length) pairs that it was verified on.
        difference: the largest difference from the model, as a share of what is allowed.
    """

    path: Path
    size: int
    inputs: dict[str, list[str | int]]
    outputs: dict[str, list[str | int]]
    shapes: tuple[tuple[int, int], ...]
    difference: float


def export_onnx(place: ModelPlace, out: Path | None) -> Onnx:
    """Write `model.onnx` into the run (beside a model directory without one), or to `out`.

    Raises:
        SeqtoolError: if onnx is not installed, the model cannot be read, or the exported one does not give the same.
    """
    if find_spec("onnx") is None or find_spec("onnxruntime") is None:
        raise SeqtoolError(
            "exporting needs onnx and onnxruntime", hint="install them: pip install 'seqtool[onnx]'"
        )
    from seqtool.export.onnx_verify import SHAPES, Exported, check_character, check_tagger

    bundle = read_model(place.model)
    model = load_model(bundle)
    proto = onnx_model(bundle, model)
    content = proto.SerializeToString()
    exported = Exported(content)
    difference = (
        check_character(model, exported)
        if isinstance(model, CharacterModel)
        else check_tagger(model, exported)
    )
    path = out or (place.run or place.model.parent) / "model.onnx"
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, content)
    inputs, outputs = (
        {value.name: _shape(value) for value in values} for values in (proto.graph.input, proto.graph.output)
    )
    return Onnx(path, len(content), inputs, outputs, SHAPES, difference)


def onnx_model(bundle: StoredModel, model: CharacterModel | TaggerModel) -> Any:
    """The ONNX model of a model directory, with what is needed round the network in its metadata."""
    from seqtool.export.onnx_models import character_graph, tagger_graph

    size = sum(4 * array.size for array in bundle.weights.values())
    if size > LARGEST:
        raise SeqtoolError(
            f"{size:,} bytes of weights, more than an ONNX file holds", hint="train a smaller network"
        )
    if isinstance(model, CharacterModel):
        graph, facts = (
            character_graph(model.settings, len(model.vocabulary), bundle.weights),
            _character_facts(bundle, model),
        )
    else:
        graph, facts = (
            tagger_graph(model.settings, len(model.labels), bundle.weights),
            _tagger_facts(bundle, model),
        )
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in facts.items()}
    return graph.model(bundle.manifest.name or bundle.task, texts)


def _character_facts(bundle: StoredModel, model: CharacterModel) -> dict[str, Any]:
    from seqtool.export.onnx_models import start_values, state_names

    names = state_names(model.settings)
    starts = {
        name: start_values(model.settings, bundle.weights, layer, ["forward"], name[0])[0].tolist()
        for layer, row in enumerate(names)
        for name in row
    }
    symbols = {
        "symbols": bundle.vocab["symbols"],
        "unknown": bundle.vocab.get("unknown"),
        **bundle.config["symbols"],
    }
    return {"task": "char", "kind": model.kind, **symbols, "initial_state": starts}


def _tagger_facts(bundle: StoredModel, model: TaggerModel) -> dict[str, Any]:
    sequence = {
        "start": model.start.tolist(),
        "transitions": model.transitions.tolist(),
        "end": model.end.tolist(),
    }
    scheme = {"scheme": model.scheme, "inner_scheme": model.inner_scheme, "decoder": model.settings.decoder}
    return {
        "task": "tagger",
        "labels": list(model.labels),
        **scheme,
        "sequence_scores": sequence,
        "features": bundle.config["model"]["features"],
    }


def _shape(value: Any) -> list[str | int]:
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
