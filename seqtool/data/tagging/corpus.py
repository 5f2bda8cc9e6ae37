"""Corpus of a tagger: labeled sentences in splits, with their labels, vocabularies and word features.

Labels and vocabularies come from the training sentences alone. Single files are read in `sentences.py`.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import numpy as np

from seqtool.data.formats.detection import Detection
from seqtool.data.formats.layout import Layout
from seqtool.data.input_files import ProgressCallback, expand, file_hashes
from seqtool.data.tagging.known_lemmas import KnownLemmas, known_lemmas
from seqtool.data.tagging.label_columns import LabelColumn, LabelColumns
from seqtool.data.tagging.sentences import for_first_label, read_split
from seqtool.data.tagging.split import Sentence, Split
from seqtool.data.tagging.word_encoder import WordEncoder
from seqtool.data.tagging.word_vectors import PretrainedVectors, read_vectors
from seqtool.data.tokenization.rules import TokenizerName, choose_tokenizer
from seqtool.data.warnings import corpus_warnings
from seqtool.errors import DataError, pluralize
from seqtool.settings.data import TaggerData
from seqtool.settings.model import TaggerModel, feature_list
from seqtool.settings.values import Scheme
from seqtool.spans import convert

SPLIT_PURPOSE = 0x5EED  # separates this use of the seed from every other one


@dataclass(frozen=True)
class TaggedCorpus:
    """Labeled sentences and everything derived from them.

    Attributes:
        train, dev, test: sentences with labels as in the files; dev and test may be empty.
        splits: the same by name, with their counts.
        labels: labels that the network predicts, in `inner_scheme`, in order of first appearance in train.
        scheme: span scheme of the labels in the files.
        inner_scheme: `bioes` for any span scheme, else `none`.
        columns: all labels, if the tagger predicts several; the first is that of `labels`.
        lemmas: the script of known words that always have the same lemma, if it predicts lemmas.
        encoder: features of words, from the words of train.
        tokenizer: tokenizer for raw text; None for a script that needs tokens as input.
        tokenizer_f1: F1 of the tokenizer over tokens of train; None if the sentences have no raw text.
        layout: layout of the training file, so that files to be tagged are read alike.
        files: SHA-256 of every file read, by path.
        notes: what was detected, one line each.
        warnings: likely mistakes in the data, one line each.
        detections: what was detected in each file.
    """

    train: tuple[Sentence, ...]
    dev: tuple[Sentence, ...]
    test: tuple[Sentence, ...]
    splits: Mapping[str, Split]
    labels: tuple[str, ...]
    scheme: Scheme
    inner_scheme: Scheme
    encoder: WordEncoder
    tokenizer: TokenizerName | None
    tokenizer_f1: float | None
    layout: Layout
    files: dict[str, str]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    detections: tuple[Detection, ...] = ()
    columns: LabelColumns | None = None
    lemmas: KnownLemmas = field(default_factory=dict)

    def inner_labels(self, sentence: Sentence) -> list[str]:
        """Return the labels of a sentence in the inner scheme.

        Labels of dev and test may be missing in `labels`.
        """
        return inner_labels(sentence, self.scheme, self.inner_scheme)


def inner_labels(sentence: Sentence, scheme: Scheme, inner_scheme: Scheme) -> list[str]:
    """Return the labels of a sentence, converted between span schemes."""
    return list(sentence.labels) if scheme == "none" else convert(sentence.labels, scheme, inner_scheme)


@dataclass(frozen=True)
class KnownWords:
    """Labels and training words of the tagger that training starts from.

    Attributes:
        labels: labels of the network.
        counts: frequency of each training word.
        further: labels of its further columns.
        combinations: its label combinations, as numbers.
        lemmas: its known lemmas.
    """

    labels: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    further: tuple[tuple[str, ...], ...] = ()
    combinations: tuple[tuple[int, ...], ...] = ()
    lemmas: KnownLemmas = field(default_factory=dict)


def load_tagged_corpus(
    data: TaggerData,
    model: TaggerModel,
    seed: int,
    progress: ProgressCallback | None = None,
    base: KnownWords | None = None,
    *,
    skip_wrong: bool = False,
) -> TaggedCorpus:
    """Read all splits, and derive labels, scheme, vocabularies and tokenizer from train.

    Args:
        data: files and their format.
        model: settings of the model; its features determine the vocabularies.
        seed: seed that chooses the held-out sentences if `data.split` asks for them.
        progress: called with the work that starts, the amount done and the total.
        skip_wrong: leave out lines of a table with another number of cells, which are an error otherwise.
        base: labels and words of the model that training starts from; those of train are added to them.

    Raises:
        DataError: a file is missing or cannot be read, or train has nothing to learn from.
    """
    base = base or KnownWords()
    data = for_first_label(data)
    files = _expand_splits(data)
    splits, notes = _read_splits(files, data, seed, progress, skip_wrong)
    data, splits, left_out = _without_constant_columns(data, splits)
    train = splits["train"].sentences
    scheme: Scheme = data.scheme if data.scheme != "auto" else splits["train"].scheme
    inner_scheme: Scheme = "none" if scheme == "none" else "bioes"
    labels = _labels_of(splits["train"], scheme, inner_scheme)
    _check_labels(labels, data)
    known_labels = _distinct((*base.labels, *labels))
    first = LabelColumn(data.label, 0, known_labels, "label", scheme, inner_scheme)
    columns, column_notes = _columns(data.labels, train, first, base)
    if progress is not None:
        progress("building vocabularies", 0, 1)
    forms = normalized(splits["train"].forms, data.normalize)
    counts = dict(base.counts) | {form: count + base.counts.get(form, 0) for form, count in forms.items()}
    vector_files = _read_vectors(model, counts, data, progress)
    vectors = {index: table for index, (_, table) in vector_files.items()}
    tokenizer, f1 = choose_tokenizer((sentence.text, sentence.tokens) for sentence in train)
    encoder = WordEncoder.build(feature_list(model), counts, data.normalize, vectors)
    notes += _corpus_notes(splits, labels, scheme, len(forms))
    notes += [*column_notes, *left_out]
    notes.append(_tokenizer_note(tokenizer, f1))
    return TaggedCorpus(
        train=train,
        dev=splits["dev"].sentences,
        test=splits["test"].sentences,
        splits=splits,
        labels=known_labels,
        scheme=scheme,
        inner_scheme=inner_scheme,
        encoder=encoder,
        tokenizer=tokenizer,
        tokenizer_f1=f1,
        layout=replace(
            Layout.of_file(data, splits["train"].format),
            encoding=splits["train"].encoding,
            labels=data.labels,
        ),
        files=file_hashes([*chain(*files.values()), *(path for path, _ in vector_files.values())]),
        notes=(*notes, *(note for table in vectors.values() for note in table.notes)),
        detections=tuple(found for split in splits.values() for found in split.detections),
        warnings=(
            *corpus_warnings(files, splits, labels, scheme, inner_scheme),
            *(warning for table in vectors.values() for warning in table.warnings),
        ),
        columns=columns,
        lemmas=known_lemmas(columns, train, encoder, base.lemmas) if columns else {},
    )


# --- splits -------------------------------------------------------------------------------------------------


def _expand_splits(data: TaggerData) -> dict[str, list[Path]]:
    patterns = {"train": data.train, "dev": data.dev, "test": data.test}
    return {name: expand(paths, data.source) if paths else [] for name, paths in patterns.items()}


def _read_splits(
    files: Mapping[str, Sequence[Path]],
    data: TaggerData,
    seed: int,
    progress: ProgressCallback | None,
    skip_wrong: bool,
) -> tuple[dict[str, Split], list[str]]:
    """Return the three splits and the notes on them. Dev is held out of train if the settings ask for it."""
    splits = {"train": read_split("train", files["train"], data, None, progress, skip_wrong=skip_wrong)}
    train_format = splits["train"].format
    for name in ("dev", "test"):
        splits[name] = read_split(name, files[name], data, train_format, progress, skip_wrong=skip_wrong)
    notes = [note for split in splits.values() for note in split.notes]
    if data.split > 0 and files["dev"]:
        notes.append("dev has its own files; data.split is not used")
    elif data.split > 0:
        rest, held_out = hold_out(splits["train"].sentences, data.split, seed)
        splits |= {"train": replace(splits["train"], sentences=rest), "dev": Split(held_out)}
        size = pluralize(len(held_out), "sentence")
        notes.append(f"dev: {size} held out of train by seed {seed} (data.split: {data.split:g})")
    return splits, notes


def hold_out(
    sentences: Sequence[Sentence], fraction: float, seed: int
) -> tuple[tuple[Sentence, ...], tuple[Sentence, ...]]:
    """Divide sentences into a rest and a held-out `fraction`, chosen by seed; at least one sentence in each.

    Both parts keep the order of the sentences.

    Raises:
        DataError: there is only one sentence.
    """
    if len(sentences) < 2:
        raise DataError(
            "expected at least 2 sentences to hold some out, found 1",
            place=sentences[0].place if sentences else "",
            hint="set `data.split: 0`, give a dev file, or check that blank lines separate the sentences",
        )
    size = min(max(round(fraction * len(sentences)), 1), len(sentences) - 1)
    chosen = set(np.random.default_rng((seed, SPLIT_PURPOSE)).permutation(len(sentences))[:size].tolist())
    rest = tuple(sentence for index, sentence in enumerate(sentences) if index not in chosen)
    return rest, tuple(sentence for index, sentence in enumerate(sentences) if index in chosen)


# --- vocabularies -------------------------------------------------------------------------------------------


def normalized(forms: Mapping[str, int], normalize: str) -> dict[str, int]:
    """Return frequencies of words in their normalized form, in order of first appearance."""
    if normalize == "none":
        return dict(forms)
    merged: Counter[str] = Counter()
    for form, count in forms.items():
        merged[form if form.isascii() else unicodedata.normalize("NFC", form)] += count
    return dict(merged)


def _labels_of(train: Split, scheme: Scheme, inner_scheme: Scheme) -> tuple[str, ...]:
    """Return the labels in the inner scheme, in order of first appearance."""
    if scheme == "none":
        return tuple(train.labels)
    sequences = (convert(labels, scheme, inner_scheme) for labels in train.label_sequences)
    return _distinct(chain.from_iterable(sequences))


def _distinct(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))


def _without_constant_columns(
    data: TaggerData, splits: dict[str, Split]
) -> tuple[TaggerData, dict[str, Split], list[str]]:
    """Leave out further columns in which all training words have the same label; return notes on them."""
    values = [
        set().union(*(sentence.column(index) for sentence in splits["train"].sentences))
        for index in range(len(data.labels))
    ]
    kept = [index for index, labels in enumerate(values) if index == 0 or len(labels) > 1]
    notes = [
        f"{data.labels[index]}: left out, since all words have the label {labels.pop()!r}"
        for index, labels in enumerate(values)
        if index not in kept
    ]
    if len(kept) == len(data.labels):
        return data, splits, notes
    reduced = {
        name: replace(split, sentences=tuple(_with_columns(sentence, kept) for sentence in split.sentences))
        for name, split in splits.items()
    }
    labels = tuple(data.labels[index] for index in kept) if len(kept) > 1 else ()
    return replace(data, labels=labels), reduced, notes


def _with_columns(sentence: Sentence, kept: Sequence[int]) -> Sentence:
    return replace(sentence, further=tuple(sentence.column(index) for index in kept if index))


def _columns(
    names: Sequence[str], train: Sequence[Sentence], first: LabelColumn, base: KnownWords
) -> tuple[LabelColumns | None, list[str]]:
    """Return all columns if there are several labels, and notes on them."""
    if not names:
        return None, []
    known = (*base.further, *((),) * len(names))
    further = [
        LabelColumn.of(name, index, train, known[index - 1]) for index, name in enumerate(names) if index
    ]
    columns = LabelColumns.of([first, *further], train, base.combinations)
    notes = [f"{column.name}: {column.content}" for column in further]
    if columns.combined:
        together = " + ".join(columns.columns[index].name for index in columns.combined)
        notes.append(f"{together}: {len(columns.combinations):,} combinations, scored together")
    return columns, notes


def _check_labels(labels: Sequence[str], data: TaggerData) -> None:
    if list(labels) == ["_"]:
        raise DataError(
            "expected labels, found `_` for every token of the training data",
            place=str(data.train[0]),
            hint="the column is empty; `data.label` names another",
        )


def _read_vectors(
    model: TaggerModel, counts: Mapping[str, int], data: TaggerData, progress: ProgressCallback | None
) -> dict[int, tuple[Path, PretrainedVectors]]:
    """Return file and vectors of each feature with pretrained vectors, by the index of the feature."""
    tables = {}
    for index, feature in enumerate(feature_list(model)):
        if feature.name == "vectors":
            (path,) = expand([feature.path])
            tables[index] = path, read_vectors(path, feature.dim, counts, data.normalize, progress=progress)
    return tables


# --- notes --------------------------------------------------------------------------------------------------


def _corpus_notes(
    splits: Mapping[str, Split], labels: Sequence[str], scheme: Scheme, distinct_words: int
) -> list[str]:
    sizes = [f"{name}: {_size(split)}" for name, split in splits.items() if split.sentences]
    spans = f"{scheme}, trained as bioes" if scheme != "none" else "they mark no spans"
    return [*sizes, f"labels: {len(labels):,} ({spans})", f"words: {distinct_words:,} distinct in train"]


def _size(split: Split) -> str:
    return f"{pluralize(len(split.sentences), 'sentence')}, {pluralize(split.words, 'word')}"


def _tokenizer_note(tokenizer: TokenizerName | None, f1: float | None) -> str:
    if tokenizer is None:
        text = "none; the script has no spaces between words, so `tag` will need tokens as input"
    elif f1 is None:
        text = "whitespace, since the training file has no raw text"
    else:
        text = f"{tokenizer} (token F1 {f1:.4f} on training sentences)"
    return f"tokenizer for raw text: {text}"
