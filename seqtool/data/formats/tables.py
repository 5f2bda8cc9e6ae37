"""Detection of a table: separator, number of columns, header row, comments, tokens, labels, sentence ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from seqtool.data.formats.blocks import is_blank
from seqtool.data.formats.column_counts import Column
from seqtool.data.formats.column_evidence import FEW, Choice, choose_columns
from seqtool.data.formats.conll import LABEL_HINT, TOKEN_COLUMN, data_lines, describe_separator, no_sentences
from seqtool.data.formats.detection import RUNNING_TEXT, Detection
from seqtool.data.formats.label_column import (
    NEW_COLUMN,
    Trained,
    append_labels,
    check_words,
    choose_for_model,
)
from seqtool.data.formats.layout import Layout
from seqtool.data.formats.table_findings import (
    LABEL_NAMES,
    TOKEN_NAMES,
    bracket_columns,
    column_index,
    doubt_lines,
    evidence_lines,
    header_by_label,
    is_header,
    named_column,
    sentence_column,
    token_prefix,
    trained_label,
    with_hash_rows,
)
from seqtool.data.formats.table_scan import TableScan, splitter
from seqtool.errors import DataError
from seqtool.settings.data import TaggerData
from seqtool.settings.values import Scheme
from seqtool.spans import detect_scheme

SEPARATORS = ("tab", "space", ",", ";", "|")
CONSISTENT = 0.9  # share of the lines with the same number of cells
MOSTLY, FLAWED = 0.95, 0.5  # the same share, needed with weak evidence of labels and with strong evidence
FEWEST_COMMON = 6  # columns that all sentences share, if their numbers of columns differ


@dataclass(frozen=True)
class TableRequest:
    """Knowledge about a file before its table is read.

    Attributes:
        named: the settings say that the file is a table.
        labeled: the command needs labeled sentences, so weak evidence suffices.
        optional_label: the labels may be missing, as in a file that is to be tagged.
        trained: layout of the training file; a file with as many columns is read alike.
        known_labels: labels of the model, which mark the label column.
        is_csv: the file is CSV, whose cells may contain spaces.
    """

    named: bool = False
    labeled: bool = False
    optional_label: bool = False
    trained: Layout | None = None
    known_labels: frozenset[str] = frozenset()
    is_csv: bool = False


@dataclass(frozen=True)
class Shape:
    """Separator and number of columns, from the first lines.

    Attributes:
        consistent: share of the lines with this number of cells.
        varying: whether the number of columns differs between sentences.
        hash_rows: whether all lines start with `#`.
    """

    separator: str
    width: int
    quoted: bool = False
    consistent: float = 1.0
    varying: bool = False
    hash_rows: bool = False


def detect_table(
    base: Detection, head: Sequence[str], pieces: Iterable[str], data: TaggerData, request: TableRequest
) -> Detection:
    """Return the properties of a table, or of running text if the content is no labeled table.

    Args:
        base: properties that are known: name, encoding.
        head: first lines.
        pieces: all text, in pieces that end with a line.

    Raises:
        DataError: the file has no label column, or not the one that the settings name.
    """
    shape = _choose_shape(head, data, request)
    scan = _scan(shape, pieces)
    if shape.width == 1 and not request.optional_label:
        if not request.labeled:
            return replace(base, kind=RUNNING_TEXT)
        if not scan.rows:
            raise no_sentences("blank lines" if len(head) > 1 else "an empty file", base.name)
        expected = f"at least 2 columns separated by {describe_separator(shape.separator)}"
        message = f"expected {expected} (a token and its label), found 1"
        raise DataError(message, place=base.name, hint=LABEL_HINT)
    columns = scan.evidence()
    header = is_header(scan, columns, data)
    names = data.columns or (tuple(scan.first_row) if header else ())
    if not header:
        scan.count_first_row()
    columns = scan.evidence()
    choice = _choose(scan, columns, names, data, request, base.name)
    header, doubt = header_by_label(scan, columns, choice) if not header else (True, [])
    if header and not names:
        names = tuple(scan.first_row)
        scan.discount_first_row()
        columns = scan.evidence()
    if not request.labeled and not request.optional_label and not _is_labeled(shape, scan, columns, choice):
        return replace(base, kind=RUNNING_TEXT)
    found = replace(
        base,
        separator=shape.separator,
        quoted=shape.quoted,
        header=tuple(scan.first_row) if header else (),
        header_line=scan.first_row_line if header else 0,
        comments=scan.comments,
        first_comment=scan.first_comment,
        rows=scan.rows,
        width=shape.width,
        varying=shape.varying,
        token=choice.token,
        label=choice.label,
        sentence=_sentence_column(scan, choice, names, data, base.name),
        names=names,
        token_prefix=token_prefix(columns[choice.token]),
        brackets=bracket_columns(columns, choice.label, request.trained),
        wrong=scan.wrong,
        scheme=_scheme(columns, choice.label),
    )
    found = with_hash_rows(found, scan, columns)
    is_csv = (
        found.sentence is not None
        or shape.quoted
        or (header and shape.separator in (",", ";") and not found.comments)
    )
    return replace(
        found,
        kind="csv" if base.kind == "csv" or (is_csv and not request.named) else "columns",
        evidence=tuple(evidence_lines(found, choice)),
        doubts=(*found.doubts, *choice.doubts, *doubt, *doubt_lines(found, scan, columns, head)),
    )


def _scan(shape: Shape, pieces: Iterable[str]) -> TableScan:
    scan = TableScan(
        shape.separator, shape.width, quoted=shape.quoted, varying=shape.varying, hash_rows=shape.hash_rows
    )
    for piece in pieces:
        scan.add(piece)
    return scan


# --- separator and width ------------------------------------------------------------------------------------


def _choose_shape(head: Sequence[str], data: TaggerData, request: TableRequest) -> Shape:
    """Return the separator that gives the most consistent columns with the best evidence of labels."""
    lines = data_lines(head)
    separators: Sequence[str] = SEPARATORS
    if data.separator != "auto":
        separators = ("tab" if data.separator == "\t" else data.separator,)
    if request.is_csv and len(separators) > 1:
        separators = [separator for separator in separators if separator != "space"]
    ranked = []
    for order, separator in enumerate(separators):
        shape = _shape(separator, lines, head, data, request)
        if order > 1 and shape.consistent < CONSISTENT and not _is_marked(shape, head, data):
            continue  # running text contains commas, too
        strong = shape.width > 1 and _is_strong(shape, head)
        consistent = shape.consistent >= CONSISTENT or shape.varying
        ranked.append(((shape.width > 1, consistent, strong, shape.consistent >= FLAWED, -order), shape))
    return max(ranked, key=lambda pair: pair[0])[1]


def _shape(
    separator: str, lines: Sequence[str], head: Sequence[str], data: TaggerData, request: TableRequest
) -> Shape:
    quoted = separator != "space" and _has_quotes(lines, separator)
    split = splitter(separator, "\n".join(lines), 0, quoted)
    widths = Counter(len(split(line)) for line in lines)
    width = widths.most_common(1)[0][0] if widths else max(len(data.columns), 1)
    if data.columns and (not request.optional_label or width > len(data.columns)):
        width = len(data.columns)
    consistent = widths[width] / max(1, len(lines))
    hash_rows = bool(lines) and all(line.startswith("#") for line in lines)
    smallest = min(widths, default=1)
    if consistent < CONSISTENT and smallest >= FEWEST_COMMON and len(data.columns) in (0, smallest):
        blocks = [list(block) for blank, block in groupby(head, is_blank) if not blank]
        sizes = [{len(split(line)) for line in block if not line.startswith("#")} for block in blocks]
        if sum(len(size) <= 1 for size in sizes[:-1]) >= CONSISTENT * len(sizes[:-1]):
            return Shape(separator, smallest, quoted, consistent, varying=True, hash_rows=hash_rows)
    return Shape(separator, width, quoted, consistent, hash_rows=hash_rows)


def _has_quotes(lines: Sequence[str], separator: str) -> bool:
    """Return whether cells are in quotes. In a file with tabs, a lone quote is a token."""
    text = "\n".join(lines)
    if '"' not in text:
        return False
    if separator == "tab":
        cells = [cell for line in lines if '"' in line for cell in line.split("\t") if '"' in cell]
        return all(len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in cells)
    return separator in (",", ";", "|")


def _is_strong(shape: Shape, head: Sequence[str]) -> bool:
    scan = _scan(shape, ["\n".join(head) + "\n"])
    columns = scan.evidence()
    return bool(scan.rows > 1) and choose_columns(columns, scan.sample).is_strong


def _is_marked(shape: Shape, head: Sequence[str], data: TaggerData) -> bool:
    """Return whether a table with flaws has a header row with known words, or span labels."""
    if shape.width < 2 or shape.consistent < FLAWED:
        return False
    scan = _scan(shape, ["\n".join(head) + "\n"])
    columns = scan.evidence()
    return is_header(scan, columns, data) or any(column.marks_spans for column in columns)


def _is_labeled(shape: Shape, scan: TableScan, columns: Sequence[Column], choice: Choice) -> bool:
    """Return whether the content shows that a table holds labeled tokens rather than running text."""
    if choice.label is None or columns[choice.token].spaces > FEW:
        return False
    is_regular = _is_regular(scan, columns)
    if is_regular or not choice.is_strong:
        return is_regular
    label = columns[choice.label]
    share = scan.rows / max(1, scan.rows + scan.wrong.count)
    if label.marks_spans or (label.is_tags and shape.separator != "space"):
        return share >= FLAWED
    has_sentences = 0 < scan.blank <= scan.rows / 1.5
    if shape.separator == "space":
        return share >= (FLAWED if label.is_tags else MOSTLY) and has_sentences
    return share >= FLAWED and (has_sentences or scan.rows > 1)


def _is_regular(scan: TableScan, columns: Sequence[Column]) -> bool:
    """Return whether rows of equal length have a column of tags or of `_`, or a counter beside two others."""
    if scan.rows < 2 or scan.wrong.count:
        return False
    if any(column.is_tags or column.counts.keys() == {"_"} for column in columns):
        return True
    return len(columns) > 2 and any(column.counts_up for column in columns)


# --- columns ------------------------------------------------------------------------------------------------


def _choose(
    scan: TableScan,
    columns: Sequence[Column],
    names: tuple[str, ...],
    data: TaggerData,
    request: TableRequest,
    place: str,
) -> Choice:
    """Return the columns of tokens and labels; the settings fix what they name."""
    width, trained = scan.width, request.trained
    if trained is not None and not names and len(trained.columns) == width:
        names = trained.columns
    token = names.index(TOKEN_COLUMN) if TOKEN_COLUMN in names[:width] else None
    words = [index for index, name in enumerate(names[:width]) if name.lower() in TOKEN_NAMES]
    if token is None and len(words) == 1:
        token = words[0]
    if data.token != "auto":
        token = named_column("token", data.token, names, width, place)
    if width > 1 and request.known_labels and data.label in ("auto", NEW_COLUMN) and not data.columns:
        columns_of_model = Trained.of(trained, width, names, request.known_labels)
        choice = (
            choose_for_model(
                columns,
                scan.sample,
                columns_of_model,
                token=token,
                needs_labels=not request.optional_label,
                place=place,
            )
            if data.label == "auto"
            else append_labels(columns, scan.sample, columns_of_model, token)
        )
        check_words(columns[choice.token], place)
        return choice
    full_width = len(data.columns) or (
        trained.width if trained and trained.width and request.optional_label else width
    )
    label = None if data.label == "auto" else column_index(data.label, names, full_width)
    tags = [index for index, name in enumerate(names[:width]) if name.lower() in LABEL_NAMES]
    if label is None and len(tags) == 1 and not data.columns and tags[0] != token:
        label = tags[0]
    is_trained = (
        trained is not None
        and trained.width is not None
        and (width == trained.width or (request.optional_label and width < trained.width))
    )
    if trained is not None and is_trained:
        token = trained.token if token is None and trained.token < width else token
        if label is None:
            label = trained_label(trained, names, full_width)
    if label is not None and request.optional_label and (width == 1 or width <= label < full_width):
        return Choice(token if token is not None and token < width else 0, None, (), (), is_strong=True)
    if width == 1:
        return Choice(0, None, (), (), is_strong=False)
    if label is not None and not 0 <= label < width:
        known = f"one of the columns {', '.join(names)}" if names else "a column"
        message = f"expected the label in {known} (1 to {width}), found {data.label!r}"
        raise DataError(message, place=place, hint=LABEL_HINT)
    if label is not None and label == token:
        message = f"expected different columns for tokens and labels, found {data.label!r} for both"
        raise DataError(message, place=place, hint=LABEL_HINT)
    return choose_columns(
        columns,
        scan.sample,
        token=token,
        label=label,
        known_labels=request.known_labels,
        has_header=bool(names),
    )


def _sentence_column(
    scan: TableScan, choice: Choice, names: Sequence[str], data: TaggerData, place: str
) -> int | None:
    """Return the column of sentence ids: that of the settings, else by the content."""
    if data.sentence in ("auto", "none"):
        return sentence_column(scan, choice) if data.sentence == "auto" else None
    return named_column("sentence", data.sentence, names, scan.width, place)


def _scheme(columns: Sequence[Column], label: int | None) -> Scheme:
    """Return the scheme that the set of labels alone shows; `iob2` stands for IOB1, too."""
    return "none" if label is None else detect_scheme([[value] for value in columns[label].labels])
