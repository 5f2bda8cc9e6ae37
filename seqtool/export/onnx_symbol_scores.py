"""Output layer of a text model as ONNX operators, also of an adaptive softmax."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from seqtool.export.onnx_graph import Graph
from seqtool.settings.model import CharModel
from seqtool.types import Array, Arrays


def symbol_scores(graph: Graph, model: CharModel, weights: Arrays, x: str) -> str:
    """Add the output layer of a text model: scores of symbols, or log probabilities of an adaptive output."""
    if "bridge.weight" in weights:
        x = graph.add("MatMul", x, graph.constant(float32(weights["bridge.weight"]).T))
    matrix = float32(weights["embedding.weight" if model.tied else "output.weight"])
    scores = graph.add("MatMul", x, graph.constant(matrix.T))
    scores = graph.add("Add", scores, graph.constant(float32(weights["output.bias"])))
    if "clusters.weight" not in weights:
        return scores
    clusters = graph.add("MatMul", x, graph.constant(float32(weights["clusters.weight"]).T))
    clusters = graph.add("Add", clusters, graph.constant(float32(weights["clusters.bias"])))
    return _adaptive_output(graph, model.output_bounds(len(matrix)), scores, clusters)


def _adaptive_output(graph: Graph, bounds: Sequence[int], scores: str, clusters: str) -> str:
    """Add the softmax in two steps: log probabilities of all symbols."""

    def part(values: str, start: int, stop: int) -> str:
        return graph.add("Slice", values, *(graph.constant([place]) for place in (start, stop, 2)))

    head = graph.add("LogSoftmax", graph.add("Concat", part(scores, 0, bounds[0]), clusters, axis=2), axis=2)
    parts = [part(head, 0, bounds[0])]
    for group, (start, stop) in enumerate(pairwise(bounds)):
        within = graph.add("LogSoftmax", part(scores, start, stop), axis=2)
        of_group = part(head, bounds[0] + group, bounds[0] + group + 1)
        parts.append(graph.add("Add", within, of_group))
    return graph.add("Concat", *parts, axis=2)


def float32(weight: Array) -> Array:
    """Return a weight as ONNX stores it."""
    return weight.astype(np.float32)
