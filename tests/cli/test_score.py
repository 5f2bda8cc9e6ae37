"""`score` and `predict`: numbers, output formats and errors."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.inference.character import CharacterModel
from seqtool.inference.load import load_character_model
from seqtool.inference.text_scoring import PARALLEL_FROM, TextScores
from seqtool.storage.model_directory import read_model
from tests.support.shell import Result, in_terminal, seqtool, seqtool_in_process, start
from tests.support.stored_models import store_character_model


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a folder with runs of every kind of character model."""
    folder = tmp_path_factory.mktemp("score")
    store_character_model(folder / "runs/lines", kind="lines")
    store_character_model(folder / "runs/pairs", kind="pairs", symbols="abcdefgh")
    store_character_model(folder / "runs/accents", symbols="\naéß")
    store_character_model(folder / "runs/bytes", symbols="".join(map(chr, range(256))), unit="byte")
    store_character_model(folder / "runs/text")
    return folder


def model(here: Path, name: str = "text") -> CharacterModel:
    return load_character_model(read_model(here / "runs" / name / "model"))


def score(here: Path, *arguments: str | Path, name: str = "text", stdin: str | bytes | None = None) -> Result:
    given = ("score", "--model", name, *arguments)
    return seqtool_in_process(*given, cwd=here) if stdin is None else seqtool(*given, cwd=here, stdin=stdin)


def numbers(result: Result) -> dict[str, float]:
    rows = [line.rsplit("  ", 1) for line in result.lines if not line.startswith(("characters", "protocol"))]
    return {name.strip(): float(value) for name, value in rows}


def test_text_is_scored_in_nats_bits_and_perplexity(here: Path) -> None:
    expected = model(here).score("abc de")
    done = score(here, "abc de")
    assert expected.mean is not None
    assert numbers(done) == pytest.approx(
        {
            "nats per character": expected.mean,
            "bits per character": expected.mean / math.log(2),
            "bits per byte": expected.mean / math.log(2),
            "perplexity": math.exp(expected.mean),
        },
        abs=1e-4,
    )
    assert (
        done.lines[-2] == "characters          5 "
        "(a character is a Unicode code point; the first of a text is read, not scored)"
    )
    assert score(here, "-", stdin="abc de").stdout == score(here, stdin="abc de").stdout == done.stdout


def test_long_files_are_read_as_streams_unless_they_are_pipes(here: Path) -> None:
    text = "".join(np.random.default_rng(0).choice(list("abcdefgh \n"), PARALLEL_FROM))
    (here / "long.txt").write_text(text)
    (here / "short.txt").write_text(text[1:])
    network = model(here)
    streams, single = network.score(text), network.score(text, exact=True)
    assert (streams.protocol, single.protocol) == ("carried", "one pass")
    assert streams.mean == pytest.approx(single.mean, abs=1e-3)
    for arguments, stdin, expected, protocol in (
        (("--file", "long.txt"), None, streams, "carried"),
        (("--file", "long.txt", "--exact"), None, single, "one pass"),
        (("-",), text, single, "one pass"),
        ((), text, single, "one pass"),
    ):
        found = json.loads(score(here, *arguments, "--json", stdin=stdin).stdout)
        assert found["protocol"] == protocol
        assert found["nats_per_char"] == pytest.approx(expected.mean, abs=1e-6)
        assert f"protocol            {protocol}" in score(here, *arguments, stdin=stdin).lines[-1]
    assert json.loads(score(here, "--file", "short.txt", "--json").stdout)["protocol"] == "one pass"
    assert json.loads(score(here, "abc", "--json", name="lines").stdout)["protocol"] == "lines"
    refused = score(here, "--lines", "--exact", "abc")
    assert (refused.code, refused.stdout) == (2, "") and "--exact" in refused.stderr


def test_bits_per_byte_are_divided_by_bytes(here: Path) -> None:
    found = json.loads(score(here, "aéßa", "--json", name="accents").stdout)
    assert found["bits_per_byte"] == pytest.approx(found["bits_per_char"] * 3 / 5)
    of_bytes = json.loads(score(here, "aéßa", "--json", name="bytes").stdout)
    assert of_bytes["characters"] == 5 and of_bytes["unit"] == "byte"
    assert of_bytes["bits_per_byte"] == of_bytes["bits_per_char"]


@given(st.floats(1e-3, 1e6), st.integers(1, 10**6))
def test_equal_numbers_of_bytes_and_characters_give_equal_bits(nats: float, size: int) -> None:
    scores = TextScores(("a",), np.array([nats]), bytes=size, units=size, characters=size)
    assert scores.bits_per_byte == scores.bits


def test_files_are_scored_separately(here: Path) -> None:
    (here / "one.txt").write_text("abc\nde\n")
    (here / "two.txt").write_text("hgf")
    both = score(here, "--file", "one.txt", "--file", "two.txt")
    alone = [score(here, "--file", name).stdout for name in ("one.txt", "two.txt")]
    assert both.stdout == f"one.txt\n{alone[0]}\ntwo.txt\n{alone[1]}"


def test_lines_are_scored_separately(here: Path) -> None:
    done = score(here, "--lines", stdin="abc\n\nde h\n")
    rows = [line.split("\t") for line in done.lines]
    assert [row[-1] for row in rows] == ["abc", "", "de h"]
    for row in (rows[0], rows[2]):
        expected = model(here).score(row[-1], "\n")
        assert [float(cell) for cell in row[:3]] == pytest.approx(
            [expected.mean, expected.bits, expected.perplexity], abs=1e-4
        )
    assert rows[1] == ["-", "-", "-", ""]


def test_model_of_lines_scores_line_ends(here: Path) -> None:
    found = [
        json.loads(line) for line in score(here, "--lines", "--json", name="lines", stdin="abc\r\nd\n").lines
    ]
    assert [one["characters"] for one in found] == [4, 2]
    whole = json.loads(score(here, "--json", name="lines", stdin="abc\r\nd\n").stdout)
    assert whole["characters"] == 6
    assert whole["nats_per_char"] * 6 == pytest.approx(
        sum(one["nats_per_char"] * one["characters"] for one in found)
    )


def test_symbols_are_printed_with_their_bits(here: Path) -> None:
    scores = model(here).score("ab \nc")
    rows = [line.split("\t") for line in score(here, "--symbols", "ab \nc").lines]
    assert [row[0] for row in rows] == ["b", "space", "\\n", "c"]
    assert [float(row[1]) for row in rows] == pytest.approx((scores.losses / math.log(2)).tolist(), abs=1e-4)
    found = json.loads(score(here, "--symbols", "--json", "ab \nc").stdout)
    assert [symbol for symbol, _ in found["symbols"]] == ["b", " ", "\n", "c"]


def test_unknown_symbol_is_named_after_the_scores_of_earlier_lines(here: Path) -> None:
    (here / "wrong.txt").write_text("abc\nde§\n")
    whole = score(here, "--file", "wrong.txt")
    assert (whole.code, whole.stdout) == (2, "")
    assert "wrong.txt:2:3  symbol '§' (U+00A7) is not in the alphabet" in whole.stderr
    lines = score(here, "--lines", "--file", "wrong.txt")
    assert lines.code == 2 and "wrong.txt:2:3" in lines.stderr
    assert [line.split("\t")[-1] for line in lines.lines] == ["abc"]


def test_invalid_utf8_is_named_with_its_place(here: Path) -> None:
    for arguments in ((), ("--lines",)):
        done = score(here, *arguments, stdin=b"abc\na\xffb\n")
        assert done.code == 2
        assert "standard input:2  expected " in done.stderr and "found byte 0xff at " in done.stderr


def test_text_without_scored_symbols_has_no_score(here: Path) -> None:
    assert score(here, "a").lines[0] == "nats per character  -"
    assert json.loads(score(here, "--json", "a").stdout)["bits_per_char"] is None


def test_aligned_model_is_refused_with_a_hint_at_predict(here: Path) -> None:
    done = score(here, "abc", name="pairs")
    assert done.code == 2 and "seqtool predict" in done.stderr


def test_terminal_gets_aligned_columns(here: Path) -> None:
    done = in_terminal("score", "--model", "text", "--lines", "abc\nde", cwd=here)
    rows = done.stdout.split("\r\n")
    assert rows[0].split()[:4] == ["nats", "bits", "perplexity", "line"]
    assert len({row.rindex(text) for row, text in zip(rows[1:], ("abc", "de"), strict=False)}) == 1


@pytest.mark.parametrize(
    "command", [("score", "--lines", "--model", "text"), ("predict", "--model", "pairs")], ids=lambda c: c[0]
)
def test_each_line_of_a_pipe_is_answered_immediately(here: Path, command: tuple[str, ...]) -> None:
    process = start(*command, cwd=here)
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    for text in (b"abc", b"h", b"gfe"):
        process.stdin.write(text + b"\n")
        process.stdin.flush()
        answer = process.stdout.readline().rstrip(b"\n")
        assert answer.endswith(text) if command[0] == "score" else len(answer) == len(text)
    process.stdin.close()
    assert process.stdout.read() == b""
    assert process.wait(timeout=60) == 0
    for stream in (process.stdout, process.stderr):
        stream.close()


def test_predict_reads_arguments_files_and_pipes(here: Path) -> None:
    expected = [model(here, "pairs").predict(text) for text in ("abc", "hh")]
    assert seqtool_in_process("predict", "abc", "hh", cwd=here).lines == expected
    assert seqtool("predict", cwd=here, stdin="abc\nhh\n").lines == expected
    (here / "in.txt").write_text("abc\nhh\n")
    assert seqtool_in_process("predict", "--file", "in.txt", cwd=here).lines == expected
    found = [
        json.loads(line) for line in seqtool_in_process("predict", "--json", "abc", "hh", cwd=here).lines
    ]
    assert found == [
        {"version": 1, "text": text, "prediction": made}
        for text, made in zip(("abc", "hh"), expected, strict=True)
    ]
    wrong = seqtool_in_process("predict", "--model", "text", "abc", cwd=here)
    assert wrong.code == 2 and "seqtool sample" in wrong.stderr
