"""Dynamic evaluation: a text model that continues to learn from the text that it has already predicted.

The text is read in one pass, in segments. After the symbols of a segment are scored, one step of gradient
descent on their loss changes the weights for the next segments. This is the method of Krause et al. 2018 with
gradients divided by their root mean square, and with decay toward the trained weights:

    w  <-  w  -  learning rate * g / (r + epsilon)  +  min(1, decay * r / mean(r)) * (trained w - w)

Here g is the gradient of the mean loss of the segment, r the root mean square of each weight's gradients,
and mean(r) its mean over all weights. The gradients of r are those of the training text at the trained
weights. Without a training text, they are those of the segments of this text so far.

No symbol is scored after it has been learned from, so the loss is a loss of predictions. It is not the loss
of a model that stays as it is, and is therefore reported as a protocol of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from seqtool.errors import ConfigError
from seqtool.models.character import CharacterNetwork
from seqtool.models.weights import load_weights
from seqtool.progress import tell_progress
from seqtool.settings.model import CharModel
from seqtool.training.engine.ranks import default_threads
from seqtool.types import Array, Arrays, Json

LEARNING_RATE = 1e-3
DECAY = 3e-3
SEGMENT = 20  # symbols, as in the paper for characters
EPSILON = 1e-4
STATISTICS = 50_000  # symbols at the beginning of the training text whose gradients are measured
FEW_WEIGHTS = 2_000_000  # up to this number, a second thread costs more than it saves

Update = Callable[[list[Tensor]], None]  # receives the gradients of a segment


@dataclass(frozen=True)
class DynamicOptions:
    """Options of a dynamic evaluation.

    Attributes:
        learning_rate: size of a step, relative to gradients of the usual size.
        decay: share of the way back to the trained weights after each segment, on average over the weights.
        segment: symbols between two steps.

    Raises:
        ConfigError: a value out of its range.
    """

    learning_rate: float = LEARNING_RATE
    decay: float = DECAY
    segment: int = SEGMENT

    def __post_init__(self) -> None:
        for place, value in (("learning rate", self.learning_rate), ("decay", self.decay)):
            if not 0 <= value < float("inf"):
                raise ConfigError(f"expected 0 or more, found {value}", place=f"dynamic {place}")
        if self.segment < 1:
            raise ConfigError(f"expected 1 or more symbols, found {self.segment}", place="dynamic segment")


@dataclass(frozen=True)
class DynamicScore:
    """Loss of a text by dynamic evaluation.

    Attributes:
        nats: mean loss.
        learning_rate, decay, segment: the options.
        gradients: text whose gradients give their usual size, `train` or `text`.
    """

    nats: float
    learning_rate: float
    decay: float
    segment: int
    gradients: str

    def to_json(self) -> Json:
        """Return all fields."""
        return asdict(self)


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained text model: settings, number of symbols, and weights by their stored names."""

    settings: CharModel
    symbols: int
    weights: Arrays

    def build(self) -> CharacterNetwork:
        """Return the torch module."""
        network = CharacterNetwork(self.settings, self.symbols)
        load_weights(network, {name: np.asarray(weight, np.float32) for name, weight in self.weights.items()})
        return network.eval()


def dynamic_score(
    trained: TrainedNetwork,
    text: Array,
    train: Array | None,
    options: DynamicOptions,
) -> DynamicScore:
    """Return the loss of a text of at least two symbols; arguments as for `dynamic_losses`."""
    losses = dynamic_losses(trained, text, train, options)
    gradients = "text" if train is None else "train"
    return DynamicScore(float(losses.mean()), **asdict(options), gradients=gradients)


def dynamic_losses(
    trained: TrainedNetwork,
    text: Array,
    train: Array | None,
    options: DynamicOptions,
) -> Array:
    """Return the loss in nats of each symbol except the first (length - 1,), float64.

    Args:
        trained: the model.
        text: symbol numbers (length,).
        train: symbol numbers of the training text; None if it is not known.
        options: the options.
    """
    weights = sum(weight.size for weight in trained.weights.values())
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if weights <= FEW_WEIGHTS else default_threads())
    try:
        training = np.zeros(0, np.int64) if train is None else train[: STATISTICS + 1]
        total = max(0, len(text) - 1) + max(0, len(training) - 1)
        steps = _RmsSteps(trained.build(), options)
        done, losses = 0, [np.zeros(0)]
        for segment in _segments(steps.network, training, options.segment, steps.measure):
            done += len(segment)
            tell_progress("dynamic evaluation", done, total)
        steps.finish_measuring()
        for segment in _segments(steps.network, text, options.segment, steps.step):
            done += len(segment)
            losses.append(segment)
            tell_progress("dynamic evaluation", done, total)
        return np.concatenate(losses)
    finally:
        torch.set_num_threads(threads)


def _segments(network: CharacterNetwork, text: Array, size: int, update: Update) -> Iterator[Array]:
    """Yield the losses of each segment, then let `update` use their gradients. The state is carried on."""
    parameters = list(network.parameters())
    state = network.encoder.initial_state(1)
    for start in range(0, len(text) - 1, size):
        symbols = torch.from_numpy(np.asarray(text[start : start + size + 1], np.int64))
        logits, state = network(symbols[:-1, None], state)
        losses = functional.cross_entropy(logits[:, 0], symbols[1:], reduction="none")
        found = torch.autograd.grad(losses.mean(), parameters, allow_unused=True)
        yield losses.detach().double().numpy()
        update(
            [
                torch.zeros_like(parameter) if gradient is None else gradient
                for parameter, gradient in zip(parameters, found, strict=True)
            ]
        )
        state = tuple(tuple(part.detach() for part in parts) for parts in state)


class _RmsSteps:
    """Steps of gradient descent with the root mean square of gradients, and decay.

    Attributes:
        network: the network, whose weights the steps change.
    """

    def __init__(self, network: CharacterNetwork, options: DynamicOptions) -> None:
        self.network = network
        self._options = options
        self._parameters = list(network.parameters())
        self._trained = [parameter.detach().clone() for parameter in self._parameters]
        self._squares = [torch.zeros_like(weight) for weight in self._trained]
        self._segments = 0
        self._is_measured = False
        self._factors: list[Tensor] = []
        self._decays: list[Tensor] = []

    def measure(self, gradients: list[Tensor]) -> None:
        """Add the squares of the gradients of a segment."""
        torch._foreach_addcmul_(self._squares, gradients, gradients)
        self._segments += 1

    def finish_measuring(self) -> None:
        """Use the gradients so far for all steps; if there are none, each step measures its own, too."""
        self._is_measured = self._segments > 0
        if self._is_measured:
            self._set_factors()

    def step(self, gradients: list[Tensor]) -> None:
        """Change the weights by the gradients of a segment."""
        if not self._is_measured:
            self.measure(gradients)
            self._set_factors()
        with torch.no_grad():
            for weight, trained, gradient, factor, decay in zip(
                self._parameters, self._trained, gradients, self._factors, self._decays, strict=True
            ):
                back = (trained - weight).mul_(decay)
                weight.addcmul_(gradient, factor, value=-self._options.learning_rate).add_(back)

    def _set_factors(self) -> None:
        sizes = [(squares / self._segments).sqrt_() for squares in self._squares]
        count = sum(size.numel() for size in sizes)
        mean = max(sum(float(size.sum()) for size in sizes) / count, 1e-30)
        self._decays = [(size * (self._options.decay / mean)).clamp_(max=1) for size in sizes]
        self._factors = [size.add_(EPSILON).reciprocal_() for size in sizes]
