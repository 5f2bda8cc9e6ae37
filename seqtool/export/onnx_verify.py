"""Whether an exported network gives what the model gives: run in onnxruntime on several shapes, before the file is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from seqtool.errors import SeqtoolError
from seqtool.export.onnx_models import state_names
from seqtool.inference.character import CharacterModel
from seqtool.inference.encoder import State
from seqtool.inference.tagger import TaggerModel
from seqtool.types import Array

SHAPES = ((1, 1), (2, 7), (5, 3), (3, 40))  # (batch, length)
TOLERANCE = 1e-5  # times the larger of 1 and the value: what DESIGN allows between two forward passes
Arrays = dict[str, Array]


class Exported:
    """An exported network in onnxruntime, on one thread."""

    def __init__(self, content: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self.outputs = [output.name for output in self._session.get_outputs()]

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """Outputs by name."""
        return dict(zip(self.outputs, self._session.run(None, dict(inputs)), strict=True))


def check_character(model: CharacterModel, exported: Exported) -> float:
    """Compare scores and states on what the model writes, the states carried on into a second call.

    Random symbols would not do: on what it never met, a trained network can make a thousandfold of float32's last digit.

    Returns:
        The largest difference, as a share of what is allowed.

    Raises:
        SeqtoolError: where it is more.
    """
    draw = np.random.default_rng(0)
    names = state_names(model.settings)
    worst = 0.0
    for batch, length in SHAPES:
        state = model.initial_state(batch)
        inputs = {
            name: np.ascontiguousarray(part)
            for row, parts in zip(names, state, strict=True)
            for name, part in zip(row, parts, strict=True)
        }
        for _ in range(2):
            ids = _written(model, state, draw.integers(0, len(model.vocabulary), (1, batch)), length, draw)
            found = exported({"ids": ids, **inputs})
            logits, state = model.forward(ids, state)
            worst = max(worst, _difference(found["logits"], logits, (batch, length)))
            for row, parts in zip(names, state, strict=True):
                for name, part in zip(row, parts, strict=True):
                    worst = max(worst, _difference(found[f"{name}.next"], part, (batch, length)))
                    inputs[name] = found[f"{name}.next"]
    return worst


def _written(
    model: CharacterModel, state: State, first: Array, length: int, draw: np.random.Generator
) -> Array:
    """Symbols (length, batch) that the model draws, from the first ones on."""
    rows = [first]
    while len(rows) < length:
        logits, state = model.forward(rows[-1], state)
        rows.append((logits + draw.gumbel(size=logits.shape)).argmax(2))
    return np.concatenate(rows)


def check_tagger(model: TaggerModel, exported: Exported) -> float:
    """Compare scores on random sentences of different lengths; returns and raises as `check_character`."""
    worst = 0.0
    for batch, length in SHAPES:
        sentences = list(_sentences(model, batch, length))
        found = exported(tagger_inputs(model, sentences))["scores"]
        for column, scores in enumerate(model.scores(sentences)):
            here = found[: len(scores), column]
            worst = max(worst, _difference(here, scores, (batch, length)))
            _same_labels(here, scores)
    return worst


def _sentences(model: TaggerModel, batch: int, length: int) -> Iterator[list[str]]:
    """The first of the given length, the others shorter or as long; known words and unknown ones."""
    draw = np.random.default_rng(batch * 1000 + length)
    forms = model.encoder.to_json()["forms"][:1000] or ["word"]
    words = [*forms, "Unseen", "zzz-999", "é", "x" * 70]
    for sentence in range(batch):
        count = length if not sentence else int(draw.integers(1, length + 1))
        yield [words[number] for number in draw.integers(0, len(words), count)]


def tagger_inputs(model: TaggerModel, sentences: list[list[str]]) -> Arrays:
    """What an exported tagger reads of some sentences, padded to the longest."""
    lengths = np.array([len(sentence) for sentence in sentences], np.int64)
    time, batch = int(lengths.max()), len(sentences)
    encoded = model.encoder.encode([token for sentence in sentences for token in sentence])
    place = np.concatenate([np.arange(length) for length in lengths]), np.repeat(np.arange(batch), lengths)
    inputs: Arrays = {"lengths": lengths}
    if encoded.ids.shape[1]:
        inputs["features"] = np.zeros((time, batch, encoded.ids.shape[1]), np.int64)
        inputs["features"][place] = encoded.ids
    if encoded.characters is not None and encoded.lengths is not None:
        inputs["characters"] = np.full((time, batch, encoded.characters.shape[1]), -1, np.int64)
        inputs["characters"][place] = encoded.characters
        inputs["character_lengths"] = np.zeros((time, batch), np.int64)
        inputs["character_lengths"][place] = encoded.lengths
    return inputs


def _difference(found: Array, wanted: Array, shape: tuple[int, int]) -> float:
    """The largest difference as a share of what is allowed."""
    share = float((np.abs(found - wanted) / (TOLERANCE * np.maximum(1, np.abs(wanted)))).max(initial=0))
    if found.shape != wanted.shape or not share <= 1:
        raise SeqtoolError(
            f"onnxruntime does not give what the model gives: {share:.1f} times the difference that is allowed",
            place=f"batch {shape[0]}, length {shape[1]}",
            hint="nothing was written; please report this with the model's config.json",
        )
    return share


def _same_labels(found: Array, wanted: Array) -> None:
    """Label for label, wherever the best two differ by more than twice the tolerance."""
    if wanted.shape[1] < 2:
        return
    second, best = np.sort(wanted, axis=1)[:, -2:].T
    clear = best - second > 2 * TOLERANCE * np.maximum(1, np.abs(best))
    assert (found.argmax(1) == wanted.argmax(1))[clear].all()
