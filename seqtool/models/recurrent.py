"""The recurrent stack: layers of rnn, lstm or gru cells in one or both directions, on torch's fused kernels.

State is an argument and a result; no layer remembers. Sequences are time-major and padded, never packed: packed
sequences are several times slower on a CPU. The backward direction runs over sequences reversed within their own length.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seqtool.settings import RecurrentModel

GATES = {"rnn": 1, "lstm": 4, "gru": 3}
State = tuple[tuple[Tensor, ...], ...]  # for every layer and direction: (h,) or (h, c), each (batch, hidden)


@dataclass(frozen=True)
class Masks:
    """Locked dropout masks, one for a whole window or sentence, already divided by the share that is kept.

    Attributes:
        input: (batch, input) on what enters the first layer, or None.
        between: for every layer but the last (batch, width), or empty.
        output: (batch, width) on what leaves the last layer, or None.
        recurrent: for every layer and direction (gates * hidden, hidden) on the recurrent matrix, or empty.
    """

    input: Tensor | None = None
    between: tuple[Tensor, ...] = ()
    output: Tensor | None = None
    recurrent: tuple[Tensor, ...] = ()


class Direction(nn.Module):
    """One layer in one direction. Weights have torch's layout and gate order, and are drawn in torch's order."""

    def __init__(self, model: RecurrentModel, input_size: int) -> None:
        super().__init__()
        rows, hidden = GATES[model.cell] * model.hidden_size, model.hidden_size
        self.cell = model.cell
        self.nonlinearity = model.nonlinearity
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size))
        self.weight_hh = nn.Parameter(torch.empty(rows, hidden))
        self.bias_ih = nn.Parameter(torch.empty(rows))
        self.bias_hh = nn.Parameter(torch.empty(rows))
        bound = hidden**-0.5
        with torch.no_grad():
            for weight in (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh):
                weight.uniform_(-bound, bound)
            if model.cell == "lstm" and model.forget_bias is not None:
                self.bias_ih[hidden : 2 * hidden] = model.forget_bias
                self.bias_hh[hidden : 2 * hidden] = 0.0

    def forward(self, x: Tensor, state: tuple[Tensor, ...], recurrent_mask: Tensor | None = None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run over a whole sequence.

        Args:
            x: (time, batch, input).
            state: (h,) or (h, c), each (batch, hidden).
            recurrent_mask: (gates * hidden, hidden), multiplied into the recurrent matrix.

        Returns:
            y (time, batch, hidden) and the state after the last step.
        """
        weight_hh = self.weight_hh if recurrent_mask is None else self.weight_hh * recurrent_mask
        weights = [self.weight_ih, weight_hh, self.bias_ih, self.bias_hh]
        start = [part.unsqueeze(0) for part in state]
        # has_biases, num_layers, dropout, train, bidirectional, batch_first
        form = (True, 1, 0.0, self.training, False, False)
        if self.cell == "lstm":
            y, h, c = torch._VF.lstm(x, start, weights, *form)
            return y, (h[0], c[0])
        kernel = torch._VF.gru if self.cell == "gru" else getattr(torch._VF, f"rnn_{self.nonlinearity}")
        y, h = kernel(x, start[0], weights, *form)
        return y, (h[0],)


class Layer(nn.Module):
    """One layer: the direction ahead and, for a bidirectional stack, the one back."""

    def __init__(self, model: RecurrentModel, input_size: int, bidirectional: bool) -> None:
        super().__init__()
        self.ahead = Direction(model, input_size)
        self.back = Direction(model, input_size) if bidirectional else None

    def directions(self) -> list[Direction]:
        """Ahead, then back."""
        return [self.ahead] if self.back is None else [self.ahead, self.back]


class InitialState(nn.Module):
    """A learned initial state of one layer and direction."""

    def __init__(self, model: RecurrentModel) -> None:
        super().__init__()
        self.h = nn.Parameter(torch.zeros(model.hidden_size))
        self.c = nn.Parameter(torch.zeros(model.hidden_size)) if model.cell == "lstm" else None


class RecurrentStack(nn.Module):
    """Layers on top of each other.

    Attributes:
        width: what leaves the last layer: hidden size times directions.
    """

    def __init__(self, model: RecurrentModel, input_size: int, *, bidirectional: bool = False) -> None:
        super().__init__()
        self.model = model
        self.bidirectional = bidirectional
        self.width = model.hidden_size * (2 if bidirectional else 1)
        sizes = [input_size] + [self.width] * (model.num_layers - 1)
        self.layers = nn.ModuleList(Layer(model, size, bidirectional) for size in sizes)
        learned = model.initial_state == "learned"
        self.starts = nn.ModuleList(InitialState(model) for _ in range(model.num_layers * (1 + bidirectional) if learned else 0))

    def each_direction(self) -> list[Direction]:
        """Every layer's directions, in the order of a State."""
        return [direction for layer in self.layers for direction in layer.directions()]  # type: ignore[operator]

    def initial_state(self, batch: int, draw: torch.Generator | None = None) -> State:
        """The state before the first symbol.

        Args:
            draw: for `random`: the generator of U(0,1) draws in training; without one the mean, 0.5, stands in.
        """
        parts = 2 if self.model.cell == "lstm" else 1
        weight = self.layers[0].ahead.weight_hh  # type: ignore[union-attr]
        shape = (batch, self.model.hidden_size)
        directions = self.model.num_layers * (1 + self.bidirectional)
        if self.model.initial_state == "learned":
            return tuple(
                tuple(part.expand(*shape).contiguous() for part in (start.h, start.c) if part is not None) for start in self.starts
            )  # type: ignore[misc, union-attr]
        if self.model.initial_state == "random" and draw is not None:
            return tuple(tuple(torch.rand(shape, generator=draw).to(weight) for _ in range(parts)) for _ in range(directions))  # type: ignore[arg-type, call-overload]
        value = 0.5 if self.model.initial_state == "random" else 0.0
        return tuple(tuple(weight.new_full(shape, value) for _ in range(parts)) for _ in range(directions))  # type: ignore[operator, union-attr]

    def forward(self, x: Tensor, state: State, masks: Masks | None = None, back_index: Tensor | None = None) -> tuple[Tensor, State]:
        """Run the stack over padded sequences.

        Args:
            x: (time, batch, input).
            state: as `initial_state` gives it.
            masks: dropout of this step; None: no dropout.
            back_index: (time, batch), for a bidirectional stack: where each step of the reversed sequence stands (`reversal`).

        Returns:
            y (time, batch, width) and the state after the last step (of padding too: of use for equal lengths only).
        """
        masks = masks or Masks()
        if masks.input is not None:
            x = x * masks.input
        after: list[tuple[Tensor, ...]] = []
        for index, layer in enumerate(self.layers):
            y = self._layer(layer, x, state, masks, back_index, after)  # type: ignore[arg-type]
            x = x + y if self.model.residual and index else y
            if index < len(masks.between):
                x = x * masks.between[index]
        if masks.output is not None:
            x = x * masks.output
        return x, tuple(after)

    def _layer(
        self, layer: Layer, x: Tensor, state: State, masks: Masks, back_index: Tensor | None, after: list[tuple[Tensor, ...]]
    ) -> Tensor:
        outputs = []
        for number, direction in enumerate(layer.directions()):
            place = len(after)
            mask = masks.recurrent[place] if masks.recurrent else None
            if number == 0:
                y, last = direction(x, state[place], mask)
            else:
                assert back_index is not None
                y, last = direction(reorder(x, back_index), state[place], mask)
                y = reorder(y, back_index)
            outputs.append(y)
            after.append(last)
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=2)


def reversal(lengths: Tensor, time: int) -> Tensor:
    """Where each step of a sequence reversed within its own length stands; padding stays. Its own inverse.

    Args:
        lengths: (batch,).

    Returns:
        (time, batch) indices into time.
    """
    steps = torch.arange(time, device=lengths.device).unsqueeze(1)
    return torch.where(steps < lengths, lengths - 1 - steps, steps)


def reorder(x: Tensor, index: Tensor) -> Tensor:
    """Rows of x (time, batch, width) taken from the times in index (time, batch)."""
    time, batch = index.shape
    flat = index * batch + torch.arange(batch, device=index.device)
    return x.reshape(time * batch, -1).index_select(0, flat.reshape(-1)).view(time, batch, -1)
