"""Weights of a network: the seed of their initial draws, exchange with arrays, and their memory on a GPU."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from seqtool.errors import ModelError
from seqtool.types import Array

_DISCARDED_AT_ONCE = 1 << 20  # draws; bounds the memory that `seed_generator` takes


# --- initial draws and arrays -------------------------------------------------------------------------------


def seed_generator(seed: int, skip: int) -> None:
    """Seed torch's global generator and discard `skip` uniform draws, before the weights are drawn.

    Draws may be discarded in groups: the generator yields the same numbers as one by one.
    """
    torch.manual_seed(seed)
    for start in range(0, skip, _DISCARDED_AT_ONCE):
        torch.rand(min(_DISCARDED_AT_ONCE, skip - start))


def stored_parameters(network: nn.Module) -> dict[str, nn.Parameter]:
    """Return every parameter under its name in a model directory.

    The names are torch's own, except that learned initial states start with `initial_state.`.
    """
    return {
        name.replace("encoder.initial.", "initial_state.", 1): parameter
        for name, parameter in network.named_parameters()
    }


def weight_arrays(network: nn.Module) -> dict[str, Array]:
    """Return a copy of every weight as a float32 array, under its stored name."""
    return {
        name: parameter.detach().to("cpu", torch.float32, copy=True).contiguous().numpy()
        for name, parameter in stored_parameters(network).items()
    }


def load_weights(network: nn.Module, weights: Mapping[str, Array]) -> None:
    """Copy stored weights into a network.

    Raises:
        ModelError: a name or a shape does not fit; the network is then unchanged.
    """
    parameters = stored_parameters(network)
    _check_fit(parameters, weights)
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(weights[name])))


def _check_fit(parameters: Mapping[str, nn.Parameter], weights: Mapping[str, Array]) -> None:
    for name in sorted(parameters.keys() ^ weights.keys()):
        problem = "is missing" if name in parameters else "is not a weight of this network"
        raise ModelError(f"the weights do not fit the network: {name} {problem}")
    for name, parameter in parameters.items():
        expected, found = tuple(parameter.shape), weights[name].shape
        if expected != found:
            raise ModelError(
                f"the weights do not fit the network: expected {name} of shape {expected}, found {found}"
            )


# --- memory of a GPU ----------------------------------------------------------------------------------------


def copy_to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor on a device.

    A copy to a GPU goes through pinned memory, so that the host does not wait for it.
    """
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def pack_for_gpu(weights: list[nn.Parameter], mode: str) -> None:
    """Move the weights of one recurrent layer into a single buffer, in cuDNN's layout where cuDNN is used.

    cuDNN's kernels take one buffer. torch copies separate weights into such a buffer before every step, but
    uses views of one as they are. The weights stay views, because training and loading change them in place.

    Args:
        weights: of one direction: input matrix, recurrent matrix, input bias, recurrent bias.
        mode: cuDNN's name of the cell: `LSTM`, `GRU`, `RNN_TANH` or `RNN_RELU`.
    """
    if _cudnn_accepts(weights[0]):
        _flatten_for_cudnn(weights, mode)
    else:
        join_in_one_buffer(weights)


def _cudnn_accepts(weight: Tensor) -> bool:
    return torch.backends.cudnn.is_acceptable(weight) and bool(torch._use_cudnn_rnn_flatten_weight())  # type: ignore[no-untyped-call]


def _flatten_for_cudnn(weights: list[nn.Parameter], mode: str) -> None:
    """Let cuDNN choose the place of each weight in the buffer, as `nn.LSTM.flatten_parameters` does."""
    from torch.backends.cudnn import rnn

    input_size, hidden_size = weights[0].shape[1], weights[1].shape[1]
    with torch.no_grad(), torch.cuda.device(weights[0].device):
        torch._cudnn_rnn_flatten_weight(
            [*weights],
            4,  # weights per layer
            input_size,
            rnn.get_cudnn_mode(mode),  # type: ignore[no-untyped-call]
            hidden_size,
            0,  # width of a projection
            1,  # layers
            False,  # batch first
            False,  # bidirectional
        )


def join_in_one_buffer(weights: list[nn.Parameter]) -> Tensor:
    """Make the weights consecutive views of one buffer, keep their values, and return the buffer."""
    buffer = torch.cat([weight.detach().reshape(-1) for weight in weights])
    parts = torch.split(buffer, [weight.numel() for weight in weights])
    for weight, part in zip(weights, parts, strict=True):
        weight.data = part.view_as(weight)
    return buffer
