"""Put the play page together: one file without external references.

The scripts are joined into one, and the content security policy admits only this script. Data are JSON in
which `<` is escaped, so no text can end its element; the script creates elements from plain text only.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from html import escape
from pathlib import Path

from seqtool.reports.html.policy import script_policy
from seqtool.reports.play.collect import PlayData
from seqtool.safe_text import visible
from seqtool.version import VERSION

FOLDER = Path(__file__).parent / "page"
SCRIPTS = (  # in the order of their use
    "arrays",
    "recurrent",
    "text_model",
    "sampling",
    "words",
    "decoding",
    "lemmas",
    "tokenize",
    "tagger",
    "elements",
    "charts",
    "units",
    "numbers",
    "samples",
    "character_page",
    "tagger_page",
    "main",
)
PLAY_MARK = b'<meta name="generator" content="seqtool play">'


def render_play(data: PlayData) -> str:
    """Return the HTML of a page."""
    script = page_script()
    meta = {**data.meta, "notes": list(data.notes), "index": data.index, "version": VERSION}
    values = {
        "policy": escape(script_policy(script)),
        "title": escape(visible(data.name)),
        "css": (FOLDER / "play.css").read_text(encoding="utf-8"),
        "data": _script_json(meta),
        "weights": base64.b64encode(data.weights).decode("ascii"),
        "script": script,
    }
    pieces = (FOLDER / "play.html").read_text(encoding="utf-8").split("@@")  # text, name, text, name, …
    return "".join(values[piece] if place % 2 else piece for place, piece in enumerate(pieces))


def page_script() -> str:
    """Return the script of the page; its parts share one scope that nothing else can reach."""
    parts = [(FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS]
    return '"use strict";\n(function () {\n' + "\n".join(parts) + "\n})();\n"


def _script_json(value: Mapping[str, object]) -> str:
    """Return JSON that cannot end the element of a script."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
