"""Loading of a tokenizer: every wrong value of its configuration and vocabulary is refused."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict
from typing import Any

import pytest

from seqtool.errors import ModelError
from seqtool.inference.load import load_tokenizer
from seqtool.models.weights import weight_arrays
from seqtool.settings.model import TokenizerModel as Settings
from seqtool.storage.model_directory import Manifest, StoredModel
from tests.support.random_tokenizers import random_tokenizer

SMALL = Settings(hidden_size=4, embedding_dim=3, class_dim=2, filters=5)


def stored() -> StoredModel:
    network, model = random_tokenizer(SMALL)
    config = {"task": "tokenizer", "kind": "tokenizer", "model": asdict(SMALL), "inner_spaces": False}
    vocab = {**model.characters.to_json(), **model.expansions.to_json()}
    return StoredModel(config, vocab, weight_arrays(network), Manifest(task="tokenizer"))


def test_a_stored_tokenizer_is_the_one_that_was_stored() -> None:
    _, model = random_tokenizer(SMALL)
    texts = ["ab. Cd", "", "ABC 12"]
    assert load_tokenizer(stored()).tokenize(texts) == model.tokenize(texts)


CHANGES: dict[str, tuple[Callable[[Any], object], str]] = {
    "no model": (lambda it: it.config.pop("model"), "model: expected a JSON object"),
    "even width": (lambda it: it.config["model"].update(width=4), "expected an odd number, found 4"),
    "text for a number": (lambda it: it.config["model"].update(filters="x"), "not an allowed value"),
    "inner spaces": (lambda it: it.config.update(inner_spaces=1), "expected true or false, found 1"),
    "long character": (lambda it: it.vocab["characters"].append("ab"), "expected a list of characters"),
    "character twice": (lambda it: it.vocab["characters"].append("a"), "different characters"),
    "missing count": (lambda it: it.vocab["character_counts"].pop(), "character_counts: expected"),
    "no expansions": (lambda it: it.vocab.pop("expansions"), "expansions: expected a JSON object"),
    "always": (lambda it: it.vocab.update(always_expanded=[]), "always_expanded: expected a JSON object"),
    "no words": (lambda it: it.vocab["expansions"].update(x=[]), "a list of words for 'x'"),
    "empty rule": (
        lambda it: it.vocab["expansion_suffixes"].update({"": "x"}),
        "expected texts by the parts",
    ),
    "missing weight": (lambda it: it.weights.pop("conv.bias"), "conv.bias: expected shape (5,)"),
    "further weight": (lambda it: it.weights.update(x=it.weights["conv.bias"]), "x: not an array of this"),
    "more characters": (
        lambda it: it.vocab.update(
            characters=[*it.vocab["characters"], "ü"], character_counts=[*it.vocab["character_counts"], 1]
        ),
        "embedding.weight: expected shape",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_wrong_value_is_refused(name: str) -> None:
    change, message = CHANGES[name]
    broken = deepcopy(stored())
    change(broken)
    with pytest.raises(ModelError) as error:
        load_tokenizer(broken)
    assert message in str(error.value)
