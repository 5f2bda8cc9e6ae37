"""`export` of several labels and of models with a tokenizer: ONNX files are decoded by their metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqtool.data.tagging.lemma_scripts import apply_script
from seqtool.data.tokenization.boundaries import decode_boundaries
from seqtool.data.tokenization.characters import plain_text
from seqtool.decoding import viterbi
from seqtool.export.onnx_verify import OnnxSession, tagger_inputs
from seqtool.inference.load import load_tagger, load_tokenizer
from seqtool.settings.model import Feature, TaggerModel, TokenizerModel
from seqtool.spans import convert
from seqtool.storage.model_directory import StoredModel, read_model, write_model
from seqtool.types import Array
from tests.support.random_models import (
    multilabel_parts,
    random_sentences,
    stored_model,
    tokenizer_parts,
)
from tests.support.shell import seqtool_in_process

pytest.importorskip("onnxruntime")
import onnx

FEATURES = (Feature(name="lower", dim=5, min_count=2), Feature(name="char_cnn", dim=4))
TAGGER = TaggerModel(features=FEATURES, hidden_size=6, projection=8, decoder="softmax")
TOKENIZER = TokenizerModel(hidden_size=4, embedding_dim=3, class_dim=2, filters=5)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the run `both`, and its ONNX files."""
    folder = tmp_path_factory.mktemp("export")
    parts = [stored_model(tokenizer_parts(TOKENIZER)), stored_model(multilabel_parts(TAGGER))]
    both = StoredModel.joined(parts)
    write_model(folder / "runs/both/model", both.config, both.vocab, both.weights, {"kind": "tagger"})
    done = seqtool_in_process("export", "both", "--to", "onnx", cwd=folder)
    assert done.code == 0, done.stderr
    return folder


def metadata_of(path: Path) -> dict[str, Any]:
    """Return the metadata of an ONNX file; all values but a few are JSON."""
    properties = {item.key: item.value for item in onnx.load(str(path)).metadata_props}
    return {name: value if value.isidentifier() else json.loads(value) for name, value in properties.items()}


def best_path(scores: Array, column: dict[str, Any]) -> list[int]:
    """Return the best labels of one sentence: the highest scores, or the best sequence."""
    if column["sequence_scores"] is None:
        return scores.argmax(1).tolist()  # type: ignore[no-any-return]
    values = (np.array(column["sequence_scores"][name]) for name in ("start", "transitions", "end"))
    best = viterbi(scores[:, None].astype(np.float64), np.array([len(scores)]), *values)
    return best[:, 0].tolist()  # type: ignore[no-any-return]


def decoded(
    outputs: dict[str, Array], place: int, tokens: list[str], facts: dict[str, Any]
) -> list[list[str]]:
    """Decode the labels of a sentence as docs/model-format.md describes."""
    columns = facts["columns"]
    scores = [outputs[column["output"]][: len(tokens), place] for column in columns]
    numbers = [best_path(part, column) for part, column in zip(scores, columns, strict=True)]
    for token in range(len(tokens)):
        sums = [
            bias
            + sum(scores[column][token, label] for column, label in zip(facts["combined"], row, strict=True))
            for row, bias in zip(facts["combinations"], facts["combination_scores"], strict=True)
        ]
        firsts = np.array([row[0] for row in facts["combinations"]])
        of_label = [np.logaddexp.reduce(np.array(sums)[firsts == label]) for label in range(max(firsts) + 1)]
        best = max(
            (number for number in range(len(sums)) if firsts[number] == np.argmax(of_label)),
            key=lambda number: sums[number],
        )
        for column, label in zip(facts["combined"], facts["combinations"][best], strict=True):
            numbers[column][token] = label
    for column, found in zip(columns, numbers, strict=True):
        if column["kind"] == "lemma":
            for number, (form, first) in enumerate(zip(tokens, numbers[0], strict=True)):
                found[number] = facts["known_lemmas"].get(form, {}).get(str(first), found[number])
    labels = []
    for column, found in zip(columns, numbers, strict=True):
        names = [column["labels"][number] for number in found]
        if column["kind"] == "lemma":
            names = [apply_script(script, token) for script, token in zip(names, tokens, strict=True)]
        elif column["inner_scheme"] != "none":
            names = convert(names, column["inner_scheme"], column["scheme"])
        labels.append(names)
    return labels


def test_the_tagger_is_decoded_by_its_metadata(here: Path) -> None:
    path = here / "runs/both/model.onnx"
    facts, model = metadata_of(path), load_tagger(read_model(here / "runs/both/model").main)
    assert [column["name"] for column in facts["columns"]] == ["upos", "misc:NE", "xpos", "lemma"]
    assert facts["labels"] == facts["columns"][0]["labels"]
    sentences = random_sentences([7, 5, 1, 3])
    outputs = OnnxSession(path.read_bytes())(tagger_inputs(model, sentences))
    for place, (tokens, expected) in enumerate(zip(sentences, model.tag_columns(sentences), strict=True)):
        assert decoded(outputs, place, tokens, facts) == expected


def test_the_tokenizer_is_written_next_to_it(here: Path) -> None:
    path = here / "runs/both/model.tokenizer.onnx"
    model = load_tokenizer(read_model(here / "runs/both/model"))
    assert metadata_of(path)["characters"] == list(model.characters.counts)
    text = "ab cde. fab! 01 dab gab?"
    plain = plain_text(text)
    symbols = model.characters.encode(plain.codes)[:, None].astype(np.int64)
    lengths = np.array([len(symbols)], np.int64)
    scores = OnnxSession(path.read_bytes())({"symbols": symbols, "lengths": lengths})["scores"][:, 0]
    found = decode_boundaries(plain.codes, scores, model.inner_spaces)
    (sentences,) = model.tokenize([text])
    assert found.ends.tolist() == [token.end for sentence in sentences for token in sentence]


def test_json_lists_both_files_and_out_names_the_first(here: Path) -> None:
    done = seqtool_in_process("export", "both", "--to", "onnx", "--out", "x/y.onnx", "--json", cwd=here)
    value = json.loads(done.stdout)
    assert value["file"] == "x/y.onnx"
    assert [part["file"] for part in value["parts"]] == ["x/y.tokenizer.onnx"]
    assert value["outputs"].keys() == {"scores.upos", "scores.misc:NE", "scores.xpos", "scores.lemma"}
    assert (here / "x/y.tokenizer.onnx").is_file()


def test_a_foreign_file_is_kept_and_nothing_is_written(here: Path) -> None:
    (here / "z.tokenizer.onnx").write_text("mine")
    refused = seqtool_in_process("export", "both", "--to", "onnx", "--out", "z.onnx", cwd=here)
    assert refused.code == 2
    assert "z.tokenizer.onnx" in refused.stderr
    assert not (here / "z.onnx").exists()


def test_a_run_with_onnx_files_can_be_deleted(here: Path) -> None:
    stored = read_model(here / "runs/both/model")
    write_model(here / "runs/gone/model", stored.config, stored.vocab, stored.weights, {"kind": "tagger"})
    assert seqtool_in_process("export", "gone", "--to", "onnx", cwd=here).code == 0
    done = seqtool_in_process("runs", "rm", "gone", "--yes", cwd=here)
    assert done.code == 0, done.stderr
    assert not (here / "runs/gone").exists()
