"""Vocabulary of characters or bytes: rare ones become the unknown symbol; notes about any vocabulary."""

from __future__ import annotations

from collections.abc import Sequence

from seqtool.data.text.encode import EncodedFiles, EncodedText, TextCache, merge_rare
from seqtool.data.text.word_numbers import unknown_note
from seqtool.data.vocabulary import UNKNOWN, SymbolVocabulary
from seqtool.data.warnings import RareSymbols
from seqtool.data.word_vocabulary import WordSymbols
from seqtool.errors import DataError, pluralize
from seqtool.settings.data import CharData
from seqtool.types import Array

LISTED_SYMBOLS = 100  # a note lists the symbols of a smaller vocabulary


def replace_rare(
    files: EncodedFiles, counts: Array, data: CharData, boundary: str, cache: TextCache
) -> tuple[EncodedText, SymbolVocabulary, RareSymbols]:
    """Replace rare symbols by the unknown one; return the text, its vocabulary and the replaced symbols."""
    text = files.text
    kept = frequent_symbols(text.symbols, counts.tolist(), data, boundary)
    if len(kept) == len(text.symbols):
        return text, SymbolVocabulary(text.symbols, data.unit, None, counts.tolist()), RareSymbols()
    rare = RareSymbols(len(text.symbols) - len(kept), int(counts.sum() - counts[kept].sum()))
    merged = merge_rare(text, kept, UNKNOWN[data.unit], files.key, cache)
    merged_counts = [*counts[kept].tolist(), rare.occurrences]
    return merged, SymbolVocabulary(merged.symbols, data.unit, len(kept), merged_counts), rare


def frequent_symbols(
    symbols: Sequence[str], counts: Sequence[int], data: CharData, boundary: str = ""
) -> list[int]:
    """Return the numbers of the symbols that occur `data.min_count` times or more; with an alphabet, of all.

    The boundary is always kept. A symbol that is itself the unknown one is dropped if another symbol is rare,
    since both then mean the same.

    Raises:
        DataError: no symbol is frequent enough.
    """
    least = data.min_count if data.alphabet is None else 1
    rare = {
        symbol for symbol, count in zip(symbols, counts, strict=True) if count < least and symbol != boundary
    }
    if least <= 1 or not rare:
        return list(range(len(symbols)))
    rare.add(UNKNOWN[data.unit])
    kept = [number for number, symbol in enumerate(symbols) if symbol not in rare]
    if not kept or (boundary and len(kept) == 1):
        raise DataError(
            f"expected symbols that occur {least:,} times or more in train, "
            f"found symbols that occur at most {pluralize(max(counts), 'time')}",
            hint="set a lower `data.min_count`",
        )
    return kept


def symbol_notes(vocabulary: SymbolVocabulary, rare: RareSymbols, train_size: int) -> list[str]:
    is_listed = len(vocabulary) <= LISTED_SYMBOLS
    notes = [f"symbols: {vocabulary.listing() if is_listed else f'{len(vocabulary):,}'}"]
    if isinstance(vocabulary, WordSymbols):
        note = unknown_note(vocabulary, rare, train_size)
        return [*notes, note] if note else notes
    if vocabulary.unknown is not None:
        share = rare.occurrences / max(train_size, 1)
        name = vocabulary.show(vocabulary.symbols[vocabulary.unknown])
        notes.append(
            f"the unknown symbol, {name}, replaces {pluralize(rare.symbols, 'rare symbol')} "
            f"(data.min_count), {share:.3%} of train"
        )
    return notes
