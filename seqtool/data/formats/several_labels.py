"""Several labels of a sentence written to its lines: each to its own column, and no other byte changed.

The column of each label is found as that of a single one: it has labels of the model. Labels without a column
are appended. Lemmas are no evidence, since any text can be one; their column is that of the training file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from seqtool.data.formats.blocks import Block, SentenceFormat
from seqtool.data.formats.conll import ConllFormat
from seqtool.data.formats.conllu import ConlluFormat, find_label
from seqtool.data.formats.csv_rows import CsvFormat
from seqtool.data.formats.detect import Request
from seqtool.data.formats.detection import Detection
from seqtool.data.formats.layout import Layout
from seqtool.errors import DataError
from seqtool.settings.data import TaggerData

Detect = Callable[[TaggerData, Request], Detection]
HINT = "--columns writes only the labels that it names; --format tsv has a column for each"


def fill_columns(
    block: Block, places: Mapping[str, SentenceFormat], names: Sequence[str], columns: Sequence[Sequence[str]]
) -> list[str]:
    """Return the lines of a block with new labels in their places, and new columns at the end.

    Args:
        places: format for each label; a label without one is not written.
        names: names of the labels.
        columns: labels of the tokens, for each name.
    """
    lines = list(block.lines)
    named = [(places[name], labels) for name, labels in zip(names, columns, strict=True) if name in places]
    for form, labels in sorted(named, key=lambda pair: _is_new(pair[0])):
        if _is_new(form):
            lines = form.fill(block._replace(lines=lines), labels)
        else:
            lines = form.fill(form.block(lines, block.name, block.first_line), labels)
    return lines


def _is_new(form: SentenceFormat) -> bool:
    return isinstance(form, ConllFormat | CsvFormat) and form.label is None


def find_places(
    form: SentenceFormat,
    main: str,
    labels: Mapping[str, frozenset[str]],
    layout: Layout,
    data: TaggerData,
    detect: Detect,
) -> dict[str, SentenceFormat]:
    """Return for each label of a tagger the format that reads and writes it in a file.

    Args:
        form: format of the file, with the place of the main label.
        main: name of the main label.
        labels: labels of the model by the names of the further ones; none for lemmas.
        layout: layout of the training file.
        data: settings of the detection.
        detect: detects the places of tokens and labels in the file again.

    Raises:
        DataError: the file has no place for a label, several places, or one for two labels.
    """
    places: dict[str, SentenceFormat] = {main: form}
    if not isinstance(form, ConlluFormat | ConllFormat | CsvFormat):
        return places
    trained = replace(layout, label=main)
    is_trained = not isinstance(form, ConlluFormat) and (form.width, form.label, form.token) == (
        trained.width,
        trained.label_index,
        trained.token,
    )
    for name, known in labels.items():
        request = Request(
            labeled=True, optional_label=True, trained=replace(layout, label=name), known_labels=known
        )
        try:
            again = partial(detect, replace(data, label="auto"), request)
            found = _place(form, name, request, again, is_trained=is_trained)
        except DataError as error:
            problem = error.problems[0]
            message = f"label {name}: {problem.message}"
            raise DataError(message, place=problem.place, hint=HINT) from None
        other = next((one for one, place in places.items() if found == place and not _is_new(found)), None)
        if other is not None:
            message = f"expected a column for each label, found the same one for {other} and {name}"
            raise DataError(message, place=data.source, hint=HINT)
        places[name] = found
    return places


def _place(
    form: ConlluFormat | ConllFormat | CsvFormat,
    name: str,
    request: Request,
    detect: Callable[[], Detection],
    *,
    is_trained: bool,
) -> SentenceFormat:
    """Return the format for one label; `is_trained` says that the columns are those of the training file."""
    layout = request.trained
    assert layout is not None
    if isinstance(form, ConlluFormat):
        of_conllu = layout.width is None and not layout.columns
        by_name = of_conllu or not request.known_labels
        return replace(form, label=find_label(name) if by_name else detect().label_name, missing="_")
    if form.label is None:
        return form
    if request.known_labels:
        index = detect().label
    elif name in form.names:
        index = form.names.index(name)
    else:
        index = layout.label_index if is_trained else None
    return replace(form, label=None if index == form.token else index)
