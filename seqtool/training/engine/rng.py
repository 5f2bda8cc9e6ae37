"""Draws that depend on (seed, purpose, step) alone, so that a resumed run, or one on more ranks, sees the same ones.

They are made on the CPU for the whole batch, so that they are the same on every device; each rank takes its columns of them.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from seqtool.data.sharding import Columns
from seqtool.models.recurrent import Masks, RecurrentStack, State
from seqtool.models.weights import copy_to_device
from seqtool.training.engine.ranks import own


def generator(seed: int, purpose: str, step: int) -> torch.Generator:
    """A generator of its own for one purpose at one step."""
    digest = hashlib.blake2b(f"{seed}/{purpose}/{step}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


def dropout_mask(shape: tuple[int, ...], dropout: float, draw: torch.Generator) -> Tensor:
    """Zeros with probability `dropout`, else 1 / (1 - dropout)."""
    return torch.rand(shape, generator=draw).ge_(dropout).mul_(1 / (1 - dropout))


def word_dropout_mask(
    time: int, batch: int, dropout: float, seed: int, step: int, columns: Columns | None = None
) -> Tensor:
    """Which words of a step are seen, (time, batch, 1): 0 with probability `dropout`, else 1.

    What is left is not scaled up: a sentence with a hidden word is what the network is to learn from (Iyyer et al. 2015).
    """
    return own(
        torch.rand((time, batch, 1), generator=generator(seed, "hidden words", step)).ge_(dropout), columns, 1
    )


def stack_masks(
    stack: RecurrentStack, batch: int, input_size: int, seed: int, step: int, columns: Columns | None = None
) -> Masks | None:
    """The locked dropout masks of one step, or None where the model has no dropout.

    Args:
        batch: sequences of the whole batch.
        input_size: width of what the input mask lies on.
        columns: whose masks are wanted; None: those of the whole batch.
    """
    model = stack.model
    between = model.between_dropout if model.num_layers > 1 else 0.0
    if not (model.input_dropout or between or model.output_dropout or model.weight_dropout):
        return None
    weight = stack.directions[0].weight_hh
    draw = generator(seed, "dropout", step)

    def mask(width: int, dropout: float) -> Tensor:
        return copy_to_device(
            own(dropout_mask((batch, width), dropout, draw), columns).to(weight.dtype), weight.device
        )

    return Masks(
        input=mask(input_size, model.input_dropout) if model.input_dropout else None,
        between=tuple(mask(stack.width, between) for _ in range(model.num_layers - 1)) if between else (),
        output=mask(stack.width, model.output_dropout) if model.output_dropout else None,
        recurrent=tuple(
            copy_to_device(
                dropout_mask(tuple(part.weight_hh.shape), model.weight_dropout, draw), weight.device
            )
            for part in stack.directions
        )
        if model.weight_dropout
        else (),
    )


def training_state(
    stack: RecurrentStack, batch: int, seed: int, step: int, columns: Columns | None = None
) -> State:
    """The state before the first symbol of training sequences: drawn anew where the model says so.

    Args:
        batch: sequences of the whole batch.
        columns: whose states are wanted; None: those of the whole batch.
    """
    if stack.model.initial_state != "random":
        return stack.initial_state(batch if columns is None else len(columns.indices))
    drawn = stack.initial_state(batch, generator(seed, "initial state", step))
    return tuple(tuple(own(part, columns) for part in parts) for parts in drawn)
