"""Safe display of text from user files in a terminal.

The result cannot move the cursor, change a color or reorder a line: control characters are replaced by
visible symbols. All other characters, including joiners and combining marks, are kept. Markup needs no
escaping here: `reports/` passes text to rich as Text objects, which do not interpret markup, and to HTML
through an escaping template.
"""

from __future__ import annotations

import codecs
import re

OUTPUT_ERRORS = "seqtool-output"  # for `errors=` of a text stream

# C0 and DEL, C1, bidirectional embeddings, overrides and isolates, line and paragraph separators, lone
# surrogates, and the invisible tag characters, which can hide whole sentences.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def _visible_symbol(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)  # the control pictures block: U+241B is the picture of ESC
    if code == 0x7F:
        return "\u2421"
    return f"<U+{code:04X}>"


def visible(text: str) -> str:
    """Replace every control character by a visible symbol.

    >>> visible("a\\x1b[31mb")
    'a␛[31mb'
    """
    return _UNSAFE.sub(_visible_symbol, text)


def visible_lines(text: str) -> str:
    """Replace control characters except line breaks and tabs, for generated text of several lines."""
    return "".join(part if part in "\n\t" else visible(part) for part in re.split(r"([\n\t])", text))


def shorten(text: str, width: int) -> str:
    """Shorten a text to `width` characters; an ellipsis marks the cut."""
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


def _encode_surrogates(error: UnicodeError) -> tuple[str | bytes, int]:
    """Return the byte of a file name that is not UTF-8, and U+FFFD for any other lone surrogate.

    Raises:
        UnicodeError: the error is not about surrogates.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    codes = map(ord, error.object[error.start : error.end])
    parts = (bytes([code - 0xDC00]) if 0xDC80 <= code <= 0xDCFF else "\ufffd".encode() for code in codes)
    return b"".join(parts), error.end


codecs.register_error(OUTPUT_ERRORS, _encode_surrogates)
