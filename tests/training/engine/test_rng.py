"""Random draws of training: generators, dropout masks and initial states."""

from __future__ import annotations

import pytest
import torch

from seqtool.data.sharding import Shard
from seqtool.models.recurrent import RecurrentStack
from seqtool.settings.model import RecurrentModel
from seqtool.training.engine.rng import (
    dropout_mask,
    generator,
    initial_state,
    stack_masks,
    word_dropout_mask,
)


def test_draws_depend_only_on_seed_purpose_and_step() -> None:
    keys = [
        (seed, purpose, step)
        for seed in (0, 1, 2**62)
        for purpose in ("dropout", "replace")
        for step in (0, 1, 10)
    ]
    draws = {key: tuple(torch.rand(4, generator=generator(*key)).tolist()) for key in keys}
    torch.manual_seed(99)
    torch.rand(3)
    assert len(set(draws.values())) == len(keys)
    assert all(
        tuple(torch.rand(4, generator=generator(*key)).tolist()) == drawn for key, drawn in draws.items()
    )


@pytest.mark.parametrize("dropout", [0.1, 0.5, 0.9])
def test_dropout_mask_drops_its_share_and_keeps_the_mean(dropout: float) -> None:
    mask = dropout_mask((200, 500), dropout, generator(1, "dropout", 0))
    assert set(torch.unique(mask).tolist()) == {0.0, torch.tensor(1 / (1 - dropout)).item()}
    assert (mask == 0).double().mean().item() == pytest.approx(dropout, abs=0.01)
    assert mask.double().mean().item() == pytest.approx(1, abs=0.03)


def test_stack_masks_have_one_row_per_sequence_and_only_for_layers_with_dropout() -> None:
    model = RecurrentModel(hidden_size=4, num_layers=3, dropout=0.5, dropout_output=0.0, weight_dropout=0.2)
    stack = RecurrentStack(model, 6, bidirectional=True)
    masks, again, other = (stack_masks(stack, 7, 6, 1, step) for step in (5, 5, 6))
    assert masks is not None and again is not None and other is not None and masks.input is not None
    assert masks.input.shape == (7, 6) and masks.output is None
    assert [mask.shape for mask in masks.between] == [(7, 8)] * 2
    assert [mask.shape for mask in masks.recurrent] == [(16, 4)] * 6
    assert torch.equal(masks.input, again.input) and not torch.equal(masks.input, other.input)  # type: ignore[arg-type]
    assert stack_masks(RecurrentStack(RecurrentModel(), 6), 7, 6, 1, 5) is None


@pytest.mark.parametrize("dropout", [0.05, 0.5])
def test_word_dropout_mask_hides_its_share_and_does_not_scale_the_rest(dropout: float) -> None:
    mask = word_dropout_mask(300, 100, dropout, 1, 4)
    assert mask.shape == (300, 100, 1) and set(torch.unique(mask).tolist()) == {0.0, 1.0}
    assert (mask == 0).double().mean().item() == pytest.approx(dropout, abs=0.01)
    assert torch.equal(mask, word_dropout_mask(300, 100, dropout, 1, 4)) and not torch.equal(
        mask, word_dropout_mask(300, 100, dropout, 1, 5)
    )
    columns = Shard(1, 3).columns(100)
    assert torch.equal(word_dropout_mask(300, 100, dropout, 1, 4, columns), mask[:, columns.indices])


def test_only_random_initial_states_are_drawn_in_each_step() -> None:
    stack = RecurrentStack(RecurrentModel(hidden_size=3, initial_state="random"), 2)
    first, again, other = (initial_state(stack, 4, 1, step)[0][0] for step in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert bool((initial_state(RecurrentStack(RecurrentModel(hidden_size=3), 2), 4, 1, 1)[0][0] == 0).all())
