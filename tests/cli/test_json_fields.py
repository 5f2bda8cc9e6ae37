"""docs/json.md: the command lines of each row together print exactly the fields that the row names."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import typer.main

from seqtool.cli.main import app
from seqtool.settings.model import CharModel
from tests.support.random_models import word_parts
from tests.support.random_tokenizers import write_treebank
from tests.support.shell import PROJECT, copy_examples, seqtool_in_process
from tests.support.stored_models import store, store_tokenizer

TABLE = (PROJECT / "docs/json.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| (`.*?) \| (.*) \|$", TABLE, re.MULTILINE))
ONE_EPOCH = "--set tokenizer.training.epochs=1"
BRIEF = "--set training.epochs=1 --quiet --json"

WORDS = ("ab", "aba", "ba", "bab")
CONDITIONS = """\
task: char
name: languages
data: {text: languages.tsv, per_line: true, condition: prefix}
model: {hidden_size: 3}
"""

COMMANDS = {
    "`train-char`, `train-tagger`": [
        f"train-char text.txt --name a {BRIEF}",
        f"train-tagger spans.conll --dev spans.conll {BRIEF}",
        f"train-tagger gold.conllu --dev gold.conllu --test gold.conllu --name joint {BRIEF} {ONE_EPOCH}",
    ],
    "`train-… --seeds N`": [f"train-char configs/hihell.yaml --name several --seeds 2 {BRIEF}"],
    "`sweep`": [
        "sweep configs/toy_tagger.yaml --space space.yaml --trials 1 --set data.split=0.4 "
        "--set training.epochs=1 --name s --json"
    ],
    "`predict`": ["predict --model hihell hihell --json"],
    "`sample`": [
        "sample --model text --length 3 --json",
        "sample --model text --length 3 --beam 2 --json",
        "sample --model languages --json",
    ],
    "`score`": [
        "score --model text the --lines --json",
        "score --model text the --symbols --json",
        "score --model words the --json",
    ],
    "`score --classify`": ["score --model languages --classify ab --json"],
    "`check`": ["check configs/toy_tagger.yaml --json", "check text.txt --json", "check gold.conllu --json"],
    "`evaluate` of a tagger": [
        "evaluate toy_tagger data/toy.conll --against toy_tagger --suspects suspects.tsv --json",
        "evaluate spans spans.conll --json",
    ],
    "`evaluate` of a tokenizer": ["evaluate tokenizer gold.conllu --json"],
    "`evaluate` of a text": [
        "evaluate text --dynamic --dynamic-segment 200 --json",
        "evaluate languages --json",
    ],
    "`inspect`": ["inspect hihell --json", "inspect text --find spaces --json"],
    "`report`": ["report hihell --json"],
    "`play`": ["play hihell --json"],
    "`init`": ["init --example toy_tagger --json"],
    "`config show`": ["config show configs/hihell.yaml --json"],
    "`config diff`": ["config diff configs/hihell.yaml configs/hello.yaml --json"],
    "`runs`": ["runs --json"],
    "`runs rm`": ["runs rm removed --yes --json"],
    "`runs compare`": ["runs compare hihell toy_tagger --json"],
    "`export --to onnx`": ["export text --to onnx --json"],
    "`export --dtype`": ["export toy_tagger --dtype float16 --json"],
}
NEEDS = {"`report`": "matplotlib", "`sweep`": "optuna", "`export --to onnx`": "onnxruntime"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a folder with configs, files and a run of each kind."""
    folder = tmp_path_factory.mktemp("shop")
    copy_examples(folder)
    (folder / "text.txt").write_text("the cat sat on the mat\n" * 60)
    (folder / "languages.yaml").write_text(CONDITIONS)
    (folder / "languages.tsv").write_text("".join(f"{word[0]}\t{word}\n" for word in WORDS * 9))
    (folder / "space.yaml").write_text("training.lr: [0.1, 0.01]\n")
    (folder / "spans.conll").write_text(
        "".join(f"{name}\tB-PER\n{verb}\tO\n\n" for name, verb in product("ABCD", ("sings", "runs")))
    )
    for command, file in (
        ("train-char", "configs/hihell.yaml"),
        ("train-tagger", "configs/toy_tagger.yaml"),
        ("train-char", "text.txt"),
        ("train-tagger", "spans.conll"),
        ("train-char", "languages.yaml"),
    ):
        done = seqtool_in_process(command, file, *BRIEF.split(), cwd=folder)
        assert done.code == 0, done.stderr
    store(folder / "runs/words", word_parts(CharModel(hidden_size=4), ["the", " cat"]))
    store_tokenizer(folder / "runs/tokenizer")
    write_treebank(folder / "gold.conllu")
    shutil.copytree(folder / "runs/hihell", folder / "runs/removed")
    return folder


def names(value: Any) -> Iterator[str]:
    """Yield the names of all fields, at any depth."""
    if isinstance(value, dict):
        yield from value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from names(inner)


def test_every_documented_command_is_tested() -> None:
    assert list(COMMANDS) == list(ROWS)


@pytest.mark.parametrize("row", COMMANDS)
def test_printed_fields_are_the_documented_ones(row: str, shop: Path) -> None:
    pytest.importorskip(NEEDS.get(row, "json"))
    documented = set(re.findall(r"`([a-z_0-9]+)`", ROWS[row]))
    printed, deep = set(), set()
    for command in COMMANDS[row]:
        done = seqtool_in_process(*command.split(), cwd=shop)
        assert done.code == 0, done.stderr
        value = json.loads(done.lines[-1], parse_constant=pytest.fail)
        assert value["version"] == 1
        printed |= value.keys() - {"version"}
        deep |= set(names(value))
    assert printed <= documented
    assert documented <= deep


def test_every_command_prints_json(tmp_path: Path) -> None:
    """Every command has a row, except for `schema`, whose output is JSON."""
    root: Any = typer.main.get_command(app)
    groups = {group: root.commands[group].commands for group in ("config", "runs")}
    paths = [[name] for name in root.commands] + [
        [group, name] for group, commands in groups.items() for name in commands
    ]
    for path in paths:
        assert "--json" in seqtool_in_process(*path, "--help", cwd=tmp_path).stdout or path in (
            ["schema"],
            ["config"],
        )
        assert path[-1] in TABLE
