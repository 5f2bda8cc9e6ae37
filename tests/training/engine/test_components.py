"""The small parts of training: schedules, averages, random draws, class weights, word replacement."""

from __future__ import annotations

import math
import platform
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from seqtool.data.sharding import Shard
from seqtool.errors import ConfigError
from seqtool.models.recurrent import RecurrentStack
from seqtool.settings import Feature, RecurrentModel, TaggerModel, Training
from seqtool.tasks.tagger_training import class_weights
from seqtool.tasks.word_table import WordReplacement
from seqtool.training.engine.device import choose_device, set_up_torch
from seqtool.training.engine.optimizers import AveragedWeights, Schedule
from seqtool.training.engine.rng import (
    dropout_mask,
    generator,
    initial_state,
    stack_masks,
    word_dropout_mask,
)


def schedule(total: int | None = 100, **given: Any) -> Schedule:
    return Schedule(Training(epochs=1, lr=0.4, **given), total)


# --- schedules --------------------------------------------------------------------------------------------------------


def test_a_cosine_runs_from_the_peak_to_the_end() -> None:
    made = schedule(110, schedule="cosine", warmup_steps=10, final_lr=0.1)
    assert [made.rate(step) for step in (0, 4, 9, 10, 60, 110, 200)] == pytest.approx(
        [0.04, 0.2, 0.4, 0.4, 0.22, 0.04, 0.04]
    )
    assert made.rate(35) == pytest.approx(0.4 * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi / 4))))
    with pytest.raises(ValueError, match="number of updates"):
        schedule(None, schedule="cosine").rate(0)


def test_steps_and_constants() -> None:
    assert [schedule(warmup_steps=4).rate(step) for step in (0, 3, 4, 999)] == pytest.approx(
        [0.1, 0.4, 0.4, 0.4]
    )
    made = schedule(schedule="step", decay_steps=10, decay_factor=0.5)
    assert [made.rate(step) for step in (0, 9, 10, 25)] == pytest.approx([0.4, 0.4, 0.2, 0.1])


@given(st.sampled_from(["constant", "cosine", "step"]), st.integers(0, 20), st.integers(0, 300))
def test_rates_depend_on_the_step_alone_and_stay_in_range(kind: Any, warmup: int, step: int) -> None:
    made = schedule(schedule=kind, warmup_steps=warmup)
    rate = made.rate(step)
    made.update(False)
    assert made.rate(step) == rate and 0 <= rate <= 0.4


def test_a_plateau_waits_for_progress() -> None:
    made = schedule(schedule="plateau", decay_steps=2, decay_factor=0.5)
    factors = []
    for progress in (True, False, True, False, False, False, False, True, False):
        made.update(progress)
        factors.append(made.factor)
    assert factors == [1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25]


# --- averages ---------------------------------------------------------------------------------------------------------


def test_averages_follow_their_formula_and_are_swapped_in_and_out() -> None:
    weight = nn.Parameter(torch.zeros(2))
    made = AveragedWeights([weight], 0.5)
    expected = 0.0
    for step in range(1, 20):
        with torch.no_grad():
            weight.fill_(step)
        made.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    assert made.averages[0].tolist() == pytest.approx([expected] * 2, rel=1e-6)
    address = weight.data_ptr()
    with made.swapped_in():
        assert weight.tolist() == made.averages[0].tolist() == pytest.approx([expected] * 2, rel=1e-6)
        assert made.trained[0].tolist() == [19, 19]
    assert (
        weight.tolist() == made.trained[0].tolist() == [19, 19]
        and weight.data_ptr() == address
        and weight.requires_grad
    )
    with pytest.raises(RuntimeError), made.swapped_in():
        raise RuntimeError
    assert weight.tolist() == [19, 19]


# --- random draws -----------------------------------------------------------------------------------------------------


def test_draws_depend_on_seed_purpose_and_step_alone() -> None:
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
def test_masks_drop_their_share_and_keep_the_mean(dropout: float) -> None:
    mask = dropout_mask((200, 500), dropout, generator(1, "dropout", 0))
    assert set(torch.unique(mask).tolist()) == {0.0, torch.tensor(1 / (1 - dropout)).item()}
    assert (mask == 0).double().mean().item() == pytest.approx(dropout, abs=0.01)
    assert mask.double().mean().item() == pytest.approx(1, abs=0.03)


def test_a_steps_masks_have_one_row_a_sequence_and_nothing_for_what_is_not_dropped() -> None:
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
def test_words_are_hidden_by_their_share_and_the_rest_is_as_it_was(dropout: float) -> None:
    seen = word_dropout_mask(300, 100, dropout, 1, 4)
    assert seen.shape == (300, 100, 1) and set(torch.unique(seen).tolist()) == {0.0, 1.0}
    assert (seen == 0).double().mean().item() == pytest.approx(dropout, abs=0.01)
    assert torch.equal(seen, word_dropout_mask(300, 100, dropout, 1, 4)) and not torch.equal(
        seen, word_dropout_mask(300, 100, dropout, 1, 5)
    )
    columns = Shard(1, 3).columns(100)
    assert torch.equal(word_dropout_mask(300, 100, dropout, 1, 4, columns), seen[:, columns.indices])


def test_random_initial_states_are_drawn_anew_and_others_are_not() -> None:
    stack = RecurrentStack(RecurrentModel(hidden_size=3, initial_state="random"), 2)
    first, again, other = (initial_state(stack, 4, 1, step)[0][0] for step in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert bool((initial_state(RecurrentStack(RecurrentModel(hidden_size=3), 2), 4, 1, 1)[0][0] == 0).all())


# --- class weights ----------------------------------------------------------------------------------------------------

COUNTS = np.array([90, 8, 2, 0])
LABELS = ("O", "S-PER", "B-PER", "E-LOC")


def test_balanced_weights_go_by_the_root_of_the_frequency() -> None:
    found = class_weights("balanced", LABELS, COUNTS, True)
    assert found is not None
    assert (found * COUNTS).sum() == pytest.approx(COUNTS.sum())
    assert found[1] / found[0] == pytest.approx(math.sqrt(90 / 8)) and found[2] / found[1] == pytest.approx(2)
    assert class_weights("none", LABELS, COUNTS, True) is None


@pytest.mark.parametrize(
    ("wanted", "ratios"),
    [
        ({"O": 0.5}, [0.5, 1, 1, 1]),
        ({"PER": 3}, [1, 3, 3, 1]),
        ({"B-PER": 3}, [1, 3, 3, 1]),  # S- is what B- without I- becomes inside
        ({"S-PER": 2, "B-PER": 3, "PER": 9}, [1, 2, 3, 1]),
        ({"I-LOC": 4, "O": 0}, [0, 1, 1, 4]),
    ],
)
def test_named_weights_go_by_the_labels_of_the_files(wanted: dict[str, float], ratios: list[float]) -> None:
    found = class_weights(wanted, LABELS, COUNTS, True)
    assert found is not None
    np.testing.assert_allclose(found, np.array(ratios) * COUNTS.sum() / (np.array(ratios) * COUNTS).sum())


def test_labels_that_mark_no_spans_are_taken_as_they_are() -> None:
    found = class_weights({"-LRB-": 2}, ("NN", "-LRB-"), np.array([1, 1]), False)
    assert found is not None and found[1] / found[0] == 2
    with pytest.raises(ConfigError, match="no label 'LRB-'"):
        class_weights({"LRB-": 2}, ("NN", "-LRB-"), np.array([1, 1]), False)


@pytest.mark.parametrize("wanted", [{"ORG": 2}, dict.fromkeys(["O", "PER"], 0.0)])
def test_weights_that_leave_nothing_to_learn_are_refused(wanted: dict[str, float]) -> None:
    with pytest.raises(ConfigError) as raised:
        class_weights(wanted, LABELS, COUNTS, True)
    assert raised.value.problems[0].place == "training.class_weights" and raised.value.problems[0].hint


# --- word replacement -------------------------------------------------------------------------------------------------


def test_rare_words_become_the_unknown_word_by_their_probability() -> None:
    features = (
        Feature(name="form", unknown=False),
        Feature(name="char_cnn"),
        Feature(name="lower"),
        Feature(name="suffix"),
        Feature(name="form"),
        Feature(name="vectors", path="x"),
    )
    made = WordReplacement(TaggerModel(features=features), 1)
    probabilities = np.tile(np.array([0.0, 0.2, 0.9, 1.0], np.float32), (4000, 1))
    found = made.mask(probabilities, 3)
    assert found.shape == (4000, 4, 5)
    assert not found[:, :, [0, 2]].any()  # without an unknown row, and affixes
    assert torch.equal(found[:, :, 1], found[:, :, 3]) and not torch.equal(found[:, :, 1], found[:, :, 4])
    for column in (1, 4):
        assert found[:, :, column].double().mean(0).tolist() == pytest.approx([0, 0.2, 0.9, 1], abs=0.03)
    assert torch.equal(found, made.mask(probabilities, 3)) and not torch.equal(
        found, made.mask(probabilities, 4)
    )


def test_replacement_acts_only_where_it_can() -> None:
    assert WordReplacement(TaggerModel(), 1).is_active
    assert not WordReplacement(TaggerModel(word_replacement=0), 1).is_active
    assert not WordReplacement(
        TaggerModel(features=(Feature(name="form", unknown=False), Feature(name="suffix"))), 1
    ).is_active


# --- device -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def _torch_as_before() -> Any:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch._C._set_deterministic_algorithms(False, warn_only=False)


@pytest.mark.usefixtures("_torch_as_before")
def test_threads_and_determinism_are_set() -> None:
    assert set_up_torch(Training(epochs=1, threads=1, deterministic=True)) == 1 == torch.get_num_threads()
    assert torch.are_deterministic_algorithms_enabled()
    assert 1 <= set_up_torch(Training(epochs=1)) <= 4


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to keep memory")
def test_memory_that_a_step_frees_is_kept_for_the_next_one() -> None:
    """In a process of its own: the memory of one that has run other tests is in pieces."""
    program = """if True:
        import resource, torch
        from seqtool.training.engine.device import keep_freed_memory
        keep_freed_memory()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(10):
            torch.zeros(1 << 24)  # 64 MB: 16,384 pages
        print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    """
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert int(done.stdout) < 3 * (1 << 14)


def test_a_device_that_is_not_there_is_an_error_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    for name in ("cuda", "mps"):
        with pytest.raises(ConfigError, match=f"no {name} device"):
            choose_device(name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto").type == "cuda"
