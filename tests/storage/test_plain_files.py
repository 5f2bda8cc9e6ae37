"""Files under the runs root: only regular files within limits are read, and JSON has one meaning."""

from __future__ import annotations

import json
import os
import re
import socket
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtool.errors import ModelError
from seqtool.storage.plain_files import (
    DEEPEST,
    entries,
    exists,
    is_directory,
    read_json_lines,
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


@pytest.mark.parametrize("content", [b"[" * 3_000_000, b'["' + b"[" * 3_000_000, b'["' + b'\\"[' * 1_000_000])
def test_many_brackets_are_refused_in_little_memory(content: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"nested too deep|Unterminated"):
        strict_json(content)
    assert tracemalloc.get_traced_memory()[1] < 8 * len(content)
    tracemalloc.stop()


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
