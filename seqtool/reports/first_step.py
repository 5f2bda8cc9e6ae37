"""The first step of a small network worked out with numbers, gate by gate, as the lecture does by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from seqtool.settings.model import RecurrentModel
from seqtool.types import Array, Arrays

GATES = {
    "rnn": ("h",),
    "lstm": ("i", "f", "g", "o"),
    "gru": ("r", "z", "n"),
}  # in the order of the weight rows


@dataclass(frozen=True)
class FirstStep:
    """Values of the first step of the first layer, in the direction from left to right.

    Attributes:
        title: the symbol or word that is read.
        x: input vector of the layer.
        before: initial state, h and, for an LSTM, c.
        after: states and gates after the step, by their letters.
    """

    title: str
    x: Array
    before: Sequence[Array]
    after: Mapping[str, Array]


def first_step_lines(model: RecurrentModel, weights: Arrays, step: FirstStep) -> Iterator[str]:
    """Yield the equations of a step with the numbers of each term."""
    cell, size = model.cell, model.hidden_size
    w_ih, w_hh, b_ih, b_hh = (
        weights[f"encoder.0.forward.{name}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    h0 = step.before[0]
    yield ""
    yield f"the first step, in numbers: {step.title}"
    c0 = f"   c0 = {vector_text(step.before[1])}" if cell == "lstm" else ""
    yield f"  x = {vector_text(step.x)}   h0 = {vector_text(h0)}{c0}"
    for index, gate in enumerate(GATES[cell]):
        rows = slice(index * size, (index + 1) * size)
        suffix = "" if cell == "rnn" else f"_{gate}"
        inputs, state = vector_text(w_ih[rows] @ step.x), vector_text(w_hh[rows] @ h0)
        yield f"  W_ih{suffix} x + b_ih{suffix}   = {inputs} + {vector_text(b_ih[rows])}"
        yield f"  W_hh{suffix} h0 + b_hh{suffix}  = {state} + {vector_text(b_hh[rows])}"
        yield f"  {_gate_equation(cell, gate, model.nonlinearity)} = {vector_text(step.after[gate])}"
    if cell == "lstm":
        yield f"  c1 = f * c0 + i * g = {vector_text(step.after['c'])}"
        yield f"  h1 = o * tanh(c1) = {vector_text(step.after['h'])}"
    if cell == "gru":
        yield f"  h1 = (1 - z) * n + z * h0 = {vector_text(step.after['h'])}"


def _gate_equation(cell: str, gate: str, nonlinearity: str) -> str:
    if cell == "rnn":
        return f"h1 = {nonlinearity}(their sum)"
    if (cell, gate) == ("gru", "n"):
        return "n = tanh(W_ih_n x + b_ih_n + r * (W_hh_n h0 + b_hh_n))"
    return f"{gate} = {'tanh' if gate == 'g' else 'sigmoid'}(their sum)"


def vector_text(values: Array) -> str:
    """Return a vector with four digits per number; 0 and 1 without digits."""
    texts = [f"{value:.4f}" for value in values]
    short = [
        text.rstrip("0").rstrip(".") if value in (0, 1) else text
        for text, value in zip(texts, values, strict=True)
    ]
    return f"[{', '.join(short)}]"
