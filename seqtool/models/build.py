"""Networks from settings, and their weights as arrays under the names that a model directory uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from seqtool.errors import ModelError
from seqtool.models.character import CharacterNetwork
from seqtool.models.tagging import TaggerNetwork
from seqtool.settings import CharSettings, TaggerSettings

Arrays = dict[str, np.ndarray[Any, Any]]


def seed_draws(seed: int, skip: int) -> None:
    """Seed torch's generator and throw away `skip` uniform draws, before the weights are drawn."""
    torch.manual_seed(seed)
    if skip:
        torch.rand(skip)  # one by one or at once: the generator gives the same numbers


def build_character_network(settings: CharSettings, symbols: int) -> CharacterNetwork:
    """A character network with freshly drawn weights, as seed and seed_skip determine them."""
    seed_draws(settings.seed, settings.training.seed_skip)
    return CharacterNetwork(settings.model, symbols)


def build_tagger_network(
    settings: TaggerSettings,
    rows: list[int],
    characters: int,
    labels: int,
    allowed: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]],
    vectors: Mapping[int, np.ndarray[Any, Any]] | None = None,
) -> TaggerNetwork:
    """A tagger with freshly drawn weights; its arguments are those of `TaggerNetwork`."""
    seed_draws(settings.seed, settings.training.seed_skip)
    tables = {index: torch.from_numpy(table) for index, table in (vectors or {}).items()}
    return TaggerNetwork(settings.model, rows, characters, labels, allowed, tables)


def stored_name(name: str) -> str:
    """A parameter's name in a model directory, from its name in the torch module."""
    for ours, stored in (
        ("encoder.layers.", "encoder."),
        ("features.parts.", "features."),
        ("projection.linear.", "projection."),
        ("projection.norm.", "norm."),
        (".ahead.", ".forward."),
        (".back.", ".backward."),
    ):
        name = name.replace(ours, stored)
    return "output.bias" if name == "bias" else name


def _stored_names(network: nn.Module) -> dict[str, nn.Parameter]:
    """Every parameter by its stored name."""
    found: dict[str, nn.Parameter] = {}
    bidirectional = bool(getattr(getattr(network, "model", None), "bidirectional", False))
    for name, parameter in network.named_parameters():
        if name.startswith("encoder.starts."):
            index, part = name.removeprefix("encoder.starts.").split(".")
            layer, direction = divmod(int(index), 1 + bidirectional)
            found[f"initial_state.{layer}.{'backward' if direction else 'forward'}.{part}"] = parameter
        else:
            found[stored_name(name)] = parameter
    return found


def arrays(network: nn.Module) -> Arrays:
    """A copy of every weight as a float32 array, under its stored name."""
    return {name: parameter.detach().to("cpu", torch.float32, copy=True).numpy() for name, parameter in _stored_names(network).items()}


def load_arrays(network: nn.Module, weights: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Put stored weights into a network.

    Raises:
        ModelError: if a name or a shape does not fit.
    """
    parameters = _stored_names(network)
    if set(parameters) != set(weights):
        odd = sorted(set(parameters) ^ set(weights))[0]
        raise ModelError(f"the weights do not fit the network: {odd}")
    with torch.no_grad():
        for name, parameter in parameters.items():
            if tuple(parameter.shape) != weights[name].shape:
                raise ModelError(f"{name}: expected shape {tuple(parameter.shape)}, found {weights[name].shape}")
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(weights[name])))
