"""Random draws of training: dropout masks and random initial states.

Every draw has its own generator, keyed by (seed, purpose, step). A resumed run and a run on several ranks
therefore see the same numbers as an uninterrupted run on one. Draws are made on the CPU for the whole batch,
so that they are equal on every device; each rank selects its columns.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from seqtool.data.sharding import Columns
from seqtool.models.recurrent import Masks, RecurrentStack, State
from seqtool.models.weights import copy_to_device
from seqtool.training.engine.ranks import select_columns


def generator(seed: int, purpose: str, step: int) -> torch.Generator:
    """Return a new generator for one purpose at one step."""
    digest = hashlib.blake2b(f"{seed}/{purpose}/{step}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


def dropout_mask(shape: tuple[int, ...], dropout: float, source: torch.Generator) -> Tensor:
    """Draw a mask: 0 with probability `dropout`, else 1 / (1 - dropout)."""
    return torch.rand(shape, generator=source).ge_(dropout).mul_(1 / (1 - dropout))


def word_dropout_mask(
    time: int, batch: int, dropout: float, seed: int, step: int, columns: Columns | None = None
) -> Tensor:
    """Draw a mask over words (time, batch, 1): 0 with probability `dropout`, else 1.

    The remaining words are not scaled up: the network is meant to learn from sentences with missing words
        (Iyyer et al.
    2015).

    Args:
        time: words of the longest sentence of the whole batch.
        batch: sentences of the whole batch.
        dropout: probability that a word is hidden.
        seed: of the run.
        step: number of this batch in the run.
        columns: sentences whose masks are returned; None returns all.
    """
    kept = torch.rand((time, batch, 1), generator=generator(seed, "hidden words", step)).ge_(dropout)
    return select_columns(kept, columns, 1)


def stack_masks(
    stack: RecurrentStack, batch: int, input_size: int, seed: int, step: int, columns: Columns | None = None
) -> Masks | None:
    """Draw the locked dropout masks of one step; None if the model has no dropout.

    Args:
        stack: the recurrent layers.
        batch: sequences of the whole batch.
        input_size: width of the input that the input mask is applied to.
        seed: of the run.
        step: number of this batch in the run.
        columns: sequences whose masks are returned; None returns those of the whole batch.
    """
    model = stack.model
    between = model.between_dropout if model.num_layers > 1 else 0.0
    if not (model.input_dropout or between or model.output_dropout or model.weight_dropout):
        return None
    weight = stack.directions[0].weight_hh
    source = generator(seed, "dropout", step)

    def mask(width: int, dropout: float) -> Tensor:
        whole = dropout_mask((batch, width), dropout, source)
        return copy_to_device(select_columns(whole, columns).to(weight.dtype), weight.device)

    def weight_mask(part: Tensor) -> Tensor:
        return copy_to_device(dropout_mask(tuple(part.shape), model.weight_dropout, source), weight.device)

    return Masks(
        input=mask(input_size, model.input_dropout) if model.input_dropout else None,
        between=tuple(mask(stack.width, between) for _ in range(model.num_layers - 1)) if between else (),
        output=mask(stack.width, model.output_dropout) if model.output_dropout else None,
        recurrent=tuple(weight_mask(part.weight_hh) for part in stack.directions)
        if model.weight_dropout
        else (),
    )


def initial_state(
    stack: RecurrentStack, batch: int, seed: int, step: int, columns: Columns | None = None
) -> State:
    """Return the state before the first symbol of training sequences; each step draws its own random state.

    Args:
        stack: the recurrent layers.
        batch: sequences of the whole batch.
        seed: of the run.
        step: number of this batch in the run.
        columns: sequences whose states are returned; None returns those of the whole batch.
    """
    if stack.model.initial_state != "random":
        return stack.initial_state(batch if columns is None else len(columns.indices))
    drawn = stack.initial_state(batch, generator(seed, "initial state", step))
    return tuple(tuple(select_columns(part, columns) for part in parts) for parts in drawn)
