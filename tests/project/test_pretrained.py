"""Models that the package ships: their files, sizes, licenses and vocabularies, and their golden output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import seqtool
from seqtool.storage.find_model import pretrained_names
from seqtool.storage.model_directory import MODEL_FORMAT, read_model
from seqtool.storage.ownership import PRETRAINED
from tests.support.private_data import private_kind, texts_of

GOLDEN = Path(__file__).parent / "pretrained"
LARGEST = {"english": 3_500_000, "shakespeare": 1_100_000}  # bytes of a directory
LICENSES = {"english": "Attribution-ShareAlike 4.0", "shakespeare": "MIT License"}
EACH_MODEL = pytest.mark.parametrize("name", pretrained_names())
PROMPTS = ("ROMEO:", "First Citizen:\n", "To be, or not to be", "KING RICHARD III:\n", "\n\n")
SAMPLES, LENGTH = 10, 80  # of each prompt


def golden_output(name: str) -> str:
    """Return what a shipped model must give for fixed inputs, one JSON value on each line."""
    model = seqtool.load(PRETRAINED / name)
    lines = [
        {"prompt": prompt, "seed": seed, "sample": model.sample(prompt, LENGTH, seed=seed)}
        for prompt in PROMPTS
        for seed in range(SAMPLES)
    ]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


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
