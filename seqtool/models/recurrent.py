"""The recurrent stack: layers of rnn, lstm or gru cells in one or both directions, on torch's fused kernels.

State is an argument and a result; no layer remembers. Sequences are time-major and padded, never packed: packed
sequences are several times slower on a CPU. The backward direction runs over sequences reversed within their own length.
Parameters bear the names of a model directory: `0.forward.weight_ih` is the first layer's, read from left to right.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seqtool.models.device_copy import moved
from seqtool.settings import RecurrentModel

GATES = {"rnn": 1, "lstm": 4, "gru": 3}
DIRECTIONS = ("forward", "backward")
RANDOM_MEAN = (
    0.5  # of U(0,1): what stands in, outside training, for an initial state that is drawn anew each time
)
State = tuple[
    tuple[Tensor, ...], ...
]  # for every layer, in it for every direction: (h,) or (h, c), each (batch, hidden)


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


NO_MASKS = Masks()


class Direction(nn.Module):
    """One layer in one direction, for (time, batch, input) and with torch's layout, gate order and order of initial draws.

    rnn: Elman 1990; lstm: Hochreiter and Schmidhuber 1997, with forget gates; gru: Cho et al. 2014.
    """

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
                # Two biases are added to each gate; one of them carries the value.
                self.bias_ih[hidden : 2 * hidden] = model.forget_bias
                self.bias_hh[hidden : 2 * hidden] = 0.0

    def forward(
        self, x: Tensor, state: tuple[Tensor, ...], recurrent_mask: Tensor | None = None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run over a whole sequence.

        Args:
            x: (time, batch, input), of at least one step.
            state: (h,) or (h, c), each (batch, hidden).
            recurrent_mask: (gates * hidden, hidden), multiplied into the recurrent matrix (DropConnect, Merity et al. 2018).

        Returns:
            y (time, batch, hidden) and the state after the last step.
        """
        weight_hh = self.weight_hh if recurrent_mask is None else self.weight_hh * recurrent_mask
        weights = [self.weight_ih, weight_hh, self.bias_ih, self.bias_hh]
        start = [part.unsqueeze(0) for part in state]
        form = (
            True,
            1,
            0.0,
            self.training,
            False,
            False,
        )  # biases, layers, dropout, training, bidirectional, batch first
        if self.cell == "lstm":
            y, h, c = torch._VF.lstm(x, start, weights, *form)
            return y, (h[0], c[0])
        kernel = torch._VF.gru if self.cell == "gru" else getattr(torch._VF, f"rnn_{self.nonlinearity}")
        y, h = kernel(x, start[0], weights, *form)
        return y, (h[0],)


def add_directions(module: nn.Module, directions: list[Direction]) -> None:
    """Make directions submodules named `forward` and `backward`: the names of weights, which every module's own method also bears."""
    for name, direction in zip(DIRECTIONS, directions, strict=False):
        module._modules[name] = (
            direction  # `add_module` would refuse the name; methods are found before submodules
        )


class Layer(nn.Module):
    """One layer: the forward direction and, for a bidirectional stack, the backward one."""

    def __init__(self, model: RecurrentModel, input_size: int, directions: int) -> None:
        super().__init__()
        self.directions = [Direction(model, input_size) for _ in range(directions)]
        add_directions(self, self.directions)


class StartOfDirection(nn.Module):
    """A learned initial state of one layer and direction; it starts as zeros."""

    def __init__(self, model: RecurrentModel) -> None:
        super().__init__()
        self.h = nn.Parameter(torch.zeros(model.hidden_size))
        self.c = nn.Parameter(torch.zeros(model.hidden_size)) if model.cell == "lstm" else None


class InitialState(nn.Module):
    """The state before the first symbol: zeros, random or learned."""

    def __init__(self, model: RecurrentModel, directions: int) -> None:
        super().__init__()
        self.model = model
        self.count = model.num_layers * directions
        self.learned: list[StartOfDirection] = []
        for layer in range(model.num_layers if model.initial_state == "learned" else 0):
            starts = [StartOfDirection(model) for _ in range(directions)]
            holder = nn.Module()
            holder._modules.update(zip(DIRECTIONS, starts, strict=False))
            self.add_module(str(layer), holder)
            self.learned += starts

    def forward(self, batch: int, like: Tensor, draw: torch.Generator | None = None) -> State:
        """A state for `batch` sequences, of the type and on the device of `like`."""
        if self.learned:
            parts = [[part for part in (start.h, start.c) if part is not None] for start in self.learned]
            return tuple(tuple(part.expand(batch, -1).contiguous() for part in start) for start in parts)
        shape = (2 if self.model.cell == "lstm" else 1, batch, self.model.hidden_size)
        if self.model.initial_state == "random" and draw is not None:
            return tuple(
                tuple(moved(torch.rand(shape, generator=draw).to(like.dtype), like.device))
                for _ in range(self.count)
            )
        value = RANDOM_MEAN if self.model.initial_state == "random" else 0.0
        return tuple(tuple(like.new_full(shape, value)) for _ in range(self.count))


class RecurrentStack(nn.Module):
    """Layers on top of each other, and what they start from.

    Attributes:
        input_size: width of what enters the first layer.
        width: of what leaves the last layer: hidden size times directions.
        directions: of all layers, in the order of a `State`.
    """

    def __init__(self, model: RecurrentModel, input_size: int, *, bidirectional: bool = False) -> None:
        super().__init__()
        self.model = model
        self.input_size = input_size
        self.width = model.hidden_size * (1 + bidirectional)
        self.layers: list[Layer] = []
        for index in range(model.num_layers):
            self.layers.append(Layer(model, self.width if index else input_size, 1 + bidirectional))
            self.add_module(str(index), self.layers[-1])
        self.start = InitialState(model, 1 + bidirectional)

    @property
    def directions(self) -> list[Direction]:
        """Of all layers, in the order of a `State`."""
        return [direction for layer in self.layers for direction in layer.directions]

    def initial_state(self, batch: int, draw: torch.Generator | None = None) -> State:
        """The state before the first symbol of `batch` sequences.

        Args:
            draw: for `random`: where training draws from; without it the mean of the draws, 0.5, stands in.
        """
        return self.start(batch, self.layers[0].directions[0].weight_hh, draw)  # type: ignore[no-any-return]

    def forward(
        self, x: Tensor, state: State, masks: Masks | None = None, back_index: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Run the stack over padded sequences.

        Args:
            x: (time, batch, input).
            state: as `initial_state` gives it.
            masks: dropout of this step; None: no dropout.
            back_index: (time * batch,), for a bidirectional stack: from `reversal`.

        Returns:
            y (time, batch, width) and the state after the last step, padding included: of use for equal lengths only.
        """
        masks = masks or NO_MASKS
        if masks.input is not None:
            x = x * masks.input
        after: list[tuple[Tensor, ...]] = []
        for index, layer in enumerate(self.layers):
            y = self._layer(layer, x, state, masks, back_index, after)
            x = x + y if self.model.residual and index else y
            if index < len(masks.between):
                x = x * masks.between[index]
        if masks.output is not None:
            x = x * masks.output
        return x, tuple(after)

    @staticmethod
    def _layer(
        layer: Layer,
        x: Tensor,
        state: State,
        masks: Masks,
        back_index: Tensor | None,
        after: list[tuple[Tensor, ...]],
    ) -> Tensor:
        """All directions of a layer side by side; their last states are appended to `after`."""
        outputs = []
        for number, direction in enumerate(layer.directions):
            mask = masks.recurrent[len(after)] if masks.recurrent else None
            y, last = direction(reorder(x, back_index) if number else x, state[len(after)], mask)
            outputs.append(reorder(y, back_index) if number else y)
            after.append(last)
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=2)


def reversal(lengths: Tensor, time: int) -> Tensor:
    """The order in which sequences are reversed, each within its own length; padding stays. Its own inverse.

    Args:
        lengths: (batch,).
        time: steps of the padded batch.

    Returns:
        (time * batch,): for each place of the reversed sequences, flattened, the place it is taken from.
    """
    steps = torch.arange(time, device=lengths.device).unsqueeze(1)
    sources = torch.where(steps < lengths, lengths - 1 - steps, steps)
    batch = len(lengths)
    return (sources * batch + torch.arange(batch, device=lengths.device)).flatten()


def reorder(x: Tensor, index: Tensor | None) -> Tensor:
    """x (time, batch, width) with its steps taken from the places that `reversal` gives."""
    if index is None:
        raise ValueError("a backward direction needs the order in which to read")
    return x.flatten(0, 1).index_select(0, index).view(x.shape)
