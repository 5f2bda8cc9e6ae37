"""Tests of writing settings: the YAML reads back as equal settings, and the shipped files match the code."""

from __future__ import annotations

import json
import os
from dataclasses import MISSING, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from seqtool.config.dump import dump_settings, relative
from seqtool.config.load import parse_settings, read_settings
from seqtool.config.reference import json_schema, reference_markdown
from seqtool.config.schema import choices, keys
from seqtool.config.validate import contradictions
from seqtool.settings.data import CharData, TaggerData
from seqtool.settings.experiment import CharSettings, TaggerSettings, TokenizerPart
from seqtool.settings.model import CharModel, Feature, TaggerModel, TokenizerModel
from seqtool.settings.training import TokenizerTraining, Training

ROOT = Path(__file__).parent.parent.parent
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))

CHARACTERS = st.characters(exclude_categories=["Cs"])
TRAPS = [
    "no",
    "null",
    "~",
    "1e3",
    "a:",
    "#x",
    "-",
    "'",
    '"',
    "\\",
    "{",
    "[",
    "é",
    "<<",
    "*a",
    "&a",
    "!x",
    "%",
    "@",
    "...",
    "---",
    "😀",
]
TEXT = st.text(CHARACTERS, max_size=12) | st.sampled_from(
    [*TRAPS, "", "- x", "a: b", "a\nb", " a ", "\u2028", "\x07", "\ufeff", "a" * 70]
)
PATHS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=8
).flatmap(
    lambda name: st.sampled_from(
        [f"/here/runs/x/{name}", f"/here/{name}", f"/far/away/{name}", f"/here/runs/x/a/{name}"]
    )
)


def normal_paths(size: int = 3) -> st.SearchStrategy[tuple[str, ...]]:
    """Generate normalized absolute paths, as the reader returns them."""
    return st.lists(PATHS.map(os.path.normpath), max_size=size).map(tuple)


def numbers(limits: Any, whole: bool) -> st.SearchStrategy[Any]:
    """Generate numbers within the limits of a key."""
    low, high = limits.get("ge", limits.get("gt", -1e6)), limits.get("le", limits.get("lt", 1e6))
    if whole:
        return st.integers(int(low), int(min(high, 2**63 - 1)))
    return st.floats(low, high, exclude_min="gt" in limits, exclude_max="lt" in limits, allow_nan=False)


def values(cls: type[Any], **overrides: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Generate objects of a section; keys without a given strategy get one for their type."""
    strategies: dict[str, st.SearchStrategy[Any]] = {}
    for name, key in keys(cls).items():
        kinds = {
            part.__name__ for part in getattr(key.type, "__args__", (key.type,)) if isinstance(part, type)
        }
        if name in overrides:
            strategies[name] = overrides[name]
        elif choices(key.type):
            strategies[name] = st.sampled_from(choices(key.type))
        elif kinds & {"int", "float"}:
            strategies[name] = numbers(key.field.metadata, "int" in kinds) | (
                st.none() if "NoneType" in kinds else st.nothing()
            )
        elif kinds == {"bool"}:
            strategies[name] = st.booleans()
        elif kinds == {"str"}:
            strategies[name] = TEXT.filter(bool) if key.field.metadata.get("min_length") else TEXT
        else:
            raise AssertionError(name)
    return st.builds(cls, **strategies)


SHARE = st.floats(0, 0.5)
PAIR = TEXT.flatmap(lambda a: st.tuples(st.just(a), st.text(CHARACTERS, min_size=len(a), max_size=len(a))))
PAIRS = st.lists(PAIR, max_size=3).map(tuple)
ALPHABET = st.lists(CHARACTERS, min_size=1, max_size=9, unique=True).flatmap(
    lambda a: st.sampled_from(["".join(a), tuple(a)])
)
LABELS = TEXT | st.text("ab é", min_size=1500, max_size=1500)
TRAINING: dict[str, Any] = {
    "betas": st.tuples(SHARE, SHARE),
    "init_from": st.just("") | PATHS.map(os.path.normpath),
}
CHAR = values(
    CharSettings,
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True),
    data=values(
        CharData,
        text=normal_paths(),
        val=normal_paths(),
        test=normal_paths(),
        pairs=PAIRS,
        encoding=st.just("utf-8"),
        alphabet=st.none() | ALPHABET,
        split=st.tuples(st.floats(0.1, 0.5), SHARE),
    ),
    model=values(CharModel, cutoffs=st.just((2000, 10000)) | st.sampled_from([(3,), (1, 9)])),
    training=values(
        Training,
        class_weights=st.just("none"),
        label_weights=st.just("auto"),
        batch_words=st.none(),
        **TRAINING,
    ),
)
FEATURE = values(Feature, path=PATHS.map(os.path.normpath))
TOKENIZER = values(
    TokenizerPart,
    model=values(TokenizerModel),
    training=values(
        TokenizerTraining,
        class_weights=st.just("none"),
        label_weights=st.just("auto"),
        batch_words=st.none(),
        betas=TRAINING["betas"],
    ),
)
TAGGER = values(
    TaggerSettings,
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True),
    data=values(
        TaggerData,
        train=normal_paths().filter(bool),
        dev=normal_paths(),
        test=normal_paths(),
        encoding=st.just("latin-1"),
        columns=st.just(()) | st.lists(TEXT, unique=True, max_size=3).map(lambda names: (*names, "form")),
        label_names=st.just(()) | st.lists(TEXT, max_size=3).map(tuple),
        labels=st.just(()) | st.lists(TEXT, max_size=3).map(tuple),
    ),
    model=values(
        TaggerModel, features=st.sampled_from(["standard", "rich"]) | st.lists(FEATURE, max_size=2).map(tuple)
    ),
    training=values(
        Training,
        class_weights=st.just("balanced") | st.dictionaries(LABELS, SHARE, max_size=3),
        label_weights=st.just("auto") | st.dictionaries(LABELS, SHARE, max_size=3),
        **TRAINING,
    ),
    tokenizer=st.none() | TOKENIZER,
)


def repaired(config: Any) -> Any:
    """Set contradicting keys to their defaults, so that few examples are discarded; None if that fails."""
    for _ in range(30):
        wrong = contradictions(config)
        if not wrong:
            return config
        config = _with_default(config, [part for part in wrong[0].path if isinstance(part, str)])
    return None


def _with_default(owner: Any, path: list[str]) -> Any:
    name, rest = path[0], path[1:]
    if name == "training" and not rest:
        return replace(owner, training=replace(owner.training, epochs=3))
    if rest and is_dataclass(getattr(owner, name)):
        return replace(owner, **{name: _with_default(getattr(owner, name), rest)})
    field = next(field for field in fields(owner) if field.name == name)
    default = field.default if field.default is not MISSING else getattr(owner, name)
    return replace(owner, **{name: "run" if name == "name" else default})


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(CHAR | TAGGER, st.sampled_from([None, Path("/here/runs/x")]))
def test_dumped_settings_read_back_as_equal_settings(config: Any, folder: Path | None) -> None:
    config = repaired(config)
    assume(config is not None)
    text = dump_settings(config, folder)
    read = parse_settings(text, name="config.yaml", folder=folder or Path("/elsewhere"))
    assert read.settings == config
    assert dump_settings(read.settings, folder) == text


@pytest.mark.parametrize(
    ("path", "folder", "expected"),
    [
        pytest.param("/p/runs/x/a", "/p/runs/x", "a", id="under"),
        pytest.param("/p/data/a", "/p/runs/x", "../../data/a", id="beside"),
        pytest.param("/q/data/a", "/p/runs/deep/down/x", "/q/data/a", id="far away"),
        pytest.param("/p/runs/x/~a", "/p/runs/x", "./~a", id="tilde"),
    ],
)
def test_relative_returns_paths_relative_to_near_folders_only(path: str, folder: str, expected: str) -> None:
    assert relative(path, folder) == expected


@pytest.mark.parametrize("path", CONFIGS, ids=[path.name for path in CONFIGS])
def test_shipped_config_has_no_notes_and_reads_back_from_another_folder(path: Path, tmp_path: Path) -> None:
    """A shipped config also names the schema and its command in the first lines."""
    read = read_settings(path)
    assert read.notes == ()
    assert read.settings.name == path.stem
    lines = read.text.splitlines()
    assert lines[0] == "# yaml-language-server: $schema=schema.json"
    assert any(f"configs/{path.name}" in line for line in lines[:8])
    copy = tmp_path / "config.yaml"
    copy.write_text(dump_settings(read.settings, tmp_path), encoding="utf-8")
    assert read_settings(copy).settings == read.settings


def test_lecture_configs_have_the_settings_and_data_of_the_notebook() -> None:
    hihell = read_settings(ROOT / "configs/hihell.yaml").settings
    assert isinstance(hihell, CharSettings)
    assert (hihell.data.pairs, hihell.data.alphabet, hihell.seed) == ((("hihell", "ihello"),), "hielo", 777)
    assert (hihell.model.cell, hihell.model.input, hihell.model.hidden_size) == ("rnn", "onehot", 4)
    training = hihell.training
    assert (training.epochs, training.optimizer, training.lr, training.seed_skip, training.shuffle) == (
        15,
        "adam",
        0.1,
        16,
        False,
    )
    toy = read_settings(ROOT / "configs/toy_tagger.yaml").settings
    assert isinstance(toy, TaggerSettings)
    assert toy.model.features == (Feature(name="form", dim=6, unknown=False),)
    words = Path(toy.data.train[0]).read_text().split()
    assert words[::2] == ["The", "dog", "ate", "the", "apple", "Everybody", "read", "that", "book"]
    assert words[1::2] == ["DET", "NN", "V", "DET", "NN", "NN", "V", "DET", "NN"]


def test_reference_lists_every_shipped_config() -> None:
    text = reference_markdown(ROOT / "configs")
    assert all(f"| [`{path.name}`]({path.name}) | " in text for path in CONFIGS)


def test_reference_and_schema_match_the_settings() -> None:
    """After a change of settings.py or of a config, run `python -m seqtool.config.reference`."""
    assert (ROOT / "configs/README.md").read_text(encoding="utf-8") == reference_markdown(ROOT / "configs")
    assert json.loads((ROOT / "configs/schema.json").read_text(encoding="utf-8")) == json_schema()


def test_reference_and_schema_contain_every_key() -> None:
    text, schema = reference_markdown(ROOT / "configs"), json_schema()["$defs"]
    for cls in (CharData, CharModel, TaggerData, TaggerModel, Feature, Training):
        assert set(schema[cls.__name__]["properties"]) == set(keys(cls))
        for name, key in keys(cls).items():
            assert f"| `{name}` |" in text
            assert key.meaning
            assert schema[cls.__name__]["properties"][name]["description"] == key.meaning
            assert schema[cls.__name__]["additionalProperties"] is False
