"""Recurrent stack: layers of rnn, lstm or gru cells in one or both directions, with torch's fused kernels.

The state is an argument and a result; no layer stores it. Sequences are time-major and padded. They are not
packed, because packed sequences are several times slower on a CPU. The backward direction reads each sequence
reversed within its own length. Parameters have the same names as in a model directory: `0.forward.weight_ih`
belongs to the forward direction of the first layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from seqtool.models.side_by_side import Pass, pays, side_by_side
from seqtool.models.weights import copy_to_device, pack_for_gpu
from seqtool.settings.model import RecurrentModel

GATES = {"rnn": 1, "lstm": 4, "gru": 3}
DIRECTIONS = ("forward", "backward")
RANDOM_MEAN = 0.5  # mean of U(0,1), the distribution of random initial states

# One tuple per layer and direction: (h,) or (h, c), each (batch, hidden). Directions of a layer are adjacent.
State: TypeAlias = tuple[tuple[Tensor, ...], ...]
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Masks:
    """Locked dropout masks: each mask is the same at all steps of a window or sentence.

    A mask is a factor: 0 for a dropped value, and 1 / (1 - dropout) for a kept value.

    Attributes:
        input: mask of the input of the first layer (batch, input), or None.
        between: masks of the outputs of all layers except the last (batch, width), or empty.
        output: mask of the output of the last layer (batch, width), or None.
        recurrent: masks of the recurrent matrices (gates * hidden, hidden), by layer and direction, or empty.
        symbols: mask of the embeddings of symbols (symbols, 1), or None.
    """

    input: Tensor | None = None
    between: tuple[Tensor, ...] = ()
    output: Tensor | None = None
    recurrent: tuple[Tensor, ...] = ()
    symbols: Tensor | None = None


NO_MASKS = Masks()


# --- one layer in one direction -----------------------------------------------------------------------------


class Direction(nn.Module):
    """One layer in one direction. Memory layout, gate order and random initialization are those of torch.

    Sources: Elman 1990 (rnn); Hochreiter and Schmidhuber 1997, with forget gates (lstm); Cho et al. 2014
    (gru).
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
            for weight in self.weights:
                weight.uniform_(-bound, bound)
            if model.cell == "lstm" and model.forget_bias is not None:
                # The cell adds both biases to a gate. One bias gets the value, and the other bias is 0.
                self.bias_ih[hidden : 2 * hidden] = model.forget_bias
                self.bias_hh[hidden : 2 * hidden] = 0.0

    @property
    def weights(self) -> list[nn.Parameter]:
        """Input matrix, recurrent matrix, input bias and recurrent bias."""
        return [self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh]

    def flatten_parameters(self) -> None:
        """Move the weights to one buffer on a GPU, as cuDNN requires; on a CPU, do nothing."""
        if self.weight_ih.is_cuda:
            rnn = f"RNN_{self.nonlinearity.upper()}"
            pack_for_gpu(self.weights, rnn if self.cell == "rnn" else self.cell.upper())

    def forward(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Run over a whole sequence; arguments as `tensors`, result as `run`."""
        return self.run(*self.tensors(x, state))

    def tensors(
        self, x: Tensor, state: tuple[Tensor, ...], recurrent_mask: Tensor | None = None
    ) -> list[Tensor]:
        """Return the arguments of `run`.

        Args:
            x: input (time, batch, input) of at least one step.
            state: (h,) or (h, c), each (batch, hidden).
            recurrent_mask: factor of the recurrent matrix (gates * hidden, hidden): DropConnect as in Merity
                et al. 2018.
        """
        weight_hh = self.weight_hh if recurrent_mask is None else self.weight_hh * recurrent_mask
        return [x, *state, self.weight_ih, weight_hh, self.bias_ih, self.bias_hh]

    def run(self, x: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Run over a whole sequence, given the result of `tensors`.

        Returns:
            y (time, batch, hidden) and the parts of the state after the last step.
        """
        before, weights = [part.unsqueeze(0) for part in tensors[:-4]], tensors[-4:]
        # Arguments of the kernel: has biases, layers, dropout, training, bidirectional, batch first.
        options = (True, 1, 0.0, self.training, False, False)
        if self.cell == "lstm":
            y, h, c = torch._VF.lstm(x, before, weights, *options)
            return y, h[0], c[0]
        kernel = torch._VF.gru if self.cell == "gru" else getattr(torch._VF, f"rnn_{self.nonlinearity}")
        y, h = kernel(x, before[0], weights, *options)
        return y, h[0]


def flatten_parameters(network: Network) -> Network:
    """Move the recurrent weights of a network on a GPU to cuDNN's layout, and return the network.

    Call this function after the network was moved to its device, because moving it separates the weights.
    """
    for module in network.modules():
        if isinstance(module, Direction):
            module.flatten_parameters()
    return network


def add_directions(module: nn.Module, directions: list[Direction]) -> None:
    """Register directions as submodules `forward` and `backward`, the names in a model directory.

    `add_module` refuses `forward`, because every module has a method of that name. Python finds the method
    before the submodule, so the two do not conflict.
    """
    module._modules.update(zip(DIRECTIONS, directions, strict=False))


class Layer(nn.Module):
    """One layer: the forward direction and, in a bidirectional stack, the backward direction."""

    def __init__(self, model: RecurrentModel, input_size: int, directions: int) -> None:
        super().__init__()
        self.directions = [Direction(model, input_size) for _ in range(directions)]
        add_directions(self, self.directions)


# --- initial states -----------------------------------------------------------------------------------------


class LearnedState(nn.Module):
    """Learned initial state of one layer and direction. It is zero before training."""

    def __init__(self, model: RecurrentModel) -> None:
        super().__init__()
        self.h = nn.Parameter(torch.zeros(model.hidden_size))
        self.c = nn.Parameter(torch.zeros(model.hidden_size)) if model.cell == "lstm" else None

    @property
    def parts(self) -> list[Tensor]:
        """h and, for an lstm, c: each (hidden,)."""
        return [self.h] if self.c is None else [self.h, self.c]


class InitialState(nn.Module):
    """State before the first symbol: zeros, random or learned."""

    def __init__(self, model: RecurrentModel, directions: int) -> None:
        super().__init__()
        self.model = model
        self.count = model.num_layers * directions
        self.learned: list[LearnedState] = []
        for layer in range(model.num_layers if model.initial_state == "learned" else 0):
            states = [LearnedState(model) for _ in range(directions)]
            holder = nn.Module()
            holder._modules.update(zip(DIRECTIONS, states, strict=False))
            self.add_module(str(layer), holder)
            self.learned += states

    def forward(self, batch: int, like: Tensor, draw: torch.Generator | None = None) -> State:
        """Return the state of `batch` sequences, with the type and device of `like`.

        Args:
            batch: number of sequences.
            like: a weight of the network.
            draw: generator of a random state; None returns the mean of random states, 0.5.
        """
        if self.learned:
            return tuple(
                tuple(part.expand(batch, -1).contiguous() for part in learned.parts)
                for learned in self.learned
            )
        shape = (2 if self.model.cell == "lstm" else 1, batch, self.model.hidden_size)
        is_random = self.model.initial_state == "random"
        if is_random and draw is not None:
            return tuple(
                tuple(copy_to_device(torch.rand(shape, generator=draw).to(like.dtype), like.device))
                for _ in range(self.count)
            )
        value = RANDOM_MEAN if is_random else 0.0
        return tuple(tuple(like.new_full(shape, value)) for _ in range(self.count))


# --- the stack ----------------------------------------------------------------------------------------------


class RecurrentStack(nn.Module):
    """Stack of recurrent layers with its initial state. Each layer reads the output of the previous layer.

    Attributes:
        input_size: width of the first layer's input.
        width: width of the last layer's output: hidden size times directions.
        layers: layers, the first one first.
        initial: initial state.
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
        self.initial = InitialState(model, 1 + bidirectional)

    @property
    def directions(self) -> list[Direction]:
        """Directions of all layers, in the order of a `State`."""
        return [direction for layer in self.layers for direction in layer.directions]

    def initial_state(self, batch: int, draw: torch.Generator | None = None) -> State:
        """Return the state before the first symbol of `batch` sequences.

        Args:
            batch: number of sequences.
            draw: generator of a random state in training; None returns the mean of random states, 0.5.
        """
        return self.initial(batch, self.layers[0].directions[0].weight_hh, draw)  # type: ignore[no-any-return]

    def forward(
        self, x: Tensor, state: State, masks: Masks | None = None, back_index: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Run the stack over padded sequences.

        Args:
            x: input (time, batch, input).
            state: as returned by `initial_state`.
            masks: dropout masks of this step; None for no dropout.
            back_index: result of `reversal` (time * batch,), if the stack is bidirectional.

        Returns:
            y (time, batch, width) and the state after the last step. That step may be padding, so the state
            is meaningful only for sequences of equal length.

        Raises:
            ValueError: a bidirectional stack gets no `back_index`.
        """
        masks = masks or NO_MASKS
        if masks.input is not None:
            x = x * masks.input
        last_states: list[tuple[Tensor, ...]] = []
        for index, layer in enumerate(self.layers):
            own = slice(len(last_states), len(last_states) + len(layer.directions))  # its part of a `State`
            recurrent = masks.recurrent[own] or [None] * len(layer.directions)
            outputs, last = run_directions(layer.directions, x, state[own], recurrent, back_index)
            last_states += last
            y = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=2)
            x = x + y if self.model.residual and index else y
            if index < len(masks.between):
                x = x * masks.between[index]
        if masks.output is not None:
            x = x * masks.output
        return x, tuple(last_states)


def run_directions(
    directions: Sequence[Direction],
    x: Tensor,
    states: Sequence[tuple[Tensor, ...]],
    masks: Sequence[Tensor | None],
    back_index: Tensor | None,
) -> tuple[list[Tensor], list[tuple[Tensor, ...]]]:
    """Run the directions of a layer over the same input, side by side where that pays.

    Args:
        directions: the forward direction and, maybe, the backward direction.
        x: input (time, batch, input).
        states: state of each direction.
        masks: mask of the recurrent matrix of each direction.
        back_index: result of `reversal` (time * batch,), for two directions.

    Returns:
        The output of each direction (time, batch, hidden), and its state after the last step.
    """
    inputs = [reorder(x, back_index) if number else x for number in range(len(directions))]
    passes: list[Pass] = [
        (direction.run, direction.tensors(own, state, mask))
        for direction, own, state, mask in zip(directions, inputs, states, masks, strict=True)
    ]
    if pays(x, passes):
        results = side_by_side(passes)
    else:
        results = [run(*tensors) for run, tensors in passes]
    outputs = [reorder(y, back_index) if number else y for number, (y, *_) in enumerate(results)]
    return outputs, [tuple(last) for _, *last in results]


# --- reversed sequences -------------------------------------------------------------------------------------


def reversal(lengths: Tensor, time: int) -> Tensor:
    """Return the index that reverses each sequence within its length. It is its own inverse.

    Args:
        lengths: length of each sequence (batch,).
        time: steps of the padded batch.

    Returns:
        For each position of the flattened result, its source position (time * batch,). Padding is not
        moved.
    """
    steps = torch.arange(time, device=lengths.device).unsqueeze(1)
    sources = torch.where(steps < lengths, lengths - 1 - steps, steps)
    batch = len(lengths)
    return (sources * batch + torch.arange(batch, device=lengths.device)).flatten()


def reorder(x: Tensor, index: Tensor | None) -> Tensor:
    """Return x (time, batch, width) with its steps in the order of an index from `reversal`.

    Raises:
        ValueError: `index` is None.
    """
    if index is None:
        raise ValueError("a bidirectional stack needs back_index")
    return x.flatten(0, 1).index_select(0, index).view(x.shape)
