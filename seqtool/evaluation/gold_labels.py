"""Gold labels: the labeled sentences that a tagger is evaluated on, and the gold labels that it contradicts.

The sentences come from files that the user names or from the held-out data of the model's own run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple, cast

from seqtool.data.encoding import AUTO, OPTION, examine
from seqtool.data.formats.detect import layout_of_file
from seqtool.data.formats.label_column import with_all_prefixes
from seqtool.data.formats.layout import Layout
from seqtool.data.input_files import check_data_file, expand
from seqtool.data.tagging.corpus import hold_out
from seqtool.data.tagging.sentences import labeled_blocks, read_split
from seqtool.data.tagging.split import Sentence
from seqtool.errors import SeqtoolError
from seqtool.evaluation.character import run_settings
from seqtool.evaluation.tagger import BATCH
from seqtool.inference.tagger import TaggerModel
from seqtool.settings.data import TaggerData
from seqtool.settings.experiment import TaggerSettings
from seqtool.settings.values import Scheme
from seqtool.spans import convert, detect_scheme
from seqtool.storage.atomic import write_file
from seqtool.storage.model_directory import StoredModel

SplitName = Literal["test", "dev"]
SUSPECT_COLUMNS = ("probability", "gold_probability", "place", "token", "gold", "predicted")
SUSPECTS_MARK = "\t".join(SUSPECT_COLUMNS).encode()  # first line of the table


@dataclass(frozen=True)
class GoldSentences:
    """Sentences with gold labels and their origin.

    Attributes:
        files: each file with the settings that it is read with.
        title: the name of the data in messages.
        notes: deviations from the expected layout or scheme, one line each.
    """

    sentences: tuple[Sentence, ...]
    files: tuple[tuple[Path, TaggerData], ...]
    title: str
    notes: tuple[str, ...] = ()

    def token_places(self) -> Iterator[list[str]]:
        """Yield for each sentence the `file:line` of its tokens."""
        places = {sentence.place for sentence in self.sentences}
        for path, data in self.files:
            for block in labeled_blocks(path, data):
                if block.place in places:
                    yield [block.place_of(token) for token in range(len(block.tokens))]


class Places(NamedTuple):
    """Options that say how files are read: their encoding, and the columns of labels and tokens."""

    encoding: str = AUTO
    label: str | None = None
    token: str | None = None


def gold_sentences(
    model: StoredModel,
    run: Path | None,
    files: Sequence[Path],
    split: SplitName | None,
    *,
    or_train: bool = False,
    encoding: str = AUTO,
    label: str | None = None,
    token: str | None = None,
) -> GoldSentences:
    """Read the sentences to evaluate on.

    Args:
        model: the tagger. Its config has the layout of the training file and the span scheme.
        run: the run of the model; its held-out data are used if there are no files.
        files: labeled files. If empty, the config of the run chooses: test, else dev, else the held-out share
            of train.
        split: use this file of the run's config only.
        or_train: use the training data if the run has no held-out data.
        encoding: encoding of the files; `auto` is that of the training files or the one that fits.
        label: column or field of the labels in the files; None to detect it.
        token: column of the tokens in the files; None to detect it.

    Raises:
        SeqtoolError: there are no sentences, or a file cannot be read.
    """
    if files:
        return _sentences_of_files(model, files, Places(encoding, label, token))
    return _sentences_of_run(run, split, or_train)


def _sentences_of_files(model: StoredModel, files: Sequence[Path], places: Places) -> GoldSentences:
    file_settings, notes = [], []
    layout = Layout.from_json(model.config.get("layout", {}))
    labels = with_all_prefixes(model.vocab["labels"])
    for path in files:
        check_data_file(path)
        facts = examine(path, places.encoding, expected=layout.encoding, way=OPTION)
        data, note = layout_of_file(path, layout, labels, facts.encoding, places.label, places.token)
        tokens = model.config["words"].get("tokens", "words")
        file_settings.append((path, replace(data, tokens=tokens, encoding=facts.encoding)))
        notes += [*facts.notes(), *facts.warnings()]
        notes += [note] if note else []
        if len(layout.labels) > 1 and not data.labels:
            notes.append(
                f"{path.name}: one label, compared with the first one of the model, {layout.labels[0]}"
            )
    sentences, note = _convert_scheme(_read(file_settings), model.config["scheme"])
    notes += [note] if note else []
    return GoldSentences(sentences, tuple(file_settings), _join_paths(files), tuple(notes))


def _convert_scheme(sentences: tuple[Sentence, ...], scheme: Scheme) -> tuple[tuple[Sentence, ...], str]:
    """Return the sentences with spans in the scheme of the model, and a note if any label changed."""
    detected = detect_scheme(sentence.labels for sentence in sentences)
    if "none" in (detected, scheme) or detected == scheme:
        return sentences, ""
    converted = tuple(
        replace(sentence, labels=tuple(convert(sentence.labels, detected, scheme))) for sentence in sentences
    )
    note = f"the gold labels look like {detected}, and are read as the {scheme} that the model was trained on"
    return converted, note if converted != sentences else ""


def _sentences_of_run(run: Path | None, split: SplitName | None, or_train: bool) -> GoldSentences:
    settings = cast(TaggerSettings, run_settings(run, "no file is named"))
    data = settings.data
    patterns = {"test": data.test, "dev": data.dev}[split] if split else data.test or data.dev
    holds_out = data.split > 0 and not data.dev and split != "test"
    if not patterns and or_train and not holds_out:
        patterns = data.train
    if patterns:
        paths = expand(patterns, data.source)
        files = tuple((path, data) for path in paths)
        return GoldSentences(_read(files), files, _join_paths(paths))
    if holds_out:
        paths = expand(data.train, data.source)
        files = tuple((path, data) for path in paths)
        _, held_out = hold_out(_read(files), data.split, settings.seed)
        title = f"the sentences of {_join_paths(paths)} that seed {settings.seed} held out"
        return GoldSentences(held_out, files, title)
    hint = "name a labeled file: seqtool evaluate MODEL FILE"
    raise SeqtoolError(f"the run's config names no {split or 'test or dev'} file", place=str(run), hint=hint)


def _read(files: Sequence[tuple[Path, TaggerData]]) -> tuple[Sentence, ...]:
    return tuple(
        sentence for path, data in files for sentence in read_split("evaluation", [path], data).sentences
    )


def _join_paths(files: Sequence[Path]) -> str:
    return ", ".join(str(path) for path in files)


# --- suspicious gold labels ---------------------------------------------------------------------------------


class Suspect(NamedTuple):
    """A gold label that differs from the label of the model.

    Attributes:
        probability: of the model's label.
        gold_probability: of the gold label, by the model.
        sentence, token: positions, counted from 0.
    """

    probability: float
    gold_probability: float
    sentence: int
    token: int
    form: str
    gold: str
    predicted: str


def suspects(model: TaggerModel, sentences: Sequence[Sentence]) -> list[Suspect]:
    """Return the gold labels that differ from the model's, those with the most probable model label first."""
    result: list[Suspect] = []
    columns = {label: column for column, label in enumerate(model.labels)}
    for start in range(0, len(sentences), BATCH):
        batch = sentences[start : start + BATCH]
        tokens = [sentence.tokens for sentence in batch]
        answers = zip(batch, model.tag_with_probabilities(tokens), model.probabilities(tokens), strict=True)
        for index, (sentence, (labels, probabilities), table) in enumerate(answers, start):
            inner = _inner_labels(model, sentence)
            for token, (gold, label) in enumerate(zip(sentence.labels, labels, strict=True)):
                if gold != label:
                    column = columns.get(inner[token])
                    of_gold = 0.0 if column is None else float(table[token, column])
                    of_label = float(probabilities[token])
                    form = sentence.tokens[token]
                    result.append(Suspect(of_label, of_gold, index, token, form, gold, label))
    return sorted(result, key=lambda one: (-one.probability, one.gold_probability, one.sentence, one.token))


def _inner_labels(model: TaggerModel, sentence: Sentence) -> Sequence[str]:
    """Return the gold labels in the scheme of the network."""
    if model.scheme == "none":
        return sentence.labels
    return convert(sentence.labels, model.scheme, model.inner_scheme)


def write_suspects(path: Path, model: TaggerModel, gold: GoldSentences) -> int:
    """Write the suspicious gold labels as a table with tabs between columns, and return their number.

    Raises:
        SeqtoolError: the file cannot be written.
    """
    rows = suspects(model, gold.sentences)
    places = list(gold.token_places()) if rows else []
    lines = ["\t".join(SUSPECT_COLUMNS)]
    for row in rows:
        cells = (
            f"{row.probability:.4f}",
            f"{row.gold_probability:.4f}",
            places[row.sentence][row.token],
            row.form.replace("\t", " "),
            row.gold,
            row.predicted,
        )
        lines.append("\t".join(cells))
    write_file(path, ("\n".join(lines) + "\n").encode())
    return len(rows)
