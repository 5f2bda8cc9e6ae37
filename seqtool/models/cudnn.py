"""The weights of a recurrent layer in one piece of memory, as cuDNN wants them.

Its kernels take one buffer. Given separate weights, torch packs them into one before every step; weights that are views of
such a buffer are taken as they are. Everything that changes weights here changes them in place, so that they stay views.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

from seqtool.models.recurrent import Direction

Network = TypeVar("Network", bound=nn.Module)


def flattened(network: Network) -> Network:
    """The network, its recurrent weights laid out for cuDNN where it is on a GPU; call it once it is where it will work."""
    for module in network.modules():
        if isinstance(module, Direction) and module.weight_ih.is_cuda:
            _cudnn_layout(module) if _cudnn_takes(module.weight_ih) else one_buffer(_weights(module))
    return network


def _weights(direction: Direction) -> list[nn.Parameter]:
    return [direction.weight_ih, direction.weight_hh, direction.bias_ih, direction.bias_hh]


def _cudnn_takes(weight: Tensor) -> bool:
    return torch.backends.cudnn.is_acceptable(weight) and bool(torch._use_cudnn_rnn_flatten_weight())  # type: ignore[no-untyped-call]


def _cudnn_layout(direction: Direction) -> None:
    """As `nn.LSTM.flatten_parameters`: cuDNN itself says where in the buffer each weight lies."""
    from torch.backends.cudnn import rnn

    mode = f"RNN_{direction.nonlinearity.upper()}" if direction.cell == "rnn" else direction.cell.upper()
    hidden, width = direction.weight_hh.shape[1], direction.weight_ih.shape[1]
    with torch.no_grad(), torch.cuda.device(direction.weight_ih.device):
        torch._cudnn_rnn_flatten_weight(
            [*_weights(direction)],
            4,
            width,
            rnn.get_cudnn_mode(mode),  # type: ignore[no-untyped-call]
            hidden,
            0,
            1,
            False,
            False,
        )


def one_buffer(weights: list[nn.Parameter]) -> Tensor:
    """Let weights be views of one buffer, one after the other; their values stay."""
    buffer = torch.cat([weight.detach().reshape(-1) for weight in weights])
    for weight, part in zip(
        weights, torch.split(buffer, [weight.numel() for weight in weights]), strict=True
    ):
        weight.data = part.view_as(weight)
    return buffer
