"""Labelled sentences that a tagger is evaluated on: of files that the user names, or of the run's own held-out data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seqtool.data.formats.detect import layout_of_file
from seqtool.data.formats.layout import Layout
from seqtool.data.input_files import expand
from seqtool.data.tagging.corpus import hold_out
from seqtool.data.tagging.sentences import Sentence, labeled_blocks, read_split
from seqtool.errors import DataError, SeqtoolError
from seqtool.evaluation.evaluation_data import SplitName, run_settings
from seqtool.settings import Scheme, TaggerData, TaggerSettings
from seqtool.spans import convert, detect_scheme


@dataclass(frozen=True)
class GoldSentences:
    """Sentences with gold labels, and where they come from.

    Attributes:
        files: each with the settings that it is read by.
        title: what messages call them.
        notes: what was read otherwise than expected, one line each.
    """

    sentences: tuple[Sentence, ...]
    files: tuple[tuple[Path, TaggerData], ...]
    title: str
    notes: tuple[str, ...] = ()

    def token_places(self) -> Iterator[list[str]]:
        """`file:line` of every token, sentence by sentence."""
        wanted = {sentence.place for sentence in self.sentences}
        for path, data in self.files:
            for block in labeled_blocks(path, data):
                if block.place in wanted:
                    yield [block.place_of(token) for token in range(len(block.tokens))]


def gold_sentences(
    config: Mapping[str, Any],
    run: Path | None,
    files: Sequence[Path],
    split: SplitName | None,
    *,
    or_train: bool = False,
) -> GoldSentences:
    """Sentences to evaluate on.

    Args:
        config: the model's.
        run: the model's, for its own held-out data.
        files: named by the user; none: those of the run's config, test before dev, or what it held out of train.
        or_train: where nothing was held out, take what was trained on.

    Raises:
        SeqtoolError: if there are none, or a file cannot be read.
    """
    return _of_files(config, files) if files else _of_run(run, split, or_train)


def _of_files(config: Mapping[str, Any], files: Sequence[Path]) -> GoldSentences:
    chosen, notes = [], []
    for path in files:
        if not path.is_file():
            raise DataError(
                "there is no such file",
                place=str(path),
                hint="name a labelled file, or none for the run's own",
            )
        data, note = layout_of_file(path, Layout.from_json(config.get("layout", {})))
        chosen.append((path, replace(data, tokens=config["words"].get("tokens", "words"))))
        notes += [note] if note else []
    sentences, note = _in_scheme(_read(chosen), config["scheme"])
    return GoldSentences(sentences, tuple(chosen), _listed(files), (*notes, *([note] if note else [])))


def _in_scheme(sentences: tuple[Sentence, ...], scheme: Scheme) -> tuple[tuple[Sentence, ...], str]:
    """Sentences with their spans marked as the model marks them, and a line if they were marked otherwise."""
    found = detect_scheme(sentence.labels for sentence in sentences)
    if "none" in (found, scheme) or found == scheme:
        return sentences, ""
    converted = tuple(
        replace(sentence, labels=tuple(convert(sentence.labels, found, scheme))) for sentence in sentences
    )
    return (
        converted,
        f"the gold labels look like {found}, and are read as the {scheme} that the model was trained on"
        if converted != sentences
        else "",
    )


def _of_run(run: Path | None, split: SplitName | None, or_train: bool) -> GoldSentences:
    settings = run_settings(run, "no file is named")
    assert isinstance(settings, TaggerSettings)
    data = settings.data
    named = {"test": data.test, "dev": data.dev}[split] if split else data.test or data.dev
    holds_out = data.split > 0 and not data.dev and split != "test"
    if not named and or_train and not holds_out:
        named = data.train
    if named:
        paths = expand(named, data.source)
        chosen = [(path, data) for path in paths]
        return GoldSentences(_read(chosen), tuple(chosen), _listed(paths))
    if holds_out:
        chosen = [(path, data) for path in expand(data.train, data.source)]
        _, held = hold_out(_read(chosen), data.split, settings.seed)
        return GoldSentences(
            held,
            tuple(chosen),
            f"what seed {settings.seed} held out of {_listed([path for path, _ in chosen])}",
        )
    hint = "name a labelled file: seqtool evaluate MODEL FILE"
    raise SeqtoolError(f"the run's config names no {split or 'test or dev'} file", place=str(run), hint=hint)


def _read(files: Sequence[tuple[Path, TaggerData]]) -> tuple[Sentence, ...]:
    return tuple(
        sentence for path, data in files for sentence in read_split("evaluation", [path], data).sentences
    )


def _listed(files: Sequence[Path]) -> str:
    return ", ".join(str(path) for path in files)
