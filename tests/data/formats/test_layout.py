"""Layout of a training file: its JSON, the settings it gives, and the place of labels in other formats."""

from __future__ import annotations

import json

import pytest

from seqtool.data.formats.layout import Layout
from seqtool.settings.data import TaggerData

NAMED = Layout("ner", ("form", "ner"), 2, "|", "words", "tags")


def test_json_restores_the_layout_and_keeps_the_order_of_keys() -> None:
    assert json.dumps(NAMED.to_json()) == (
        '{"label": "ner", "columns": ["form", "ner"], "width": 2, "separator": "|", '
        '"text_key": "words", "label_key": "tags"}'
    )
    assert Layout.from_json(json.loads(json.dumps(NAMED.to_json()))) == NAMED
    assert Layout.from_json({}) == Layout()


def test_settings_have_the_places_of_the_layout() -> None:
    assert NAMED.settings() == TaggerData(
        train=(), label="ner", columns=("form", "ner"), separator="|", text_key="words", label_key="tags"
    )


@pytest.mark.parametrize(
    ("layout", "format_name", "label"),
    [
        (Layout("-1", width=3), "conll", "-1"),
        (NAMED, "conll", "ner"),
        (Layout("xpos"), "conll", "auto"),
        (Layout("2", width=3), "conllu", "upos"),
        (Layout("XPOS"), "conllu", "xpos"),
        (Layout("misc:Ner"), "conllu", "misc:Ner"),
        (Layout("ner"), "conllu", "upos"),
    ],
    ids=["number", "name", "CoNLL-U column", "number of a column", "CoNLL-U label", "MISC key", "other name"],
)
def test_label_in_returns_the_place_if_the_format_has_it(
    layout: Layout, format_name: str, label: str
) -> None:
    assert layout.label_in(format_name) == label
