"""Text from outside made fit for a terminal: nothing in it can move a cursor, change a colour or reorder a line.

Control characters become visible signs. Everything else, joiners and combining marks included, stays as it is.
Markup is no concern here: `reports/` hands text to rich as Text objects, which interpret none, and to HTML through
an escaping template.
"""

from __future__ import annotations

import re

# C0 and DEL, C1, the bidirectional embeddings, overrides and isolates, line and paragraph separators, lone surrogates,
# and the invisible language tags, which carry whole hidden sentences.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def _sign(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)  # the control pictures block: U+241B is the picture of ESC
    if code == 0x7F:
        return "\u2421"
    return f"<U+{code:04X}>"


def visible(text: str) -> str:
    """The text with every control character replaced by a sign that shows it.

    >>> visible("a\\x1b[31mb")
    'a␛[31mb'
    """
    return _UNSAFE.sub(_sign, text)


def visible_lines(text: str) -> str:
    """As `visible`, but line breaks and tabs keep their meaning: for generated text, which is made of lines."""
    return "".join(part if part in "\n\t" else visible(part) for part in re.split(r"([\n\t])", text))


def shorten(text: str, width: int) -> str:
    """At most `width` characters of a text, an ellipsis in the place of what was cut."""
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"
