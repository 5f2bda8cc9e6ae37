"""Export of a trained model to one ONNX file, which is verified in onnxruntime before it is written."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqtool.errors import SeqtoolError
from seqtool.inference.character import CharacterModel
from seqtool.inference.load import load_model
from seqtool.inference.tagger import TaggerModel
from seqtool.storage.atomic import write_file, writing
from seqtool.storage.find_model import ModelPlace
from seqtool.storage.model_directory import StoredModel, read_model

if TYPE_CHECKING:
    from seqtool.export.onnx_graph import Graph
    from seqtool.export.onnx_verify import OnnxSession

LARGEST = 1_900_000_000  # bytes of weights; an ONNX file is limited to two gigabytes


@dataclass(frozen=True)
class OnnxFile:
    """Description of an exported file.

    Attributes:
        path: the file.
        size: its size in bytes.
        inputs, outputs: shape of each, by name.
        shapes: (batch, length) pairs that it was verified on.
        difference: the largest difference from the model, as a share of the tolerance.
    """

    path: Path
    size: int
    inputs: dict[str, list[str | int]]
    outputs: dict[str, list[str | int]]
    shapes: tuple[tuple[int, int], ...]
    difference: float


@dataclass(frozen=True)
class OnnxNetwork:
    """A network to export.

    Attributes:
        graph: the network.
        metadata: everything that is needed before and after the network, as texts by name; see
            docs/model-format.md.
        verify: compares the exported network with the model and returns the largest difference as a share of
            the tolerance.
    """

    graph: Graph
    metadata: dict[str, str]
    verify: Callable[[OnnxSession], float]


def export_onnx(place: ModelPlace, out: Path | None) -> OnnxFile:
    """Write `out`, or `model.onnx` into the run; for a model without a run, next to the model directory.

    Raises:
        SeqtoolError: onnx is not installed, the model cannot be read, or the exported network gives other
            results.
    """
    if find_spec("onnx") is None or find_spec("onnxruntime") is None:
        raise SeqtoolError(
            "exporting needs onnx and onnxruntime", hint="install them: pip install 'seqtool[onnx]'"
        )
    from seqtool.export.onnx_verify import SHAPES, OnnxSession

    stored = read_model(place.model)
    network = onnx_network(stored)
    proto = onnx_model(stored, network)
    content = proto.SerializeToString()
    difference = network.verify(OnnxSession(content))
    path = out or (place.run or place.model.parent) / "model.onnx"
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, content)
    inputs, outputs = (
        {value.name: _shape(value) for value in values} for values in (proto.graph.input, proto.graph.output)
    )
    return OnnxFile(path, len(content), inputs, outputs, SHAPES, difference)


def onnx_network(stored: StoredModel) -> OnnxNetwork:
    """Return the network of a model directory.

    Raises:
        ModelError: the parts of the model directory do not fit together.
        SeqtoolError: the weights do not fit in an ONNX file.
    """
    size = sum(4 * array.size for array in stored.weights.values())
    if size > LARGEST:
        message = f"expected at most {LARGEST:,} bytes of weights in an ONNX file, found {size:,}"
        raise SeqtoolError(message, hint="train a smaller network")
    model = load_model(stored)
    if isinstance(model, CharacterModel):
        return character_network(stored, model)
    return tagger_network(stored, model)


def onnx_model(stored: StoredModel, network: OnnxNetwork) -> Any:
    """Return the ONNX model (a protobuf message) of a network, with its metadata."""
    return network.graph.model(stored.manifest.name or stored.task, network.metadata)


def character_network(stored: StoredModel, model: CharacterModel) -> OnnxNetwork:
    """Return the network of a text model; its metadata are the symbols and the initial state."""
    from seqtool.export.onnx_models import character_graph, initial_values, state_names
    from seqtool.export.onnx_verify import verify_character

    initial_state = {
        name: initial_values(model.settings, stored.weights, layer, ["forward"], name[0])[0].tolist()
        for layer, names in enumerate(state_names(model.settings))
        for name in names
    }
    metadata = {
        "task": "char",
        "kind": model.kind,
        "symbols": stored.vocab["symbols"],
        "unknown": stored.vocab.get("unknown"),
        **stored.config["symbols"],
        "initial_state": initial_state,
    }
    graph = character_graph(model.settings, len(model.vocabulary), stored.weights)
    return OnnxNetwork(graph, _texts(metadata), lambda session: verify_character(model, session))


def tagger_network(stored: StoredModel, model: TaggerModel) -> OnnxNetwork:
    """Return the network of a tagger; its metadata are labels, scores of label sequences and features."""
    from seqtool.export.onnx_models import tagger_graph
    from seqtool.export.onnx_verify import verify_tagger

    metadata = {
        "task": "tagger",
        "labels": list(model.labels),
        "scheme": model.scheme,
        "inner_scheme": model.inner_scheme,
        "decoder": model.settings.decoder,
        "sequence_scores": {
            "start": model.start.tolist(),
            "transitions": model.transitions.tolist(),
            "end": model.end.tolist(),
        },
        "features": stored.config["model"]["features"],
    }
    graph = tagger_graph(model.settings, len(model.labels), stored.weights)
    return OnnxNetwork(graph, _texts(metadata), lambda session: verify_tagger(model, session))


def _texts(metadata: Mapping[str, object]) -> dict[str, str]:
    """Return metadata as texts: strings unchanged, all other values as JSON."""
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in metadata.items()}


def _shape(value: Any) -> list[str | int]:
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
