"""Export of a trained model to one ONNX file, which onnxruntime verifies before it is kept."""

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
from seqtool.inference.multilabel_tagger import MultiLabelTagger
from seqtool.inference.tagger import TaggerModel
from seqtool.inference.tokenizer import TokenizerModel
from seqtool.storage.atomic import make_directory, write_file, writing
from seqtool.storage.find_model import ModelFolders, input_files
from seqtool.storage.model_directory import StoredModel, read_model
from seqtool.storage.ownership import check_output

if TYPE_CHECKING:
    from seqtool.export.onnx_graph import Graph
    from seqtool.export.onnx_verify import OnnxSession
    from seqtool.inference.tagger import Constraints

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


ONNX_MARK = b"\x12\x07seqtool"  # the field `producer_name`, at the start of each file


def export_onnx(location: ModelFolders, out: Path | None) -> list[OnnxFile]:
    """Write `out`, or `model.onnx` into the run; for a model without a run, next to the model directory;
    for a pretrained model, into the current directory.

    The other parts of a model of several parts are written next to it, such as `model.tokenizer.onnx`.

    Returns:
        The file of the part that does the task of the model, then those of the other parts.

    Raises:
        SeqtoolError: onnx is not installed, the model cannot be read, or an exported network gives other
            results. Then nothing is written.
    """
    if find_spec("onnx") is None or find_spec("onnxruntime") is None:
        raise SeqtoolError(
            "exporting needs onnx and onnxruntime", hint="install them: pip install 'seqtool[onnx]'"
        )
    stored = read_model(location.model)
    path = out or location.output_folder / "model.onnx"
    paths = {stored.task: path}
    *others, _ = stored.parts
    paths |= {task: path.with_suffix(f".{task}{path.suffix}") for task in others}
    inputs = [location.model, *input_files(location, stored.manifest)]
    for place in paths.values():
        check_output(place, inputs, mark=ONNX_MARK)
    exported = [_exported(stored.parts[task], place) for task, place in paths.items()]
    with writing(path):
        make_directory(path.parent)
    for file, content in exported:
        write_file(file.path, content)
    return [file for file, _ in exported]


def _exported(stored: StoredModel, path: Path) -> tuple[OnnxFile, bytes]:
    """Return the verified file of one part of a model and its content.

    Raises:
        SeqtoolError: the exported network gives other results.
    """
    from seqtool.export.onnx_verify import SHAPES, OnnxSession

    network = onnx_network(stored)
    proto = onnx_model(stored, network)
    content = proto.SerializeToString()
    difference = network.verify(OnnxSession(content))
    inputs, outputs = (
        {value.name: _shape(value) for value in values} for values in (proto.graph.input, proto.graph.output)
    )
    return OnnxFile(path, len(content), inputs, outputs, SHAPES, difference), content


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
    if isinstance(model, TokenizerModel):
        return tokenizer_network(stored, model)
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
        **{name: stored.vocab[name] for name in ("conditions",) if name in stored.vocab},
    }
    if model.vocabulary.unit == "word":
        from seqtool.data.text.words import word_pattern

        tokenized = bool(stored.config["symbols"].get("tokenized"))
        metadata |= {
            "tokenized": tokenized,
            "pattern": word_pattern(tokenized=tokenized),
            "characters": stored.vocab.get("characters"),
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
        "sequence_scores": _sequence_scores((model.start, model.transitions, model.end)),
        "features": stored.config["model"]["features"],
    }
    kinds: tuple[str, ...] = ()
    if isinstance(model, MultiLabelTagger):
        metadata |= _columns_metadata(model)
        kinds = tuple(head.kind for head in model.heads)
    graph = tagger_graph(model.settings, stored.weights, model.columns, kinds)
    return OnnxNetwork(graph, _texts(metadata), lambda session: verify_tagger(model, session))


def _columns_metadata(model: MultiLabelTagger) -> dict[str, object]:
    """Return the columns of a tagger of several labels, and the combinations that are scored together."""
    from seqtool.export.onnx_models import score_names

    decoder = model.decoder
    columns = [
        {
            **head._asdict(),
            "output": output,
            "labels": list(labels),
            "sequence_scores": constraints and _sequence_scores(constraints),
        }
        for head, output, labels, constraints in zip(
            model.heads, score_names(model.columns), model.column_labels, decoder.constraints, strict=True
        )
    ]
    together = decoder.combinations
    return {
        "columns": columns,
        "combined": list(decoder.combined),
        "combinations": [] if together is None else together.labels.tolist(),
        "combination_scores": [] if together is None else together.bias.tolist(),
        "known_lemmas": _known_lemmas(model),
    }


def _known_lemmas(model: MultiLabelTagger) -> dict[str, dict[int, int]]:
    """Return the number of the script of each known word, by form and number of its first label."""
    rows = model.lemmas.rows if model.lemmas else {}
    return {form: dict(zip(row[::2], row[1::2], strict=True)) for form, row in rows.items() if row}


def _sequence_scores(scores: Constraints) -> dict[str, object]:
    """Return the scores of the first label, of pairs of labels, and of the last label."""
    start, transitions, end = scores
    return {"start": start.tolist(), "transitions": transitions.tolist(), "end": end.tolist()}


def tokenizer_network(stored: StoredModel, model: TokenizerModel) -> OnnxNetwork:
    """Return the network of a tokenizer; its metadata are characters, classes and expansions."""
    from seqtool.data.tokenization.characters import CATEGORIES
    from seqtool.export.onnx_models import tokenizer_graph
    from seqtool.export.onnx_verify import verify_tokenizer

    metadata = {
        "task": "tokenizer",
        "categories": list(CATEGORIES),
        "characters": list(model.characters.counts),
        "inner_spaces": model.inner_spaces,
        **model.expansions.to_json(),
    }
    graph = tokenizer_graph(model.settings, model.characters.classes, stored.weights)
    return OnnxNetwork(graph, _texts(metadata), lambda session: verify_tokenizer(model, session))


def _texts(metadata: Mapping[str, object]) -> dict[str, str]:
    """Return metadata as texts: strings unchanged, all other values as JSON."""
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in metadata.items()}


def _shape(value: Any) -> list[str | int]:
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
