"""Dynamic evaluation, compared with its equations and with the score of unchanged weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from seqtool.errors import ConfigError
from seqtool.evaluation.dynamic import (
    EPSILON,
    STATISTICS,
    DynamicOptions,
    TrainedNetwork,
    dynamic_losses,
    dynamic_score,
)
from seqtool.inference.character import CharacterModel
from seqtool.inference.load import load_character_model
from seqtool.progress import watched_by
from seqtool.settings.model import CharModel
from seqtool.types import Array
from tests.cli.test_without_torch import BLOCKER
from tests.support.random_models import character_parts, stored_model
from tests.support.shell import PROJECT, in_terminal, seqtool, seqtool_in_process, shown_text
from tests.support.stored_models import store_character_model, store_tagger

SYMBOLS = "\nabcd"


def make(**settings: Any) -> tuple[CharacterModel, TrainedNetwork]:
    stored = stored_model(
        character_parts(CharModel(**{"hidden_size": 5, "embedding_dim": 3, **settings}), SYMBOLS)
    )
    model = load_character_model(stored)
    return model, TrainedNetwork(model.settings, len(SYMBOLS), stored.weights)


def ids_of(length: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(0, len(SYMBOLS), length)


def losses_by_definition(
    trained: TrainedNetwork, text: Array, train: Array | None, options: DynamicOptions
) -> list[float]:
    """Return the losses by the equations, with one vector of all weights."""
    network = trained.build()
    start = torch.cat([weight.detach().flatten() for weight in network.parameters()]).double()
    now, squares, count, losses = start.clone(), torch.zeros_like(start), 0, []

    def gradient(part: Array, state: Any) -> tuple[Any, list[float], Any]:
        offset = 0
        for weight in network.parameters():
            weight.data = now[offset : offset + weight.numel()].view(weight.shape).float()
            weight.grad = None
            offset += weight.numel()
        inputs = torch.tensor(part[:-1])[:, None]
        logits, state = network(inputs, state)
        each = functional.cross_entropy(logits[:, 0], torch.tensor(part[1:]), reduction="none")
        each.mean().backward()  # type: ignore[no-untyped-call]
        found = [
            torch.zeros_like(weight) if weight.grad is None else weight.grad
            for weight in network.parameters()
        ]
        state = tuple(tuple(tensor.detach() for tensor in tensors) for tensors in state)
        return torch.cat([one.flatten() for one in found]).double(), each.tolist(), state

    for source in (train, text):
        state = network.encoder.initial_state(1)
        for first in range(0, 0 if source is None else len(source) - 1, options.segment):
            assert source is not None
            found, each, state = gradient(source[first : first + options.segment + 1], state)
            if source is train or train is None:
                squares, count = squares + found**2, count + 1
            if source is train:
                continue
            losses += each
            root = (squares / count).sqrt()
            decay = (options.decay * root / root.mean()).clamp(max=1)
            now = now - options.learning_rate * found / (root + EPSILON) + decay * (start - now)
    return losses


@pytest.mark.parametrize("trained_on", ["train", "text"])
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, id="lstm"),
        pytest.param({"cell": "gru", "num_layers": 2}, id="gru"),
        pytest.param({"tied": True, "initial_state": "learned"}, id="tied, learned state"),
        pytest.param({"input": "onehot"}, id="onehot"),
        pytest.param({"tied": True, "output": "adaptive", "cutoffs": (2, 4)}, id="tied, adaptive"),
    ],
)
def test_losses_follow_the_equations(settings: dict[str, Any], trained_on: str) -> None:
    _, trained = make(**settings)
    options = DynamicOptions(learning_rate=0.02, decay=0.3, segment=7)
    train = ids_of(60, 1) if trained_on == "train" else None
    found = dynamic_losses(trained, ids_of(100), train, options)
    np.testing.assert_allclose(
        found, losses_by_definition(trained, ids_of(100), train, options), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("decay", [0.0, 0.5])
@pytest.mark.parametrize(
    "settings", [{}, {"output": "adaptive", "cutoffs": (1, 3)}], ids=["linear", "adaptive"]
)
def test_without_steps_the_loss_is_that_of_the_model(decay: float, settings: dict[str, Any]) -> None:
    model, trained = make(**settings)
    options = DynamicOptions(learning_rate=0.0, decay=decay, segment=6)
    text = "".join(SYMBOLS[number] for number in ids_of(90))
    found = dynamic_losses(trained, ids_of(90), ids_of(50, 1), options)
    np.testing.assert_allclose(found, model.score(text).losses, atol=1e-5)


def test_a_symbol_is_scored_before_it_is_learned_from() -> None:
    _, trained = make()
    text, other = ids_of(90), ids_of(90)
    other[57:] = (other[57:] + 1) % len(SYMBOLS)
    options = DynamicOptions(learning_rate=0.05, segment=5)
    for train in (None, ids_of(40, 1)):
        first, second = (dynamic_losses(trained, each, train, options) for each in (text, other))
        np.testing.assert_array_equal(first[:56], second[:56])
        assert first[56] != second[56]


def test_text_that_repeats_itself_becomes_probable() -> None:
    model, trained = make()
    text = np.tile(np.array([1, 2, 3, 4, 0]), 80)
    losses = dynamic_losses(trained, text, None, DynamicOptions(learning_rate=0.02, segment=5))
    static = model.score("abcd\n" * 80).mean
    assert static is not None
    assert losses[-50:].mean() < 0.5 * static
    assert (
        dynamic_score(trained, text, None, DynamicOptions(learning_rate=0.02, segment=5)).nats
        == losses.mean()
    )


def test_progress_ends_with_all_symbols_and_threads_are_restored() -> None:
    _, trained = make()
    before, seen = torch.get_num_threads(), []
    with watched_by(lambda _, done, total: seen.append((done, total))):
        dynamic_losses(trained, ids_of(31), ids_of(21, 1), DynamicOptions())
    assert seen == [(20, 50), (40, 50), (50, 50)]
    assert torch.get_num_threads() == before
    assert STATISTICS >= 20_000


def test_wrong_options_are_refused() -> None:
    wrong: list[dict[str, Any]] = [{"learning_rate": -1.0}, {"decay": float("nan")}, {"segment": 0}]
    for options in wrong:
        with pytest.raises(ConfigError):
            DynamicOptions(**options)


# --- the command --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dynamic")
    store_character_model(folder / "runs/text")
    store_character_model(folder / "runs/lines", kind="lines")
    store_tagger(folder / "runs/tagger")
    (folder / "text.txt").write_text("abc def\nabc\n" * 60)
    (folder / "site").mkdir()
    (folder / "site/sitecustomize.py").write_text(BLOCKER)
    return folder


def test_command_reports_its_own_protocol(here: Path) -> None:
    given = ("evaluate", "text", "text.txt", "--dynamic", "--dynamic-lr", "0.01", "--dynamic-segment", "30")
    lines = seqtool_in_process(*given, cwd=here).lines
    names = [line.split()[0] for line in lines if line.strip()]
    assert names.index("dynamic") == names.index("blocks") + 2
    value = json.loads(seqtool_in_process(*given, "--json", "--train-text", "text.txt", cwd=here).stdout)
    assert value["dynamic"].keys() == {"nats", "learning_rate", "decay", "segment", "gradients"}
    assert value["dynamic"]["nats"] < value["carried"]["nats"]
    assert (value["dynamic"]["segment"], value["dynamic"]["gradients"]) == (30, "train")
    plain = json.loads(seqtool_in_process("evaluate", "text", "text.txt", "--json", cwd=here).stdout)
    assert plain["dynamic"] is None


def test_progress_is_shown_on_a_terminal_only(here: Path) -> None:
    (here / "long.txt").write_text("abc def\nabc\n" * 2000)
    shown = in_terminal("evaluate", "text", "long.txt", "--dynamic", cwd=here)
    assert "dynamic evaluation" in shown_text(shown.stdout)
    assert seqtool("evaluate", "text", "long.txt", "--dynamic", cwd=here).stderr == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("lines", "text.txt", "--dynamic"), "model of lines"),
        (("tagger", "text.txt", "--dynamic"), "--dynamic are for character models"),
        (("text", "text.txt", "--dynamic-lr", "1"), "--dynamic-lr has no effect without --dynamic"),
        (("text", "text.txt", "--dynamic-decay", "1"), "--dynamic-decay"),
        (("text", "text.txt", "--dynamic", "--dynamic-segment", "0"), "segment"),
        (("text", "text.txt", "--dynamic", "--dynamic-lr", "-1"), "learning rate"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_wrong_uses_exit_2(here: Path, arguments: tuple[str, ...], said: str) -> None:
    done = seqtool_in_process("evaluate", *arguments, cwd=here)
    assert (done.code, done.stdout) == (2, "")
    assert said in done.stderr


def test_without_torch_the_installation_is_named(here: Path) -> None:
    done = seqtool(
        "evaluate", "text", "text.txt", "--dynamic", cwd=here, PYTHONPATH=f"{here / 'site'}:{PROJECT}"
    )
    assert (done.code, done.stdout) == (2, "")
    assert "pip install 'seqtool[train]'" in done.stderr
