"""Best label sequences of several sentences together, and raw texts next to sentences of tokens."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.inference.text_tagger import TagOptions, Tags, TextTagger, Unit, join_nbest, words_of
from seqtool.settings.model import TaggerModel, TokenizerModel
from tests.support.random_models import FEATURES, tagger
from tests.support.random_tokenizers import random_tokenizer

SCORES = st.lists(st.floats(-9, 0), min_size=1, max_size=4).map(lambda scores: sorted(scores, reverse=True))


@given(st.lists(SCORES, max_size=4), st.integers(1, 9))
def test_joined_sequences_are_the_best_of_all_combinations(sentences: list[list[float]], count: int) -> None:
    lists = [
        [([f"{number}.{place}"], score) for place, score in enumerate(scores)]
        for number, scores in enumerate(sentences)
    ]
    found = join_nbest([paths[:count] for paths in lists], count)
    every = [
        ([label for labels, _ in path for label in labels], sum(score for _, score in path))
        for path in product(*lists)
    ]
    best = sorted((score for _, score in every), reverse=True)[:count]
    assert [score for _, score in found] == pytest.approx(best)
    scores = {tuple(labels): score for labels, score in every}
    assert all(scores[tuple(labels)] == pytest.approx(score) for labels, score in found)
    assert len({tuple(labels) for labels, _ in found}) == len(found)


@pytest.mark.parametrize("options", [TagOptions(), TagOptions(probabilities=True), TagOptions(nbest=2)])
def test_texts_and_sentences_keep_their_order(options: TagOptions) -> None:
    _, tokenizer = random_tokenizer(TokenizerModel(hidden_size=6, embedding_dim=5, filters=7))
    model = TextTagger(
        tagger(TaggerModel(features=FEATURES, hidden_size=4, projection=5, decoder="crf")), tokenizer
    )
    units: list[Unit] = ["ab c. A b", ["The", "dog"], "", [], "c"]
    together = model.tag(units, options)
    assert [isinstance(found, Tags) for found in together] == [False, True, False, True, False]
    for unit, found in zip(units, together, strict=True):
        if isinstance(found, Tags):
            assert len(found.labels) == len(unit)
            continue
        assert [sentence for sentence, _ in found] == tokenizer.tokenize([str(unit)])[0]
        for sentence, tags in found:
            (alone,) = model.tag([words_of(sentence)], options)
            assert isinstance(alone, Tags) and alone.labels == tags.labels
