"""Lemmas as labels: the script that changes a form into its lemma, and its application to any form.

A script has two parts (Straka 2018). The edit changes the form, in lower case, into the lemma: it names the
changes before and after the longest common part, or the whole lemma if nothing is common. The casing names
the letters of the lemma that are in upper case. Many words share a script, so it is a label that a tagger can
learn: `l |-` removes the last character (`dogs`, `cats`), and `l =be` is the script of `are`.

Text of a script: the casing, a space and the edit.

- casing: `l` lower case; `t` first character in upper case; `u` upper case; `p` first letter of each part in
  upper case (`Saint-Denis`); `k` as in the form (`McDonald`); else the positions at which upper and lower
  case alternate, a position in the second half counted from the end.
- edit: `=` and the lemma; else the steps before the common part, `|`, and the steps after it. Steps are `>`
  (keep a character), `-` (remove a character) and `+c` (add the character c).
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from functools import lru_cache

KEEP, REMOVE, ADD, COMMON, WHOLE = ">-+|="
STEPS = r"(?:[>-]|\+.)*"
POSITIONS = r"-?[0-9]{1,6}(?:,-?[0-9]{1,6})*"
SCRIPT = re.compile(rf"(?:[ltupk]|{POSITIONS}) (?:=.*|(?P<before>{STEPS})\|(?P<after>{STEPS}))", re.DOTALL)
APOSTROPHES = "'’"  # they do not separate the parts of a word


# --- scripts ------------------------------------------------------------------------------------------------


@lru_cache(1 << 16)  # words repeat, and a script takes a thousand times as long as a look-up
def lemma_script(form: str, lemma: str) -> str:
    """Return the script that changes a form into a lemma: `apply_script(script, form) == lemma`."""
    lower_form, lower_lemma = _lower(form), _lower(lemma)
    if lower_form == lower_lemma and form:  # half of all words
        return f"{_casing(lemma, form)} {COMMON}"
    start, lemma_start, size = _longest_common_part(lower_form, lower_lemma)
    if not size:
        return f"{_casing(lemma, '')} {WHOLE}{lower_lemma}"
    before = _shortest_steps(lower_form[:start], lower_lemma[:lemma_start])
    after = _shortest_steps(lower_form[start + size :], lower_lemma[lemma_start + size :])
    edit = f"{before}{COMMON}{after}"
    return f"{_casing(lemma, _edited(edit, form) or '')} {edit}"


def _longest_common_part(form: str, lemma: str) -> tuple[int, int, int]:
    """Return the places in a form and in its lemma, and the length, of their first longest common part."""
    if form and lemma and (form.startswith(lemma) or lemma.startswith(form)):  # most words
        return 0, 0, min(len(form), len(lemma))
    match = SequenceMatcher(None, form, lemma, False).find_longest_match()
    return match.a, match.b, match.size


@lru_cache(1 << 14)
def apply_script(script: str, form: str) -> str:
    """Return the lemma of a form.

    A form that is too short for the steps of the script is returned in the casing of the script. So is a form
    of which the steps leave nothing.

    Raises:
        ValueError: the text is not a script.
    """
    casing, _, edit = script.partition(" ")
    edited = _edited(edit, form if casing == "k" else _lower(form))
    return _with_casing(edited or (form if casing == "k" else _lower(form)), casing)


def is_script(text: str) -> bool:
    """Return whether a text is a script."""
    return SCRIPT.fullmatch(text) is not None


# --- edits --------------------------------------------------------------------------------------------------


def _edited(edit: str, form: str) -> str | None:
    """Return the edited form; None if the form is too short."""
    if edit.startswith(WHOLE):
        return edit[1:]
    before, after = _split_edit(edit)
    start, end = _consumed(before), len(form) - _consumed(after)
    if start > end:
        return None
    return _change(before, form[:start]) + form[start:end] + _change(after, form[end:])


@lru_cache(1 << 12)
def _split_edit(edit: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the steps before and after the common part."""
    match = SCRIPT.fullmatch(f"l {edit}")
    if match is None:
        raise ValueError(f"not an edit: {edit!r}")
    before, after = (tuple(re.findall(r"[>-]|\+.", match[part], re.DOTALL)) for part in ("before", "after"))
    return before, after


def _consumed(steps: tuple[str, ...]) -> int:
    """Return the number of characters that steps keep or remove."""
    return sum(step[0] != ADD for step in steps)


def _change(steps: tuple[str, ...], part: str) -> str:
    """Return the part of a form after the steps; its length is the number of consumed characters."""
    characters, changed = iter(part), []
    for step in steps:
        if step[0] == ADD:
            changed.append(step[1:])
            continue
        character = next(characters)
        if step == KEEP:
            changed.append(character)
    return "".join(changed)


def _shortest_steps(source: str, target: str) -> str:
    """Return the fewest steps that change one text into another; they keep a character where they can."""
    rows, columns = len(source), len(target)
    costs = [[0] * (columns + 1) for _ in range(rows + 1)]  # of the rest of both texts
    for row in range(rows, -1, -1):
        for column in range(columns, -1, -1):
            if row == rows or column == columns:
                costs[row][column] = rows - row + columns - column
                continue
            cost = 1 + min(costs[row + 1][column], costs[row][column + 1])
            if source[row] == target[column]:
                cost = min(cost, costs[row + 1][column + 1])
            costs[row][column] = cost
    steps, row, column = [], 0, 0
    while row < rows or column < columns:
        both = row < rows and column < columns and source[row] == target[column]
        if both and costs[row][column] == costs[row + 1][column + 1]:
            steps.append(KEEP)
            row, column = row + 1, column + 1
        elif row < rows and costs[row][column] == 1 + costs[row + 1][column]:
            steps.append(REMOVE)
            row += 1
        else:
            steps.append(ADD + target[column])
            column += 1
    return "".join(steps)


# --- casing -------------------------------------------------------------------------------------------------


@lru_cache(1 << 12)
def _lower_character(character: str) -> str:
    """Return the lower case of a character, or the character if upper case does not restore it."""
    lower = character.lower()
    return lower if len(lower) == 1 and lower != character and lower.upper() == character else character


@lru_cache(1 << 12)
def _upper_character(character: str) -> str:
    """Return the upper case of a character, or the character if lower case does not restore it."""
    upper = character.upper()
    return upper if len(upper) == 1 and upper != character and upper.lower() == character else character


def _lower(text: str) -> str:
    return text.lower() if text.isascii() else "".join(map(_lower_character, text))


def _upper(text: str) -> str:
    return text.upper() if text.isascii() else "".join(map(_upper_character, text))


def _casing(lemma: str, as_in_form: str) -> str:
    """Return the first casing that gives a lemma.

    Args:
        as_in_form: the edited form with its own letters; empty if there is none.
    """
    lower = _lower(lemma)
    for casing in "ltup":
        if _with_casing(lower, casing) == lemma:
            return casing
    return "k" if as_in_form == lemma else ",".join(map(str, _alternations(lemma)))


def _with_casing(text: str, casing: str) -> str:
    """Return a text with the letters of a casing in upper case; it is in lower case, except for `k`."""
    if casing in ("l", "k"):
        return text
    if casing == "t":
        return _upper(text[:1]) + text[1:]
    if casing == "u":
        return _upper(text)
    if casing == "p":
        return re.sub(
            rf"[^\W\d_](?:[^\W\d_]|[{APOSTROPHES}])*", lambda part: _with_casing(part[0], "t"), text
        )
    positions = [int(position) for position in casing.split(",")]
    borders = [min(max(position + len(text) * (position < 0), 0), len(text)) for position in positions]
    parts = [text[start:end] for start, end in zip([0, *borders], [*borders, len(text)], strict=True)]
    return "".join(_upper(part) if index % 2 else part for index, part in enumerate(parts))


def _alternations(lemma: str) -> list[int]:
    """Return the positions at which upper and lower case alternate, beginning with the first upper case."""
    positions, is_upper = [], False
    for position, character in enumerate(lemma):
        starts = not is_upper and _lower_character(character) != character
        if starts or (is_upper and _upper_character(character) != character):
            positions.append(position if 2 * position < len(lemma) else position - len(lemma))
            is_upper = not is_upper
    return positions
