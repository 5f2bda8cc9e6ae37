"""Corpus of a tokenizer: paragraphs in splits, with characters and expansions from the training split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from seqtool.data.formats.blocks import Block
from seqtool.data.formats.conllu import OTHER_COLUMNS
from seqtool.data.input_files import ProgressCallback, expand, file_hashes
from seqtool.data.tagging.sentences import kept_blocks, labeled_blocks
from seqtool.data.tokenization.boundaries import boundary_targets, word_cuts
from seqtool.data.tokenization.characters import CharacterEncoder
from seqtool.data.tokenization.expansions import Expansion, Expansions
from seqtool.data.tokenization.paragraphs import Paragraph, SurfaceToken, has_raw_text, read_paragraphs
from seqtool.data.tokenization.windows import EncodedText
from seqtool.errors import DataError, pluralize
from seqtool.settings.data import TaggerData, TokenizerData
from seqtool.settings.model import TokenizerModel

HELD_OUT_TOGETHER = 20  # consecutive sentences that are held out for validation together
SPLIT_PURPOSE = 0x70CE  # separates this use of the seed from every other one
Paragraphs = tuple[Paragraph, ...]


NEEDED = (
    "a tokenizer is trained on CoNLL-U files that say which tokens have no space between them; "
    "in the config of a tagger, tokenizer: null trains the tagger alone"
)


@dataclass(frozen=True)
class TokenizerCorpus:
    """Paragraphs and everything derived from those of train.

    Attributes:
        train, dev, test: paragraphs; dev and test may be empty.
        characters: numbers of the characters.
        expansions: words of multiword tokens.
        inner_spaces: whether tokens of train contain spaces.
        files: SHA-256 of every file read, by path.
        notes: what was detected, one line each.
        warnings: likely mistakes in the data, one line each.
    """

    train: Paragraphs
    dev: Paragraphs
    test: Paragraphs
    characters: CharacterEncoder
    expansions: Expansions
    inner_spaces: bool
    files: dict[str, str]
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    def encode(self, paragraphs: Sequence[Paragraph]) -> EncodedText:
        """Return paragraphs as numbers, with the targets of training."""
        targets = [boundary_targets(paragraph) for paragraph in paragraphs]
        text = "".join(paragraph.text for paragraph in paragraphs)
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.int32)
        return EncodedText(
            symbols=self.characters.encode(codes),
            classes=np.concatenate([target.classes for target in targets]),
            sentences=np.concatenate([target.sentences for target in targets]),
            lengths=np.array([len(paragraph.text) for paragraph in paragraphs], np.int64),
            sentence_lengths=np.array(
                [size for one in paragraphs for size in one.sentence_lengths()], np.int64
            ),
        )


def load_tokenizer_corpus(
    data: TokenizerData,
    model: TokenizerModel,
    seed: int,
    progress: ProgressCallback | None = None,
    known: Mapping[str, int] | None = None,
) -> TokenizerCorpus:
    """Read all splits, and derive characters and expansions from train.

    Args:
        data: CoNLL-U files.
        model: settings of the model.
        seed: seed that chooses the held-out sentences if `data.split` asks for them.
        progress: called with the work that starts, the amount done and the total.
        known: characters, with counts, of the model that training starts from.

    Raises:
        DataError: a file is missing, is not a CoNLL-U file, or says nothing about spaces.
    """
    files = {
        name: expand(paths, data.source) if paths else []
        for name, paths in (("train", data.train), ("dev", data.dev), ("test", data.test))
    }
    splits = {}
    for name, paths in files.items():
        if progress is not None and paths:
            progress(f"reading the raw text of {name}", 0, 1)
        splits[name] = tuple(item for path in paths for item in read_raw_text(path, data.encoding))
    if data.split > 0 and not files["dev"]:
        splits["train"], splits["dev"] = hold_out_sentences(splits["train"], data.split, seed)
    train = splits["train"]
    characters = CharacterEncoder.build((item.text for item in train), model.min_count, known)
    expansions = Expansions.learn(looked_up(train), _multiword_tokens(train), _single_forms(train))
    return TokenizerCorpus(
        train=train,
        dev=splits["dev"],
        test=splits["test"],
        characters=characters,
        expansions=expansions,
        inner_spaces=any(
            " " in item.text[token.start : token.end] for item in train for token in item.tokens
        ),
        files=file_hashes([path for paths in files.values() for path in paths]),
        notes=_notes(splits, characters, expansions),
    )


def read_raw_text(path: Path, encoding: str = "auto") -> list[Paragraph]:
    """Return the paragraphs of a CoNLL-U file; raises the errors of `read_raw_blocks`."""
    return list(read_paragraphs(read_raw_blocks(path, encoding)))


def read_raw_blocks(path: Path, encoding: str = "auto") -> list[Block]:
    """Return the sentences of a CoNLL-U file that has raw text.

    Raises:
        DataError: the file cannot be read, is not a CoNLL-U file, or says nothing about spaces.
    """
    data = TaggerData(train=(str(path),), format="conllu", encoding=encoding)
    kept = kept_blocks(path, encoding)
    try:
        found = labeled_blocks(path, data) if kept is None else kept
        blocks = [block for block in found if block.tokens]
    except DataError as error:
        # Other columns are no remedy here.
        raise DataError(
            [replace(one, hint=NEEDED) if one.hint == OTHER_COLUMNS else one for one in error.problems]
        ) from None
    if not has_raw_text(blocks):
        raise DataError(
            "expected the raw text of the sentences, found neither `SpaceAfter=No` nor `# text`",
            place=str(path),
            hint=NEEDED,
        )
    return blocks


def looked_up(paragraphs: Iterable[Paragraph]) -> Iterable[Expansion]:
    """Yield the multiword tokens that are not simply cut, with their words."""
    for paragraph in paragraphs:
        for token in paragraph.tokens:
            if token.words and word_cuts(paragraph.text, token) is None:
                yield paragraph.text[token.start : token.end], token.words


def _multiword_tokens(paragraphs: Iterable[Paragraph]) -> Iterable[Expansion]:
    """Yield the multiword tokens with their words."""
    for paragraph in paragraphs:
        for token in paragraph.tokens:
            if token.words:
                yield paragraph.text[token.start : token.end], token.words


def _single_forms(paragraphs: Iterable[Paragraph]) -> Iterable[str]:
    """Yield the tokens that are one word."""
    for paragraph in paragraphs:
        text = paragraph.text
        yield from (text[token.start : token.end] for token in paragraph.tokens if not token.words)


# --- validation data from the training file -----------------------------------------------------------------


def hold_out_sentences(
    paragraphs: Sequence[Paragraph], fraction: float, seed: int
) -> tuple[Paragraphs, Paragraphs]:
    """Divide paragraphs into a rest and a held-out `fraction` of the sentences, chosen by seed.

    Consecutive sentences stay together, so that both parts contain ends of sentences. A paragraph is cut
    where neighboring sentences go to different parts.

    Raises:
        DataError: there is only one sentence.
    """
    count = sum(len(paragraph.sentences) for paragraph in paragraphs)
    if count < 2:
        raise DataError(
            "expected at least 2 sentences to hold some out, found 1",
            hint="set `data.split: 0`, or give a dev file",
        )
    together = min(HELD_OUT_TOGETHER, max(1, round(fraction * count)), count // 2)
    blocks = -(-count // together)
    wanted = min(max(round(fraction * blocks), 1), blocks - 1)
    chosen = np.random.default_rng((seed, SPLIT_PURPOSE)).permutation(blocks)[:wanted]
    is_held_out = np.isin(np.arange(count) // together, chosen).tolist()
    rest: list[Paragraph] = []
    held_out: list[Paragraph] = []
    done = 0
    for paragraph in paragraphs:
        number = len(paragraph.sentences)
        marks = is_held_out[done : done + number]
        done += number
        start = 0
        for end in range(1, number + 1):
            if end == number or marks[end] != marks[start]:
                (held_out if marks[start] else rest).append(part_of(paragraph, start, end))
                start = end
    return tuple(rest), tuple(held_out)


def part_of(paragraph: Paragraph, first: int, end: int) -> Paragraph:
    """Return the sentences from number `first` to `end` of a paragraph as a paragraph."""
    if first == 0 and end == len(paragraph.sentences):
        return paragraph
    begin = paragraph.sentences[first - 1] if first else 0
    tokens = paragraph.tokens[begin : paragraph.sentences[end - 1]]
    offset = tokens[0].start
    return Paragraph(
        text=paragraph.text[offset : tokens[-1].end],
        tokens=tuple(SurfaceToken(start - offset, stop - offset, words) for start, stop, words in tokens),
        sentences=tuple(number - begin for number in paragraph.sentences[first:end]),
    )


# --- notes --------------------------------------------------------------------------------------------------


def _notes(
    splits: Mapping[str, Paragraphs], characters: CharacterEncoder, expansions: Expansions
) -> tuple[str, ...]:
    notes = [f"{name}: {_size(paragraphs)}" for name, paragraphs in splits.items() if paragraphs]
    notes.append(f"characters: {len(characters.counts):,}")
    multiword = sum(bool(token.words) for item in splits["train"] for token in item.tokens)
    if multiword:
        forms = pluralize(len(expansions.forms), "form")
        notes.append(f"multiword tokens: {multiword:,} in train; the words of {forms} are looked up")
    return tuple(notes)


def _size(paragraphs: Sequence[Paragraph]) -> str:
    sentences = sum(len(paragraph.sentences) for paragraph in paragraphs)
    tokens = sum(len(paragraph.tokens) for paragraph in paragraphs)
    text = pluralize(len(paragraphs), "paragraph")
    return f"{text}, {pluralize(sentences, 'sentence')}, {pluralize(tokens, 'token')}"
