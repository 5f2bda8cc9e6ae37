"""Suggested configs of tokenizers, alone or with a tagger: valid, with epochs by the size of the text."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqtool.config.load import parse_settings
from seqtool.errors import DataError
from seqtool.settings.experiment import TaggerSettings, TokenizerPart, TokenizerSettings
from seqtool.storage.model_directory import read_manifest
from seqtool.tasks.interface import DataFiles, definition
from seqtool.tasks.suggest_tokenizer import TEMPLATE, TokenizerPlan
from tests.support.random_tokenizers import write_treebank
from tests.support.shell import seqtool_in_process
from tests.support.small_treebank import treebank


@pytest.mark.parametrize(
    ("characters", "epochs", "batch_size", "weight_decay"),
    [(300, 200, 2, 0.2), (120_000, 40, 8, 0.2), (1_000_000, 10, 16, 0.1), (10**8, 2, 16, 0.1)],
)
def test_settings_follow_the_number_of_characters(
    characters: int, epochs: int, batch_size: int, weight_decay: float
) -> None:
    plan = TokenizerPlan.for_text(characters)
    assert (plan.epochs, plan.batch_size, plan.weight_decay) == (epochs, batch_size, weight_decay)
    assert 0 < plan.warmup_steps <= 100


def test_a_suggested_config_is_valid(tmp_path: Path) -> None:
    path = write_treebank(tmp_path / "a.conllu")
    suggested = definition("tokenizer").suggest(DataFiles(path))
    settings = parse_settings(suggested.yaml, name="x", folder=tmp_path).settings
    assert isinstance(settings, TokenizerSettings)
    assert settings.data.split == 0.1 and settings.name == "a"
    with_dev = definition("tokenizer").suggest(DataFiles(path, dev=(path,), test=(path,)))
    settings = parse_settings(with_dev.yaml, name="x", folder=tmp_path).settings
    assert isinstance(settings, TokenizerSettings)
    assert settings.data.dev == settings.data.test == (str(path),) and settings.data.split == 0


def test_a_file_without_raw_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.conllu"
    path.write_text("\t".join(["1", "a", *"_" * 8]) + "\n\n")
    with pytest.raises(DataError, match="neither `SpaceAfter=No` nor `# text`"):
        definition("tokenizer").suggest(DataFiles(path))


def test_the_template_is_valid() -> None:
    assert isinstance(parse_settings(TEMPLATE, name="x", folder=Path()).settings, TokenizerSettings)


def test_a_written_config_is_trained_by_the_command_that_is_named(tmp_path: Path) -> None:
    write_treebank(tmp_path / "a.conllu")
    done = seqtool_in_process("init", "tokenizer", "a.conllu", cwd=tmp_path)
    assert done.code == 0 and "next: seqtool train-tagger a.yaml" in done.stderr, done.stderr
    done = seqtool_in_process("train-tagger", "a.yaml", "--set", "training.epochs=1", cwd=tmp_path)
    assert done.code == 0 and "next: seqtool tokenize" in done.stderr, done.stderr
    wrong = seqtool_in_process("train-char", "a.yaml", cwd=tmp_path)
    assert wrong.code == 2 and "run: seqtool train-tagger a.yaml" in wrong.stderr


# --- with a tagger ------------------------------------------------------------------------------------------


def suggested_part(files: DataFiles, *overrides: str) -> tuple[TokenizerPart | None, str]:
    """Return the section `tokenizer` of the settings for a file, and the notes."""
    suggested = definition("tagger").suggest(files, overrides)
    settings = parse_settings(suggested.yaml, name="x", folder=Path.cwd(), overrides=overrides).settings
    assert isinstance(settings, TaggerSettings)
    return settings.tokenizer, "\n".join(suggested.notes)


def write_labeled(path: Path, *, raw: bool = True) -> Path:
    path.write_text(treebank(30, raw=raw), encoding="utf-8")
    return path


def test_a_treebank_with_raw_text_gets_both_parts(tmp_path: Path) -> None:
    path = write_labeled(tmp_path / "a.conllu")
    part, notes = suggested_part(DataFiles(path))
    assert part is not None and part.training.epochs and "tokenizer  " in notes
    part, _ = suggested_part(DataFiles(path, dev=(path,), test=(path,)), "tokenizer.training.max_steps=5")
    assert part is not None and part.training.max_steps == 5


def test_a_treebank_without_raw_text_gets_a_tagger_and_a_line_about_it(tmp_path: Path) -> None:
    path, plain = write_labeled(tmp_path / "a.conllu"), write_labeled(tmp_path / "b.conllu", raw=False)
    for files in (DataFiles(plain), DataFiles(path, dev=(plain,)), DataFiles(path, test=(plain,))):
        part, notes = suggested_part(files)
        assert part is None and "tokenizer  none: b.conllu has no raw text" in notes


@pytest.mark.parametrize("override", ["data.label=upos", "tokenizer=null", "data.tokens=surface"])
def test_a_tagger_alone_can_be_asked_for(override: str, tmp_path: Path) -> None:
    part, notes = suggested_part(DataFiles(write_labeled(tmp_path / "a.conllu")), override)
    assert part is None and "tokenizer  " not in notes


def test_training_a_bare_treebank_gives_both_parts(tmp_path: Path) -> None:
    write_labeled(tmp_path / "a.conllu")
    limits = ("--set", "training.max_steps=3", "--set", "tokenizer.training.max_steps=3")
    done = seqtool_in_process("train-tagger", "a.conllu", *limits, cwd=tmp_path)
    assert done.code == 0, done.stderr
    assert read_manifest(tmp_path / "runs/a/model").parts == ("tokenizer", "tagger")
