"""What a character model is evaluated on: files that the user names, or the held-out data of the run's own config.

What a tagger is evaluated on is in `evaluation_sentences.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from seqtool.errors import DataError, SeqtoolError
from seqtool.settings import CharSettings

if TYPE_CHECKING:
    from seqtool.data.text.corpus import CharCorpus
    from seqtool.settings import Settings

SplitName = Literal["test", "dev"]


def run_settings(run: Path | None, why: str) -> Settings:
    """The settings in a run's `config.yaml`.

    Raises:
        SeqtoolError: if there is no run, naming what needs it.
        ConfigError: if its config cannot be read.
    """
    if run is None or not (run / "config.yaml").is_file():
        raise SeqtoolError(
            f"{why}, and this model lies in no run whose config would name it",
            hint="name a file: seqtool evaluate MODEL FILE",
        )
    from seqtool.config import read_settings

    return read_settings(run / "config.yaml").settings


def held_out_text(run: Path | None, root: Path) -> str:
    """The validation (or test) text of a run, read anew.

    Raises:
        SeqtoolError: if there is no run or it held nothing out.
    """
    corpus = run_corpus(run, root, "no text is named")
    part = corpus.test if corpus.test is not None else corpus.val
    if part is None:
        raise SeqtoolError(
            "the run held no text out", place=str(run), hint="name a text: seqtool evaluate MODEL FILE"
        )
    return _text(corpus, part)


def run_corpus(run: Path | None, root: Path, why: str) -> CharCorpus:
    """All data of a character run, read anew (or from the cache).

    Raises:
        SeqtoolError: if there is no run, naming what needs it.
        DataError: the run's files are not there any more.
    """
    from seqtool.data.text.corpus import load_char_corpus

    settings = run_settings(run, why)
    assert isinstance(settings, CharSettings)
    return load_char_corpus(settings.data, settings.seed, root / ".cache", None)


def _text(corpus: Any, part: Any) -> str:
    if corpus.kind == "text":
        return str(corpus.vocabulary.decode(part.tolist()))
    return "".join(corpus.vocabulary.decode(target.tolist()) for target in part.targets)


def read_text(files: Sequence[Path]) -> str:
    """Texts one after the other.

    Raises:
        DataError: a file that is missing or no UTF-8.
    """
    parts = []
    for path in files:
        try:
            parts.append(path.read_bytes().decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            message = f"expected UTF-8, found byte 0x{error.object[error.start]:02x} at offset {error.start}"
            raise DataError(
                message, place=str(path), hint="convert it first, for example with iconv"
            ) from None
        except OSError as error:
            raise DataError(
                f"cannot read: {error.strerror}", place=str(path), hint="check the path"
            ) from None
    return "".join(parts)
