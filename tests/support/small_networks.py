"""Small networks with random weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqtool.models.character import CharacterNetwork, build_character_network
from seqtool.models.tagger import TaggerNetwork, build_tagger_network
from seqtool.settings.data import TaggerData
from seqtool.settings.experiment import CharSettings, TaggerSettings
from seqtool.settings.model import CharModel, Feature, TaggerModel


def character_network(seed: int = 1, **model: Any) -> CharacterNetwork:
    """Return a network over 6 symbols; `model` are fields of its settings."""
    return build_character_network(CharSettings(seed=seed, model=CharModel(hidden_size=5, **model)), 6)


def tagger_network(seed: int = 1, **model_settings: Any) -> TaggerNetwork:
    """Return a network with two word features and 3 labels."""
    features = (Feature(name="form", dim=4), Feature(name="suffix", dim=3))
    model = TaggerModel(**{"features": features, "hidden_size": 5, "projection": 6, **model_settings})
    allowed: Any = (np.ones(3, bool), np.ones((3, 3), bool), np.ones(3, bool))
    return build_tagger_network(
        TaggerSettings(seed=seed, data=TaggerData(train=("x",)), model=model), [9, 7], 0, 3, allowed
    )
