"""Options of `tag`: formats of input and output, places in a file, and further results."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, NamedTuple, cast

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seqtool.data.formats.blocks import SentenceFormat
    from seqtool.data.tagging.unlabeled import InputFormat
    from seqtool.errors import SeqtoolError


class Input(StrEnum):
    """Format of the input; `text` has paragraphs between blank lines for a trained tokenizer."""

    LINES = "lines"
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


WITH_SENTENCES = frozenset((Input.CONLL, Input.CONLLU, Input.WORD_TAG))
WITHOUT_PROBABILITIES = frozenset((Output.CONLL, Output.CONLLU, Output.CSV, Output.WORD_TAG, Output.INLINE))


class Errors(StrEnum):
    """Treatment of sentences that cannot be read."""

    STOP = "stop"
    KEEP = "keep"


class TokenizerChoice(StrEnum):
    """Rule that splits the words of raw text, instead of a trained tokenizer."""

    WHITESPACE = "whitespace"
    BASIC = "basic"


Texts = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[TEXT]...", help="Paragraphs; without any, lines of standard input.", show_default=False
    ),
]
InputOption = Annotated[
    Input | None,
    typer.Option(
        "--input-format",
        help="Format of the input (files: detected; else lines); text: blank lines separate paragraphs.",
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
OneSentence = Annotated[bool, typer.Option("--one-sentence", help="Each paragraph is one sentence.")]
Pretokenized = Annotated[
    bool, typer.Option("--pretokenized", help="Lines are sentences of tokens between spaces.")
]
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
    typer.Option("--errors", help="keep: write errors in place of sentences.", show_default=False),
]
TokenizerOption = Annotated[
    TokenizerChoice | None,
    typer.Option("--tokenizer", help="Rule that splits text (default: of the model).", show_default=False),
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
        one_sentence: each raw text is one sentence.
        pretokenized: raw text has tokens between spaces, and each line is a sentence.
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
    one_sentence: bool
    pretokenized: bool

    @property
    def given_format(self) -> InputFormat | None:
        """Format of the input that an option gives; `text` for any raw text."""
        if self.input_format is None:
            return None
        return "text" if self.input_format is Input.LINES else cast("InputFormat", self.input_format.value)

    @property
    def rule(self) -> str | None:
        """Rule that splits raw text; None for the tokenizer of the model."""
        if self.pretokenized:
            return TokenizerChoice.WHITESPACE.value
        return self.tokenizer.value if self.tokenizer else None

    @property
    def reads_raw_text(self) -> bool:
        """False if the tokenizer of the model is certainly not needed."""
        return self.rule is None and self.input_format not in WITH_SENTENCES

    @property
    def shows_table(self) -> bool:
        """True if the output is a table, which marks unseen words and control characters."""
        return self.terminal if self.output is None else self.output is Output.TABLE

    def check(self) -> None:
        """Refuse options that do not go together.

        Raises:
            SeqtoolError: both --probs and --nbest, or one of them with a format without place for it; options
                of raw text with input that is none.
        """
        from seqtool.errors import SeqtoolError

        if self.probs and self.nbest:
            raise SeqtoolError(
                "--probs and --nbest exclude each other",
                hint="--nbest prints the probability of each sequence (table, jsonl)",
            )
        _check_format(self.output, self)
        if self.pretokenized and (self.tokenizer or self.input_format is Input.TEXT):
            other = "--tokenizer" if self.tokenizer else "--input-format text"
            hint = "--pretokenized splits at spaces, and each line is a sentence"
            raise SeqtoolError(f"--pretokenized and {other} exclude each other", hint=hint)
        if self.one_sentence and self.rule is not None:
            raise _not_raw(f"with --{'pretokenized' if self.pretokenized else 'tokenizer'}, each line is one")
        if self.one_sentence and self.input_format in WITH_SENTENCES:
            raise _not_raw(f"the input format {self.input_format} has sentences")

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
        """Check the format of an input if it is also the format of the output.

        Raises:
            SeqtoolError: it has no place for probabilities, or has sentences with --one-sentence.
        """
        if self.one_sentence and input_format is not None and input_format.format_name in WITH_SENTENCES:
            raise _not_raw(f"the input format {input_format.format_name} has sentences")
        if self.output is None and not self.terminal and input_format is not None:
            _check_format(Output(input_format.format_name), self)


def _check_format(output: Output | None, request: TagRequest) -> None:
    from seqtool.errors import SeqtoolError

    if (request.probs or request.nbest) and output in WITHOUT_PROBABILITIES:
        raise SeqtoolError(
            f"--format {output.value} has no place for probabilities or several labels",
            hint="use --format tsv, jsonl or table",
        )


def _not_raw(reason: str) -> SeqtoolError:
    """Return the error of --one-sentence for an input that has sentences."""
    from seqtool.errors import SeqtoolError

    hint = "--one-sentence is for raw text, which a trained tokenizer would split into sentences"
    return SeqtoolError(f"--one-sentence: {reason}", hint=hint)
