"""Labeled files in other encodings: the model remembers theirs, and `tag` keeps that of its input."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from seqtool.settings.model import CharModel
from tests.support.random_models import character_parts
from tests.support.shell import SEQTOOL, environment, seqtool_in_process
from tests.support.stored_models import LETTERS, store, store_tagger

SENTENCES = (("“", "Café", "ouvre"), ("Zoë", "rit"), ("naïve",))
LAYOUT = {"label": "2", "columns": [], "width": 2}


def _table(separator: str, end: str, label: str = "X", comment: str = "") -> str:
    return end.join(
        comment + "".join(f"{token}{separator}{label}{end}" for token in sentence) for sentence in SENTENCES
    )


def _without_labels(text: str) -> str:
    return re.sub(r"(?<=[\t ])[^\t \r\n]+(?=[\r\n]|$)", "", text)


def _tag(folder: Path, *arguments: str, stdin: bytes = b"") -> tuple[bytes, str]:
    done = subprocess.run(
        [*SEQTOOL, "tag", *arguments],
        cwd=folder, input=stdin, capture_output=True, check=False, env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout, done.stderr.decode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a tagger that was trained on a file in cp1252."""
    folder = tmp_path_factory.mktemp("encodings")
    store_tagger(folder / "runs" / "old", layout={**LAYOUT, "encoding": "cp1252"})
    return folder


MARK = "\ufeff"


@pytest.mark.parametrize(
    ("encoding", "mark", "separator", "end", "options"),
    [
        ("cp1252", "", "\t", "\n", ()),
        ("cp1252", "", " ", "\r\n", ()),
        ("mac_roman", "", "\t", "\n", ("--encoding", "mac_roman")),
        ("utf-16-le", MARK, "\t", "\n", ()),
        ("utf-16-be", MARK, " ", "\r\n", ()),
        ("utf-16-le", "", "\t", "\n", ("--encoding", "utf-16-le")),
        ("utf-32-be", MARK, "\t", "\n", ()),
        ("utf-8", MARK, "\t", "\r", ()),
        ("cp1252", "", "\t", "\r", ()),
        ("utf-16-le", MARK, "\t", "\r", ()),
    ],
)
def test_tag_keeps_the_encoding_and_every_byte_except_labels(
    folder: Path, encoding: str, mark: str, separator: str, end: str, options: tuple[str, ...]
) -> None:
    text = mark + _table(separator, end, comment=f"# é{end}" if separator == "\t" else "")
    (folder / "in.conll").write_bytes(text.encode(encoding))
    output, said = _tag(folder, "--file", "in.conll", *options)
    decoded = output.decode(encoding)
    assert _without_labels(decoded) == _without_labels(text)
    assert decoded != text
    assert (f"the output is {encoding}, as the input" in said) == (encoding != "utf-8")
    other, said = _tag(folder, "--file", "in.conll", "--format", "tsv", *options)
    assert "Café" in other.decode() and "the output is" not in said  # UTF-8


@pytest.mark.parametrize("encoding", ["cp1252", "mac_roman"])
def test_pipe_in_a_named_encoding_is_read_and_written_in_it(folder: Path, encoding: str) -> None:
    text = _table("\t", "\n")
    options = ("--input-format", "conll", "--encoding", encoding)
    output, said = _tag(folder, *options, stdin=text.encode(encoding))
    assert _without_labels(output.decode(encoding)) == _without_labels(text)
    assert f"the output is {encoding}, as the input" in said


def test_pipe_in_utf16_is_read(folder: Path) -> None:
    options = ("--input-format", "conll", "--encoding", "utf-16")
    output, _ = _tag(folder, *options, stdin=_table("\t", "\n").encode("utf-16"))
    assert _without_labels(output.decode()) == _without_labels(_table("\t", "\n"))


def test_json_lines_keep_their_encoding(folder: Path) -> None:
    lines = [json.dumps({"tokens": sentence, "é": 1}, ensure_ascii=False) for sentence in SENTENCES]
    content = "\n".join([*lines, '{"tokens": ["\\u4e2d", "\u00e9"]}', ""]).encode("cp1252")
    (folder / "in.jsonl").write_bytes(content)
    output, said = _tag(folder, "--file", "in.jsonl")
    rows = [json.loads(line) for line in output.decode("cp1252").splitlines()]
    assert [tuple(row["tokens"]) for row in rows] == [*SENTENCES, ("中", "é")]
    assert all(len(row["labels"]) == len(row["tokens"]) for row in rows)
    for written, read in zip(output.splitlines(), content.splitlines(), strict=True):
        assert written.startswith(read.removesuffix(b"}"))
    assert "the output is cp1252" in said


def test_model_remembers_the_encoding_of_its_training_file(tmp_path: Path) -> None:
    content = "\n".join([_table("\t", "\n", label) for label in ("B-ORG", "O")] * 3).encode("cp1252")
    (tmp_path / "old.tsv").write_bytes(content)
    small = ("training.epochs=1", "model.hidden_size=4", "data.encoding=cp1252")
    options = [option for setting in small for option in ("--set", setting)]
    trained = seqtool_in_process("train-tagger", "old.tsv", *options, cwd=tmp_path)
    assert trained.code == 0, trained.stderr
    (tmp_path / "new.conll").write_bytes("Café\tO\n\nZoë\tO\n".encode("cp1252"))
    evaluated = seqtool_in_process("evaluate", "old", "new.conll", cwd=tmp_path)
    assert evaluated.code == 0, evaluated.stderr
    assert "of 2 words that training had" in evaluated.stdout
    tagged, _ = _tag(tmp_path, "--file", "new.conll")
    assert _without_labels(tagged.decode("cp1252")) == "Café\t\n\nZoë\t\n"


@pytest.mark.parametrize("value", [3, None, "", "cp9999", "rot13", "hex", ["cp1252"], "utf-8\0"])
def test_damaged_encoding_of_a_model_is_one_error(tmp_path: Path, value: object) -> None:
    store_tagger(tmp_path / "runs" / "t", layout={**LAYOUT, "encoding": value})
    config, vocab, weights = character_parts(CharModel(hidden_size=4, embedding_dim=2), LETTERS)
    store(tmp_path / "runs" / "c", ({**config, "encoding": value}, vocab, weights))
    for command in (("tag", "--model", "t", "a b"), ("score", "--model", "c", "ab")):
        done = seqtool_in_process(*command, cwd=tmp_path)
        assert done.code == 2 and not done.stdout
        assert done.stderr.count("error:") == 1 and "encoding: expected a text encoding" in done.stderr


@pytest.mark.parametrize("name", ["a.txt", "a.tsv", "a.conllu"])
def test_doubtful_encoding_names_the_option(tmp_path: Path, name: str) -> None:
    store_tagger(tmp_path / "runs" / "new", layout=LAYOUT)
    (tmp_path / name).write_bytes(b"caf\xe9\tO\nx\tO\n")
    done = seqtool_in_process("tag", "--file", name, cwd=tmp_path)
    assert done.code == 2 and "--encoding cp1252 and --encoding latin-1" in done.stderr
    assert "data." not in done.stderr
