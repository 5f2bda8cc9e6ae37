"""Layout of a training file. A model stores it in `config.json`, so that other files are read alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from seqtool.data.formats.blocks import SentenceFormat
from seqtool.data.formats.conll import ConllFormat
from seqtool.data.formats.conllu import ConlluFormat
from seqtool.data.formats.csv_rows import CsvFormat
from seqtool.data.formats.jsonl import JsonlFormat
from seqtool.errors import DataError
from seqtool.settings.data import TaggerData
from seqtool.types import Json


@dataclass(frozen=True)
class Layout:
    """Place of tokens and labels in the training file of a tagger.

    Attributes:
        label: label column as in `data.label`: a name, a number, `misc:Key` or `auto`.
        columns: names of the columns, or nothing if the settings name none.
        width: number of columns; None if the file was not in CoNLL columns.
        separator: string between columns; `auto` for tabs and spaces, so that a file may have either.
        text_key: field of the tokens in JSON lines.
        label_key: field of the labels in JSON lines.
        token: index of the token column.
        label_names: names of labels that are integers in JSON lines.
        span_keys: form of character spans in JSON lines, see `json_spans.span_keys`; None without them.
        missing_label: label of a word without the key in MISC of CoNLL-U; `auto` to detect it.
        encoding: encoding of the training file; other files may be UTF-8 as well.
        labels: names of all labels of a tagger that predicts several, as in `data.labels`.
        brackets: whether the label column marks spans with brackets.
    """

    label: str = "auto"
    columns: tuple[str, ...] = ()
    width: int | None = None
    separator: str = "auto"
    text_key: str = "tokens"
    label_key: str = "labels"
    token: int = 0
    label_names: tuple[str, ...] = ()
    span_keys: tuple[str, ...] | None = None
    missing_label: str = "auto"
    encoding: str = "utf-8"
    labels: tuple[str, ...] = ()
    brackets: bool = False

    @property
    def label_index(self) -> int | None:
        """Index of the label column of the training file; None if it is not known."""
        if self.width is None:
            return None
        if self.label in self.columns:
            return self.columns.index(self.label)
        if self.label == "auto":
            return self.width - 1
        if not self.label.removeprefix("-").isdecimal():
            return None
        number = int(self.label)
        return number - 1 if number > 0 else self.width + number

    @classmethod
    def of_file(cls, data: TaggerData, file_format: SentenceFormat | None) -> Layout:
        """Return the layout of a file that was read with these settings in this format."""
        if isinstance(file_format, ConlluFormat):
            missing = file_format.missing if file_format.key and file_format.missing != "_" else "auto"
            of_file = data.label == "auto" and file_format.label != "upos"
            label = file_format.label if of_file else data.label
            return cls(label, data.columns, missing_label=missing)
        if isinstance(file_format, JsonlFormat):
            return cls(
                label=data.label,
                columns=data.columns,
                text_key=file_format.text_key,
                label_key=file_format.label_key,
                label_names=file_format.names,
                span_keys=file_format.span_keys,
            )
        if not isinstance(file_format, ConllFormat | CsvFormat):
            return cls(data.label, data.columns, text_key=data.text_key, label_key=data.label_key)
        label = data.label
        if label == "auto" and file_format.label not in (None, file_format.width - 1):
            label = str(file_format.label + 1)
        elif label in file_format.names and label not in data.columns and file_format.label is not None:
            label = str(file_format.label + 1)  # another file may have no header
        # A file to be tagged may have tabs although this one has spaces. Any other separator cannot be
        # detected.
        separator = file_format.separator if file_format.separator not in ("tab", "space") else "auto"
        return cls(
            label=label,
            columns=data.columns,
            token=file_format.token,
            width=file_format.width,
            separator=separator,
            text_key=data.text_key,
            label_key=data.label_key,
            brackets=isinstance(file_format, ConllFormat) and file_format.label in file_format.brackets,
        )

    def to_json(self) -> Json:
        """Return the object that is stored in `config.json`."""
        values = {**asdict(self), "columns": list(self.columns)}
        if not self.token:
            del values["token"]  # as in the models of earlier versions
        values["label_names"] = list(self.label_names)
        values["labels"] = list(self.labels)
        values["span_keys"] = None if self.span_keys is None else list(self.span_keys)
        defaults: Json = {
            "label_names": [],
            "span_keys": None,
            "missing_label": "auto",
            "encoding": "utf-8",
            "labels": [],
            "brackets": False,
        }
        for key, default in defaults.items():
            if values[key] == default:
                del values[key]
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Layout:
        """Read the object that `to_json` returned; missing keys get their default."""
        return cls(
            label=str(values.get("label", "auto")),
            columns=tuple(values.get("columns", ())),
            token=int(values.get("token", 0)),
            width=values.get("width"),
            separator=str(values.get("separator", "auto")),
            text_key=str(values.get("text_key", "tokens")),
            label_key=str(values.get("label_key", "labels")),
            label_names=tuple(map(str, values.get("label_names", ()))),
            span_keys=None if values.get("span_keys") is None else tuple(map(str, values["span_keys"])),
            missing_label=str(values.get("missing_label", "auto")),
            encoding=str(values.get("encoding", "utf-8")),
            labels=tuple(values.get("labels", ())),
            brackets=bool(values.get("brackets", False)),
        )

    def settings(self) -> TaggerData:
        """Return settings that read a file as the training file was read."""
        return TaggerData(
            train=(),
            separator=self.separator,
            label=self.label,
            columns=self.columns,
            text_key=self.text_key,
            label_key=self.label_key,
            label_names=self.label_names,
            missing_label=self.missing_label,
            labels=self.labels,
        )

    def with_spans(self, file_format: SentenceFormat) -> SentenceFormat:
        """Return a format of JSON lines with the spans of the training file if it has the same fields.

        A file to be tagged may have no spans that could be detected.
        """
        if not isinstance(file_format, JsonlFormat) or file_format.span_keys is not None:
            return file_format
        same = (file_format.text_key, file_format.label_key) == (self.text_key, self.label_key)
        return replace(file_format, span_keys=self.span_keys) if same else file_format

    def label_in(self, format_name: str) -> str:
        """Return the place of the labels, as in `data.label`, in a file that may have another format.

        The place in the training file is used if the other format has the same one, else the default of the
        format.
        """
        if format_name == "conll":
            is_number = self.label.removeprefix("-").isdecimal()
            return self.label if is_number or self.label in self.columns else "auto"
        if self.width:
            return "upos"  # a column number of a file in CoNLL columns has no meaning in CoNLL-U
        from seqtool.data.formats.conllu import find_label

        try:
            return find_label(self.label)
        except DataError:  # the label is the name of a column that CoNLL-U does not have
            return "upos"
