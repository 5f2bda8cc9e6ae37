"""The rules of the tokenizer `basic` as a regular expression of JavaScript.

The rules are translated and not written twice, so a page and the command line cannot differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from seqtool.data.tokenization.rules import basic_rules

WORD = r"\p{L}\p{N}_"  # characters that \w means in Python
SPACE = r"\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
INSIDE = {"w": WORD, "d": r"\p{Nd}", "s": SPACE}  # in a class of characters
OUTSIDE = {"w": f"[{WORD}]", "d": r"\p{Nd}", "s": f"[{SPACE}]", "S": f"[^{SPACE}]", "W": f"[^{WORD}]"}
BOUNDARY = f"(?:(?<=[{WORD}])(?![{WORD}])|(?<![{WORD}])(?=[{WORD}]))"  # \b knows only ASCII in JavaScript
LETTER, LETTERS = r"[^\W\d_]", r"[\p{L}\p{Nl}\p{No}]"
TOKEN = re.compile(re.escape(LETTER) + r"|\\u[0-9a-f]{4}|\\.|\(\?i:|\(\?[:=!<]|.", re.DOTALL)


def javascript_rules() -> str:
    """Return the expression, for the flags `gu` of JavaScript."""
    return "".join(_pieces(basic_rules()))


def _pieces(pattern: str) -> Iterator[str]:
    """Yield the translation of each token of an expression.

    JavaScript has no group that ignores case, so both cases of its letters are listed.
    """
    in_class = False
    groups: list[bool] = []  # for each open group, whether it ignores case
    for match in TOKEN.finditer(pattern):
        token = match.group()
        ignores_case = bool(groups) and groups[-1]
        if token == LETTER:
            yield LETTERS
        elif token.startswith("\\"):
            yield _escape(token, in_class)
        elif in_class:
            in_class = token != "]"
            yield _both_cases(token) if ignores_case else token
        elif token == "[":
            in_class = True
            yield token
        elif token.startswith("("):
            groups.append(ignores_case or token == "(?i:")
            yield "(?:" if token == "(?i:" else token
        elif token == ")":
            groups.pop()
            yield token
        elif ignores_case and token.isalpha():
            yield f"[{_both_cases(token)}]"
        else:
            yield token


def _escape(token: str, in_class: bool) -> str:
    if token == r"\b":
        return BOUNDARY
    if token in (r"\"", r"\'"):  # JavaScript refuses an escape without need
        return token[1]
    return (INSIDE if in_class else OUTSIDE).get(token[1], token)


def _both_cases(token: str) -> str:
    return "".join(dict.fromkeys((token.lower(), token.upper()))) if token.isalpha() else token
