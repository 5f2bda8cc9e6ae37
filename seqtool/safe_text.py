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
LONGEST_MESSAGE = 1000  # characters of a message, including the user's data in it
LONGEST_WORD = 200  # characters without white space in a message
LONGEST_CELL = 40  # characters of the user's data in a cell of a table for a person

# C0 and DEL, C1, bidirectional embeddings, overrides and isolates, line and paragraph separators, lone
# surrogates, and the invisible tag characters, which can hide whole sentences.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_LONG_WORD = re.compile(rf"\S{{{LONGEST_WORD + 1},}}")


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


def escaped(text: str) -> str:
    """Return a text with tabs and line breaks escaped, for a cell of a line; tokens of JSON may have them."""
    if "\t" in text or "\n" in text or "\r" in text:
        return text.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    return text


def shorten(text: str, width: int) -> str:
    """Shorten a text to `width` characters; an ellipsis marks the cut."""
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


def limited(text: str) -> str:
    """Return a message of at most `LONGEST_MESSAGE` characters, without words above `LONGEST_WORD`.

    A file without line breaks or spaces is one huge word or line. The middle is left out, because the
    beginning and the end tell most: messages begin and end with words of the program.
    """
    if len(text) <= LONGEST_WORD:
        return text
    text = _without_middle(text, LONGEST_MESSAGE)
    return _LONG_WORD.sub(lambda match: _without_middle(match.group(), LONGEST_WORD), text)


def _without_middle(text: str, width: int) -> str:
    end = width // 4
    return text if len(text) <= width else f"{text[: width - end - 1]}…{text[-end:]}"


def cell(text: str) -> str:
    """Return a text of the user as a cell of a table: visible, at most `LONGEST_CELL` characters."""
    return shorten(visible(text[: LONGEST_CELL + 1]), LONGEST_CELL)


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
