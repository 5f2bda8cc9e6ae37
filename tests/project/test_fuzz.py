"""Property tests of all readers of foreign bytes: only our own errors, no control character on a terminal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.fuzz_targets import TARGETS, try_target

WORDS = [
    *(
        "task: char",
        "task: tagger",
        "data:",
        "model:",
        "training:",
        "  text: x",
        "  train: [a, b]",
        "  epochs: 3",
        "  lr: 1e-3",
    ),
    *(
        "  pairs: [[a, b]]",
        "- ",
        "? ",
        "&a ",
        "*a",
        "<<: ",
        "!!python/object:os.system ",
        "training.lr=",
        "data.alphabet=",
    ),
    *(
        "{",
        "}",
        "[",
        "]",
        ": ",
        ", ",
        "#",
        "|",
        ">",
        '"',
        "'",
        "\\",
        "\t",
        "\n",
        "\n\n",
        "\r\n",
        "\ufeff",
        "[red]x[/red]",
        "é",
        "e\u0301",
    ),
    *(
        "1\tThe\tthe\tDET\tDT\t_\t2\tdet\t_\t_\n",
        "1-2\tdu\t_\t_\t_\t_\t_\t_\t_\t_\n",
        "# text = x\n",
        "-DOCSTART- -X- O O\n",
    ),
    *("dog\tNN\n", "a B-x\n", '{"tokens": ["a"], "labels": ["b"]}\n', '{"text": "a b"}\n'),
    *(
        "\x1b[31m",
        "\x1b]0;x\x07",
        "\x9b",
        "\u202e",
        "\u2066",
        "\x00",
        "\x7f",
        "\x85",
        "\u2028",
        "\U0001f600",
        "\ud800",
    ),
]
PIECES = st.lists(
    st.sampled_from(WORDS)
    | st.text(max_size=6)
    | st.binary(max_size=4).map(lambda raw: raw.decode("latin-1")),
    max_size=25,
)
LINES = PIECES.map(lambda pieces: "".join(pieces).encode("utf-8", "surrogatepass"))
KEYS = [
    "labels",
    "forms",
    "features",
    "characters",
    "symbols",
    "unknown",
    "counts",
    "model",
    "kind",
    "scheme",
    "inner_scheme",
    "words",
    "files",
]
KEYS += ["format_version", "sha256", "task", "hidden_size", "name", "dim"]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=4)
    ),
)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


OBJECTS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4).map(_json)
ANY = st.binary(max_size=60) | LINES | OBJECTS


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=ANY)
def test_any_bytes_raise_only_seqtool_errors(name: str, data: bytes) -> None:
    try_target(name, data)
