"""Encodings, line ends and bytes on the command line: training, evaluation, scores and samples."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqtool.data.vocabulary import SymbolVocabulary
from tests.support.shell import seqtool_in_process

TEXT = "L'été, la fête du garçon a été très agréable.\nOù étiez-vous, mes élèves préférés ?\n" * 12


def _train(folder: Path, file: str, *settings: str) -> str:
    options = [option for setting in ("training.epochs=1", *settings) for option in ("--set", setting)]
    done = seqtool_in_process("train-char", file, *options, cwd=folder)
    assert done.code == 0, done.stderr
    return done.stdout + done.stderr


def test_model_reads_other_files_in_the_encoding_of_its_training_files(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes(TEXT.encode("mac_roman"))
    said = _train(tmp_path, "t.txt")
    assert "mac_roman" in said
    (tmp_path / "short.txt").write_bytes("été\n".encode("mac_roman"))
    recorded = seqtool_in_process("score", "--json", "--file", "short.txt", cwd=tmp_path)
    argument = seqtool_in_process("score", "--json", "été\n", cwd=tmp_path)
    assert recorded.code == 0, recorded.stderr
    assert recorded.stdout.split('"bits')[1:] == argument.stdout.split('"bits')[1:]
    named = seqtool_in_process(
        "score", "--json", "--file", "short.txt", "--encoding", "mac_roman", cwd=tmp_path
    )
    assert named.stdout == recorded.stdout
    commands = (
        ("evaluate", "t", "t.txt"),
        ("sample", "--prompt-file", "short.txt", "--length", "3"),
        ("inspect", "t", "--file", "short.txt"),
        ("score", "--lines", "--file", "short.txt"),
    )
    for command in commands:
        assert seqtool_in_process(*command, cwd=tmp_path).code == 0


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf"])
def test_empty_text_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text(TEXT, encoding="utf-8")
    _train(tmp_path, "t.txt")
    (tmp_path / "empty.txt").write_bytes(content)
    for command in (("evaluate", "t", "empty.txt"), ("inspect", "t", "--file", "empty.txt"),
                    ("score", "--file", "empty.txt")):  # fmt: skip
        done = seqtool_in_process(*command, cwd=tmp_path)
        assert done.code == 2 and "empty.txt" in done.stderr and not done.stdout


@pytest.mark.parametrize("separator", ["\r", "\n", "\r\n"])
def test_lines_with_any_line_end_are_lines(separator: str, tmp_path: Path) -> None:
    names = [f"name{number}" for number in range(300)]
    (tmp_path / "names.txt").write_bytes(separator.join(names).encode())
    done = seqtool_in_process("check", "names.txt", cwd=tmp_path)
    assert done.code == 0 and "270 lines" in done.stdout + done.stderr
    assert ("line ends are CR" in done.stdout + done.stderr) == (separator == "\r")


def test_model_of_bytes_reads_any_bytes_and_evaluates_its_own_file(tmp_path: Path) -> None:
    content = bytes(range(256)) * 4
    (tmp_path / "t.bin").write_bytes(content)
    refused = seqtool_in_process("train-char", "t.bin", cwd=tmp_path)
    assert refused.code == 2 and "data.unit: byte" in refused.stderr
    _train(tmp_path, "t.bin", "data.unit=byte")
    evaluated = seqtool_in_process("evaluate", "t", "t.bin", cwd=tmp_path)
    assert evaluated.code == 0, evaluated.stderr
    symbols = seqtool_in_process("score", "--symbols", "\udcff\udc80", cwd=tmp_path)
    assert len(symbols.stdout.splitlines()) == 2 or "0x80" in symbols.stdout
    sampled = seqtool_in_process("sample", "--prompt-file", "t.bin", "--length", "5", cwd=tmp_path)
    assert sampled.code == 0


def test_any_bytes_survive_the_vocabulary_of_bytes() -> None:
    vocabulary = SymbolVocabulary([chr(byte) for byte in range(256)], "byte")
    for content in (b"\xff", b"caf\xe9", bytes(range(256)), "é\U0001f600".encode()[:-1]):
        assert vocabulary.encode(content.decode("utf-8", "surrogateescape")).tolist() == list(content)
