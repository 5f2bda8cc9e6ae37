"""Tests of reading valid configs: values, paths, options, origins, and files that are not configs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from seqtool.config.load import looks_like_config, parse_settings, read_settings
from seqtool.errors import ConfigError, ModelError
from seqtool.settings.experiment import CharSettings, TaggerSettings

CHAR = "task: char\ndata: {text: t.txt}\ntraining: {epochs: 1}\n"


def char(text: str, *overrides: str) -> CharSettings:
    """Return character settings of a text in the folder `/here`."""
    settings = parse_settings(text, name="c.yaml", folder=Path("/here"), overrides=overrides).settings
    assert isinstance(settings, CharSettings)
    return settings


@pytest.mark.parametrize(
    ("option", "section", "key", "value"),
    [
        pytest.param("training.lr=1e-3", "training", "lr", 1e-3, id="1e-3 is a number"),
        pytest.param("training.lr='.5'", "training", "lr", 0.5, id="quoted number"),
        pytest.param("training.shuffle=no", "training", "shuffle", False, id="no as a boolean"),
        pytest.param("training.betas=[0.8, .9]", "training", "betas", (0.8, 0.9), id="list"),
        pytest.param("training.clip_norm=~", "training", "clip_norm", None, id="null"),
        pytest.param("data.alphabet=123", "data", "alphabet", "123", id="digits are text"),
        pytest.param("data.alphabet=no", "data", "alphabet", "no", id="no is text"),
        pytest.param("data.alphabet=null", "data", "alphabet", None, id="null for an optional key"),
        pytest.param("data.alphabet=[~, 'y', 1]", "data", "alphabet", ("~", "y", "1"), id="items are text"),
        pytest.param('data.alphabet="#: "', "data", "alphabet", "#: ", id="quotes keep spaces"),
        pytest.param("data.source=null", "data", "source", "null", id="null for a text key"),
        pytest.param("model.forget_bias=null", "model", "forget_bias", None, id="null float"),
    ],
)
def test_value_has_the_type_of_its_key(option: str, section: str, key: str, value: object) -> None:
    assert getattr(getattr(char(CHAR, option), section), key) == value


def test_pairs_are_always_text() -> None:
    text = "task: char\ndata: {pairs: [[no, on], [123, 1e3], [null, true]]}\ntraining: {epochs: 1}"
    assert char(text).data.pairs == (("no", "on"), ("123", "1e3"), ("null", "true"))


def test_paths_are_relative_to_the_file_and_in_options_to_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "c.yaml").write_text(
        "task: char\ndata:\n  text: [../a/*.txt, /b.txt, ~/c.txt]\n  val: v\ntraining: {epochs: 1}\n"
    )
    data = read_settings("configs/c.yaml", ["data.val=w.txt", "data.test=[../x, y]"]).settings.data
    assert data.text == (f"{tmp_path}/a/*.txt", "/b.txt", "/home/me/c.txt")  # type: ignore[union-attr]
    assert data.val == (f"{tmp_path}/w.txt",)  # type: ignore[union-attr]
    assert data.test == (f"{tmp_path.parent}/x", f"{tmp_path}/y")


def test_path_of_vectors_is_relative_to_the_file() -> None:
    text = "task: tagger\ndata: {train: t}\ntraining: {epochs: 1}\n"
    text += "model: {features: [{name: vectors, path: v.vec}]}"
    settings = parse_settings(text, name="c.yaml", folder=Path("/here")).settings
    assert isinstance(settings, TaggerSettings)
    assert not isinstance(settings.model.features, str)
    assert settings.model.features[0].path == "/here/v.vec"


def test_provenance_names_the_origin_of_each_value() -> None:
    read = parse_settings(
        "task: char\nseed: 3\ndata:\n  text: x\n",
        name="c.yaml",
        folder=Path("/"),
        overrides=["training.epochs=2", "data={split: [0.5, 0.5]}"],
    )
    assert {key: origin for key, origin in read.provenance.items() if origin != "default"} == {
        "task": "c.yaml:1",
        "seed": "c.yaml:2",
        "data.text": "c.yaml:4",
        "data.split": "--set",
        "training.epochs": "--set",
    }
    assert read.provenance["model.cell"] == "default"


def test_last_option_wins_and_single_class_weights_can_be_set() -> None:
    text = "task: tagger\ndata: {train: t}\ntraining: {epochs: 1}"
    read = parse_settings(
        text,
        name="c",
        folder=Path("/"),
        overrides=["seed=3", "seed=4", "training.class_weights.a.b=2", "training.class_weights.NN=3"],
    )
    assert read.settings.seed == 4
    assert read.settings.training.class_weights == {"a.b": 2.0, "NN": 3.0}


def test_problem_points_at_the_key_or_its_nearest_parent() -> None:
    text = "task: char\ndata:\n  pairs: [[ab, ba], [aa, bb]]\ntraining: {epochs: 1}\n"
    read = parse_settings(text, name="c.yaml", folder=Path("/"), overrides=["seed=5"])
    assert read.problem("data.pairs[1]", "is odd", "change it").place == "c.yaml:3:21"
    assert read.problem("data.pairs[1]", "is odd").message == "data.pairs[1]: is odd"
    assert read.problem("data.alphabet", "lacks c").place == "c.yaml:2:1"
    assert read.problem("model.cell", "no").place == "c.yaml"
    assert read.problem("seed", "no").place == "--set seed=5"


def test_config_without_data_is_not_trainable() -> None:
    read = parse_settings("task: char\ndata: {alphabet: helo}\n", name="hello.yaml", folder=Path("/"))
    with pytest.raises(ConfigError, match="there is nothing to train on") as caught:
        read.check_trainable()
    assert caught.value.problems[0].place == "hello.yaml:2:1"
    parse_settings(CHAR, name="c", folder=Path("/")).check_trainable()


@pytest.mark.parametrize(
    ("option", "note"),
    [
        pytest.param(
            "training={optimizer: sgd, betas: [0.9, 0.98]}",
            "training.betas has no effect with optimizer: sgd",
            id="betas",
        ),
        pytest.param(
            "model.nonlinearity=relu", "model.nonlinearity has no effect with cell: lstm", id="nonlinearity"
        ),
        pytest.param(
            "data.val=/here/t.txt",
            "data.val names a file that data.text names too: /here/t.txt",
            id="same file",
        ),
    ],
)
def test_notes_name_settings_without_effect(option: str, note: str) -> None:
    assert parse_settings(CHAR, name="c", folder=Path("/here"), overrides=[option]).notes == (note,)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        pytest.param("a.yaml", b"", True, id="yaml"),
        pytest.param("a.YML", b"", True, id="upper case"),
        pytest.param("a.json", b"", True, id="json"),
        pytest.param("a.jsonl", b"task: char", False, id="jsonl"),
        pytest.param("a.conll", b"task: char", False, id="conll"),
        pytest.param("notes.txt", b"task: char", False, id="text"),
        pytest.param("recipe", b"# mine\ntask: char\n", True, id="no ending, a config"),
        pytest.param("README", b"To be, or not to be", False, id="no ending, text"),
    ],
)
def test_looks_like_config_decides_by_ending_and_content(
    tmp_path: Path, name: str, content: bytes, expected: bool
) -> None:
    (tmp_path / name).write_bytes(content)
    assert looks_like_config(tmp_path / name) is expected


def test_files_that_are_not_configs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("configs").mkdir()
    Path("configs/hihell.yaml").write_text(CHAR)
    Path("configs/ewt.yaml").write_text(CHAR)
    Path("run").mkdir()
    Path("run/config.yaml").write_text(CHAR)
    Path("t.conll").write_text("The\tDET\n\ndog\tNN\n")
    Path("b.bin").write_bytes(b"\xff\xfe")
    cases = {
        "configs/hihel.yaml": ("there is no such file", "did you mean configs/hihell.yaml?"),
        "hihell.yaml": ("there is no such file", "did you mean configs/hihell.yaml?"),
        "hihell": ("there is no such file", "did you mean configs/hihell.yaml?"),
        "nowhere/x.yaml": ("there is no such file", "the folder nowhere does not exist either"),
        "x.yaml": ("there is no such file", "give the path of a YAML file, such as configs/hihell.yaml"),
        "zzz.yaml": ("there is no such file", "give the path of a YAML file, such as configs/hihell.yaml"),
        "run": ("expected a config file, found a directory", "did you mean run/config.yaml?"),
        "configs": ("expected a config file, found a directory", "give the YAML file in it"),
        "t.conll": ("expected a YAML config, found what looks like data", "data.train"),
        "b.bin": ("expected a YAML config, found what looks like data", "data.train"),
        "a\0b": ("cannot be read: embedded null byte", ""),
    }
    for name, (message, hint) in cases.items():
        with pytest.raises(ConfigError) as caught:
            read_settings(name)
        assert (caught.value.problems[0].message, caught.value.problems[0].place) == (message, name)
        assert hint in caught.value.problems[0].hint


@pytest.mark.parametrize(
    ("make", "kind"),
    [(os.mkfifo, "a FIFO"), (lambda path: path.symlink_to("/etc/passwd"), "a symbolic link")],
)
def test_config_of_a_run_is_a_plain_file(tmp_path: Path, make: Callable[[Path], None], kind: str) -> None:
    (tmp_path / "runs/x/model").mkdir(parents=True)
    make(tmp_path / "runs/x/config.yaml")
    with pytest.raises(ModelError, match=f"expected a plain file, found {kind}"):
        read_settings(tmp_path / "runs/x/config.yaml")


def test_named_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "best.yaml")
    with pytest.raises(ConfigError, match="found a named pipe"):
        read_settings(tmp_path / "best.yaml")


def test_config_of_a_run_is_utf8(tmp_path: Path) -> None:
    (tmp_path / "x/model").mkdir(parents=True)
    (tmp_path / "x/config.yaml").write_bytes(b"task: char\nname: \xff\n")
    with pytest.raises(ConfigError) as caught:
        read_settings(tmp_path / "x/config.yaml")
    assert caught.value.problems[0].place == f"{tmp_path}/x/config.yaml:2"


def test_json_file_is_read_as_a_config(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(
        '{"task": "char",\n "data": {"pairs": [["ab", "ba"]], "alphabet": null},\n'
        ' "training": {"epochs": 1, "lr": 1e-3}}'
    )
    assert read_settings(path).settings.training.lr == 1e-3


def test_reading_a_config_imports_neither_torch_nor_numpy() -> None:
    code = "from seqtool.config.load import read_settings; read_settings('configs/hihell.yaml')"
    code += "; import sys; print({'torch', 'numpy'} & set(sys.modules))"
    root = Path(__file__).parent.parent.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
