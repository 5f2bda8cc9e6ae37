"""Place of the labels of a model in a file to be tagged: only this column or field is written.

A column is the label column if it has the labels of the model. Cells such as `O` and `_` are no evidence,
since many columns have them. If no column fits, the file has no label column, and the labels are appended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from seqtool.data.formats.column_counts import Column
from seqtool.data.formats.column_evidence import Choice, choose_columns, token_column
from seqtool.data.formats.conllu import COLUMNS, LABELS, MISC
from seqtool.data.formats.layout import Layout
from seqtool.errors import DataError
from seqtool.spans import OUTSIDE, spans_of

RUNNING = 0.5  # share of the cells with several words, from which on a column holds raw text
FITS = 0.5  # share of the labels in a column that the model knows
PLACEHOLDERS = frozenset(("", "_", "-", "--", "*", "?", "X", "-X-"))  # cells that stand for no label
NEW_COLUMN = "none"  # value of `data.label` for labels that are appended as a new column
_UPOS = "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X"
UPOS = frozenset(_UPOS.split())
ONE_COLUMN_HINT = "`data.label` names the column; `none` appends a new one"


@dataclass(frozen=True)
class Trained:
    """Columns of a training file, as far as a file to be tagged can have them.

    Attributes:
        label: index of the label column; None if the file has another number of columns.
        token: index of the token column; None as `label`.
        known: labels of the model.
    """

    label: int | None
    token: int | None
    known: frozenset[str]

    @classmethod
    def of(cls, layout: Layout | None, width: int, names: Sequence[str], known: frozenset[str]) -> Trained:
        """Return the columns of a training file in a file with a number of columns and their names."""
        if layout is None:
            return cls(None, None, known)
        if layout.label in names:
            label = names.index(layout.label)
            return cls(label, layout.token if layout.width == width else None, known)
        if layout.width != width:
            return cls(None, None, known)
        return cls(layout.label_index, layout.token, known)


def with_all_prefixes(labels: Iterable[str]) -> frozenset[str]:
    """Return the labels of a model, and the same spans in other schemes, such as `B-x` for `S-x`."""
    known = set(labels)
    types = {span.type for label in known for span in spans_of([label])}
    return frozenset(known | {f"{prefix}-{name}" for name in types for prefix in "BIES"})


def share_of_labels(values: Mapping[str, int], known: Collection[str]) -> float | None:
    """Return the share of the values that are labels; None if all of them stand for no label.

    Args:
        values: values with their frequencies.
        known: labels of the model.
    """
    neutral = PLACEHOLDERS - set(known) | {"_", ""} | ({OUTSIDE} if OUTSIDE in known else set())
    counts = {value: count for value, count in values.items() if value not in neutral}
    if not counts:
        return None
    return sum(count for value, count in counts.items() if value in known) / sum(counts.values())


def best_places(shares: Mapping[str, float | None]) -> list[str]:
    """Return the names of the places that have the labels of the model, several if they fit equally.

    Without a place that has some of its labels, a place that stands for no label fits if it is the only one.

    Args:
        shares: result of `share_of_labels` for each place.
    """
    fitting = [name for name, share in shares.items() if share is not None and share >= FITS]
    whole = [name for name in fitting if shares[name] == 1.0]
    if fitting:
        return whole if len(whole) == 1 else fitting
    neutral = [name for name, share in shares.items() if share is None]
    return neutral if len(neutral) == 1 else []


def is_usable(name: str, shares: Mapping[str, float | None]) -> bool:
    """Return whether the place of the labels in training can be the place of the labels in a file.

    It has at least one label of the model, or stands for no label while no other place has labels.
    """
    if name not in shares:
        return False
    share = shares[name]
    if share is not None:
        return share > 0
    return not any(other is not None and other >= FITS for other in shares.values())


def choose_for_model(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    trained: Trained,
    *,
    token: int | None,
    needs_labels: bool,
    place: str,
) -> Choice:
    """Return the columns of tokens and labels of a file for a model.

    Args:
        columns: evidence of all columns.
        rows: cells of the first rows, to compare columns.
        trained: columns of the training file, and the labels of the model.
        token: index of the token column, if an option or the header fixes it.
        needs_labels: the file has labels, and the best column is read if none has those of the model.
        place: name of the file in messages.

    Raises:
        DataError: several columns fit equally, unless labels are needed.
    """
    shares = {
        str(column.index): share_of_labels(column.labels, trained.known)
        for column in columns
        if column.index != token and not column.counts_up
    }
    if trained.label is not None and _is_trained_layout(columns, trained, token, shares, needs_labels):
        tokens = trained.token if token is None else token
        if tokens is not None:
            return Choice(tokens, trained.label, (), (), is_strong=True)
    if any(column.is_bracketed for column in columns):  # as in CoNLL-2012, whose empty columns are of others
        shares = {name: share for name, share in shares.items() if share is not None}
    places = [int(name) for name in best_places(shares)]
    if len(places) > 1 and not needs_labels:
        message = f"expected one column with the labels of the model, found {len(places)}: {_numbers(places)}"
        raise DataError(message, place=place, hint=ONE_COLUMN_HINT)
    if needs_labels and len(places) != 1:
        found = choose_columns(columns, rows, token=token, known_labels=trained.known)
        doubt = f"columns {_numbers(places)} have the labels of the model; `data.label` names one"
        return Choice(found.token, found.label, found.evidence, (doubt,) if places else (), found.is_strong)
    label = places[0] if places else None
    tokens, doubts = (token, []) if token is not None else _tokens(columns, rows, trained, label)
    if label == tokens:
        label = None
    return Choice(tokens, label, (), tuple(doubts), is_strong=True)


def append_labels(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], trained: Trained, token: int | None
) -> Choice:
    """Return the token column of a file to which the labels are appended."""
    if token is None:
        token, _ = _tokens(columns, rows, trained, None)
    return Choice(token, None, (), (), is_strong=True)


def check_words(token: Column, place: str) -> None:
    """Check that the token column does not hold running text.

    Raises:
        DataError: most of its cells have several words.
    """
    if token.spaces > RUNNING:
        message = f"expected a token in each row, found running text in {token.title} ({token.shown()})"
        raise DataError(message, place=place, hint=f"`data.text_key: {token.index + 1}` reads raw text")


def conllu_label(rows: Iterable[Sequence[str]], known: Collection[str], place: str) -> str:
    """Return the column or the MISC key of a CoNLL-U file that has the labels of a model; `upos` first.

    Args:
        rows: ten cells of each word.
        known: labels of the model, which was not trained on CoNLL-U.
        place: name of the file in messages.

    Raises:
        DataError: no column or several columns fit.
    """
    values: dict[str, Counter[str]] = {label: Counter() for label in LABELS}
    for row in rows:
        for label in LABELS:
            values[label][row[COLUMNS.index(label)].strip()] += 1
        for item in row[MISC].strip().split("|"):
            key, equals, value = item.partition("=")
            if equals:
                values.setdefault(f"misc:{key}", Counter())[value] += 1
    if 2 * len(UPOS & set(known)) >= len(known):
        known = UPOS | set(known)  # a rare tag may be missing from the training data
    shares = {label: share_of_labels(counts, known) for label, counts in values.items()}
    places = best_places({label: share for label, share in shares.items() if share is not None})
    if "upos" in places or (not places and is_usable("upos", shares)):
        return "upos"
    if len(places) == 1:
        return places[0]
    found = (
        f"several columns with them ({', '.join(places)})" if places else "other labels in the column upos"
    )
    message = f"expected one column with the labels of the model, found {found}"
    raise DataError(message, place=place, hint="`data.label` names a column or a MISC key, such as misc:NE")


def _is_trained_layout(
    columns: Sequence[Column],
    trained: Trained,
    token: int | None,
    shares: Mapping[str, float | None],
    needs_labels: bool,
) -> bool:
    """Return whether a file has the label column of the training file."""
    tokens = trained.token if token is None else token
    if tokens is None or tokens >= len(columns) or tokens == trained.label or columns[tokens].counts_up:
        return False
    if is_usable(str(trained.label), shares):
        return True
    return needs_labels and str(trained.label) in shares and not best_places(shares)


def _tokens(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], trained: Trained, label: int | None
) -> tuple[int, list[str]]:
    """Return the index of the token column, and doubts."""
    token = trained.token
    if token is not None and token != label:
        others = [column for column in columns if column.index not in (token, label)]
        numbers = columns[token].is_number and not all(column.is_number for column in others)
        if not columns[token].counts_up and not numbers:
            return token, []
    found, _, doubts = token_column(columns, rows, label)
    return found, doubts


def _numbers(indices: Iterable[int]) -> str:
    return " and ".join(str(index + 1) for index in indices)
