"""Targets of fuzzing: functions that process bytes from outside as seqtool does.

Each target accepts any bytes, raises no other exception than SeqtoolError, and returns text for the terminal.
"""

from __future__ import annotations

import hashlib
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
from seqtool.data.formats.detect import HEAD_LINES, find_format
from seqtool.data.tagging.unlabeled import Item, TextReader
from seqtool.data.tokenization.rules import basic, whitespace
from seqtool.errors import ModelError, SeqtoolError
from seqtool.inference.load import load_model
from seqtool.inference.tag_stream import Tagged
from seqtool.reports.console import format_problems
from seqtool.reports.tagged import renderer
from seqtool.reports.training import marked
from seqtool.safe_text import visible, visible_lines
from seqtool.settings.data import TaggerData
from seqtool.settings.model import CharModel
from seqtool.settings.model import TaggerModel as TaggerSettings
from seqtool.storage.model_directory import MODEL_FORMAT, Manifest, StoredModel, read_manifest
from seqtool.storage.plain_files import strict_json
from seqtool.storage.verified_directory import MANIFEST, canonical_json
from seqtool.training.engine.events import Prediction
from seqtool.types import Json
from tests.support.random_models import FEATURES, character_parts, tagger_parts

Target = Callable[[bytes], str]

# Characters of outside text that must not reach a terminal: control characters except tab and line feed, and
# characters that change the direction of the text.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def yaml(data: bytes) -> str:
    """Parse a config."""
    parse_settings(_text(data), name="fuzz.yaml", folder=Path("/nowhere"))
    return ""


def override(data: bytes) -> str:
    """Parse the value of an option `--set`."""
    parse_settings(
        "task: char\ndata: {alphabet: ab}\n",
        name="fuzz.yaml",
        folder=Path("/nowhere"),
        overrides=[_text(data)],
    )
    return ""


def labeled(kind: FormatName, data: bytes) -> str:
    """Read a file of labeled sentences, and format its tokens as `tag` does."""
    data_settings = TaggerData(train=("x",), format=kind, label="auto")
    lines = raw_lines(io.BytesIO(data), "utf-8", "fuzz")
    sample = list(islice(lines, HEAD_LINES))
    form, message = find_format(data_settings, "fuzz", sample)
    shown = [visible(message)]
    table = renderer("table", form, "none", color=False)
    for block in form.read(chain(sample, lines), "fuzz"):
        labels = block.labels or ["_"] * len(block.tokens)
        assert len(labels) == len(block.tokens) == len(block.token_lines)
        shown.append(table(Tagged(Item(block.tokens), labels)))
    return "\n".join(shown)


def vocabulary(task: str, data: bytes) -> str:
    """Load a model whose `vocab.json` has these fields and a correct hash."""
    if fields := _fields(data):
        config, vocab, weights = _parts(task)
        load_model(StoredModel(config, {**vocab, **fields}, weights, Manifest(task=task)))
    return ""


def config_json(task: str, data: bytes) -> str:
    """Load a model whose `config.json` has these fields and a correct hash."""
    if fields := _fields(data):
        config, vocab, weights = _parts(task)
        load_model(StoredModel({**config, **fields}, vocab, weights, Manifest(task=task)))
    return ""


def _fields(data: bytes) -> Json:
    """Return the fields of a JSON object; none for other bytes."""
    try:
        value = strict_json(data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


@cache
def _parts(task: str) -> Any:
    if task == "char":
        return character_parts(CharModel(hidden_size=3, embedding_dim=2), "abc")
    return tagger_parts(TaggerSettings(hidden_size=3, projection=4, features=FEATURES))


def manifest(data: bytes) -> str:
    """Read a `manifest.json`, unchanged and with a corrected hash."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / MANIFEST
        path.write_bytes(data)
        try:
            read_manifest(Path(folder))
        except ModelError:
            fields = {**_fields(data), "format_version": MODEL_FORMAT.versions[0]}
            fields.pop("sha256", None)
            digest = hashlib.sha256(canonical_json(fields)).hexdigest()
            path.write_bytes(canonical_json({**fields, "sha256": digest}))
            read_manifest(Path(folder))
    return ""


def tokenizer(data: bytes) -> str:
    """Tokenize raw text, and check the position of every token."""
    text = data.decode("utf-8", "surrogateescape")
    for cut in (whitespace, basic):
        for token in cut(text):
            assert text[token.start : token.end] == token.form
    item = TextReader("basic").sentence(text, "argument 1")
    return renderer("table", None, "none", color=False)(Tagged(item, ["_"] * len(item.tokens)))


def generated(data: bytes) -> str:
    """Format symbols of a character model as training rows and `sample` do."""
    text = data.decode("utf-8", "replace")
    prediction = Prediction(tuple(text), tuple(reversed(text)))
    return f"{visible(prediction.text())}\n{marked(prediction).plain}\n{visible_lines(text)}"


TARGETS: dict[str, Target] = {
    "yaml": yaml,
    "set": override,
    "conll": partial(labeled, "conll"),
    "conllu": partial(labeled, "conllu"),
    "jsonl": partial(labeled, "jsonl"),
    "char vocab.json": partial(vocabulary, "char"),
    "tagger vocab.json": partial(vocabulary, "tagger"),
    "char config.json": partial(config_json, "char"),
    "tagger config.json": partial(config_json, "tagger"),
    "manifest.json": manifest,
    "tokenizer": tokenizer,
    "generated text": generated,
}


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def try_target(name: str, data: bytes) -> None:
    """Call a target with some bytes, and check that its text has no control character.

    Raises:
        AssertionError: if it has one; any exception of the target other than SeqtoolError.
    """
    try:
        shown = TARGETS[name](data)
    except SeqtoolError as error:
        shown = format_problems(error.problems)
    control = CONTROL.search(shown)
    assert control is None, f"{name}: {control.group()!r} would reach a terminal"
