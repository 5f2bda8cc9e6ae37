"""Models that the package ships: their files, sizes, licenses and vocabularies, and their golden output."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

import seqtool
from seqtool.config.load import parse_settings
from seqtool.data.tagging.lemma_scripts import lemma_script
from seqtool.inference.load import load_tagger, load_tokenizer
from seqtool.settings.experiment import TaggerSettings, TokenizerSettings
from seqtool.settings.model import feature_list
from seqtool.storage.find_model import pretrained_names
from seqtool.storage.model_directory import MODEL_FORMAT, StoredModel, read_model
from seqtool.storage.ownership import PRETRAINED
from tests.benchmarks.pretrained.shrink import MIN_COUNT, shrunk
from tests.support.private_data import private_kind, texts_of
from tests.support.small_runs import run
from tests.support.small_treebank import treebank_run
from tests.support.stored_models import store_tokenizer

GOLDEN = Path(__file__).parent / "pretrained"
LARGEST = {"english": 3_500_000, "shakespeare": 1_100_000}  # bytes of a directory
LICENSES = {"english": "Attribution-ShareAlike 4.0", "shakespeare": "MIT License"}
EACH_MODEL = pytest.mark.parametrize("name", pretrained_names())
PROMPTS = ("ROMEO:", "First Citizen:\n", "To be, or not to be", "KING RICHARD III:\n", "\n\n")
SAMPLES, LENGTH = 10, 80  # of each prompt


def golden_output(name: str) -> str:
    """Return what a shipped model must give for fixed inputs, one JSON value on each line."""
    model = seqtool.load(PRETRAINED / name)
    values = samples(model) if model.task == "char" else analyses(model)
    return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)


def samples(model: seqtool.Model) -> Iterator[object]:
    """Yield samples for each prompt."""
    for prompt in PROMPTS:
        for seed in range(SAMPLES):
            yield {"prompt": prompt, "seed": seed, "sample": model.sample(prompt, LENGTH, seed=seed)}


def analyses(model: seqtool.Model) -> Iterator[object]:
    """Yield the words of each sentence with their labels."""
    for text in (GOLDEN / "english_sentences.txt").read_text(encoding="utf-8").splitlines():
        yield [
            [word.form, *word.labels.values()]
            for sentence in model.analyze(text)
            for token in sentence
            for word in token.words
        ]


def files_of(name: str) -> dict[str, Path]:
    """Return the files of a shipped model by their path in its directory."""
    folder = PRETRAINED / name
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


@EACH_MODEL
def test_a_directory_contains_a_description_a_license_and_a_verified_model(name: str) -> None:
    files = files_of(name)
    model_files = {f"model/{file}" for file in ("manifest.json", *MODEL_FORMAT.limits)}
    assert files.keys() == {"README.md", "LICENSE"} | model_files
    assert sum(path.stat().st_size for path in files.values()) <= LARGEST[name]
    assert LICENSES[name] in files["LICENSE"].read_text(encoding="utf-8")
    description = files["README.md"].read_text(encoding="utf-8")
    assert description.startswith(f"# {name}\n") and "Limits:" in description and "License:" in description
    manifest = read_model(PRETRAINED / name / "model").manifest
    assert (manifest.name, manifest.source["dtype"]) == (name, "int8")
    assert manifest.scores and manifest.seconds is None


@EACH_MODEL
def test_a_model_contains_no_personal_data(name: str) -> None:
    model = read_model(PRETRAINED / name / "model")
    found = {text: private_kind(text) for text in [*texts_of(model.vocab), *texts_of(model.config)]}
    assert {text: kind for text, kind in found.items() if kind} == {}
    for part in model.parts.values():
        if "forms" in part.vocab:
            assert min(part.vocab["counts"]) >= MIN_COUNT == model.manifest.forms_min_count


@EACH_MODEL
def test_golden_output(name: str) -> None:
    assert golden_output(name) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("jane.doe@example", "an e-mail address"),
        ("http://x", "a URL"),
        ("WWW.x", "a URL"),
        ("example.com", "a URL"),
        ("Example.co.uk/page", "a URL"),
        ("713-853-7658", "more than 4 digits"),
        ("20051126063000", "more than 4 digits"),
        ("l |+1+2+3+4+5", "more than 4 digits"),
        ("2,000", None),
        ("@", None),
        ("U.S.", None),
        ("e.g.", None),
        (".com", None),
        ("1999", None),
        ("l >-|+@", None),
    ],
)
def test_personal_data_is_found(text: str, kind: str | None) -> None:
    assert private_kind(text) == kind


# --- shrinking ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[StoredModel, Path]:
    """Return a model of a tokenizer and a tagger with rare and private entries, and its treebank."""
    folder = tmp_path_factory.mktemp("shrink")
    settings = treebank_run(folder, epochs=1)
    features = tuple(replace(feature, min_count=MIN_COUNT) for feature in feature_list(settings.model))
    settings = replace(settings, model=replace(settings.model, features=features))
    train = folder / "train.conllu"
    word = "{number}\t{form}\t{lemma}\tNOUN\tNN\t_\t_\t_\t_\t_\n"
    private = [("a@b", "a@b"), ("713-8537658", "713-8537658"), ("went", "go"), ("mice", "mouse")] * 4
    rare = [("Rarely", "rarely"), ("oxen", "ox")]
    rows = [word.format(number=1, form=form, lemma=lemma) + "\n" for form, lemma in [*private, *rare]]
    contractions = "1-2\twon't\t_\t_\t_\t_\t_\t_\t_\t_\n1\twill\twill\tAUX\tMD\t_\t_\t_\t_\t_\n"
    contractions += "2\tnot\tnot\tPART\tRB\t_\t_\t_\t_\t_\n\n"
    train.write_text(train.read_text(encoding="utf-8") + "".join(rows) + 3 * contractions, encoding="utf-8")
    run(settings, folder / "runs")
    first = read_model(store_tokenizer(folder / "tokenizer") / "model")
    expansions = {"won't": ["will", "not"], "Won't": ["Will", "not"], "ab": ["a", "b"], "a@b": ["a", "@b"]}
    first.vocab["expansions"] = first.vocab["always_expanded"] = expansions
    first.vocab["expansion_suffixes"] = {"n't": " not", "x.com": "x"}
    return StoredModel.joined([first, read_model(folder / "runs/small/model")]), train


def test_rare_and_private_entries_are_removed(trained: tuple[StoredModel, Path]) -> None:
    before, treebank = trained
    assert {"a@b", "713-8537658", "Rarely", "oxen"} <= set(before.main.vocab["forms"])
    after = shrunk(before, treebank)
    assert not [text for text in texts_of(after.vocab) if private_kind(text)]
    forms = dict(zip(after.main.vocab["forms"], after.main.vocab["counts"], strict=True))
    assert min(forms.values()) >= MIN_COUNT and {"dogs", "went", "won't"} & forms.keys() == {"dogs", "went"}
    scripts = set(after.main.vocab["heads"]["columns"][-1])
    assert scripts < set(before.main.vocab["heads"]["columns"][-1])
    assert lemma_script("went", "go") in scripts and lemma_script("oxen", "ox") not in scripts
    tokenizer = after.parts["tokenizer"].vocab
    assert tokenizer["expansions"].keys() == tokenizer["always_expanded"].keys() == {"won't", "Won't"}
    assert tokenizer["expansion_suffixes"] == {"n't": " not"}


def test_a_shrunk_model_gives_the_labels_of_words_that_stay(trained: tuple[StoredModel, Path]) -> None:
    before, treebank = trained
    after = shrunk(before, treebank)
    sentences = [["The", "dogs", "reads", "."], ["a", "house", "is", "."]]
    tagged = [load_tagger(model.main).tag_columns(sentences) for model in (before, after)]
    assert tagged[0] == tagged[1]
    load_tokenizer(after.parts["tokenizer"])


def test_values_that_the_config_keeps_although_they_are_rare_are_refused(
    trained: tuple[StoredModel, Path],
) -> None:
    before, treebank = trained
    config = json.loads(json.dumps(before.config))
    config["parts"]["tagger"]["model"]["features"][0]["min_count"] = 2
    with pytest.raises(AssertionError, match="set min_count to 3"):
        shrunk(before._replace(config=config), treebank)


def test_the_tokenizer_of_english_has_the_settings_of_ewt_full() -> None:
    project = Path(__file__).parents[2]
    recipe = project / "tests/benchmarks/pretrained/english_tokenizer.yaml"
    config = project / "configs/ewt_full.yaml"
    alone, both = (
        parse_settings(path.read_text(encoding="utf-8"), name=path.name, folder=path.parent).settings
        for path in (recipe, config)
    )
    assert isinstance(alone, TokenizerSettings)
    assert isinstance(both, TaggerSettings) and both.tokenizer is not None
    assert alone.model == both.tokenizer.model
    training = asdict(both.tokenizer.training)
    assert {name: asdict(alone.training)[name] for name in training} == training
