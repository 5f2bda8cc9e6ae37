"""Draws that depend on (seed, purpose, step) alone, so that a resumed run, or one on more ranks, sees the same ones."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from seqtool.models.recurrent import Masks, RecurrentStack


def generator(seed: int, purpose: str, step: int) -> torch.Generator:
    """A CPU generator of its own for one purpose at one step."""
    digest = hashlib.blake2b(f"{seed}/{purpose}/{step}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


def dropout_mask(shape: tuple[int, ...], dropout: float, draw: torch.Generator) -> Tensor:
    """Zeros with probability `dropout`, else 1 / (1 - dropout)."""
    kept = 1.0 - dropout
    return torch.empty(shape).bernoulli_(kept, generator=draw).div_(kept)


def stack_masks(stack: RecurrentStack, batch: int, input_size: int, seed: int, step: int) -> Masks | None:
    """The locked dropout masks of one step for the global batch, or None where the model has no dropout."""
    model = stack.model
    if not (model.input_dropout or model.between_dropout or model.output_dropout or model.weight_dropout):
        return None
    device = next(stack.parameters()).device
    draw = generator(seed, "dropout", step)

    def mask(shape: tuple[int, ...], dropout: float) -> Tensor:
        return dropout_mask(shape, dropout, draw).to(device)

    layers = model.num_layers
    return Masks(
        input=mask((batch, input_size), model.input_dropout) if model.input_dropout else None,
        between=tuple(mask((batch, stack.width), model.between_dropout) for _ in range(layers - 1)) if model.between_dropout else (),
        output=mask((batch, stack.width), model.output_dropout) if model.output_dropout else None,
        recurrent=tuple(mask(tuple(part.weight_hh.shape), model.weight_dropout) for part in stack.each_direction())
        if model.weight_dropout
        else (),
    )
