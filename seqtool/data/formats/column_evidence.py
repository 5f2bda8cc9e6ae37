"""Choice of the columns of tokens and labels of a table, from the evidence of all columns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from seqtool.data.formats.column_counts import Column

FEW = 0.5  # a label column has at most this share of the distinct values of the token column
VARIED = 0.2  # share of the most distinct values that the token column has, if others hold numbers or ids
ALIKE = 0.6  # columns with this share of the most distinct values vary like words
SHARED_START = 0.5  # share of rows with the same beginning, from which on two columns are forms and lemmas
MOST_DASHES = 0.3  # share of the cells of a token column that may be dashes
CHUNKS = frozenset(["NP", "VP", "PP", "ADVP", "ADJP", "SBAR", "PRT", "CONJP", "INTJ", "LST", "UCP"])


@dataclass(frozen=True)
class Choice:
    """Columns of tokens and labels.

    Attributes:
        token: index of the token column.
        label: index of the label column; None if no column holds labels.
        evidence: reasons, one line each.
        doubts: reasons to doubt the choice, one line each.
        is_strong: whether the labels mark spans, are well-known tags, or are few against many tokens.
    """

    token: int
    label: int | None
    evidence: tuple[str, ...]
    doubts: tuple[str, ...]
    is_strong: bool


def choose_columns(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    *,
    token: int | None = None,
    label: int | None = None,
    known_labels: Collection[str] = (),
    has_header: bool = False,
) -> Choice:
    """Return the columns of tokens and labels.

    Args:
        columns: evidence of all columns.
        rows: cells of the first rows, to compare columns.
        token: index of the token column, if the settings fix it.
        label: index of the label column, if the settings fix it.
        known_labels: labels of a model; a column with these labels is the label column.
        has_header: a header row names the columns, so little evidence is no reason for a doubt.
    """
    evidence: list[str] = []
    doubts: list[str] = []
    given = (("tokens", token), ("labels", label))
    evidence += [f"column {index + 1}: {name}, as named" for name, index in given if index is not None]
    if token is None:
        token, reason, doubt = token_column(columns, rows, label)
        evidence.append(f"column {token + 1}: {reason}")
        doubts += doubt
    fixed = label is not None
    if label is None:
        label, reason, doubt = _label_column(columns, token, known_labels)
        doubts += doubt
        evidence += [f"column {label + 1}: {reason}"] if label is not None else []
    strong = label is not None and _is_strong(columns[token], columns[label])
    if label is not None and not fixed and not has_header:
        doubts += _thin_evidence(columns[token], columns[label])
    evidence += _other_columns(columns, token, label)
    return Choice(token, label, tuple(evidence), tuple(doubts), strong)


def _other_columns(columns: Iterable[Column], *chosen: int | None) -> Iterable[str]:
    """Yield the reasons against columns that hold neither tokens nor labels."""
    for column in columns:
        if column.index in chosen:
            continue
        if column.is_constant and not column.is_outside:
            yield f"{column.title} is constant ({column.shown()})"
        elif column.counts_up:
            yield f"{column.title} counts up"
        elif column.is_number:
            yield f"{column.title} has only numbers ({column.shown()})"
        elif column.has_flat_brackets:
            read = f"`data.label: {column.index + 1}` reads them"
            yield f"{column.title} marks spans with brackets; {read} ({column.shown()})"
        elif column.is_bracketed:
            yield f"{column.title} marks spans with brackets, which are not read ({column.shown()})"
        elif column.is_name and not column.marks_spans:
            yield f"{column.title} has a digit in every cell ({column.shown()})"


# --- tokens -------------------------------------------------------------------------------------------------


def token_column(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], label: int | None
) -> tuple[int, str, list[str]]:
    """Return the index of the token column, the reason, and doubts."""
    others = [column for column in columns if column.index != label]
    tests: tuple[Callable[[Column], bool], ...] = (
        lambda column: not (column.is_constant or column.counts_up or column.marks_spans),
        lambda column: not (column.is_number or column.is_name or column.is_bracketed),
        lambda column: not column.is_tags,
    )
    for test in tests:
        left = [column for column in others if test(column)]
        most = max(column.distinct for column in others)
        if left and (test is tests[0] or max(column.distinct for column in left) >= VARIED * most):
            others = left
    most = max(column.distinct for column in others)
    alike = [column for column in others if column.distinct >= ALIKE * most]
    alike = [column for column in alike if column.dashes <= MOST_DASHES] or alike
    token = alike[0]
    reason = f"tokens, {token.distinct:,} distinct values in {token.total:,} rows"
    return token.index, reason, _token_doubts(token, alike, most, rows)


def _token_doubts(
    token: Column, alike: Sequence[Column], most: int, rows: Sequence[Sequence[str]]
) -> list[str]:
    if token.is_number:
        return []  # another doubt, see `doubt_lines`
    others = [
        column
        for column in alike
        if column is not token
        and not (token.distinct == most and _share_starts(rows, token.index, column.index))
    ]
    if not others:
        return []
    numbers = " and ".join(str(column.index + 1) for column in (token, *others))
    return [
        f"columns {numbers} vary alike, and {token.title} is read as the tokens; `data.columns` names them"
    ]


def _share_starts(rows: Sequence[Sequence[str]], first: int, other: int) -> bool:
    """Return whether two columns begin alike in many rows, as forms and lemmas do."""
    same = sum(row[first][:2].lower() == row[other][:2].lower() for row in rows)
    return same >= SHARED_START * len(rows)


# --- labels -------------------------------------------------------------------------------------------------


def _label_column(
    columns: Sequence[Column], token: int, known_labels: Collection[str]
) -> tuple[int | None, str, list[str]]:
    """Return the index of the label column, the reason, and doubts. The last of equal columns is chosen."""
    others = [column for column in columns if column.index != token]
    if known_labels:
        known = [column for column in others if column.labels.keys() <= set(known_labels)]
        if known:
            label = max(reversed(known), key=lambda column: len(column.counts))
            return label.index, f"labels of the model ({label.shown()})", []
    spans = [column for column in others if column.marks_spans]
    outside = [column for column in others if column.is_outside]
    if spans:
        return _span_column(spans, outside)
    varying = [
        column
        for column in others
        if not (column.is_constant or column.counts_up or column.is_name or column.is_bracketed)
    ]
    few = [column for column in varying if column.is_tags or _is_few(columns[token], column)]
    named = [column for column in few if not column.is_number] or few
    if named:
        label = named[-1]
        reason = f"labels, {len(label.counts):,} distinct values ({label.shown()})"
        return label.index, reason, _several(named, label)
    if outside:
        return outside[-1].index, "labels, all of them O", []
    if varying:
        label = varying[-1]
        return label.index, f"labels, by its place ({label.shown()})", []
    constant = [column for column in others if column.is_constant and column.counts.keys() != {""}]
    if constant:
        label = constant[-1]
        return label.index, f"labels, all of them {label.shown()}", []
    return None, "", []


def _span_column(spans: Sequence[Column], outside: Sequence[Column]) -> tuple[int, str, list[str]]:
    """Return the column of span labels: the last one, or of columns with the same types the fullest one.

    Layers of nested spans have the same types, and the outer layer has the most words. Chunks and names have
    different types, and the names follow the chunks.
    """
    last = spans[-1]
    layers = [column for column in spans if column.types & last.types]
    label = max(layers, key=lambda column: column.spans)
    others = [column for column in spans if column not in layers and not column.types <= CHUNKS]
    if label.types <= CHUNKS:
        others += [
            column for column in outside if column.index > label.index
        ]  # a column without a name so far
    return label.index, f"span labels ({label.shown()})", _several([*others, label], label)


def _several(columns: Sequence[Column], label: Column) -> list[str]:
    others = [str(column.index + 1) for column in columns if column is not label]
    if not others:
        return []
    plural = "s" if len(others) > 1 else ""
    return [
        f"column{plural} {' and '.join(others)} could also hold the labels, and {label.title} is read; "
        f"`data.label: {others[-1]}` reads another one"
    ]


def _is_few(token: Column, label: Column) -> bool:
    return label.distinct <= FEW * token.distinct


def _is_strong(token: Column, label: Column) -> bool:
    """Return whether the contents alone show that a table is labeled."""
    if token.spaces > FEW or label.spaces > FEW:
        return False
    return label.marks_spans or label.is_tags or (_is_few(token, label) and not label.is_constant)


def _thin_evidence(token: Column, label: Column) -> list[str]:
    """Return a doubt if tokens and labels may be exchanged, or if there is a single label."""
    if len(label.counts) == 1:
        return [f"every token has the label {label.shown()}: is `data.label` the right column?"]
    if label.marks_spans or label.is_tags or _is_few(token, label):
        return []
    return [
        f"{token.title} is read as tokens ({token.distinct:,} distinct) and {label.title} as labels "
        f"({label.distinct:,} distinct): is `data.label` the right column?"
    ]
