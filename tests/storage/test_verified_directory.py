"""Verified directories of any format: closed list of files, hashes, repeated reading; arrays."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqtool.errors import ModelError
from seqtool.storage import verified_directory
from seqtool.storage.model_directory import MODEL_FORMAT
from seqtool.storage.plain_files import read_plain
from seqtool.storage.verified_directory import (
    MANIFEST,
    DirectoryFormat,
    canonical_json,
    pack_arrays,
    read_verified,
    read_verified_manifest,
    unpack_arrays,
    write_verified,
)

FORM = DirectoryFormat("thing", (2, 1), {"a.b": 100, "c": 100}, "repair it", "take another", largest=4.0)


def test_content_of_a_format_is_its_list_of_names() -> None:
    assert FORM.contents.has_file("a.b") and FORM.contents.has_file(MANIFEST)
    assert not FORM.contents.has_file("aab") and not FORM.contents.has_name("d")


def make_thing(folder: Path, **description: object) -> Path:
    write_verified(folder, FORM, {"a.b": b"1", "c": b"22"}, description)
    return folder


def test_directory_is_read_as_it_was_written(tmp_path: Path) -> None:
    manifest, contents = read_verified(make_thing(tmp_path / "x", fact="\ud800"), FORM)
    assert contents == {"a.b": b"1", "c": b"22"}
    assert (manifest["fact"], manifest["format_version"]) == ("\ud800", 2)
    assert manifest["files"]["c"]["bytes"] == 2
    assert read_verified_manifest(tmp_path / "x", FORM) == manifest
    with pytest.raises(ValueError, match="JSON compliant"):
        make_thing(tmp_path / "y", fact=float("nan"))
    assert not (tmp_path / "y").exists()


def test_canonical_json_has_one_form() -> None:
    assert canonical_json({"b": [1, 2.0], "a": "ä"}) == '{"a":"ä","b":[1,2.0]}'.encode()


def test_missing_directory_of_another_format_has_the_hint_of_its_format(tmp_path: Path) -> None:
    for form, hint in (
        (FORM, "repair it"),
        (MODEL_FORMAT, "train a model first, or name another with --model"),
    ):
        with pytest.raises(ModelError, match=f"no {form.noun} directory here") as caught:
            read_verified(tmp_path / "x", form)
        assert (caught.value.problems[0].hint, caught.value.problems[0].place) == (hint, str(tmp_path / "x"))


@pytest.mark.parametrize("version", [1, 2, 3, True, 2.0, "2", None])
def test_only_versions_of_the_format_are_read(version: object, tmp_path: Path) -> None:
    folder = make_thing(tmp_path / "x")
    manifest = json.loads((folder / MANIFEST).read_bytes())
    rehash(folder, manifest | {"format_version": version})
    if version in (1, 2) and type(version) is int:
        assert read_verified(folder, FORM)[1]["c"] == b"22"
        return
    with pytest.raises(ModelError, match="expected format version 2 or 1, found") as caught:
        read_verified(folder, FORM)
    assert caught.value.problems[0].hint == "take another"


def rehash(folder: Path, manifest: dict[str, Any]) -> None:
    """Write a manifest with its hash, as an attacker would."""
    import hashlib

    manifest.pop("sha256", None)
    manifest["sha256"] = hashlib.sha256(canonical_json(manifest)).hexdigest()
    (folder / MANIFEST).write_bytes(canonical_json(manifest))


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"a.b": {"sha256": "", "bytes": 1}}, "does not list the files of a thing"),
        ([1], "does not list the files of a thing"),
        ({"a.b": 1, "c": 1}, "does not state the size of a.b"),
        ({"a.b": {"bytes": True}, "c": {"bytes": 2}}, "does not state the size of a.b"),
        ({"a.b": {"bytes": 1}, "c": {"bytes": 2}}, "damaged: its SHA-256 differs"),
        ({"a.b": {"bytes": 2}, "c": {"bytes": 2}}, "expected the 2 bytes of the manifest"),
    ],
)
def test_forged_list_of_files_is_refused(files: object, reason: str, tmp_path: Path) -> None:
    folder = make_thing(tmp_path / "x")
    rehash(folder, json.loads((folder / MANIFEST).read_bytes()) | {"files": files})
    with pytest.raises(ModelError, match=re.escape(reason)) as caught:
        read_verified(folder, FORM)
    assert caught.value.problems[0].hint == "repair it"


def test_file_larger_than_the_format_allows_is_refused(tmp_path: Path) -> None:
    for size, refused in ((100, False), (101, True)):
        write_verified(tmp_path / "x", FORM, {"a.b": bytes(size), "c": b""}, {})
        if refused:
            with pytest.raises(ModelError, match="101 bytes, more than the 100"):
                read_verified(tmp_path / "x", FORM)
        else:
            assert read_verified(tmp_path / "x", FORM)[1]["a.b"] == bytes(100)


def test_manifest_larger_than_allowed_is_refused(tmp_path: Path) -> None:
    os.truncate(make_thing(tmp_path / "x") / MANIFEST, (4 << 20) + 1)
    with pytest.raises(ModelError, match="more than the 4,194,304 allowed"):
        read_verified_manifest(tmp_path / "x", FORM)


def test_file_that_does_not_belong_to_the_directory_is_refused(tmp_path: Path) -> None:
    folder = make_thing(tmp_path / "x")
    (folder / "b").touch()
    (folder / "z").touch()
    with pytest.raises(ModelError, match="does not belong to a thing: 'b'") as caught:
        read_verified(folder, FORM)
    assert caught.value.problems[0].hint == "remove it, or repair it"


def test_reader_repeats_while_the_directory_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, attempts = make_thing(tmp_path / "x"), 0
    real = read_plain

    def read_while_writing(path: Path, *arguments: Any, **options: Any) -> bytearray:
        nonlocal attempts
        if path.name == "c":
            attempts += 1
            if attempts < 4:
                make_thing(folder, number=attempts)
                return bytearray(b"of another thing")
        return real(path, *arguments, **options)

    pauses: list[float] = []
    monkeypatch.setattr(verified_directory, "read_plain", read_while_writing)
    monkeypatch.setattr(time, "sleep", pauses.append)
    manifest, contents = read_verified(folder, FORM)
    assert contents["c"] == b"22"
    assert (manifest["number"], attempts, len(pauses)) == (3, 4, 3)
    assert all(0 < pause < 0.1 for pause in pauses)


def test_reader_does_not_repeat_forever_or_for_a_directory_at_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, attempts = make_thing(tmp_path / "x"), 0
    writing = True

    def fail(*_: object, **__: object) -> bytearray:
        nonlocal attempts
        attempts += 1
        if writing:
            os.utime(folder, (attempts, attempts))
        raise ModelError("damaged", place="x")

    monkeypatch.setattr(verified_directory, "read_plain", fail)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with pytest.raises(ModelError, match="damaged"):
        read_verified(folder, FORM)
    assert 10 < attempts < 100
    attempts, writing = 0, False
    with pytest.raises(ModelError, match="damaged"):
        read_verified(folder, FORM)
    assert attempts == 1


# --- arrays -------------------------------------------------------------------------------------------------


def test_arrays_are_packed_in_order_of_their_rows() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T
    content = bytearray(pack_arrays({"a": array}))
    np.testing.assert_array_equal(unpack_arrays(Path("x"), content, MODEL_FORMAT)["a"], array)


@pytest.mark.parametrize(("value", "accepted"), [(4, True), (-4, True), (4.5, False), (-4.5, False)])
def test_largest_weight_of_a_format(value: float, accepted: bool) -> None:
    content = bytearray(pack_arrays({"a": np.array([0, value, 1], np.float32)}))
    if accepted:
        assert unpack_arrays(Path("x"), content, FORM)["a"][1] == value
        return
    with pytest.raises(ModelError, match="a: a weight is larger than 4"):
        unpack_arrays(Path("x"), content, FORM)


def with_header(header: object, data: bytes, more: int = 0) -> bytearray:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return bytearray((len(text) + more).to_bytes(8, "little") + text + data)


def entry(shape: object = (1,), offsets: object = (0, 4), dtype: object = "F32", **more: object) -> object:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets, **more}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (with_header({"a": entry(dtype="I64")}, bytes(4)), "a: expected F32 or F16, found I64"),
        (with_header({"a": entry(key=1)}, bytes(4)), "not a safetensors file: a"),
        (with_header({"a": entry((2,))}, bytes(4)), "do not fit its shape"),
        (with_header({"a": entry((-1, -1))}, bytes(4)), "do not fit its shape"),
        (with_header({"a": entry((1.0,))}, bytes(4)), "do not fit its shape"),
        (with_header({"a": entry((True,))}, bytes(4)), "do not fit its shape"),
        (with_header({"a": entry((1,), (0, 4.0))}, bytes(4)), "do not fit its shape"),
        (with_header({"a": entry((1,), (4, 8))}, bytes(4)), "do not fit its shape"),
        (with_header({"a": entry((1,), (-4, 0))}, bytes(4)), "do not fit its shape"),
        (with_header({"a": entry((0,), (4, 0))}, bytes(4)), "do not fit its shape"),
        (with_header({"a": entry()}, bytes(7)), "3 bytes after the last array"),
        (
            with_header({"a": entry(), "b": entry((1,), (5, 9))}, bytes(9)),
            "b: expected data from byte 4, found 5",
        ),
        (with_header([], b""), "not a safetensors file"),
        (with_header({"a": 1}, b""), "not a safetensors file"),
        (with_header({}, b"", more=1), "its header is longer than allowed"),
        (bytearray(5), "not a safetensors file"),
        (bytearray(), "not a safetensors file"),
    ],
)
def test_forged_arrays_are_refused(content: bytearray, reason: str) -> None:
    with pytest.raises(ModelError, match=reason) as caught:
        unpack_arrays(Path("x"), content, FORM)
    assert (caught.value.problems[0].place, caught.value.problems[0].hint) == ("x", "repair it")


def test_message_about_an_array_of_a_long_name_is_short() -> None:
    with pytest.raises(ModelError, match=r"file: a{200}(?!a)") as caught:
        unpack_arrays(Path("x"), with_header({"a" * 300: entry(dtype="I64")}, bytes(4)), FORM)
    assert caught.value.problems[0].hint == "repair it"


def test_arrays_of_no_elements_and_a_file_without_arrays_are_read() -> None:
    arrays = unpack_arrays(
        Path("x"), with_header({"a": entry((0, 3), (0, 0)), "b": entry(())}, bytes(4)), FORM
    )
    assert (arrays["a"].shape, arrays["b"].shape) == ((0, 3), ())
    assert unpack_arrays(Path("x"), with_header({}, b""), FORM) == {}


def test_header_larger_than_allowed_is_refused() -> None:
    size = (64 << 20) + 1
    content = bytearray(8 + size)
    content[:8] = size.to_bytes(8, "little")
    with pytest.raises(ModelError, match="header is longer than allowed"):
        unpack_arrays(Path("x"), content, MODEL_FORMAT)
