"""`tokenize`: formats, paragraphs, positions; `evaluate`, `inspect` and the Python API of a tokenizer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import seqtool as package
from seqtool.errors import ModelError
from seqtool.storage.find_model import TAGGER, TOKENIZER
from seqtool.storage.model_directory import StoredModel, read_manifest, read_model, write_model
from tests.support.random_tokenizers import write_treebank
from tests.support.shell import Result, seqtool, seqtool_in_process
from tests.support.stored_models import store_tagger, store_tokenizer

TEXT = "ab cd. Aa ba, c!"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    store_tokenizer(folder / "runs/tok")
    store_tagger(folder / "runs/tagger")
    write_treebank(folder / "gold.conllu")
    return folder


def tokenize(here: Path, *arguments: str, stdin: str | None = None) -> Result:
    if stdin is None:
        return seqtool_in_process("tokenize", *arguments, cwd=here)
    return seqtool("tokenize", *arguments, cwd=here, stdin=stdin)


def tokens(text: str, output: str) -> list[list[str]]:
    """Check positions of tsv output for one paragraph, and return the tokens of each sentence."""
    sentences = [part.split("\n") for part in output.rstrip("\n").split("\n\n")]
    at = 0
    for line in (line for lines in sentences for line in lines):
        form, start, end, *_ = line.split("\t")
        assert text[int(start) : int(end)] == form and int(start) >= at
        at = int(end)
    return [[line.split("\t")[0] for line in lines] for lines in sentences]


def test_tsv_has_tokens_with_positions(here: Path) -> None:
    done = tokenize(here, TEXT)
    assert done.code == 0, done.stderr
    assert "model: runs/tok (the newest)" in done.stderr
    assert done.stdout.endswith("\n\n\n")
    found = tokens(TEXT, done.stdout)
    assert "".join(token for sentence in found for token in sentence) == TEXT.replace(" ", "")


def test_each_line_gives_one_line_of_jsonl(here: Path) -> None:
    done = tokenize(here, "--format", "jsonl", stdin=f"{TEXT}\n\nab\r\n")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["text"] for row in rows] == [TEXT, "", "ab"]
    assert rows[1]["sentences"] == []
    for row in rows:
        for token in (token for sentence in row["sentences"] for token in sentence):
            assert row["text"][token["start"] : token["end"]] == token["token"]


def test_the_same_paragraph_has_the_same_tokens_wherever_it_comes_from(here: Path) -> None:
    (here / "a.txt").write_text(f"\ufeff{TEXT}\n")
    expected = tokenize(here, TEXT).stdout
    assert tokenize(here, "--file", "a.txt").stdout == expected
    assert tokenize(here, stdin=f"{TEXT}\n").stdout == expected
    assert tokenize(here, TEXT, TEXT).stdout == expected * 2


def test_lines_of_a_text_are_joined(here: Path) -> None:
    text = "ab cd.\nAa ba,\nc!\n\n\nab\n"
    done = tokenize(here, "--input-format", "text", "--format", "jsonl", stdin=text)
    assert [json.loads(line)["text"] for line in done.stdout.splitlines()] == [TEXT, "ab"]
    chinese = "\u4e2d\u6587\u3002\n\u4e2d\u6587\nab\n"
    done = tokenize(here, "--input-format", "text", "--format", "jsonl", stdin=chinese)
    assert json.loads(done.stdout)["text"] == "\u4e2d\u6587\u3002\u4e2d\u6587 ab"


def test_conllu_gives_back_the_text(here: Path) -> None:
    done = tokenize(here, "--format", "conllu", TEXT, "ab ab")
    lines = done.stdout.splitlines()
    assert lines[:2] == ["# newpar", "# sent_id = 1"]
    assert lines.count("# newpar") == 2
    texts = [line.removeprefix("# text = ") for line in lines if line.startswith("# text")]
    assert " ".join(texts).replace(" ", "") == (TEXT + "abab").replace(" ", "")
    assert [line for line in lines if line.startswith("# sent_id")] == [
        f"# sent_id = {number}" for number in range(1, len(texts) + 1)
    ]
    words = [line.split("\t") for line in lines if line and not line.startswith("#")]
    assert all(len(cells) == 10 for cells in words)


def test_conllu_is_valid_at_level_one(here: Path) -> None:
    validator = pytest.importorskip("udtools", reason="udtools is not installed")
    (here / "valid.conllu").write_text(tokenize(here, "--format", "conllu", TEXT, "ab ab ab. A").stdout)
    state = validator.Validator(level=1).validate_files([str(here / "valid.conllu")])
    assert state.passed(), state


def test_a_model_of_several_parts_is_used_by_its_tokenizer(here: Path) -> None:
    parts = [read_model(here / f"runs/{name}/model") for name in ("tok", "tagger")]
    joined = StoredModel.joined(parts)
    write_model(here / "both", joined.config, joined.vocab, joined.weights, {"name": "both"})
    assert tokenize(here, "--model", "both", TEXT).stdout == tokenize(here, "--model", "tok", TEXT).stdout
    assert TOKENIZER.accepts(read_manifest(here / "both"))
    assert TAGGER.accepts(read_manifest(here / "both"))


def test_wrong_bytes_are_one_error(here: Path) -> None:
    (here / "bad.txt").write_bytes(b"ab\n\xff\n")
    done = tokenize(here, "--file", "bad.txt")
    assert done.code == 2
    assert "bad.txt:2" in done.stderr and "0xff" in done.stderr


@pytest.mark.parametrize("command", ["tag", "tokenize"])
def test_another_model_is_refused(here: Path, command: str) -> None:
    other = "tok" if command == "tag" else "tagger"
    done = seqtool_in_process(command, "--model", other, "ab", cwd=here)
    assert done.code == 2
    found, use = ("tokenizer", "tokenize") if command == "tag" else ("tagger", "tag")
    assert f"found a {found}" in done.stderr and f"seqtool {use} --model" in done.stderr


def test_evaluate_prints_scores_and_errors(here: Path) -> None:
    done = seqtool_in_process("evaluate", "tok", "gold.conllu", cwd=here)
    assert done.code == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[1:4]] == ["Tokens", "Sentences", "Words"]
    assert "most frequent errors" in done.stdout
    fields = json.loads(seqtool_in_process("evaluate", "tok", "gold.conllu", "--json", cwd=here).stdout)
    assert {"tokens", "sentences", "words", "errors", "data", "model", "version"} <= fields.keys()
    wrong = seqtool_in_process("evaluate", "tok", "gold.conllu", "--strict", cwd=here)
    assert wrong.code == 2 and "this is a tokenizer" in wrong.stderr


def test_evaluate_needs_raw_text(here: Path) -> None:
    (here / "bare.conllu").write_text("\t".join(["1", "a", *"_" * 8]) + "\n\n")
    done = seqtool_in_process("evaluate", "tok", "bare.conllu", cwd=here)
    assert done.code == 2
    assert "found neither `SpaceAfter=No` nor `# text`" in done.stderr


def test_inspect_shows_the_network_and_its_decisions(here: Path) -> None:
    done = seqtool_in_process("inspect", "tok", "--text", TEXT, cwd=here)
    assert done.code == 0, done.stderr
    assert "LSTM tokenizer" in done.stdout and "sentence end" in done.stdout
    wrong = seqtool_in_process("inspect", "tok", "--units", "h3", cwd=here)
    assert wrong.code == 2 and "this is a tokenizer" in wrong.stderr


def test_python_returns_tokens_and_sentences(here: Path) -> None:
    model = package.load(here / "runs/tok")
    sentences = model.sentences(TEXT)
    found = model.tokenize(TEXT)
    assert [token[:3] for sentence in sentences for token in sentence] == [tuple(token) for token in found]
    assert all(TEXT[token.start : token.end] == token.form for token in found)
    with pytest.raises(ModelError, match="expected a tokenizer, found a tagger"):
        package.load(here / "runs/tagger").sentences(TEXT)
    with pytest.raises(ModelError, match="found a tokenizer"):
        model.tag([["a"]])
