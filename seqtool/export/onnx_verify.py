"""Comparison of exported networks with models: onnxruntime and numpy give the same scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from seqtool.errors import SeqtoolError
from seqtool.export.onnx_models import score_names, state_names
from seqtool.inference.character import CharacterModel
from seqtool.inference.conditional import ConditionalModel
from seqtool.inference.encoder import State
from seqtool.inference.tagger import TaggerModel
from seqtool.inference.tokenizer import TokenizerModel
from seqtool.types import Array

SHAPES = ((1, 1), (2, 7), (5, 3), (3, 40))  # (batch, length)
TOLERANCE = 1e-5  # times max(1, |value|): the allowed difference of two forward passes, see DESIGN.md


class OnnxSession:
    """An exported network in onnxruntime, on one thread."""

    def __init__(self, content: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self.outputs = [output.name for output in self._session.get_outputs()]

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the outputs by name."""
        return dict(zip(self.outputs, self._session.run(None, dict(inputs)), strict=True))


def verify_character(model: CharacterModel, session: OnnxSession) -> float:
    """Compare scores and states on text that the model itself generates.

    A second call continues from the states of the first one. Random symbols are no valid test: on input
    unlike its training text, a trained network can amplify rounding errors a thousand times.

    A model of lines with conditions is compared under its first and its last condition.

    Returns:
        The largest difference, as a share of the tolerance.

    Raises:
        SeqtoolError: a difference is larger than the tolerance.
    """
    if not isinstance(model, ConditionalModel):
        return _verify_text_model(model, session)
    ends = (0, len(model.conditions.names) - 1)
    return max(_verify_text_model(model.under(number), session, number) for number in ends)


def _verify_text_model(model: CharacterModel, session: OnnxSession, condition: int | None = None) -> float:
    rng = np.random.default_rng(0)
    names = [name for layer in state_names(model.settings) for name in layer]
    largest = 0.0
    for batch, length in SHAPES:
        state = model.initial_state(batch)
        inputs = dict(zip(names, map(np.ascontiguousarray, _flat(state)), strict=True))
        if condition is not None:
            inputs["conditions"] = np.full(batch, condition, np.int64)
        for _ in range(2):
            first = rng.integers(0, len(model.vocabulary), (1, batch))
            ids = _generate(model, state, first, length, rng)
            outputs = session({"ids": ids, **inputs})
            logits, state = model.forward(ids, state)
            largest = max(largest, _difference(outputs["logits"], logits, (batch, length)))
            for name, expected in zip(names, _flat(state), strict=True):
                inputs[name] = outputs[f"{name}.next"]
                largest = max(largest, _difference(inputs[name], expected, (batch, length)))
    return largest


def _flat(state: State) -> list[Array]:
    """Return the states of all layers in one list."""
    return [part for parts in state for part in parts]


def _generate(
    model: CharacterModel, state: State, first: Array, length: int, rng: np.random.Generator
) -> Array:
    """Return symbols (length, batch) that the model draws after the first ones."""
    rows = [first]
    while len(rows) < length:
        logits, state = model.forward(rows[-1], state)
        rows.append((logits + rng.gumbel(size=logits.shape)).argmax(2))
    return np.concatenate(rows)


def verify_tagger(model: TaggerModel, session: OnnxSession) -> float:
    """Compare scores and labels on random sentences; returns and raises as `verify_character`."""
    largest = 0.0
    for batch, length in SHAPES:
        sentences = list(_random_sentences(model, batch, length))
        outputs = session(tagger_inputs(model, sentences))
        for place, columns in enumerate(model.column_scores(sentences)):
            for name, expected in zip(score_names(model.columns), columns, strict=True):
                scores = outputs[name][: len(expected), place]
                largest = max(largest, _difference(scores, expected, (batch, length)))
                _check_labels(scores, expected)
    return largest


def verify_tokenizer(model: TokenizerModel, session: OnnxSession) -> float:
    """Compare scores on random texts; returns and raises as `verify_character`."""
    from seqtool.data.tokenization.characters import plain_text

    largest = 0.0
    characters = [*model.characters.counts, "é", "\u4e00", "A", "1", "."]
    for batch, length in SHAPES:
        rng = np.random.default_rng(batch * 1000 + length)
        numbers = rng.integers(0, len(characters), (batch, length))
        plain = [plain_text("x" + "".join(characters[number] for number in row)) for row in numbers]
        lengths = np.array([len(text.codes) for text in plain], np.int64)
        symbols = np.zeros((int(lengths.max()), batch), np.int64)
        for column, text in enumerate(plain):
            symbols[: lengths[column], column] = model.characters.encode(text.codes)
        outputs = session({"symbols": symbols, "lengths": lengths})["scores"]
        for column, expected in enumerate(model.scores(plain)):
            scores = outputs[: len(expected), column]
            largest = max(largest, _difference(scores, expected, (batch, length)))
    return largest


def _random_sentences(model: TaggerModel, batch: int, length: int) -> Iterator[list[str]]:
    """Yield sentences of known and unknown words, the first of this length, the others not longer."""
    rng = np.random.default_rng(batch * 1000 + length)
    forms = model.encoder.to_json()["forms"][:1000] or ["word"]
    words = [*forms, "Unseen", "zzz-999", "é", "x" * 70]
    for sentence in range(batch):
        count = length if not sentence else int(rng.integers(1, length + 1))
        yield [words[number] for number in rng.integers(0, len(words), count)]


def tagger_inputs(model: TaggerModel, sentences: list[list[str]]) -> dict[str, Array]:
    """Return the inputs of an exported tagger for some sentences, padded to the longest."""
    lengths = np.array([len(sentence) for sentence in sentences], np.int64)
    time, batch = int(lengths.max()), len(sentences)
    encoded = model.encoder.encode([token for sentence in sentences for token in sentence])
    cells = np.concatenate([np.arange(length) for length in lengths]), np.repeat(np.arange(batch), lengths)
    inputs = {"lengths": lengths}
    if encoded.ids.shape[1]:
        inputs["features"] = np.zeros((time, batch, encoded.ids.shape[1]), np.int64)
        inputs["features"][cells] = encoded.ids
    if encoded.characters is not None and encoded.lengths is not None:
        inputs["characters"] = np.full((time, batch, encoded.characters.shape[1]), -1, np.int64)
        inputs["characters"][cells] = encoded.characters
        inputs["character_lengths"] = np.zeros((time, batch), np.int64)
        inputs["character_lengths"][cells] = encoded.lengths
    return inputs


def _difference(values: Array, expected: Array, shape: tuple[int, int]) -> float:
    """Return the largest difference as a share of the tolerance.

    Raises:
        SeqtoolError: it is larger than the tolerance.
    """
    share = float((np.abs(values - expected) / (TOLERANCE * np.maximum(1, np.abs(expected)))).max(initial=0))
    if values.shape != expected.shape or not share <= 1:
        raise SeqtoolError(
            f"onnxruntime gives other results than the model: {share:.1f} times the tolerance",
            place=f"batch {shape[0]}, length {shape[1]}",
            hint="nothing was written; please report this with the config.json of the model",
        )
    return share


def _check_labels(scores: Array, expected: Array) -> None:
    """Compare the best labels of words whose best two scores differ by more than twice the tolerance."""
    if expected.shape[1] < 2:
        return
    second, best = np.sort(expected, axis=1)[:, -2:].T
    clear = best - second > 2 * TOLERANCE * np.maximum(1, np.abs(best))
    assert (scores.argmax(1) == expected.argmax(1))[clear].all()
