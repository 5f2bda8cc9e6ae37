"""Models of bytes: any bytes in arguments, in files, in Python, and on a pipe."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import seqtool
from seqtool.data.vocabulary import SymbolVocabulary, bytes_text, text_bytes
from seqtool.inference.character import CharacterModel
from seqtool.inspection.trace import trace_text
from tests.support.shell import SEQTOOL, environment, seqtool_in_process
from tests.support.stored_models import store_character_model

BYTES = "".join(map(chr, range(256)))
NO_TEXT = b"\xff\x80caf\xe9 \xc3\xa9 \xf0\x9f\0"  # latin-1, UTF-8, and half of a character
CONTENTS = st.one_of(st.binary(max_size=60), st.text(max_size=30).map(str.encode))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with models of text, of lines and of aligned pairs in `runs`."""
    folder = tmp_path_factory.mktemp("bytes")
    (folder / "runs").mkdir()
    for kind in ("text", "lines", "pairs"):
        store_character_model(folder / "runs" / kind, kind, BYTES, unit="byte")
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> seqtool.Model:
    """Return the model of text."""
    return seqtool.load(folder / "runs" / "text")


def _run(folder: Path, *arguments: str | bytes, stdin: bytes = b"") -> bytes:
    """Run seqtool with any bytes as arguments and return the bytes of its stdout."""
    done = subprocess.run(
        [*SEQTOOL, *arguments], cwd=folder, input=stdin, capture_output=True, check=True, env=environment()
    )
    return done.stdout


# --- vocabulary and Python ----------------------------------------------------------------------------------


@given(CONTENTS)
def test_any_bytes_survive_the_vocabulary(content: bytes) -> None:
    vocabulary = SymbolVocabulary(BYTES, "byte")
    text = bytes_text(content)
    assert text_bytes(text) == content
    assert vocabulary.encode(text).tolist() == list(content)
    assert text_bytes(vocabulary.decode(vocabulary.encode(text))) == content
    assert vocabulary.split(text) == content.decode("latin-1")
    assert vocabulary.join(vocabulary.split(text)) == text


@given(CONTENTS, st.sets(st.integers(0, 255), max_size=40))
def test_unlisted_bytes_are_found_one_by_one(content: bytes, listed: set[int]) -> None:
    vocabulary = SymbolVocabulary(["\0", *map(chr, sorted(listed - {0}))], "byte")
    lacking = vocabulary.lacking(vocabulary.split(bytes_text(content)))
    assert lacking == {chr(byte) for byte in content if byte and byte not in listed}


@settings(max_examples=10, deadline=None)
@given(content=CONTENTS.filter(bool))
def test_python_accepts_bytes_as_it_accepts_their_text(model: seqtool.Model, content: bytes) -> None:
    text = content.decode("utf-8", "surrogateescape")
    scores = model.score(content, context=content)
    assert scores.symbols == tuple(content.decode("latin-1"))
    assert scores.total == model.score(text, context=text).total
    assert model.sample(content, 5) == model.sample(text, 5)
    assert model.predict(content) == model.predict(text)
    assert len(text_bytes(model.predict(content))) == len(content)
    runtime = model.runtime
    assert isinstance(runtime, CharacterModel)
    assert runtime.states(content)["encoder.0.h"].shape[0] == len(content)
    assert trace_text(runtime, content).symbols == tuple(content.decode("latin-1"))


@pytest.mark.parametrize("kind", ["text", "lines"])
def test_stop_of_bytes_ends_a_sample_within_a_character(folder: Path, kind: str) -> None:
    model = seqtool.load(folder / "runs" / kind)
    free = text_bytes(model.sample(b"a", 200, seed=3))
    stop = free[40:41]
    assert text_bytes(model.sample(b"a", 200, seed=3, stop=stop)) == free.partition(stop)[0]


def test_model_of_characters_refuses_bytes(tmp_path: Path) -> None:
    model = seqtool.load(store_character_model(tmp_path / "letters"))
    assert isinstance(model.runtime, CharacterModel)
    for call in (model.score, model.sample, model.predict, model.runtime.states):
        with pytest.raises(TypeError, match="found bytes"):
            call(b"ab")


# --- command line -------------------------------------------------------------------------------------------


def test_argument_and_file_of_any_bytes_give_the_same_scores(folder: Path) -> None:
    content = bytes(range(1, 256)) + NO_TEXT.replace(b"\0", b"")
    (folder / "any.bin").write_bytes(content)
    argument = json.loads(_run(folder, "score", "--model", "text", "--json", "--symbols", content))
    file = json.loads(_run(folder, "score", "--model", "text", "--json", "--symbols", "--file", "any.bin"))
    pipe = json.loads(_run(folder, "score", "--model", "text", "--json", "--symbols", stdin=content))
    assert [symbol for symbol, _ in argument["symbols"]] == list(content[1:])
    assert argument["symbols"] == file["symbols"] == pipe["symbols"]


def test_sample_writes_the_bytes_of_its_prompt_to_a_pipe(folder: Path) -> None:
    (folder / "prompt.bin").write_bytes(NO_TEXT)
    options = ("--model", "text", "--length", "30", "--seed", "3")
    file = _run(folder, "sample", *options, "--prompt-file", "prompt.bin")
    generated = text_bytes(seqtool.load(folder / "runs" / "text").sample(NO_TEXT, 30, seed=3))
    assert file == NO_TEXT + generated + (b"" if generated.endswith(b"\n") else b"\n")
    argument = _run(folder, "sample", *options, "--prompt", b"\xff\xe9", "--no-echo")
    assert len(argument.removesuffix(b"\n")) == 30


def test_predict_maps_any_bytes_of_each_line(folder: Path) -> None:
    lines = [b"\xff\x80", "\ufeffé".encode(), b"\xef\xbb\xbf", b"caf\xe9 \0"]
    model = seqtool.load(folder / "runs" / "pairs")
    expected = b"".join(text_bytes(model.predict(line)) + b"\n" for line in lines)
    (folder / "lines.bin").write_bytes(b"\n".join(lines))
    assert _run(folder, "predict", "--model", "pairs", "--file", "lines.bin") == expected
    assert _run(folder, "predict", "--model", "pairs", lines[0]) == expected[:3]


@pytest.mark.parametrize("command", ["predict", "score", "sample"])
def test_json_of_any_bytes_is_valid_utf8(folder: Path, command: str) -> None:
    (folder / "any.bin").write_bytes(NO_TEXT)
    options = {
        "predict": ("--model", "pairs", "--file", "any.bin"),
        "score": ("--model", "lines", "--lines", "--file", "any.bin"),
        "sample": ("--model", "text", "--prompt-file", "any.bin", "--length", "4"),
    }[command]
    content = _run(folder, command, "--json", *options)
    value = json.loads(content.decode())  # escapes, no bytes that are not UTF-8
    assert text_bytes(value["prompt" if command == "sample" else "text"]) == NO_TEXT


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfab\nc\n", b"ab\r\nc\r\n", b"ab\rc\r"])
def test_lines_of_bytes_are_the_same_in_all_commands(folder: Path, content: bytes) -> None:
    (folder / "lines.bin").write_bytes(content)
    whole = seqtool_in_process(
        "score", "--model", "lines", "--json", "--file", "lines.bin", cwd=folder
    ).stdout
    lines = seqtool_in_process("evaluate", "lines", "lines.bin", "--json", cwd=folder)
    assert lines.code == 0, lines.stderr
    expected = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    scores = seqtool.load(folder / "runs" / "lines").score(expected)
    assert json.loads(whole)["characters"] == scores.count
    assert json.loads(whole)["nats_per_char"] == pytest.approx(scores.mean)
    assert f"{scores.count}" in lines.stdout


@pytest.mark.parametrize(
    ("content", "named"), [(b"ab\xff\xe9\xff", "0xFF 0xE9"), ("aéb".encode(), "0xC3 0xA9")]
)
def test_unknown_bytes_are_left_out_and_named_one_by_one(tmp_path: Path, content: bytes, named: str) -> None:
    store_character_model(tmp_path / "runs" / "few", "text", "ab", unit="byte")
    (tmp_path / "some.bin").write_bytes(content)
    refused = seqtool_in_process("score", "--file", "some.bin", cwd=tmp_path)
    assert refused.code == 2 and named[:4] in refused.stderr
    for command in (("score", "--file"), ("sample", "--length", "1", "--prompt-file")):
        done = seqtool_in_process(*command, "some.bin", "--unknown", "skip", cwd=tmp_path)
        assert done.code == 0 and named in done.stderr


# --- training -----------------------------------------------------------------------------------------------


def test_model_reads_its_own_training_file_in_all_commands(tmp_path: Path) -> None:
    content = bytes(range(256)) * 3 + b"caf\xe9 \xc3\xa9\n" * 20
    (tmp_path / "own.bin").write_bytes(content)
    settings = ("data.unit=byte", "training.max_steps=2", "model.hidden_size=8")
    options = [option for setting in settings for option in ("--set", setting)]
    trained = seqtool_in_process("train-char", "own.bin", *options, cwd=tmp_path)
    assert trained.code == 0, trained.stderr
    for command in (
        ("evaluate", "own", "own.bin"),
        ("score", "--file", "own.bin"),
        ("score", "--lines", "--file", "own.bin"),
        ("sample", "--length", "2", "--prompt-file", "own.bin"),
        ("inspect", "own", "--file", "own.bin"),
    ):
        done = seqtool_in_process(*command, cwd=tmp_path)
        assert done.code == 0, f"{command}: {done.stderr}"
