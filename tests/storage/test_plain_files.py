"""Files under the runs root: only regular files within limits are read, and JSON has one meaning."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import socket
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.errors import DataError, ModelError
from seqtool.storage import plain_files
from seqtool.storage.plain_files import (
    DEEPEST,
    entries,
    exists,
    expect_end,
    is_directory,
    is_number,
    open_plain,
    parse_object,
    read_json_lines,
    read_object,
    read_plain,
    strict_json,
)
from tests.support.shell import PROJECT


def make_socket(path: Path) -> None:
    """Create a socket; its name must be short."""
    server = socket.socket(socket.AF_UNIX)
    folder = os.open(path.parent, os.O_RDONLY)
    server.bind(f"/proc/self/fd/{folder}/{path.name}")
    os.close(folder)
    server.close()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(lambda path: path.symlink_to("/etc/passwd"), "a symbolic link", id="link"),
        pytest.param(lambda path: path.symlink_to("nowhere"), "a symbolic link", id="dangling link"),
        pytest.param(os.mkfifo, "a FIFO", id="FIFO"),
        pytest.param(Path.mkdir, "a directory", id="directory"),
        pytest.param(make_socket, "a socket", id="socket"),
        pytest.param(lambda _: None, "cannot read: No such file", id="nothing"),
        pytest.param(lambda path: path.write_bytes(bytes(101)), "101 bytes, more than the 100", id="large"),
    ],
)
def test_only_regular_files_within_the_limit_are_read(
    tmp_path: Path, make: Callable[[Path], object], reason: str
) -> None:
    make(tmp_path / "file")
    with pytest.raises(ModelError, match=reason):
        read_plain(tmp_path / "file", 100)


def test_device_is_refused() -> None:
    with pytest.raises(ModelError, match="found a device"):
        read_plain(Path("/dev/zero"), 100)


def test_size_that_is_known_is_compared(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert read_plain(tmp_path / "file", 100, size=3) == b"abc"
    with pytest.raises(ModelError, match="expected the 4 bytes of the manifest, found 3 bytes"):
        read_plain(tmp_path / "file", 100, size=4)


@pytest.mark.parametrize("name", ["x" * 300, "\ud800", "a\0b"])
def test_impossible_names_are_refused_without_a_traceback(name: str) -> None:
    assert not exists(Path(name)) and not is_directory(Path(name))
    with pytest.raises(ModelError, match="cannot read"):
        read_plain(Path(name), 100)


def test_missing_directory_has_no_entries(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert entries(tmp_path / "gone") == entries(tmp_path / "file") == []
    assert entries(tmp_path) == [tmp_path / "file"]
    with pytest.raises(ModelError, match="cannot read"):
        entries(tmp_path / ("x" * 300))


def test_file_of_the_largest_size_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(100))
    assert read_plain(tmp_path / "file", 100) == bytes(100)
    (tmp_path / "empty").touch()
    assert read_plain(tmp_path / "empty", 0, size=0) == b""
    with pytest.raises(ModelError, match="expected the 0 bytes"):
        read_plain(tmp_path / "file", 100, size=0)


def test_error_names_place_and_hint(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(101))
    for name, size in (("gone", None), ("file", None), ("file", 5)):
        with pytest.raises(ModelError) as caught:
            read_plain(tmp_path / name, 100 if size is None else 1000, hint="ask", size=size)
        assert (caught.value.problems[0].place, caught.value.problems[0].hint) == (
            str(tmp_path / name),
            "ask",
        )
    with pytest.raises(ModelError) as caught:
        read_plain(tmp_path, 100, hint="ask")
    assert "replace it by a copy" in caught.value.problems[0].hint


def test_file_that_is_exchanged_for_a_pipe_or_a_link_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    status = (tmp_path / "file").lstat()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("file")
    monkeypatch.setattr(Path, "lstat", lambda _: status)  # as it was when it was looked at
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(ModelError, match="found a FIFO"):
        read_plain(tmp_path / "pipe", 100)
    with pytest.raises(ModelError, match="cannot read"):
        read_plain(tmp_path / "link", 100)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_refused_file_is_closed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(101))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for limit, size in ((100, None), (1000, 5)):
        with pytest.raises(ModelError) as caught:
            open_plain(tmp_path / "file", limit, size=size)
        assert caught.value.__traceback__ is not None
        assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_file_that_grows_while_it_is_read_is_refused_by_its_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    real = os.fstat

    def shorter(descriptor: int) -> os.stat_result:
        status = real(descriptor)
        return os.stat_result([*status[:6], status.st_size - 1, *status[7:]])

    monkeypatch.setattr(os, "fstat", shorter)
    assert len(read_plain(tmp_path / "file", 100)) == 3  # one more than stated, so its hash differs


def test_failure_while_reading_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"abc")

    class Failing:
        def __init__(self, error: BaseException) -> None:
            self.error = error

        def __call__(self, _: int) -> None:
            raise self.error

    monkeypatch.setattr(plain_files, "bytearray", Failing(MemoryError()), raising=False)
    with pytest.raises(ModelError, match="3 bytes do not fit into memory"):
        read_plain(tmp_path / "file", 100)
    monkeypatch.setattr(plain_files, "bytearray", Failing(OSError(5, "Input/output error")))
    with pytest.raises(ModelError, match="cannot read: Input/output error"):
        read_plain(tmp_path / "file", 100)


@pytest.mark.parametrize("read", [read_object, lambda path: list(read_json_lines(path))])
def test_large_files_are_refused_by_their_size(read: Callable[[Path], object], tmp_path: Path) -> None:
    limit = {True: 256 << 20, False: 4 << 30}[read is read_object]
    with (tmp_path / "file").open("wb") as file:
        os.truncate(file.fileno(), limit + 1)  # a hole, no bytes on the disk
    with pytest.raises(ModelError, match=f"more than the {limit:,} allowed"):
        read(tmp_path / "file")


def test_device_without_an_end_is_no_input(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (Path(os.devnull), tmp_path / "file"):
        with path.open("rb") as stream:
            expect_end(stream, "name")
    expect_end(io.BytesIO(b"no file of the operating system"), "name")
    closed = io.BytesIO()
    closed.close()
    expect_end(closed, "name")
    with Path("/dev/zero").open("rb") as stream, pytest.raises(DataError, match="found a device") as caught:
        expect_end(stream, "name")
    assert caught.value.problems[0].place == "name"
    parent, child = pty.openpty()
    with os.fdopen(child, "rb") as stream:
        expect_end(stream, "name")
    os.close(parent)


def test_names_that_exist(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to("gone")
    (tmp_path / "link").symlink_to("folder")
    names = ("file", "folder", "dangling", "link", "gone", "file/inside")
    assert [exists(tmp_path / name) for name in names] == [True, True, True, True, False, False]
    assert [is_directory(tmp_path / name) for name in names] == [False, True, False, True, False, False]
    assert entries(tmp_path) == [tmp_path / name for name in ("dangling", "file", "folder", "link")]


# --- JSON -----------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"a": 1, "a": 1}', "same key twice"),
        (b'[{"b": {"a": 1, "a": 2}}]', "same key twice"),
        (b"[NaN]", "NaN is not a JSON number"),
        (b"[-Infinity]", "-Infinity is not a JSON number"),
        (b"[1e999]", "1e999 is not a JSON number"),
        (b"[9223372036854775808]", "more than 64 bits"),
        (b"[1" + b"0" * 5000 + b"]", "more than 64 bits"),
        (b"[" * 101 + b"]" * 101, "nested too deep"),
        (b'{"a":' * 101 + b"1" + b"}" * 101, "nested too deep"),
        (b'["\\""' + b",[" * 100 + b"]" * 101, "nested too deep"),
        (b'["' + b"]" * 200 + b'"' + b",[" * 100 + b"]" * 101, "nested too deep"),
        (b'["]",' * 101 + b"1" + b"]" * 101, "nested too deep"),
        (b"\xff", "decode"),
    ],
)
def test_json_with_no_meaning_or_several_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        strict_json(content)


@pytest.mark.parametrize(
    "content",
    [
        b"[9223372036854775807, -9223372036854775808]",
        b'["12345678901234567890123", 1]',
        b"[" * DEEPEST + b"]" * DEEPEST,
        b"[[]," + b"[" * (DEEPEST - 1) + b"]" * DEEPEST,
        b'["' + b"[" * 1000 + b'\\"{{{", "]]]"]',
        '["\ud800"]'.encode("utf-8", "surrogatepass"),
    ],
)
def test_other_json_is_accepted(content: bytes) -> None:
    assert strict_json(content) == json.loads(content.decode("utf-8", "surrogatepass"))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda part: st.lists(part) | st.dictionaries(st.text(), part),
    max_leaves=20,
)


@given(JSON)
def test_json_is_read_as_it_was_written(value: object) -> None:
    assert strict_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize("content", [b"[" * 300_000, b'["' + b"[" * 300_000, b'["' + b'\\"[' * 100_000])
def test_many_brackets_are_refused_in_little_memory(content: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"nested too deep|Unterminated"):
        strict_json(content)
    assert tracemalloc.get_traced_memory()[1] < 8 * len(content)
    tracemalloc.stop()


@pytest.mark.parametrize("text", [r'"\ud800"', r'"\uDFFF"', r'{"\udbff": 1}', r'"\\\ud800"'])
def test_half_characters_are_refused_where_they_have_no_meaning(text: str) -> None:
    with pytest.raises(ValueError, match="half of a character"):
        strict_json(text.encode(), surrogates=False)
    assert strict_json(text.encode()) == json.loads(text)
    with pytest.raises(ValueError, match="decode"):
        strict_json('"\ud800"'.encode("utf-8", "surrogatepass"), surrogates=False)
    for whole in (r'"\u00e4"', r'"\ud7ff"', '"ä"'):
        assert strict_json(whole.encode(), surrogates=False) == json.loads(whole)


@pytest.mark.parametrize("backslashes", range(1, 7))
def test_text_that_looks_like_half_a_character_is_accepted(backslashes: int) -> None:
    text = "\\" * backslashes + "ud83d"
    for written in (json.dumps(text), json.dumps({text: text}), json.dumps("n" + text + text)):
        assert strict_json(written.encode(), surrogates=False) == json.loads(written)


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 10**18, -(10**18)])
def test_numbers_of_64_bits_are_read_and_longer_ones_refused(number: int) -> None:
    assert strict_json(b"[%d]" % number) == [number]
    with pytest.raises(ValueError, match="more than 64 bits"):
        strict_json(b"[%d]" % (number * 10))


def test_number_of_64_bits_plus_one_is_refused() -> None:
    for number in (2**63, -(2**63) - 1):
        with pytest.raises(ValueError, match=f"{number} has more than 64 bits"):
            strict_json(b"[%d]" % number)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1, True), (1.5, True), (-1e30, True), (1e30, True), (2e30, False), (-2e30, False), (True, False),
     ("1", False), (None, False), (float("nan"), False), (float("inf"), False)],
)  # fmt: skip
def test_number_that_can_be_drawn(value: object, expected: bool) -> None:
    assert is_number(value) is expected


def test_message_shows_the_start_of_a_long_number() -> None:
    digits = "1" * 400
    with pytest.raises(ValueError, match=r"^1{40} is not a JSON number$"):
        strict_json(f"[{digits}.5]".encode())
    with pytest.raises(ValueError, match=r"^1{40} has more than 64 bits$"):
        strict_json(f"[{digits}]".encode())


def test_json_that_is_too_deep_for_the_stack_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def overflow(*_: object, **__: object) -> None:
        raise RecursionError

    monkeypatch.setattr(json, "loads", overflow)
    with pytest.raises(ValueError, match="nested too deep"):
        strict_json(b"[[]]")


@pytest.mark.parametrize("depth", [99, 100, 101, 102])
@pytest.mark.parametrize("siblings", [0, 60])
def test_levels_are_counted_over_strings_and_neighbors(depth: int, siblings: int) -> None:
    content = b"[" + b'["]"],' * siblings + b'{"[": ' * (depth - 1) + b"1" + b"}" * (depth - 1) + b"]"
    if depth <= DEEPEST:
        assert strict_json(content) == json.loads(content)
    else:
        with pytest.raises(ValueError, match="nested too deep, more than 100 levels"):
            strict_json(content)


def test_object_is_parsed_or_refused_with_place_and_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse_object(Path("x"), rb'{"a": "\ud800"}', "ask") == {"a": "\ud800"}
    for content, reason in ((b"[1]", "expected a JSON object"), (b"{", "not the expected JSON")):
        with pytest.raises(ModelError, match=reason) as caught:
            parse_object(Path("x"), content, "ask")
        assert (caught.value.problems[0].place, caught.value.problems[0].hint) == ("x", "ask")
    with pytest.raises(ModelError, match="half of a character"):
        parse_object(Path("x"), rb'{"a": "\ud800"}', surrogates=False)

    def no_memory(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(json, "loads", no_memory)
    with pytest.raises(ModelError, match="does not fit into memory"):
        parse_object(Path("x"), b"{}")


def test_object_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b'{"a": 1}')
    assert read_object(tmp_path / "file") == {"a": 1}
    with pytest.raises(ModelError, match="8 bytes, more than the 7 allowed"):
        read_object(tmp_path / "file", 7)


@pytest.mark.parametrize("levels", [DEEPEST, DEEPEST + 1])
@pytest.mark.parametrize("lists", [0, 1, 32_717, 32_718, 32_719, 65_536])  # around the parts that are counted
def test_levels_are_counted_after_any_number_of_brackets(lists: int, levels: int) -> None:
    content = b"[" + b"[]," * lists + b"[" * (levels - 1) + b"]" * levels
    if levels <= DEEPEST:
        assert len(strict_json(content)) == lists + 1
    else:
        with pytest.raises(ValueError, match="nested too deep"):
            strict_json(content)


def test_brackets_behind_the_deepest_level_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []
    steps = dict(plain_files._STEPS)

    class Counted(dict[int, int]):
        def __getitem__(self, byte: int) -> int:
            counted.append(byte)
            return steps[byte]

    monkeypatch.setattr(plain_files, "_STEPS", Counted())
    with pytest.raises(ValueError, match="nested too deep"):
        strict_json(b"[" * 1_000_000)
    assert len(counted) < 100_000


# --- JSON lines -----------------------------------------------------


def test_rows_end_at_a_line_that_a_crash_cut(tmp_path: Path) -> None:
    (tmp_path / "rows").write_text('{"a": 1}\n{"a": 2}\n{"a": 3')
    assert list(read_json_lines(tmp_path / "rows")) == [{"a": 1}, {"a": 2}]
    assert list(read_json_lines(tmp_path / "gone")) == []


@pytest.mark.parametrize(
    "line", [b"{", b"[1]", b'{"a": NaN}', b"\xff", b"[" * 5000, b'{"a": 1, "a": 2}', b""]
)
def test_damaged_line_is_an_error_with_its_number(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "rows").write_bytes(b'{"a": 1}\n' + line + b'\n{"a": 3}\n')
    with pytest.raises(ModelError) as caught:
        list(read_json_lines(tmp_path / "rows"))
    assert caught.value.problems[0].place == f"{tmp_path}/rows:2"


def test_only_the_last_line_may_be_cut(tmp_path: Path) -> None:
    for content in (b'{"a": 1}\n{"a"\n', b'{"a": 1}\n[1]\n'):
        (tmp_path / "rows").write_bytes(content)
        with pytest.raises(ModelError) as caught:
            list(read_json_lines(tmp_path / "rows"))
        assert caught.value.problems[0].place == f"{tmp_path}/rows:2"
    (tmp_path / "rows").write_bytes(b'{"a": 1}\n{"a": 2}')
    assert list(read_json_lines(tmp_path / "rows")) == [{"a": 1}, {"a": 2}]


def test_lines_longer_than_allowed_are_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_files, "LINE_LIMIT", 9)
    (tmp_path / "rows").write_bytes(b'{"a": 1}\n{"a": 10}\n')
    rows = read_json_lines(tmp_path / "rows")
    assert next(rows) == {"a": 1}
    with pytest.raises(ModelError, match="rows:3"):
        list(rows)


def test_fifo_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "rows")
    started = time.monotonic()
    with pytest.raises(ModelError, match="FIFO"):
        list(read_json_lines(tmp_path / "rows"))
    assert time.monotonic() - started < 60


# --- the only module that opens files of runs -----------------------

OPENS = re.compile(r"\.read_bytes\(|\.read_text\(|\.open\(\"r|\bopen\(|fdopen\(|memmap\(|np\.load\(")
OPENERS = {
    "files that the user names": {
        "cli/inputs.py",
        "config/load.py",
        "data/formats/detect.py",
        "data/tagging/formatted.py",
        "data/tagging/sentences.py",
        "data/tagging/word_vectors.py",
        "data/text/reader.py",
        "data/encoding.py",
        "evaluation/text_files.py",
        "storage/atomic.py",
        "tasks/suggest_character.py",
    },
    "files of the package": {
        "config/reference.py",
        "init/config.py",
        "reports/html/page.py",
        "reports/play/render.py",
    },
    "the null device": {"cli/exit_codes.py", "reports/console.py"},
    "writing": {"training/run_files.py", "storage/ownership.py"},
    "pipes between processes": {"processes.py"},
    "arrays of the text cache, in files that `open_plain` opened": {"data/text/encode.py"},
    "files under the runs root": {"storage/plain_files.py"},
}


def test_one_module_opens_files_under_the_runs_root() -> None:
    package = PROJECT / "seqtool"
    opening = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if OPENS.search(path.read_text(encoding="utf-8"))
    }
    assert opening == set().union(*OPENERS.values()), "read files of runs with storage/plain_files.py"
