"""Everything a tagger is trained on: labelled sentences in splits, labels, word features, and what was found on the way.

Labels and vocabularies come from the training sentences alone. What a single file says is read in `labelled.py`.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np

from seqtool.data.formats.blocks import SentenceFormat
from seqtool.data.formats.conll import ConllFormat
from seqtool.data.input_files import expand, file_hashes
from seqtool.data.tagging.sentences import Progress, Sentence, Split, pluralize, read_split
from seqtool.data.tagging.warnings import corpus_warnings
from seqtool.data.tagging.word_encoder import WordEncoder
from seqtool.data.tagging.word_vectors import PretrainedVectors, read_vectors
from seqtool.data.tokenization.rules import TokenizerName, choose_tokenizer
from seqtool.errors import DataError
from seqtool.settings import Scheme, TaggerData, TaggerModel, feature_list
from seqtool.spans import convert, detect_scheme

__all__ = ["Sentence", "TaggedCorpus", "load_tagged_corpus"]

SPLIT_PURPOSE = 0x5EED  # keeps the held-out sentences apart from every other use of the seed


@dataclass(frozen=True)
class TaggedCorpus:
    """Labelled sentences and what is derived from them.

    Attributes:
        train, dev, test: sentences with labels as in the files; dev and test may be empty.
        labels: what the network predicts, in `inner_scheme`, in order of first appearance in train.
        scheme: of the labels in the files.
        inner_scheme: `bioes` for any span scheme, else `none`.
        encoder: features of words, from the words of train.
        tokenizer: for raw text; None for a script that needs tokens as input.
        tokenizer_f1: over tokens of train sentences; None where they carry no text.
        layout: how the training file is laid out, so that files to be tagged are read alike (see `layout_of`).
        files: SHA-256 of every file read.
        notes: what was detected, one line each.
        warnings: what looks wrong, one line each.
    """

    train: tuple[Sentence, ...]
    dev: tuple[Sentence, ...]
    test: tuple[Sentence, ...]
    labels: tuple[str, ...]
    scheme: Scheme
    inner_scheme: Scheme
    encoder: WordEncoder
    tokenizer: TokenizerName | None
    tokenizer_f1: float | None
    layout: dict[str, Any]
    files: dict[str, str]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    def inner_labels(self, sentence: Sentence) -> list[str]:
        """A sentence's labels in the inner scheme; one that only dev or test has is not among `labels`."""
        return inner_labels(sentence, self.scheme, self.inner_scheme)


def inner_labels(sentence: Sentence, scheme: Scheme, inner_scheme: Scheme) -> list[str]:
    """A sentence's labels, converted between schemes."""
    return list(sentence.labels) if scheme == "none" else convert(sentence.labels, scheme, inner_scheme)


@dataclass(frozen=True)
class KnownWords:
    """What a tagger that training starts from has learned: its labels, and its training words with their frequencies."""

    labels: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)


def load_tagged_corpus(
    data: TaggerData,
    model: TaggerModel,
    seed: int,
    progress: Progress | None = None,
    base: KnownWords | None = None,
) -> TaggedCorpus:
    """Read all splits and derive labels, scheme, vocabularies and tokeniser from train.

    Args:
        data: the files and their layout.
        model: its features say which vocabularies are built.
        seed: decides which sentences are held out where `data.split` asks for it.
        progress: called with what is being done, the part done and the whole.
        base: what a model that training starts from knows; labels and words of train come on top of it.

    Raises:
        DataError: a file that is missing or cannot be read; nothing to learn from.
    """
    paths = {name: expand(given, data.source) if given else [] for name, given in _given(data)}
    splits, notes = _read_splits(paths, data, seed, progress)
    train = splits["train"].sentences
    scheme: Scheme = (
        detect_scheme(sentence.labels for sentence in train) if data.scheme == "auto" else data.scheme
    )
    inner_scheme: Scheme = "none" if scheme == "none" else "bioes"
    labels = _distinct(label for sentence in train for label in inner_labels(sentence, scheme, inner_scheme))
    _check_labels(labels, data)
    if progress is not None:
        progress("building vocabularies", 0, 1)
    found = count_forms(train, data.normalize)
    base = base or KnownWords()
    counts = dict(base.counts) | {form: count + base.counts.get(form, 0) for form, count in found.items()}
    tables = _read_vectors(model, counts, data, progress)
    vectors = {index: table for index, (_, table) in tables.items()}
    tokenizer, f1 = choose_tokenizer((sentence.text, sentence.tokens) for sentence in train)
    return TaggedCorpus(
        train=train,
        dev=splits["dev"].sentences,
        test=splits["test"].sentences,
        labels=_distinct((*base.labels, *labels)),
        scheme=scheme,
        inner_scheme=inner_scheme,
        encoder=WordEncoder.build(feature_list(model), counts, data.normalize, vectors),
        tokenizer=tokenizer,
        tokenizer_f1=f1,
        layout=layout_of(data, splits["train"].format),
        files=file_hashes([*chain(*paths.values()), *(path for path, _ in tables.values())]),
        notes=(
            *notes,
            *_corpus_notes(splits, labels, scheme, found, tokenizer, f1),
            *_said("notes", vectors),
        ),
        warnings=(*corpus_warnings(paths, splits, labels, scheme, inner_scheme), *_said("warnings", vectors)),
    )


def layout_of(data: TaggerData, form: SentenceFormat | None) -> dict[str, Any]:
    """What a model remembers of its training file's layout: the label's place, columns by name, their number, JSON fields."""
    columns = form if isinstance(form, ConllFormat) else None
    return {
        "label": data.label,
        "columns": list(data.columns),
        "width": columns.width if columns else None,
        # A file to be tagged may have tabs where this one has spaces; another separator would not be found.
        "separator": columns.separator if columns and columns.separator not in ("tab", "space") else "auto",
        "text_key": data.text_key,
        "label_key": data.label_key,
    }


def _given(data: TaggerData) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return ("train", data.train), ("dev", data.dev), ("test", data.test)


def _read_splits(
    paths: dict[str, list[Path]], data: TaggerData, seed: int, progress: Progress | None
) -> tuple[dict[str, Split], list[str]]:
    """The three splits, dev held out of train where that is asked for, and the notes on them."""
    splits = {"train": read_split("train", paths["train"], data, None, progress)}
    splits |= {
        name: read_split(name, paths[name], data, splits["train"].format, progress)
        for name in ("dev", "test")
    }
    notes = [note for split in splits.values() for note in split.notes]
    if data.split > 0 and not paths["dev"]:
        rest, held = hold_out(splits["train"].sentences, data.split, seed)
        splits |= {"train": replace(splits["train"], sentences=rest), "dev": Split(held)}
        notes.append(
            f"dev: {pluralize(len(held), 'sentence')} held out of train by seed {seed} (data.split: {data.split:g})"
        )
    elif data.split > 0:
        notes.append("dev has files of its own; data.split is not used")
    return splits, notes


def _read_vectors(
    model: TaggerModel, counts: dict[str, int], data: TaggerData, progress: Progress | None
) -> dict[int, tuple[Path, PretrainedVectors]]:
    """The file and the rows of each feature that has pretrained vectors, by its index."""
    tables = {}
    for index, feature in enumerate(feature_list(model)):
        if feature.name == "vectors":
            (path,) = expand([feature.path])
            tables[index] = path, read_vectors(path, feature.dim, counts, data.normalize, progress=progress)
    return tables


def _said(kind: Literal["notes", "warnings"], vectors: dict[int, PretrainedVectors]) -> list[str]:
    return [line for table in vectors.values() for line in getattr(table, kind)]


def hold_out(
    sentences: Sequence[Sentence], fraction: float, seed: int
) -> tuple[tuple[Sentence, ...], tuple[Sentence, ...]]:
    """Part sentences by seed, each part in its old order: the rest, and `fraction` of them (at least one in each).

    Raises:
        DataError: there is only one sentence.
    """
    if len(sentences) < 2:
        raise DataError(
            "expected at least 2 sentences to hold some out, found 1",
            place=sentences[0].place if sentences else "",
            hint="set `data.split: 0`, give a dev file, or see whether blank lines between the sentences are missing",
        )
    size = min(max(round(fraction * len(sentences)), 1), len(sentences) - 1)
    held = set(np.random.default_rng((seed, SPLIT_PURPOSE)).permutation(len(sentences))[:size].tolist())
    rest = tuple(sentence for index, sentence in enumerate(sentences) if index not in held)
    return rest, tuple(sentence for index, sentence in enumerate(sentences) if index in held)


def count_forms(sentences: Iterable[Sentence], normalize: str) -> dict[str, int]:
    """Frequencies of words as they are looked up, in order of first appearance."""
    counts = Counter(token for sentence in sentences for token in sentence.tokens)
    if normalize == "none":
        return dict(counts)
    merged: Counter[str] = Counter()
    for form, count in counts.items():
        merged[form if form.isascii() else unicodedata.normalize("NFC", form)] += count
    return dict(merged)


def _distinct(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))


def _check_labels(labels: Sequence[str], data: TaggerData) -> None:
    if list(labels) == ["_"]:
        hint = "the column is empty; `data.label` names another"
        raise DataError(
            "expected labels, found `_` for every token of the training data",
            place=str(data.train[0]),
            hint=hint,
        )


def _corpus_notes(
    splits: dict[str, Split],
    labels: Sequence[str],
    scheme: Scheme,
    counts: dict[str, int],
    tokenizer: TokenizerName | None,
    f1: float | None,
) -> list[str]:
    sizes = [f"{name}: {_size(split.sentences)}" for name, split in splits.items() if split.sentences]
    spans = f"{scheme}, learnt as bioes" if scheme != "none" else "they mark no spans"
    if tokenizer is None:
        text = "script without spaces between words; `tag` will need tokens as input"
    elif f1 is None:
        text = "no raw text in the training file; `tag` will take tokens to stand between white space"
    else:
        text = f"{tokenizer} (token F1 {f1:.4f} on training sentences)"
    return [
        *sizes,
        f"labels: {len(labels):,} ({spans})",
        f"words: {len(counts):,} distinct in train",
        f"tokeniser for raw text: {text}",
    ]


def _size(sentences: Sequence[Sentence]) -> str:
    return f"{pluralize(len(sentences), 'sentence')}, {pluralize(sum(len(sentence.tokens) for sentence in sentences), 'word')}"
