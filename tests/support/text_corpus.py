"""Small corpora of character models, from texts that a test writes to files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seqtool.data.text.corpus import CharCorpus, load_char_corpus
from seqtool.data.text.splits import Sequences
from seqtool.settings.data import CharData


def load_corpus(
    folder: Path, text: str | bytes, seed: int = 1, cache: Path | None = None, **settings: Any
) -> CharCorpus:
    """Write texts to a folder and load them as a corpus.

    Args:
        folder: receives the files `text.txt`, `val.txt` and `test.txt`.
        text: content of the training file.
        seed: of the split of lines.
        cache: folder for encoded texts.
        settings: of `CharData`; `val` and `test` are contents of files, too.
    """
    contents = {"text": text, "val": settings.pop("val", None), "test": settings.pop("test", None)}
    paths: dict[str, Any] = {}
    for name, content in contents.items():
        if content is not None:
            path = folder / f"{name}.txt"
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
            paths[name] = (str(path),)
    return load_char_corpus(CharData(**{**paths, **settings}), seed, cache)


def decode_sequences(corpus: CharCorpus, sequences: Sequences) -> list[tuple[str, str]]:
    """Return input and target text of every sequence."""
    decode = corpus.vocabulary.decode
    return [
        (decode(source), decode(target))
        for source, target in zip(sequences.inputs, sequences.targets, strict=True)
    ]
