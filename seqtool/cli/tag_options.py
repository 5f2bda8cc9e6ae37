"""Options of `tag`: formats of input and output, places in a file, and further results."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seqtool.data.formats.blocks import SentenceFormat


class Input(StrEnum):
    """Format of the input."""

    TEXT = "text"
    CONLL = "conll"
    CONLLU = "conllu"
    JSONL = "jsonl"
    CSV = "csv"
    WORD_TAG = "word_tag"


class Output(StrEnum):
    """Format of the output."""

    TABLE = "table"
    TSV = "tsv"
    CONLL = "conll"
    CONLLU = "conllu"
    JSONL = "jsonl"
    CSV = "csv"
    WORD_TAG = "word_tag"
    INLINE = "inline"


WITHOUT_PROBABILITIES = frozenset((Output.CONLL, Output.CONLLU, Output.CSV, Output.WORD_TAG, Output.INLINE))


class Errors(StrEnum):
    """Treatment of sentences that cannot be read."""

    STOP = "stop"
    KEEP = "keep"


class TokenizerChoice(StrEnum):
    """Method that splits raw text into words."""

    WHITESPACE = "whitespace"
    BASIC = "basic"


Texts = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[TEXT]...", help="Sentences; without any, lines of standard input.", show_default=False
    ),
]
InputOption = Annotated[
    Input | None,
    typer.Option(
        "--input-format",
        help="Format of the input (files: detected; else text).",
        show_default=False,
    ),
]
OutputOption = Annotated[
    Output | None,
    typer.Option(
        "--format",
        help="Format of the output (on a pipe: as the input).",
        show_default=False,
    ),
]
Column = Annotated[
    str | None,
    typer.Option(
        "--column",
        "--text-key",
        help="Column (name, number) or JSON field of the text.",
        show_default=False,
    ),
]
ReplaceFields = Annotated[
    bool,
    typer.Option("--replace-fields", help="JSON lines: replace fields of the same names."),
]
Columns = Annotated[
    str | None,
    typer.Option("--columns", help="Labels to print, e.g. upos,lemma.", show_default=False),
]
Probs = Annotated[bool, typer.Option("--probs", help="Print the probability of each label.")]
Nbest = Annotated[
    int,
    typer.Option(
        "--nbest",
        min=0,
        max=1000,
        help="Print the N best label sequences.",
        show_default=False,
    ),
]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, max=256, help="Processes that tag.")]
ErrorsOption = Annotated[
    Errors,
    typer.Option("--errors", help="keep: write errors in place of sentences."),
]
TokenizerOption = Annotated[
    TokenizerChoice | None,
    typer.Option("--tokenizer", help="Method that splits text (default: of the model).", show_default=False),
]


class TagPlaces(NamedTuple):
    """Options that name places in a file; see `Places` of `formatted.py`."""

    column: str | None
    label: str | None
    token: str | None
    replace_fields: bool


class TagRequest(NamedTuple):
    """Options of the input and the output.

    Attributes:
        terminal: stdout is a terminal.
        encoding: encoding of the inputs, or `auto`.
    """

    input_format: Input | None
    output: Output | None
    places: TagPlaces
    probs: bool
    nbest: int
    keep_errors: bool
    tokenizer: TokenizerChoice | None
    terminal: bool
    encoding: str
    columns: tuple[str, ...]

    @property
    def shows_table(self) -> bool:
        """True if the output is a table, which marks unseen words and control characters."""
        return self.terminal if self.output is None else self.output is Output.TABLE

    def check(self) -> None:
        """Refuse options that do not go together.

        Raises:
            SeqtoolError: both --probs and --nbest, or one of them with a format without place for it.
        """
        from seqtool.errors import SeqtoolError

        if self.probs and self.nbest:
            raise SeqtoolError(
                "--probs and --nbest exclude each other",
                hint="--nbest prints the probability of each sequence (table, jsonl)",
            )
        _check_format(self.output, self)

    def columns_of(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the labels to print of a tagger that predicts several.

        Raises:
            SeqtoolError: the tagger does not have a label that is named.
        """
        from seqtool.errors import SeqtoolError

        unknown = [name for name in self.columns if name not in names]
        if unknown:
            known = f"its labels are {', '.join(names)}" if names else "it predicts a single label"
            raise SeqtoolError(f"--columns: the tagger has no label {unknown[0]!r}", hint=known)
        return self.columns or tuple(names)

    def repeats(self, form: SentenceFormat | None) -> bool:
        """Return whether the output is the input with new labels, in its format."""
        return form is not None and not self.terminal and self.output in (None, form.format_name)

    def check_input(self, input_format: SentenceFormat | None) -> None:
        """Check the format of an input if it is also the format of the output."""
        if self.output is None and not self.terminal and input_format is not None:
            _check_format(Output(input_format.format_name), self)


def _check_format(output: Output | None, request: TagRequest) -> None:
    from seqtool.errors import SeqtoolError

    if (request.probs or request.nbest) and output in WITHOUT_PROBABILITIES:
        raise SeqtoolError(
            f"--format {output.value} has no place for probabilities or several labels",
            hint="use --format tsv, jsonl or table",
        )
