"""What a model is evaluated on: files that the user names, or the held-out data of the run's own config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from seqtool.data.labelled import Sentence, labelled_blocks, read_split
from seqtool.errors import DataError, SeqtoolError
from seqtool.settings import CharSettings, TaggerData, TaggerSettings

if TYPE_CHECKING:
    from seqtool.data.characters import CharCorpus
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
            f"{why}, and this model lies in no run whose config would name it", hint="name a file: seqtool evaluate MODEL FILE"
        )
    from seqtool.config import read_settings

    return read_settings(run / "config.yaml").settings


def tagger_data(
    config: Mapping[str, Any], run: Path | None, files: Sequence[Path], split: SplitName | None
) -> tuple[TaggerData, list[Path]]:
    """How the labelled files are laid out, and which they are.

    Args:
        config: the model's.
        files: named by the user; none: those of the run's config, test before dev.

    Raises:
        SeqtoolError: if there are none.
    """
    if files:
        for path in files:
            if not path.is_file():
                raise DataError("there is no such file", place=str(path), hint="name a labelled file, or none for the run's own")
        layout = config.get("layout", {})
        given = TaggerData(
            train=(),
            label=str(layout.get("label", "auto")),
            columns=tuple(layout.get("columns", ())),
            text_key=str(layout.get("text_key", "tokens")),
            label_key=str(layout.get("label_key", "labels")),
            tokens=config["words"].get("tokens", "words"),
        )
        return given, list(files)
    settings = run_settings(run, "no file is named")
    assert isinstance(settings, TaggerSettings)
    from seqtool.data.sources import expand

    data = settings.data
    named = {"test": data.test, "dev": data.dev}
    chosen = named[split] if split else data.test or data.dev
    if not chosen:
        hint = "name a labelled file: seqtool evaluate MODEL FILE"
        raise SeqtoolError(f"the run's config names no {split or 'test or dev'} file", place=str(run), hint=hint)
    return data, expand(chosen, data.source)


def labelled_sentences(data: TaggerData, files: Sequence[Path]) -> tuple[Sentence, ...]:
    """The sentences of some files.

    Raises:
        DataError: a file that cannot be read.
    """
    return read_split("evaluation", files, data).sentences


def token_places(data: TaggerData, files: Sequence[Path]) -> Iterator[list[str]]:
    """`file:line` of every token, sentence by sentence, in the order of `labelled_sentences`."""
    for path in files:
        for block in labelled_blocks(path, data):
            yield [block.place_of(token) for token in range(len(block.tokens))]


def held_out_text(run: Path | None, root: Path) -> str:
    """The validation (or test) text of a run, read anew.

    Raises:
        SeqtoolError: if there is no run or it held nothing out.
    """
    corpus = run_corpus(run, root, "no text is named")
    part = corpus.test if corpus.test is not None else corpus.val
    if part is None:
        raise SeqtoolError("the run held no text out", place=str(run), hint="name a text: seqtool evaluate MODEL FILE")
    return _text(corpus, part)


def run_corpus(run: Path | None, root: Path, why: str) -> CharCorpus:
    """All data of a character run, read anew (or from the cache).

    Raises:
        SeqtoolError: if there is no run, naming what needs it.
        DataError: the run's files are not there any more.
    """
    from seqtool.data.characters import load_char_corpus

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
            raise DataError(message, place=str(path), hint="convert it first, for example with iconv") from None
        except OSError as error:
            raise DataError(f"cannot read: {error.strerror}", place=str(path), hint="check the path") from None
    return "".join(parts)
