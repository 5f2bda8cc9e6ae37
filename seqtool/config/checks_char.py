"""Settings of a character model that make no sense together: one small function for each way that can happen."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Callable

from seqtool.config.checks_common import Contradiction, Found
from seqtool.config.yaml_tree import quoted
from seqtool.settings import CharData, CharSettings


def text_and_pairs(settings: CharSettings) -> Found:
    """One kind of data at a time, and at least an alphabet."""
    data = settings.data
    if data.text and data.pairs:
        yield Contradiction(
            ("data", "pairs"),
            "stand beside text; a model learns from one of them",
            "delete data.pairs or data.text",
        )
    if not data.text and not data.pairs and data.alphabet is None:
        yield Contradiction(
            ("data",),
            "nothing to learn from",
            "give data.text (a file) or data.pairs; to look at an untrained network, data.alphabet",
        )


def text_keys_without_text(settings: CharSettings) -> Found:
    """`per_line`, `val` and `test` belong to running text."""
    for name in ("per_line", "val", "test"):
        if getattr(settings.data, name) and not settings.data.text:
            yield Contradiction(
                ("data", name), "goes with data.text, which is not given", f"give data.text, or delete {name}"
            )


def unequal_pairs(settings: CharSettings) -> Found:
    """Input and target are aligned symbol by symbol."""
    for index, (source, target) in enumerate(settings.data.pairs):
        lengths = [len(symbols_of(text, settings.data)) for text in (source, target)]
        if lengths[0] != lengths[1]:
            yield Contradiction(
                ("data", "pairs", index),
                f"input and target must be equally long, found {quoted(source)} of {lengths[0]} and {quoted(target)} of {lengths[1]}",
                "add or take away symbols of one of them",
            )
        elif not lengths[0]:
            yield Contradiction(
                ("data", "pairs", index),
                "expected at least one symbol, found two empty texts",
                "delete the pair",
            )


def symbols_of(text: str, data: CharData) -> str | bytes:
    """A text of a pair in the units that the model reads."""
    if data.unit == "byte":
        return text.encode()
    return unicodedata.normalize("NFC", text) if data.normalize == "nfc" else text


def bad_alphabet(settings: CharSettings) -> Found:
    """An alphabet is a row of different single characters."""
    alphabet, path = settings.data.alphabet, ("data", "alphabet")
    if alphabet is None:
        return
    if not alphabet:
        yield Contradiction(
            path, "expected at least one symbol, found none", "list the symbols, or delete the key"
        )
    long = [symbol for symbol in alphabet if len(symbol) != 1]
    if long:
        yield Contradiction(
            path,
            f"a symbol is one character, found {quoted(long[0])}",
            "list single characters, or write them as one text",
        )
    twice = [symbol for symbol, count in Counter(alphabet).items() if count > 1]
    if twice:
        yield Contradiction(
            path,
            f"the symbol {quoted(twice[0])} stands in it more than once",
            "name every symbol once; their order is their number",
        )


def pairs_outside_alphabet(settings: CharSettings) -> Found:
    """With a given alphabet, pairs must keep to it."""
    alphabet = settings.data.alphabet
    if alphabet is None or settings.data.unit == "byte":
        return
    for index, pair in enumerate(settings.data.pairs):
        strange = [
            symbol
            for text in pair
            for symbol in str(symbols_of(text, settings.data))
            if symbol not in alphabet
        ]
        if strange:
            yield Contradiction(
                ("data", "pairs", index),
                f"the symbol {quoted(strange[0])} is not in data.alphabet, which is {quoted(''.join(alphabet))}",
                "add it to data.alphabet, or delete data.alphabet to use the symbols of the data",
            )


def alphabet_and_min_count(settings: CharSettings) -> Found:
    """Symbols are either listed or counted."""
    if settings.data.alphabet is not None and settings.data.min_count > 1:
        yield Contradiction(
            ("data", "min_count"),
            "has nothing to choose from when data.alphabet lists the symbols",
            "delete one of the two",
        )


def bytes_are_not_text(settings: CharSettings) -> Found:
    """Bytes are read as they are."""
    data = settings.data
    if data.unit == "byte" and data.alphabet is not None:
        yield Contradiction(
            ("data", "alphabet"),
            "lists characters, but data.unit is byte",
            "delete data.alphabet, or set data.unit: char",
        )
    if data.unit == "byte" and data.normalize != "none":
        yield Contradiction(
            ("data", "normalize"),
            "works on characters, but data.unit is byte",
            "set it to none, or data.unit to char",
        )
    if data.unit == "byte" and data.encoding.lower().replace("_", "-") not in ("utf-8", "utf8"):
        yield Contradiction(
            ("data", "encoding"),
            "has no meaning for bytes, which are read as they are",
            "delete it, or set data.unit: char",
        )


def bad_split(settings: CharSettings) -> Found:
    """Fractions of one text."""
    split = settings.data.split
    if any(part < 0 for part in split) or split[0] <= 0:
        yield Contradiction(
            ("data", "split"),
            "expected a share above 0 for training and no negative share",
            "usual is [0.9, 0.1]",
        )
    elif math.fsum(split) > 1 + 1e-9:
        yield Contradiction(
            ("data", "split"),
            f"the shares add up to {math.fsum(split):g}, more than 1",
            "usual is [0.9, 0.1]",
        )


def tied_without_embedding(settings: CharSettings) -> Found:
    """Tied weights share the embedding with the output layer: both must be there."""
    model = settings.model
    if model.tied and model.input == "onehot":
        yield Contradiction(
            ("model", "tied"),
            "needs an embedding to share, found input: onehot",
            "set model.input: embedding, or tied to false",
        )
    if model.tied and model.output == "none":
        yield Contradiction(
            ("model", "tied"),
            "needs an output layer, found output: none",
            "set model.output: linear, or tied to false",
        )


def no_output_to_train(settings: CharSettings) -> Found:
    """A bare cell gives no scores, so there is no loss."""
    if settings.model.output == "none" and (settings.data.text or settings.data.pairs):
        yield Contradiction(
            ("model", "output"),
            "none gives no scores to train on",
            "set model.output: linear, or delete the data to look at the cell alone",
        )


def reset_without_stream(settings: CharSettings) -> Found:
    """Only streams of running text carry a state to reset."""
    if settings.model.state_reset and (settings.data.pairs or settings.data.per_line):
        kind = "pairs" if settings.data.pairs else "per_line"
        yield Contradiction(
            ("model", "state_reset"),
            f"is for running text, but with data.{kind} every sequence starts afresh",
            "delete it",
        )


def blocks_without_text(settings: CharSettings) -> Found:
    """Only running text is cut into blocks."""
    if settings.training.eval_block is not None and (settings.data.pairs or settings.data.per_line):
        kind = "pairs" if settings.data.pairs else "per_line"
        yield Contradiction(
            ("training", "eval_block"),
            f"is for running text; with data.{kind} sequences are scored whole",
            "delete it",
        )


def tagger_keys(settings: CharSettings) -> Found:
    """Keys of the shared training section that only taggers have a use for."""
    if settings.training.batch_words is not None:
        yield Contradiction(
            ("training", "batch_words"),
            "is for taggers",
            "use training.batch_size, in streams, lines or pairs",
        )
    if settings.training.class_weights != "none":
        yield Contradiction(
            ("training", "class_weights"), "is for taggers; symbols have no weights", "delete it"
        )


CHAR: tuple[Callable[[CharSettings], Found], ...] = (
    text_and_pairs,
    text_keys_without_text,
    unequal_pairs,
    bad_alphabet,
    pairs_outside_alphabet,
    alphabet_and_min_count,
    bytes_are_not_text,
    bad_split,
    tied_without_embedding,
    no_output_to_train,
    reset_without_stream,
    blocks_without_text,
    tagger_keys,
)
