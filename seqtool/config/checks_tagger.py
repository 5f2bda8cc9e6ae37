"""Settings of a tagger that make no sense together: one small function for each way that can happen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from seqtool.config.checks_common import Contradiction, Found
from seqtool.config.schema import Path, keys
from seqtool.config.yaml_tree import quoted
from seqtool.settings import Feature, TaggerSettings


def split_and_dev(settings: TaggerSettings) -> Found:
    """Either dev files or a held-out share."""
    if settings.data.split and settings.data.dev:
        yield Contradiction(
            ("data", "split"),
            "holds out training sentences, but data.dev names files for that",
            "delete one of the two",
        )


def bad_separator(settings: TaggerSettings) -> Found:
    """A word for it, or the character itself."""
    separator = settings.data.separator
    if separator not in ("auto", "tab", "space") and (len(separator) != 1 or separator in "\r\n"):
        yield Contradiction(
            ("data", "separator"),
            f"expected auto, tab, space or one character, found {quoted(separator)}",
            "auto looks at the file",
        )


def bad_columns(settings: TaggerSettings) -> Found:
    """Columns are named once each, and one of them is the token's."""
    data = settings.data
    if not data.columns:
        return
    twice = [name for name, count in Counter(data.columns).items() if count > 1 and name != "_"]
    if data.format in ("conllu", "jsonl"):
        yield Contradiction(
            ("data", "columns"), f"are for format: conll, found {data.format}", "delete data.columns"
        )
    elif "form" not in data.columns:
        yield Contradiction(
            ("data", "columns"), "one column must be called form: the token's", "name the token's column form"
        )
    elif twice:
        yield Contradiction(
            ("data", "columns"),
            f"the name {quoted(twice[0])} stands in them more than once",
            "give each column a name of its own; _ for those that do not matter",
        )


def label_outside_columns(settings: TaggerSettings) -> Found:
    """With named columns the label is one of them."""
    data = settings.data
    if data.label.isdecimal():
        number = int(data.label[:9])
        if number < 1 or (data.columns and number > len(data.columns)):
            yield Contradiction(
                ("data", "label"),
                f"expected a column from 1 to {len(data.columns) or 'the last'}, found {data.label}",
                "columns are counted from 1",
            )
    elif data.columns and data.label == "form":
        yield Contradiction(
            ("data", "label"),
            "form is the token itself",
            f"choose one of {', '.join(name for name in data.columns if name != 'form')}",
        )
    elif (
        data.columns
        and data.label != "auto"
        and data.label not in data.columns
        and data.format not in ("conllu", "jsonl")
    ):
        yield Contradiction(
            ("data", "label"),
            f"expected one of data.columns ({', '.join(data.columns)}), found {quoted(data.label)}",
            "use a name from data.columns",
        )


def surface_without_conllu(settings: TaggerSettings) -> Found:
    """Only CoNLL-U tells words from surface forms."""
    if settings.data.tokens == "surface" and settings.data.format in ("conll", "jsonl"):
        yield Contradiction(
            ("data", "tokens"),
            f"surface is for CoNLL-U, found format: {settings.data.format}",
            "set data.tokens: words",
        )


def feature_list_checks(settings: TaggerSettings) -> Found:
    """Each feature of a list by itself, then twins."""
    if isinstance(settings.model.features, str):
        return
    if not settings.model.features:
        yield Contradiction(
            ("model", "features"),
            "expected at least one feature, found none",
            "use standard, or list features such as {name: form, dim: 64}",
        )
    for index, feature in enumerate(settings.model.features):
        for key, message, hint in _feature_mistakes(feature):
            yield Contradiction(("model", "features", index, *key), message, hint)
        if feature in settings.model.features[:index]:
            yield Contradiction(
                ("model", "features", index),
                "the same feature stands in the list twice",
                "delete one of them",
            )


FEATURE_KEYS = {
    "length": ("prefix", "suffix"),
    "char_dim": ("char_cnn", "char_lstm"),
    "width": ("char_cnn",),
    "path": ("vectors",),
    "frozen": ("vectors",),
}


def feature_takes(name: str, key: str) -> bool:
    """Whether a key says anything about a feature of that name."""
    if name == "vectors":
        return key in ("name", "path", "frozen", "dim")
    return name in FEATURE_KEYS.get(key, (name,)) and not (name.startswith("char_") and key == "unknown")


def _feature_mistakes(feature: Feature) -> Iterator[tuple[Path, str, str]]:
    if feature.name == "vectors" and not feature.path:
        yield (
            (),
            "vectors need the path of their file",
            "add path: with a word2vec, GloVe or fastText text file",
        )
    if "\0" in feature.path:
        yield ("path",), f"expected a path, found {quoted(feature.path)}", "give the file's name"
    for name, key in keys(Feature).items():
        if not feature_takes(feature.name, name) and getattr(feature, name) != key.default:
            yield (name,), f"says nothing about a feature called {feature.name}", "delete it"
    if not feature.unknown and feature.min_count > 1 and feature_takes(feature.name, "unknown"):
        yield (
            ("min_count",),
            "makes rare values unknown, but unknown: false leaves no row for them",
            "delete one of the two",
        )


def crf_loss(settings: TaggerSettings) -> Found:
    """The CRF's loss is one of whole sentences; it has no share per label."""
    if settings.model.decoder != "crf":
        return
    if settings.training.label_smoothing:
        yield Contradiction(
            ("training", "label_smoothing"),
            "does not go with decoder: crf",
            "set it to 0, or model.decoder to viterbi",
        )
    if settings.training.class_weights != "none":
        yield Contradiction(
            ("training", "class_weights"),
            "does not go with decoder: crf",
            "set it to none, or model.decoder to viterbi",
        )


def bad_class_weights(settings: TaggerSettings) -> Found:
    """Weights are not negative, and not all of them zero."""
    weights = settings.training.class_weights
    if isinstance(weights, str):
        return
    for label, weight in weights.items():
        if weight < 0:
            yield Contradiction(
                ("training", "class_weights", label),
                f"expected a number of at least 0, found {weight:g}",
                "0 leaves the label out of the loss",
            )
    if not weights:
        yield Contradiction(
            ("training", "class_weights"),
            "expected a number for each label, found none",
            "write LABEL: NUMBER lines, or balanced",
        )


def character_keys(settings: TaggerSettings) -> Found:
    """Keys of the shared training section that only character models have a use for."""
    if settings.training.eval_block is not None:
        yield Contradiction(
            ("training", "eval_block"), "is for running text; sentences are scored whole", "delete it"
        )


TAGGER: tuple[Callable[[TaggerSettings], Found], ...] = (
    split_and_dev,
    bad_separator,
    bad_columns,
    label_outside_columns,
    surface_without_conllu,
    feature_list_checks,
    crf_loss,
    bad_class_weights,
    character_keys,
)
