"""Values of keys that models also store."""

from __future__ import annotations

import codecs
from typing import Literal

Scheme = Literal["none", "io", "iob1", "iob2", "bioes"]


def is_text_encoding(name: str) -> bool:
    """Return whether Python has a text encoding of this name."""
    try:
        return bool(codecs.lookup(name)._is_text_encoding)
    except (LookupError, ValueError):
        return False
