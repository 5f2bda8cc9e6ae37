"""Contradictions between the settings of a tagger, one small function each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from seqtool.config.checks import Contradiction, Contradictions, penalties_of_text_models
from seqtool.config.schema import KeyPath, keys
from seqtool.config.yaml_tree import quoted
from seqtool.settings.experiment import TaggerSettings
from seqtool.settings.model import Feature

LEMMA = "lemma"  # name of the column whose labels are changes of a form


def split_and_dev(settings: TaggerSettings) -> Contradictions:
    """Refuse held-out sentences in addition to development files."""
    if settings.data.split and settings.data.dev:
        yield Contradiction(
            ("data", "split"),
            "holds out training sentences, but data.dev names development files",
            "delete one of the two",
        )


def bad_separator(settings: TaggerSettings) -> Contradictions:
    """Require the name of a separator or a single character."""
    separator = settings.data.separator
    if separator not in ("auto", "tab", "space") and (len(separator) != 1 or separator in "\r\n"):
        yield Contradiction(
            ("data", "separator"),
            f"expected auto, tab, space or one character, found {quoted(separator)}",
            "auto detects the separator from the file",
        )


def bad_columns(settings: TaggerSettings) -> Contradictions:
    """Require different column names and a token column."""
    data = settings.data
    if not data.columns:
        return
    repeated = [name for name, count in Counter(data.columns).items() if count > 1 and name != "_"]
    if data.format in ("conllu", "jsonl", "word_tag"):
        yield Contradiction(
            ("data", "columns"), f"are for format: conll or csv, found {data.format}", "delete data.columns"
        )
    elif "form" not in data.columns and data.token == "auto":
        yield Contradiction(
            ("data", "columns"),
            "one column must be named form: the token column",
            "name the token column form",
        )
    elif repeated:
        yield Contradiction(
            ("data", "columns"),
            f"contain the name {quoted(repeated[0])} more than once",
            "give each column a different name; use _ for columns that are not read",
        )


def label_outside_columns(settings: TaggerSettings) -> Contradictions:
    """Require that the label is one of the named columns."""
    data = settings.data
    if data.label.isdecimal():
        number = int(data.label[:9])
        if number < 1 or (data.columns and number > len(data.columns)):
            yield Contradiction(
                ("data", "label"),
                f"expected a column from 1 to {len(data.columns) or 'the last'}, found {data.label}",
                "columns are numbered from 1",
            )
    elif data.columns and data.label == "form":
        yield Contradiction(
            ("data", "label"),
            "form is the token column",
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


def several_labels(settings: TaggerSettings) -> Contradictions:
    """Check the names of several labels, and refuse keys that are for a single label."""
    data, names = settings.data, settings.data.labels
    if data.label == LEMMA:
        hint = "write data.labels: [upos, lemma]"
        yield Contradiction(("data", "label"), "lemmas are learned together with another label", hint)
    if not names:
        return
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if data.label != "auto":
        yield Contradiction(
            ("data", "label"), "is for a single label; data.labels names several", "delete one of the two"
        )
    if repeated:
        yield Contradiction(
            ("data", "labels"), f"contain {quoted(repeated[0])} more than once", "name each column once"
        )
    if names[0] == LEMMA:
        yield Contradiction(
            ("data", "labels"),
            "the first label is lemma; it must be another one",
            "write the most important label first",
        )
    outside = [name for name in names if data.columns and name not in data.columns and not name.isdecimal()]
    if outside or "form" in names or "auto" in names:
        name = (outside or [name for name in names if name in ("form", "auto")])[0]
        yield Contradiction(
            ("data", "labels"),
            f"{quoted(name)} is not a column of labels",
            "name columns of the file, such as upos and lemma",
        )
    if settings.model.decoder == "crf":
        yield Contradiction(
            ("model", "decoder"), "crf is for a single label", "delete it, or train one label"
        )
    if settings.training.class_weights != "none":
        yield Contradiction(
            ("training", "class_weights"),
            "are for a single label",
            "training.label_weights sets the weight of each label",
        )


def bad_label_weights(settings: TaggerSettings) -> Contradictions:
    """Require weights of labels that are trained, and a weight above 0 for the first."""
    weights, names = settings.training.label_weights, settings.data.labels
    if isinstance(weights, str):
        return
    for name, weight in weights.items():
        if name not in names:
            known = f"one of {', '.join(names)}" if names else "no weights without data.labels"
            yield Contradiction(
                ("training", "label_weights", name),
                f"expected {known}, found {quoted(name)}",
                "name a label of data.labels",
            )
        elif weight < 0 or (weight == 0 and name == names[0]):
            least = "above 0 for the first label" if name == names[0] else "of at least 0"
            yield Contradiction(
                ("training", "label_weights", name),
                f"expected a number {least}, found {weight:g}",
                "1 is the weight of a label that is trained alone",
            )


def surface_without_conllu(settings: TaggerSettings) -> Contradictions:
    """Restrict surface forms to CoNLL-U, the only format that has them."""
    if settings.data.tokens == "surface" and settings.data.format not in ("auto", "conllu"):
        yield Contradiction(
            ("data", "tokens"),
            f"surface is for CoNLL-U, found format: {settings.data.format}",
            "set data.tokens: words",
        )


def bad_features(settings: TaggerSettings) -> Contradictions:
    """Check each feature of a list, and refuse equal features."""
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
                "the list contains the same feature twice",
                "delete one of them",
            )


# Keys that only some features use; other keys apply to all features.
FEATURE_KEYS = {
    "length": ("prefix", "suffix"),
    "char_dim": ("char_cnn", "char_lstm"),
    "width": ("char_cnn",),
    "path": ("vectors",),
    "frozen": ("vectors",),
}


def feature_uses(name: str, key: str) -> bool:
    """Return True if a key has a meaning for the feature with this name."""
    if name == "vectors":
        return key in ("name", "path", "frozen", "dim")
    return name in FEATURE_KEYS.get(key, (name,)) and not (name.startswith("char_") and key == "unknown")


def _feature_mistakes(feature: Feature) -> Iterator[tuple[KeyPath, str, str]]:
    """Yield the path within the feature, the message and the hint of each mistake."""
    if feature.name == "vectors" and not feature.path:
        yield (
            (),
            "vectors need the path of a file",
            "add path: with a word2vec, GloVe or fastText text file",
        )
    if "\0" in feature.path:
        yield ("path",), f"expected a path, found {quoted(feature.path)}", "give the name of the file"
    for name, key in keys(Feature).items():
        if not feature_uses(feature.name, name) and getattr(feature, name) != key.default:
            yield (name,), f"has no meaning for the feature {feature.name}", "delete it"
    if not feature.unknown and feature.min_count > 1 and feature_uses(feature.name, "unknown"):
        yield (
            ("min_count",),
            "makes rare values unknown, but with unknown: false there is no unknown value",
            "delete one of the two",
        )


def crf_loss(settings: TaggerSettings) -> Contradictions:
    """Refuse weights per label for a CRF, whose loss is defined for whole sentences."""
    if settings.model.decoder != "crf":
        return
    if settings.training.label_smoothing:
        yield Contradiction(
            ("training", "label_smoothing"),
            "cannot be combined with decoder: crf",
            "set it to 0, or model.decoder to viterbi",
        )
    if settings.training.class_weights != "none":
        yield Contradiction(
            ("training", "class_weights"),
            "cannot be combined with decoder: crf",
            "set it to none, or model.decoder to viterbi",
        )


def bad_class_weights(settings: TaggerSettings) -> Contradictions:
    """Require class weights that are not negative, and at least one."""
    weights = settings.training.class_weights
    if isinstance(weights, str):
        return
    for label, weight in weights.items():
        if weight < 0:
            yield Contradiction(
                ("training", "class_weights", label),
                f"expected a number of at least 0, found {weight:g}",
                "0 excludes the label from the loss",
            )
    if not weights:
        yield Contradiction(
            ("training", "class_weights"),
            "expected a number for each label, found none",
            "write LABEL: NUMBER lines, or balanced",
        )


def character_keys(settings: TaggerSettings) -> Contradictions:
    """Refuse keys of the training section that only character models use."""
    if settings.training.eval_block is not None:
        yield Contradiction(
            ("training", "eval_block"), "is for running text; whole sentences are scored", "delete it"
        )
    yield from penalties_of_text_models(settings.training)


def tokenizer_without_conllu(settings: TaggerSettings) -> Contradictions:
    """Restrict the training of a tokenizer to CoNLL-U, the only format that gives raw text."""
    if settings.tokenizer is not None and settings.data.format not in ("auto", "conllu"):
        yield Contradiction(
            ("tokenizer",),
            f"a tokenizer is trained on CoNLL-U, found format: {settings.data.format}",
            "set tokenizer: null, or delete it",
        )


TAGGER: tuple[Callable[[TaggerSettings], Contradictions], ...] = (
    split_and_dev,
    bad_separator,
    bad_columns,
    label_outside_columns,
    several_labels,
    bad_label_weights,
    surface_without_conllu,
    bad_features,
    crf_loss,
    bad_class_weights,
    character_keys,
    tokenizer_without_conllu,
)
