"""Sections `data` of a config: files and their format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from seqtool.settings.keys import Paths, key


@dataclass(frozen=True)
class CharData:
    """Training data of a character model: running text, lines, or aligned pairs."""

    text: Paths = key("running text: a path, a list of paths or a pattern", ())
    per_line: bool = key("treat each line of the text as a separate sequence", False)
    unique: bool = key("with per_line: keep only the first of equal lines, within each condition", False)
    condition: Literal["none", "file", "prefix", "column"] = key(
        "what gives the condition (class) of each line, which the network reads beside every symbol: the name of its file without the ending, the text before a separator, or a column of a table (CSV, TSV)",
        "none",
    )
    separator: str = key(
        "prefix: text between condition and line; column: separator of the cells; auto: a tab, and in a table without tabs a comma or a semicolon",
        "auto",
        min_length=1,
    )
    condition_column: str = key(
        "column of the conditions: its name in the header, or its number from 1 (numbers alone: no header)",
        "1",
    )
    text_column: str = key("column of the lines to learn: its name in the header, or its number from 1", "2")
    pairs: tuple[tuple[str, str], ...] = key("aligned pairs [input, target] of equal length", ())
    alphabet: str | tuple[str, ...] | None = key(
        "symbols in the order of their numbers; by default the sorted symbols of the training data", None
    )
    unit: Literal["char", "byte", "word"] = key(
        "unit of a symbol: a Unicode character, a byte, or a word, number or mark with the space before it",
        "char",
    )
    tokenized: bool = key(
        "unit word: white space separates the symbols, and a line end is a symbol, as in the WikiText files",
        False,
    )
    encoding: str = key(
        "encoding of the text files; auto: UTF-8, or the one of the byte order mark, or the one that fits the characters; a doubtful file is refused",
        "auto",
    )
    split: tuple[float, ...] = key(
        "fractions of the text for training, validation and optionally test",
        (0.9, 0.1),
        min_length=2,
        max_length=3,
    )
    val: Paths = key("files of validation text (then `split` is not used)", ())
    test: Paths = key("files of test text", ())
    min_count: int = key(
        "symbols with fewer occurrences in the training text become the unknown symbol", 1, ge=1
    )
    max_symbols: int | None = key(
        "unit word: largest number of words in the vocabulary; rarer ones become the unknown word", None, ge=1
    )
    spell_unknown: bool = key(
        "unit word: write unknown words as characters between two marks, so that no text has unknown words",
        False,
    )
    normalize: Literal["none", "nfc"] = key(
        "Unicode normalization of the text before it is split into symbols", "none"
    )
    source: str = key("where to get the file; printed if the file is missing", "")

    @property
    def has_training_data(self) -> bool:
        """False for an untrained network, which has only an alphabet."""
        return bool(self.text or self.pairs)


@dataclass(frozen=True)
class SentenceFiles:
    """Files of sentences for training, and sentences that are held out."""

    train: Paths = key("training files: a path, a list or a pattern", min_length=1)
    dev: Paths = key("development files; their score selects the best epoch", ())
    test: Paths = key("test files; scored once, at the end", ())
    split: float = key(
        "fraction of the training sentences held out for validation if there is no dev file; 0: no validation",
        0.0,
        ge=0,
        lt=1,
    )

    @property
    def has_training_data(self) -> bool:
        """True, since `train` is required."""
        return bool(self.train)


@dataclass(frozen=True)
class TaggerData(SentenceFiles):
    """Labeled sentences of a tagger, and the format of their files."""

    format: Literal["auto", "conll", "conllu", "jsonl", "csv", "word_tag"] = key(
        "file format; auto detects it from the name and the content of the file", "auto"
    )
    columns: tuple[str, ...] = key(
        "names of the columns of a CoNLL file, in order; the token column is `form`, or else it is detected",
        (),
    )
    separator: str = key(
        "separator of columns: auto, tab, space (any run of white space), or another character", "auto"
    )
    token: str = key(
        "column of the tokens: its name (in the header or in `columns`), or its number from 1; auto detects it",
        "auto",
    )
    sentence: str = key(
        "CSV: column with the id of the sentence: its name, or its number from 1; auto detects it; none: blank lines separate sentences",
        "auto",
    )
    label: str = key(
        "label to predict: upos, xpos, feats, deprel, a MISC key (misc:Key), the name of a column, or its number from 1 (negative: from the end); auto: upos or the detected column",
        "auto",
    )
    label_names: tuple[str, ...] = key(
        "names of labels that the file gives as integers, in the order of their numbers from 0", ()
    )
    missing_label: str = key(
        "CoNLL-U: label of a word that lacks the MISC key; auto: O if the others are span labels, else `_`",
        "auto",
    )
    labels: tuple[str, ...] = key(
        "several labels to predict together, instead of label, the most important first; named as in label; the column lemma is learned as the change of the form",
        (),
    )
    scheme: Literal["auto", "none", "io", "iob1", "iob2", "bioes"] = key(
        "span scheme of the labels; auto detects it from the labels", "auto"
    )
    tokens: Literal["words", "surface"] = key(
        "CoNLL-U: train on syntactic words, or on the surface forms of `n-m` lines with the labels of their words joined by `+`",
        "words",
    )
    normalize: Literal["nfc", "none"] = key("Unicode normalization of words before they are looked up", "nfc")
    encoding: str = key("encoding of the files; auto as for texts", "auto")
    empty_tokens: Literal["refuse", "repair"] = key(
        "treatment of an empty token: refuse the file, or replace the token by `_`", "refuse"
    )
    text_key: str = key("JSON lines: the field of the tokens", "tokens")
    label_key: str = key("JSON lines: the field of the labels", "labels")
    source: str = key("where to get the files; printed if one is missing", "")


@dataclass(frozen=True)
class TokenizerData(SentenceFiles):
    """CoNLL-U files of a tokenizer. `SpaceAfter=No` or `# text` gives their raw text; `# newpar` starts a paragraph."""

    encoding: str = key("encoding of the files; auto as for texts", "auto")
    source: str = key("where to get the files; printed if one is missing", "")
