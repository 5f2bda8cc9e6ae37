"""Contradictions between the settings of a character model, one small function each."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Callable

from seqtool.config.checks import Contradiction, Contradictions
from seqtool.config.checks_condition import CONDITION
from seqtool.config.yaml_tree import quoted
from seqtool.settings.data import CharData
from seqtool.settings.experiment import CharSettings


def text_and_pairs(settings: CharSettings) -> Contradictions:
    """Require exactly one of text and pairs, or an alphabet."""
    data = settings.data
    if data.text and data.pairs:
        yield Contradiction(
            ("data", "pairs"),
            "cannot be combined with data.text; a model learns from one of them",
            "delete data.pairs or data.text",
        )
    if not data.text and not data.pairs and data.alphabet is None:
        yield Contradiction(
            ("data",),
            "there is no training data",
            "give data.text (a file) or data.pairs; for an untrained network to inspect, give data.alphabet",
        )


def text_keys_without_text(settings: CharSettings) -> Contradictions:
    """Restrict `per_line`, `unique`, `condition`, `val` and `test` to running text."""
    for name in ("per_line", "unique", "condition", "val", "test"):
        if getattr(settings.data, name) not in (False, "none", ()) and not settings.data.text:
            yield Contradiction(
                ("data", name), "needs data.text, which is not given", f"give data.text, or delete {name}"
            )


def unequal_pairs(settings: CharSettings) -> Contradictions:
    """Require pairs of equal length, since input and target are aligned symbol by symbol."""
    for index, (source, target) in enumerate(settings.data.pairs):
        lengths = [len(_symbols_of(text, settings.data)) for text in (source, target)]
        if lengths[0] != lengths[1]:
            yield Contradiction(
                ("data", "pairs", index),
                f"input and target must have the same length, found {quoted(source)} of {lengths[0]} and "
                f"{quoted(target)} of {lengths[1]}",
                "add or remove symbols in one of them",
            )
        elif not lengths[0]:
            yield Contradiction(
                ("data", "pairs", index),
                "expected at least one symbol, found two empty texts",
                "delete the pair",
            )


def _symbols_of(text: str, data: CharData) -> str | bytes:
    """Split a text of a pair into the symbols that the model reads."""
    if data.unit == "byte":
        return text.encode()
    return unicodedata.normalize("NFC", text) if data.normalize == "nfc" else text


def bad_alphabet(settings: CharSettings) -> Contradictions:
    """Require an alphabet of different single characters."""
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
    repeated = [symbol for symbol, count in Counter(alphabet).items() if count > 1]
    if repeated:
        yield Contradiction(
            path,
            f"contains the symbol {quoted(repeated[0])} more than once",
            "give every symbol once; the order defines the number of each symbol",
        )


def pairs_outside_alphabet(settings: CharSettings) -> Contradictions:
    """Require that a given alphabet contains all symbols of the pairs."""
    alphabet = settings.data.alphabet
    if alphabet is None or settings.data.unit == "byte":
        return
    for index, pair in enumerate(settings.data.pairs):
        missing = [
            symbol
            for text in pair
            for symbol in str(_symbols_of(text, settings.data))
            if symbol not in alphabet
        ]
        if missing:
            yield Contradiction(
                ("data", "pairs", index),
                f"the symbol {quoted(missing[0])} is not in data.alphabet, which is "
                f"{quoted(''.join(alphabet))}",
                "add it to data.alphabet, or delete data.alphabet to use the symbols of the data",
            )


def alphabet_and_min_count(settings: CharSettings) -> Contradictions:
    """Refuse a minimum count for a fixed alphabet."""
    if settings.data.alphabet is not None and settings.data.min_count > 1:
        yield Contradiction(
            ("data", "min_count"),
            "has no effect if data.alphabet lists the symbols",
            "delete one of the two",
        )


def character_settings_of_bytes(settings: CharSettings) -> Contradictions:
    """Refuse settings of characters for a model of bytes."""
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
            "applies to characters, but data.unit is byte",
            "set it to none, or data.unit to char",
        )
    if data.unit == "byte" and data.encoding.lower().replace("_", "-") not in ("auto", "utf-8", "utf8"):
        yield Contradiction(
            ("data", "encoding"),
            "has no meaning for bytes, which are not decoded",
            "delete it, or set data.unit: char",
        )


def keys_of_words(settings: CharSettings) -> Contradictions:
    """Restrict the keys of words to models of words, and alphabets and pairs to other models."""
    data = settings.data
    if data.unit != "word":
        for name in ("tokenized", "max_symbols", "spell_unknown"):
            if getattr(data, name) not in (False, None):
                message = f"is for models of words, but data.unit is {data.unit}"
                yield Contradiction(("data", name), message, "set data.unit: word, or delete it")
        return
    if data.alphabet is not None:
        yield Contradiction(
            ("data", "alphabet"),
            "lists characters, but data.unit is word",
            "delete data.alphabet, or set data.unit: char",
        )
    if data.pairs:
        yield Contradiction(
            ("data", "pairs"), "are aligned by characters, but data.unit is word", "set data.unit: char"
        )
    if data.spell_unknown and data.min_count < 2 and data.max_symbols is None:
        yield Contradiction(
            ("data", "spell_unknown"),
            "needs words to learn the spelling from, but every word of train is in the vocabulary",
            "set data.min_count: 2 or more, or data.max_symbols",
        )


def bad_split(settings: CharSettings) -> Contradictions:
    """Require fractions of one text: not negative, some text for training, and a sum of at most 1."""
    split = settings.data.split
    if any(part < 0 for part in split) or split[0] <= 0:
        yield Contradiction(
            ("data", "split"),
            "expected a fraction above 0 for training and no negative fraction",
            "the usual value is [0.9, 0.1]",
        )
    elif math.fsum(split) > 1 + 1e-9:
        yield Contradiction(
            ("data", "split"),
            f"the sum of the fractions is {math.fsum(split):g}, more than 1",
            "the usual value is [0.9, 0.1]",
        )


def tied_without_embedding(settings: CharSettings) -> Contradictions:
    """Require an embedding and an output layer for tied weights."""
    model = settings.model
    if model.tied and model.input == "onehot":
        yield Contradiction(
            ("model", "tied"),
            "needs an embedding, found input: onehot",
            "set model.input: embedding, or tied to false",
        )
    if model.tied and model.output == "none":
        yield Contradiction(
            ("model", "tied"),
            "needs an output layer, found output: none",
            "set model.output: linear, or tied to false",
        )


def adaptive_output(settings: CharSettings) -> Contradictions:
    """Require rising cutoffs, and no label smoothing, which needs the scores of all symbols."""
    model = settings.model
    if list(model.cutoffs) != sorted(set(model.cutoffs)) or any(cutoff < 1 for cutoff in model.cutoffs):
        yield Contradiction(
            ("model", "cutoffs"), "expected rising numbers from 1 on", "the default is [2000, 10000]"
        )
    if model.output == "adaptive" and settings.training.label_smoothing:
        yield Contradiction(
            ("training", "label_smoothing"),
            "needs the scores of all symbols, but model.output is adaptive",
            "set model.output: linear, or delete it",
        )


def embedding_dropout_without_embedding(settings: CharSettings) -> Contradictions:
    """Require an embedding for its dropout."""
    if settings.model.embedding_dropout and settings.model.input == "onehot":
        yield Contradiction(
            ("model", "embedding_dropout"), "needs an embedding, found input: onehot", "delete it"
        )


def no_output_to_train(settings: CharSettings) -> Contradictions:
    """Require an output layer for training, since there is no loss without scores."""
    if settings.model.output == "none" and (settings.data.text or settings.data.pairs):
        yield Contradiction(
            ("model", "output"),
            "none cannot be trained, since there are no scores",
            "set model.output: linear, or delete the data to inspect only the cell",
        )


def reset_without_stream(settings: CharSettings) -> Contradictions:
    """Restrict state resets to running text, the only data with a state carried between windows."""
    if settings.model.state_reset and (settings.data.pairs or settings.data.per_line):
        kind = "pairs" if settings.data.pairs else "per_line"
        yield Contradiction(
            ("model", "state_reset"),
            f"is for running text; with data.{kind} every sequence starts from the initial state",
            "delete it",
        )


def blocks_without_text(settings: CharSettings) -> Contradictions:
    """Restrict blocks to running text."""
    if settings.training.eval_block is not None and (settings.data.pairs or settings.data.per_line):
        kind = "pairs" if settings.data.pairs else "per_line"
        yield Contradiction(
            ("training", "eval_block"),
            f"is for running text; with data.{kind} whole sequences are scored",
            "delete it",
        )


def tagger_keys(settings: CharSettings) -> Contradictions:
    """Refuse keys of the training section that only taggers use."""
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
    if settings.training.label_weights != "auto":
        yield Contradiction(
            ("training", "label_weights"), "is for taggers; a text model has no labels", "delete it"
        )


CHAR: tuple[Callable[[CharSettings], Contradictions], ...] = (
    text_and_pairs,
    text_keys_without_text,
    unequal_pairs,
    bad_alphabet,
    pairs_outside_alphabet,
    alphabet_and_min_count,
    character_settings_of_bytes,
    keys_of_words,
    bad_split,
    tied_without_embedding,
    adaptive_output,
    embedding_dropout_without_embedding,
    no_output_to_train,
    reset_without_stream,
    blocks_without_text,
    tagger_keys,
    *CONDITION,
)
