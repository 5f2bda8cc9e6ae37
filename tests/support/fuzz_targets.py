"""What bytes from outside go through: each target takes any bytes, raises nothing but our own error, and gives what a terminal gets."""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Callable
from functools import cache, partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from seqtool.config.load import parse_settings
from seqtool.data.formats.blocks import FormatName, raw_lines
from seqtool.data.formats.detect import SAMPLE_LINES, find_format
from seqtool.data.tagging.unlabeled import Item, TextReader
from seqtool.data.tokenization.rules import basic, whitespace
from seqtool.errors import ModelError, SeqtoolError
from seqtool.inference.load import load_model
from seqtool.inference.tag_stream import Tagged
from seqtool.reports.console import format_problems
from seqtool.reports.tagged import renderer
from seqtool.reports.training import marked
from seqtool.safe_text import visible, visible_lines
from seqtool.settings import CharModel, TaggerData
from seqtool.settings import TaggerModel as TaggerSettings
from seqtool.storage.model_directory import MODEL_FORMAT, Manifest, StoredModel, read_manifest
from seqtool.storage.verified_directory import MANIFEST, canonical_json, strict_json
from seqtool.training.engine.events import Prediction
from tests.support.random_models import FEATURES, character_parts, tagger_parts

Target = Callable[[bytes], str]

# What no text from outside may bring to a terminal: every control character but tab and line feed, and what turns the line round.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def yaml(data: bytes) -> str:
    """A config."""
    parse_settings(_text(data), name="fuzz.yaml", folder=Path("/nowhere"))
    return ""


def override(data: bytes) -> str:
    """An option `--set`."""
    parse_settings(
        "task: char\ndata: {alphabet: ab}\n",
        name="fuzz.yaml",
        folder=Path("/nowhere"),
        overrides=[_text(data)],
    )
    return ""


def labelled(kind: FormatName, data: bytes) -> str:
    """A file of labelled sentences, and its tokens as `tag` shows them."""
    given = TaggerData(train=("x",), format=kind, label="auto")
    lines = raw_lines(io.BytesIO(data), "utf-8", "fuzz")
    sample = list(islice(lines, SAMPLE_LINES))
    form, said = find_format(given, "fuzz", sample)
    shown = [visible(said)]
    table = renderer("table", form, "none", color=False)
    for block in form.read(chain(sample, lines), "fuzz"):
        labels = block.labels or ["_"] * len(block.tokens)
        assert len(labels) == len(block.tokens) == len(block.token_lines)
        shown.append(table(Tagged(Item(block.tokens), labels)))
    return "\n".join(shown)


def vocabulary(task: str, data: bytes) -> str:
    """`vocab.json` of a model whose hash says that it is the right one."""
    try:
        value = strict_json(data)
    except ValueError:
        return ""
    if isinstance(value, dict):
        config, vocab, weights = _parts(task)
        load_model(StoredModel({**config}, {**vocab, **value}, weights, Manifest(task=task)))
    return ""


def config_json(task: str, data: bytes) -> str:
    """`config.json` of such a model."""
    try:
        value = strict_json(data)
    except ValueError:
        return ""
    if isinstance(value, dict):
        config, vocab, weights = _parts(task)
        load_model(StoredModel({**config, **value}, vocab, weights, Manifest(task=task)))
    return ""


@cache
def _parts(task: str) -> Any:
    if task == "char":
        return character_parts(CharModel(hidden_size=3, embedding_dim=2), "abc")
    return tagger_parts(TaggerSettings(hidden_size=3, projection=4, features=FEATURES))


def manifest(data: bytes) -> str:
    """`manifest.json`, as it is and with its own hash made right."""
    import hashlib

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / MANIFEST
        path.write_bytes(data)
        try:
            read_manifest(Path(folder))
        except ModelError:
            value = strict_json(data) if _is_json(data) else None
            if isinstance(value, dict):
                value = {**value, "format_version": MODEL_FORMAT.version}
                value.pop("sha256", None)
                path.write_bytes(
                    canonical_json({**value, "sha256": hashlib.sha256(canonical_json(value)).hexdigest()})
                )
                read_manifest(Path(folder))
    return ""


def _is_json(data: bytes) -> bool:
    try:
        strict_json(data)
    except ValueError:
        return False
    return True


def tokeniser(data: bytes) -> str:
    """Raw text, cut into words; every token lies where it says."""
    text = data.decode("utf-8", "surrogateescape")
    for cut in (whitespace, basic):
        for token in cut(text):
            assert text[token.start : token.end] == token.form
    item = TextReader("basic").sentence(text, "argument 1")
    return renderer("table", None, "none", color=False)(Tagged(item, ["_"] * len(item.tokens)))


def generated(data: bytes) -> str:
    """Symbols of a character model, as rows and `sample` show them."""
    text = data.decode("utf-8", "replace")
    prediction = Prediction(tuple(text), tuple(reversed(text)))
    return f"{visible(prediction.text())}\n{marked(prediction).plain}\n{visible_lines(text)}"


TARGETS: dict[str, Target] = {
    "yaml": yaml,
    "set": override,
    "conll": partial(labelled, "conll"),
    "conllu": partial(labelled, "conllu"),
    "jsonl": partial(labelled, "jsonl"),
    "char vocab.json": partial(vocabulary, "char"),
    "tagger vocab.json": partial(vocabulary, "tagger"),
    "char config.json": partial(config_json, "char"),
    "tagger config.json": partial(config_json, "tagger"),
    "manifest.json": manifest,
    "tokeniser": tokeniser,
    "generated text": generated,
}


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def try_target(name: str, data: bytes) -> None:
    """Give a target some bytes; anything but our own error, and any control character on the way to a terminal, is a failure."""
    try:
        shown = TARGETS[name](data)
    except SeqtoolError as error:
        shown = format_problems(error.problems)
    found = CONTROL.search(shown)
    assert found is None, f"{name}: {found.group()!r} would reach a terminal"
