"""Tests of the YAML parser: refused syntax, positions of mistakes, and robustness against any text."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seqtool.config import yaml_parser
from seqtool.config.load import parse_settings
from seqtool.config.yaml_parser import MAX_DEPTH, decode, read_tree
from seqtool.config.yaml_tree import MappingNode, ScalarNode, SequenceNode, Source, quoted
from seqtool.errors import ConfigError, Problem

LOADERS = [pytest.param(yaml.SafeLoader, id="python")]
if hasattr(yaml, "CSafeLoader"):
    LOADERS.append(pytest.param(yaml.CSafeLoader, id="libyaml"))


def merge_bomb() -> str:
    """Return merge keys whose number doubles at every level."""
    lines = ["a0: &a0 {x: 1}"] + [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, 15)]
    return "\n".join(lines)[:406].rsplit("\n", 1)[0] + "\n"


def anchor_bomb() -> str:
    """Return aliases that expand exponentially (the "billion laughs" attack)."""
    return "a: &a [x, x]\n" + "".join(
        f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(merge_bomb(), id="merge keys"),
        pytest.param(anchor_bomb(), id="anchors"),
        pytest.param("task: char\ndata: " + "[" * 3000, id="brackets"),
        pytest.param("- " * 3000, id="dashes"),
        pytest.param("? " * 3000, id="question marks"),
        pytest.param("{a: " * 3000, id="braces"),
    ],
)
def test_exponential_and_deep_texts_are_refused_quickly(
    text: str, loader: type[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is relative to ordinary text of the same length, so it does not depend on the machine."""
    monkeypatch.setattr(yaml_parser, "LOADER", loader)
    ordinary = "".join(f"key{n}: {n}\n" for n in range(len(text) // 10))
    times, ordinary_times = [], []
    for _ in range(3):
        start = time.process_time()
        assert read_tree(Source("ordinary.yaml", ordinary)).complete
        middle = time.process_time()
        with pytest.raises(ConfigError):
            parse_settings(text, name="bomb.yaml", folder=Path())
        ordinary_times.append(middle - start)
        times.append(time.process_time() - middle)
    # The pure Python parser looks 1,000 characters ahead, which makes brackets 13 times slower.
    assert min(times) < 100 * min(ordinary_times)


REFUSED = [
    pytest.param("a: &x 1", ["f:1:4 anchors (&x) are not allowed"], id="anchor"),
    pytest.param("a: *x", ["f:1:4 aliases (*x) are not allowed"], id="alias"),
    pytest.param("*x : 1", ["f:1:1 aliases (*x) are not allowed"], id="alias as key"),
    pytest.param("<<: {a: 1}", ["f:1:1 merge keys (<<) are not allowed"], id="merge key"),
    pytest.param(
        "a: !!python/object:os.system x",
        ["f:1:4 tags (tag:yaml.org,2002:python/object:os.system) are not allowed"], id="tag"),
    pytest.param("a: ! x", ["f:1:4 tags (!) are not allowed"], id="bare tag"),
    pytest.param("b:\n  a: 1\n  c: 2\n  a: 3", ["f:4:3 the key a is given twice"], id="duplicate key"),
    pytest.param("a: 1\n'a': 2", ["f:2:1 the key a is given twice"], id="duplicate key in quotes"),
    pytest.param("? [a]\n: b", ["f:1:3 a key must be text, not a list or a mapping"], id="list as key"),
    pytest.param("? {a: b}\n: c", ["f:1:3 a key must be text, not a list or a mapping"], id="mapping as key"),
    pytest.param(
        "a: 1\n---\nb: 2", ["f:2:1 a second document starts here; a config is one document"],
        id="two documents"),
    pytest.param("a: " + "[" * 30 + "]" * 30, ["f:1:23 nested more than 20 levels deep"], id="nesting"),
    pytest.param("a: 1\n\tb: 2", ["f:2:1 not valid YAML: a tab where only spaces are allowed"], id="tab"),
    pytest.param(
        "a: 1\nb: \x07", ["f:2:4 not valid YAML: the character U+0007 is not allowed"],
        id="control character"),
    pytest.param("a: [1, 2\n", ["f:1:4 not valid YAML: did not find expected ',' or ']'"], id="open bracket"),
    pytest.param(
        "a: 1\nb: 'x\n\n", ["f:2:4 not valid YAML: found unexpected end of stream"], id="open quote"),
    pytest.param(
        "a: b: c", ["f:1:5 not valid YAML: mapping values are not allowed in this context"], id="two colons"),
    pytest.param(
        "a: @b", ["f:1:4 not valid YAML: found character that cannot start any token"], id="at sign"),
    pytest.param(
        "a: &x 1\nb: *x\na: 2",
        ["f:1:4 anchors (&x) are not allowed", "f:2:4 aliases (*x) are not allowed",
         "f:3:1 the key a is given twice"],
        id="several"),
]  # fmt: skip


@pytest.mark.skipif(not hasattr(yaml, "CSafeLoader"), reason="the messages are those of libyaml")
@pytest.mark.parametrize(("text", "expected"), REFUSED)
def test_refused_syntax_has_a_position_a_message_and_a_hint(text: str, expected: list[str]) -> None:
    assert [f"{m.mark.place} {m.message}" for m in read_tree(Source("f", text)).mistakes] == expected
    assert all(m.hint for m in read_tree(Source("f", text)).mistakes)


@pytest.mark.parametrize(("text", "expected"), REFUSED)
def test_pure_python_parser_refuses_the_same_texts(
    text: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yaml_parser, "LOADER", yaml.SafeLoader)
    assert len(read_tree(Source("f", text)).mistakes) == len(expected)


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    "text", ['a: "\\ud800"', 'a: "\\U99999999"'], ids=["half a surrogate pair", "beyond Unicode"]
)
def test_escapes_of_invalid_characters_are_refused(
    text: str, loader: type[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yaml_parser, "LOADER", loader)
    (mistake,) = read_tree(Source("f", text)).mistakes
    assert "not valid YAML: " in mistake.message or "half of a surrogate pair" in mistake.message


def test_scalars_keep_their_text_and_position() -> None:
    root = read_tree(Source("f", "a: 010\nb: [no, 'yes', 1e-3]\nc:\n")).root
    assert isinstance(root, MappingNode)
    values = root.entries["b"].value
    assert isinstance(values, SequenceNode)
    assert [(v.text, v.plain) for v in values.values if isinstance(v, ScalarNode)] == [
        ("no", True),
        ("yes", False),
        ("1e-3", True),
    ]
    assert [(v.mark.line, v.mark.column, v.mark.width) for v in values.values] == [
        (2, 5, 2),
        (2, 9, 5),
        (2, 16, 4),
    ]
    assert (root.entries["c"].key.line, root.entries["c"].key.column) == (3, 1)


@pytest.mark.parametrize(
    "breaks", ["\n", "\r\n", "\r", "\x85", "\u2028"], ids=["lf", "crlf", "cr", "nel", "ls"]
)
def test_line_numbers_follow_the_line_breaks_of_yaml(breaks: str) -> None:
    mistake = read_tree(Source("f", f"# é{breaks}b: 1{breaks}ä: &x 1")).mistakes[0]
    assert mistake.mark.place == "f:3:4"
    assert mistake.mark.source_line is not None
    assert mistake.mark.source_line.text == "ä: &x 1"


def test_nesting_up_to_the_limit_is_accepted() -> None:
    assert read_tree(Source("f", "[" * MAX_DEPTH + "]" * MAX_DEPTH)).mistakes == []


@pytest.mark.parametrize(
    ("data", "place", "message"),
    [
        pytest.param(b"a: 1\nb: \xff\n", "f:2", "expected UTF-8, found the byte 0xff", id="not UTF-8"),
        pytest.param(
            "task: char".encode("utf-16"), "f:1", "expected UTF-8, found the byte 0xff", id="UTF-16"
        ),
        pytest.param(
            b"#" * 1_000_001, "f", "expected a config of at most 1,000,000 bytes, found more", id="too large"
        ),
    ],
)
def test_decode_refuses_other_encodings_and_large_files(data: bytes, place: str, message: str) -> None:
    problem = decode(data, "f")
    assert isinstance(problem, Problem)
    assert (problem.place, problem.message) == (place, message)
    assert problem.hint


def test_decode_removes_a_byte_order_mark() -> None:
    assert decode(b"\xef\xbb\xbfa: 1", "f") == "a: 1"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_quoted_text_reads_back_unchanged(text: str) -> None:
    root = read_tree(Source("f", quoted(text))).root
    assert isinstance(root, ScalarNode)
    assert root.text == text
    assert quoted(text).isprintable() or any(not char.isprintable() for char in text)


WORDS = (
    "tagger data: model: training: [ ] { } , ' \" &a *a <<: !!str ? # null ~ "
    "features: pairs: alphabet: train: name dim é 0x1 1e999 .nan -1"
)
GAPS = [
    "task: char",
    " ",
    "\n",
    "\n  ",
    ": ",
    "- ",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "\\",
    "\t",
    "| \n",
    "epochs: 1",
    "lr: ",
    "\u2028",
    "\x00",
    "\ufeff",
]
YAML_BITS = st.lists(st.sampled_from([*WORDS.split(), *GAPS]), max_size=30).map("".join)


@settings(max_examples=400, deadline=None)
@given(YAML_BITS | st.text(max_size=60), st.lists(st.text(max_size=20) | YAML_BITS, max_size=2))
@example("task: char\ndata: {alphabet: ab}\n", ["data.alphabet=\ud800"])
@example("data:", ["\x1b="])
@example('"\\ud800"', [])
@example(
    "task: char\ndata: {text: x}\ntraining: {epochs: 1, lr: "
    + "9" * 5000
    + ", seed_skip: "
    + "9" * 5000
    + "}",
    [],
)
def test_parse_settings_raises_only_config_errors(text: str, overrides: list[str]) -> None:
    try:
        read = parse_settings(text, name="f", folder=Path(), overrides=overrides)
    except ConfigError as error:
        assert error.problems
        assert all(
            problem.message and problem.message.isprintable() and problem.place for problem in error.problems
        )
    else:
        assert read.settings.task in ("char", "tagger")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_raise_an_exception(data: bytes) -> None:
    text = decode(data, "f")
    if isinstance(text, Problem):
        assert text.place.startswith("f") and text.message and text.hint
    else:
        tree = read_tree(Source("f", text))
        assert tree.complete or tree.mistakes


@pytest.mark.parametrize("loader", LOADERS)
@settings(max_examples=150, deadline=None)
@given(text=YAML_BITS)
def test_neither_parser_raises_an_exception(loader: type[object], text: str) -> None:
    previous, yaml_parser.LOADER = yaml_parser.LOADER, loader
    try:
        tree = read_tree(Source("f", text))
    finally:
        yaml_parser.LOADER = previous
    assert tree.complete or tree.mistakes
