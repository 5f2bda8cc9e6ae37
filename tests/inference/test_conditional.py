"""Models of lines with conditions: torch agreement, mixtures and classes by the rules of probability."""

from __future__ import annotations

import pickle
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seqtool.decoding import log_softmax
from seqtool.errors import DataError, ModelError
from seqtool.inference.conditional import ConditionalModel, mixture_losses
from seqtool.inference.load import character_shapes, load_character_model
from seqtool.models.character import build_character_network
from seqtool.models.weights import weight_arrays
from seqtool.settings.experiment import CharSettings
from seqtool.settings.model import CharModel
from tests.inference.test_torch_agreement import assert_close, randomize
from tests.support.random_models import conditional_parts, stored_model

SYMBOLS = "\nabc"
NAMES = ("red", "green", "blue")
COUNTS = (5, 3, 2)


def model(seed: int = 0, **settings: Any) -> ConditionalModel:
    parts = conditional_parts(CharModel(hidden_size=6, **settings), SYMBOLS, NAMES, COUNTS, seed=seed)
    loaded = load_character_model(stored_model(parts))
    assert isinstance(loaded, ConditionalModel)
    return loaded


NETWORKS: list[dict[str, Any]] = [
    {},
    {"input": "onehot"},
    {"cell": "gru", "num_layers": 2, "residual": True},
    {"cell": "rnn", "tied": True, "embedding_dim": 4},
    {"initial_state": "learned", "condition_dim": 1},
]


@pytest.mark.parametrize("settings", NETWORKS)
def test_numpy_agrees_with_torch_under_every_condition(settings: dict[str, Any]) -> None:
    whole = CharSettings(model=CharModel(hidden_size=9, **settings))
    network = build_character_network(whole, len(SYMBOLS), len(NAMES))
    randomize(network)
    config, vocab, _ = conditional_parts(whole.model, SYMBOLS, NAMES, COUNTS)
    weights = weight_arrays(network)
    shapes = {name: array.shape for name, array in weights.items()}
    assert shapes == character_shapes(whole.model, len(SYMBOLS), len(NAMES))
    loaded = load_character_model(stored_model((config, vocab, weights)))
    assert isinstance(loaded, ConditionalModel)
    ids = np.random.default_rng(0).integers(0, len(SYMBOLS), (11, 3))
    numbers = torch.tensor([2, 0, 1])
    with torch.no_grad():
        expected, _ = network(torch.from_numpy(ids), network.encoder.initial_state(3), None, numbers)
    for column, number in enumerate(numbers.tolist()):
        logits, _ = loaded.under(number).forward(ids[:, column : column + 1])
        assert_close(logits[:, 0], expected[:, column].numpy())


def test_network_without_conditions_draws_the_same_weights_as_before() -> None:
    settings = CharSettings(model=CharModel(hidden_size=5))
    plain = weight_arrays(build_character_network(settings, 4))
    again = weight_arrays(build_character_network(settings, 4, 0))
    assert plain.keys() == again.keys() and "condition.weight" not in plain
    with_conditions = weight_arrays(build_character_network(settings, 4, 3))
    assert (with_conditions["embedding.weight"] == plain["embedding.weight"]).all()


def line_probability(conditional: ConditionalModel, line: str, number: int) -> float:
    """Return the probability of a line and its end under a condition, symbol by symbol."""
    ids = conditional.encode(f"\n{line}\n")
    scores, _ = conditional.under(number).forward(ids[:-1, None])
    return float(np.exp(log_softmax(scores[:, 0])[np.arange(len(ids) - 1), ids[1:]].sum()))


LINES = ["a", "cab", "", "bbbb", "abcabc"]


def test_scores_without_a_condition_are_those_of_the_mixture() -> None:
    conditional = model()
    prior = np.array(COUNTS) / sum(COUNTS)
    for line, scores in zip(LINES, conditional.score_lines(LINES), strict=True):
        parts = [line_probability(conditional, line, number) for number in range(3)]
        assert scores.total == pytest.approx(-np.log(prior @ parts), abs=1e-4)
        assert scores.symbols == tuple(line + "\n")
    whole = conditional.score("a\ncab")
    assert whole.count == 6
    assert whole.total == pytest.approx(sum(s.total for s in conditional.score_lines(["a", "cab"])))


def test_probabilities_of_the_next_symbol_of_the_mixture_sum_to_one() -> None:
    conditional = model()
    for start in ("", "a", "cb"):
        before = 0.0 if not start else float(conditional.score_lines([start])[0].losses[:-1].sum())
        after = [conditional.score_lines([start + symbol])[0].losses[: len(start) + 1] for symbol in "abc"]
        ends = conditional.score_lines([start])[0].losses
        total = sum(np.exp(-losses.sum()) for losses in after) + np.exp(-ends.sum())
        assert total == pytest.approx(np.exp(-before), rel=1e-5)


@given(st.integers(1, 4), st.integers(1, 6), st.integers(0, 99))
def test_losses_of_a_mixture_sum_to_the_loss_of_the_line(conditions: int, length: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    losses = draw.exponential(size=(conditions, length))
    prior = np.log(draw.dirichlet(np.ones(conditions)))
    mixed = mixture_losses(losses, prior)
    assert mixed.sum() == pytest.approx(-np.log(np.exp(prior - losses.sum(1)).sum()))
    assert (mixed >= losses.min(0) - 1e-9).all() and (mixed <= losses.max(0) + 1e-9).all()


@pytest.mark.parametrize("prior", ["counts", "uniform"])
def test_class_of_a_line_follows_the_rule_of_bayes(prior: Any) -> None:
    conditional = model()
    weights = np.array(COUNTS) / 10 if prior == "counts" else np.full(3, 1 / 3)
    for line, classified in zip(LINES, conditional.classify(LINES, prior), strict=True):
        joint = weights * [line_probability(conditional, line, number) for number in range(3)]
        assert classified.probabilities == pytest.approx(joint / joint.sum(), abs=1e-5)
        assert classified.name == NAMES[int(joint.argmax())]
        assert classified.probability == pytest.approx(joint.max() / joint.sum(), abs=1e-5)


def test_condition_of_a_sample_is_drawn_by_its_probability_given_the_prompt() -> None:
    conditional = model(seed=4)
    for prompt in ("", "ab"):
        ids = conditional.encode("\n" + prompt)
        joint = np.log(np.array(COUNTS) / 10)
        for number in range(3) if prompt else ():
            scores, _ = conditional.under(number).forward(ids[:-1, None])
            joint[number] += log_softmax(scores[:, 0])[np.arange(len(prompt)), ids[1:]].sum()
        expected = np.exp(joint - np.logaddexp.reduce(joint))
        drawn = [conditional.draw_condition(prompt, seed) for seed in range(600)]
        shares = [drawn.count(name) / 600 for name in NAMES]
        assert shares == pytest.approx(expected.tolist(), abs=0.07)
    condition = conditional.draw_condition("ab", 7)
    assert list(conditional.sample("ab", seed=7)) == list(conditional.under(condition).sample("ab", seed=7))


def test_condition_without_training_lines_is_possible_but_improbable() -> None:
    parts = conditional_parts(CharModel(hidden_size=4), SYMBOLS, NAMES, (9, 0, 1))
    loaded = load_character_model(stored_model(parts))
    assert isinstance(loaded, ConditionalModel)
    prior = np.exp(loaded.log_prior())
    assert 0 < prior[1] < prior[2] < prior[0] and prior.sum() == pytest.approx(1)


def test_forward_pass_without_a_condition_is_refused() -> None:
    conditional = model()
    ids = np.zeros((1, 1), np.int64)
    for call in (
        lambda: conditional.forward(ids),
        lambda: conditional.states("a"),
        lambda: conditional.predict("a"),
        lambda: conditional.step(ids[0], conditional.initial_state()),
    ):
        with pytest.raises(ModelError, match="needs a condition") as raised:
            call()
        assert raised.value.problems[0].hint == "the conditions are: red, green, blue"
    with pytest.raises(AttributeError):
        conditional.nothing  # noqa: B018


@pytest.mark.parametrize(
    ("name", "hint"),
    [("Gren", "did you mean green?"), ("zzzzzz", "the conditions are: red, green, blue")],
)
def test_unknown_condition_is_refused_with_a_similar_name(name: str, hint: str) -> None:
    with pytest.raises(DataError, match=f"no condition '{name}'") as raised:
        model().under(name)
    assert raised.value.problems[0].hint == hint


def test_composed_and_decomposed_names_are_the_same_condition() -> None:
    names = ("Tche\u0301que", "Fran\u00e7ais", "x")
    loaded = load_character_model(
        stored_model(conditional_parts(CharModel(hidden_size=3), SYMBOLS, names, COUNTS))
    )
    assert isinstance(loaded, ConditionalModel)
    assert loaded.under("Tch\u00e9que").condition == names[0]
    assert loaded.under("Franc\u0327ais").condition == names[1]


def test_model_can_be_pickled() -> None:
    conditional = model()
    again = pickle.loads(pickle.dumps(conditional))
    assert [one.name for one in again.classify(LINES)] == [one.name for one in conditional.classify(LINES)]
    under = pickle.loads(pickle.dumps(conditional.under("blue")))
    assert under.score("ab").total == conditional.under("blue").score("ab").total


DAMAGED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("condition.source", {"condition": {"source": "x", "separator": "a", "column": "1", "text": "2"}}, {}),
    ("expected source", {"condition": {"source": "file"}}, {}),
    ("expected source", {"condition": {"source": "file", "separator": 3, "column": "1", "text": "2"}}, {}),
    ("expected a model of lines", {"kind": "text"}, {}),
    ("expected names", {}, {"conditions": {"names": ["red"], "counts": [1]}}),
    ("expected names", {}, {"conditions": None}),
    ("different names", {}, {"conditions": {"names": ["a", "a", "b"], "counts": [1, 1, 1]}}),
    ("expected 3 counts", {}, {"conditions": {"names": ["a", "b", "c"], "counts": [1, 1]}}),
    ("expected 3 counts", {}, {"conditions": {"names": ["a", "b", "c"], "counts": [0, 0, 0]}}),
    ("condition.weight", {}, {"conditions": {"names": ["a", "b"], "counts": [1, 1]}}),
    ("not an array of this network", {"condition": None}, {}),
]


@pytest.mark.parametrize(("message", "config", "vocab"), DAMAGED)
def test_damaged_conditions_are_refused(message: str, config: dict[str, Any], vocab: dict[str, Any]) -> None:
    parts = conditional_parts(CharModel(hidden_size=4), SYMBOLS, NAMES, COUNTS)
    with pytest.raises(ModelError, match=message):
        load_character_model(stored_model((parts[0] | config, parts[1] | vocab, parts[2])))


def test_lines_of_different_lengths_are_scored_like_single_ones() -> None:
    conditional = model()
    texts = ["".join(line) for length in range(4) for line in product("abc", repeat=length)]
    together = conditional.condition_losses(texts)
    for text, losses in zip(texts, together, strict=True):
        (alone,) = conditional.condition_losses([text])
        assert losses.shape == (3, len(text) + 1)
        assert np.abs(losses - alone).max() < 1e-5
