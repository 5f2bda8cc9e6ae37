"""Contradictions between the settings of a tokenizer, one small function each."""

from __future__ import annotations

from collections.abc import Callable

from seqtool.config.checks import Contradiction, Contradictions, penalties_of_text_models
from seqtool.settings.experiment import TokenizerSettings


def split_and_dev(settings: TokenizerSettings) -> Contradictions:
    """Refuse held-out sentences in addition to development files."""
    if settings.data.split and settings.data.dev:
        yield Contradiction(
            ("data", "split"),
            "holds out training sentences, but data.dev names development files",
            "delete one of the two",
        )


def even_width(settings: TokenizerSettings) -> Contradictions:
    """Require a filter with a character in its middle."""
    width = settings.model.width
    if width % 2 == 0:
        yield Contradiction(
            ("model", "width"),
            f"expected an odd number, found {width}",
            f"a filter covers as many characters before as after: use {width - 1} or {width + 1}",
        )


def keys_of_other_tasks(settings: TokenizerSettings) -> Contradictions:
    """Refuse keys of the training section that only text models and taggers use."""
    training = settings.training
    if training.batch_words is not None:
        yield Contradiction(
            ("training", "batch_words"), "is for taggers", "use training.batch_size, in windows"
        )
    if training.class_weights != "none":
        yield Contradiction(("training", "class_weights"), "is for taggers", "delete it")
    if training.label_weights != "auto":
        yield Contradiction(("training", "label_weights"), "is for taggers", "delete it")
    if training.eval_block is not None:
        yield Contradiction(
            ("training", "eval_block"), "is for running text; whole paragraphs are scored", "delete it"
        )
    yield from penalties_of_text_models(training)


TOKENIZER: tuple[Callable[[TokenizerSettings], Contradictions], ...] = (
    split_and_dev,
    even_width,
    keys_of_other_tasks,
)
