"""Networks from settings, and their weights as arrays under the names that a model directory uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from seqtool.errors import ModelError
from seqtool.models.character import CharacterNetwork
from seqtool.models.tagger import Allowed, TaggerNetwork
from seqtool.settings import CharSettings, TaggerSettings
from seqtool.types import Array

Arrays = dict[str, Array]
_DRAWS = 1 << 20  # thrown away at a time


def seed_draws(seed: int, skip: int) -> None:
    """Seed torch's generator and throw away `skip` uniform draws, before the weights are drawn."""
    torch.manual_seed(seed)
    for start in range(0, skip, _DRAWS):
        torch.rand(min(_DRAWS, skip - start))  # one by one or at once: the generator gives the same numbers


def build_character_network(settings: CharSettings, symbols: int) -> CharacterNetwork:
    """A character network with freshly drawn weights, as seed and seed_skip determine them."""
    seed_draws(settings.seed, settings.training.seed_skip)
    return CharacterNetwork(settings.model, symbols)


def build_tagger_network(
    settings: TaggerSettings,
    rows: Sequence[int],
    characters: int,
    labels: int,
    allowed: Allowed,
    vectors: Mapping[int, Array] | None = None,
) -> TaggerNetwork:
    """A tagger with freshly drawn weights; its arguments are those of `TaggerNetwork`."""
    seed_draws(settings.seed, settings.training.seed_skip)
    tables = {
        index: torch.from_numpy(np.asarray(table, np.float32)) for index, table in (vectors or {}).items()
    }
    return TaggerNetwork(settings.model, rows, characters, labels, allowed, tables)


def stored_parameters(network: nn.Module) -> dict[str, nn.Parameter]:
    """Every parameter by its name in a model directory: torch's own, but that initial states stand at the top."""
    return {
        name.replace("encoder.start.", "initial_state.", 1): parameter
        for name, parameter in network.named_parameters()
    }


def arrays(network: nn.Module) -> Arrays:
    """A copy of every weight as a float32 array, under its stored name."""
    return {
        name: parameter.detach().to("cpu", torch.float32, copy=True).contiguous().numpy()
        for name, parameter in stored_parameters(network).items()
    }


def load_arrays(network: nn.Module, weights: Mapping[str, Array]) -> None:
    """Put stored weights into a network.

    Raises:
        ModelError: if a name or a shape does not fit; the network is then as it was.
    """
    parameters = stored_parameters(network)
    for name in sorted(parameters.keys() ^ weights.keys()):
        raise ModelError(
            f"the weights do not fit the network: {name} is {'missing' if name in parameters else 'not among its own'}"
        )
    for name, parameter in parameters.items():
        if tuple(parameter.shape) != weights[name].shape:
            raise ModelError(
                f"the weights do not fit the network: expected {name} of {tuple(parameter.shape)}, found {weights[name].shape}"
            )
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(weights[name])))
