"""`init` and `schema`: written configs equal the settings of training; files of the user are not replaced."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from seqtool.config.load import read_settings
from seqtool.config.reference import json_schema
from seqtool.init.config import example_names
from seqtool.tasks.interface import DataFiles
from seqtool.tasks.suggest_character import suggest_character
from seqtool.tasks.suggest_tagger import suggest_tagger
from tests.support.shell import PROJECT, seqtool_in_process

SENTENCES = "The\tDET\ndog\tNN\n\nA\tDET\ncat\tNN\n\n" * 5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my words.conll").write_text(SENTENCES)
    (tmp_path / "notes.txt").write_text("A text of some length.\nAnd a line.\n" * 40)
    return tmp_path


def test_init_writes_a_tagger_config_for_a_file(folder: Path) -> None:
    done = seqtool_in_process("init", "tagger", "my words.conll", cwd=folder)
    assert (done.code, done.lines) == (0, ["my-words.yaml", "seqtool-schema.json"])
    assert done.stderr.splitlines()[-1] == "next: seqtool train-tagger my-words.yaml"
    written = (folder / "my-words.yaml").read_text()
    assert written.startswith("# yaml-language-server: $schema=seqtool-schema.json\n")
    assert json.loads((folder / "seqtool-schema.json").read_text()) == json_schema()
    settings = read_settings(folder / "my-words.yaml").settings
    assert settings.data.train == (str(folder / "my words.conll"),)  # type: ignore[union-attr]


def test_written_config_equals_the_suggested_settings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The written config equals the suggested settings, which training a data file uses."""
    monkeypatch.chdir(folder)
    for task, data, suggestion in (
        ("tagger", "my words.conll", suggest_tagger(DataFiles(Path("my words.conll")))),
        ("char", "notes.txt", suggest_character(Path("notes.txt"))),
    ):
        done = seqtool_in_process("init", task, data, "--json", cwd=folder)
        value = json.loads(done.stdout)
        assert (folder / value["config"]).read_text() == suggestion.yaml
        assert value["next"] == f"seqtool train-{task} {value['config']}"
        assert set(value) == {"version", "config", "written", "next"}


def test_config_names_dev_and_test_files(folder: Path) -> None:
    (folder / "d.conll").write_text(SENTENCES)
    assert (
        seqtool_in_process(
            "init", "tagger", "my words.conll", "--dev", "d.conll", "--test", "d.conll", cwd=folder
        ).code
        == 0
    )
    text = (folder / "my-words.yaml").read_text()
    data = yaml.safe_load(text)["data"]
    assert (data["dev"], data["test"]) == ("d.conll", "d.conll")
    assert "split" not in data


CONLLU = "# text = Dogs run\n1\tDogs\t_\tNOUN\t_\t_\t2\tnsubj\t_\t_\n2\trun\t_\tVERB\t_\t_\t0\troot\t_\t_\n\n"
DATA_FILES = {
    "columns.conll": SENTENCES.encode(),
    "few.conll": b"The\tDET\ndog\tNN\n\n",
    "spans.conll": ("Anna\tB-PER\n" + "sings\tO\n" * 40 + "\n").encode() * 60,
    "trees.conllu": CONLLU.encode() * 10,
    "records.jsonl": b'{"tokens": ["The", "dog"], "labels": ["DET", "NN"]}\n' * 10,
    "notes.txt": b"A text of some length.\nAnd a line.\n" * 40,
    "names.txt": b"anna\nbo\ncarla\n" * 200,
    "wide.txt": ("A text of some length.\n" * 40).encode("utf-16"),
    "rare.txt": ("A text. " * 100 + "".join(map(chr, range(0x4E00, 0x4F00)))).encode(),
    "latin.txt": ("L'été, la fête du garçon a été très agréable. Où étiez-vous ?\n" * 40).encode("cp1252"),
}


@pytest.mark.parametrize(
    "arguments",
    [
        *(["tagger" if "." in name and not name.endswith(".txt") else "char", name] for name in DATA_FILES),
        ["tagger", "columns.conll", "--dev", "few.conll", "--test", "few.conll"],
        ["tagger"],
        ["char"],
    ],
    ids=" ".join,
)
def test_every_setting_of_a_written_config_has_a_comment(arguments: list[str], tmp_path: Path) -> None:
    for name, content in DATA_FILES.items():
        (tmp_path / name).write_bytes(content)
    done = seqtool_in_process("init", *arguments, cwd=tmp_path)
    assert done.code == 0, done.stderr
    lines = (tmp_path / done.lines[0]).read_text(encoding="utf-8").splitlines()
    settings = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    assert len(settings) > 15
    assert [line for line in settings if not line.endswith(":") and " # " not in line] == []


@pytest.mark.parametrize("task", ["char", "tagger"])
def test_template_is_valid_and_names_the_placeholder(task: str, tmp_path: Path) -> None:
    done = seqtool_in_process("init", task, cwd=tmp_path)
    assert done.code == 0
    assert done.stderr.startswith("replace t")
    assert "by the name of your file" in done.stderr
    read = read_settings(tmp_path / done.lines[0])
    assert read.settings.task == task
    assert read.notes == ()


def test_files_of_the_user_are_not_replaced(folder: Path) -> None:
    (folder / "notes.yaml").write_text("task: char\n")
    done = seqtool_in_process("init", "char", "notes.txt", cwd=folder)
    assert (done.code, done.stdout) == (2, "")
    assert "notes.yaml  this file exists and has other content" in done.stderr
    assert (folder / "notes.yaml").read_text() == "task: char\n"
    assert not (folder / "seqtool-schema.json").exists()
    assert seqtool_in_process("init", "char", "notes.txt", "--overwrite", cwd=folder).code == 0
    again = seqtool_in_process("init", "char", "notes.txt", cwd=folder)
    assert (again.code, again.stdout) == (0, "")
    assert "notes.yaml exists already with this content" in again.stderr


@pytest.mark.parametrize("name", example_names())
def test_examples_are_the_shipped_files(name: str, tmp_path: Path) -> None:
    done = seqtool_in_process("init", "--example", name, cwd=tmp_path)
    assert done.code == 0
    assert done.lines[:2] == [f"configs/{name}.yaml", "configs/schema.json"]
    for path in done.lines:
        assert (tmp_path / path).read_bytes() == (PROJECT / path).read_bytes()
    assert f"configs/{name}.yaml" in done.stderr.splitlines()[-1]
    data = read_settings(tmp_path / f"configs/{name}.yaml").settings.data
    assert data.source or all(Path(path).is_file() for path in getattr(data, "train", ()))


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        pytest.param([], "expected a task or --example", "seqtool init char TEXT", id="nothing"),
        pytest.param(
            ["my words.conll"], "expected char or tagger", "seqtool init tagger my words.conll", id="no task"
        ),
        pytest.param(
            ["notes.txt"], "expected char or tagger", "seqtool init char notes.txt", id="no task, a text"
        ),
        pytest.param(["taggr"], "expected char or tagger", "seqtool init char TEXT, or", id="misspelt task"),
        pytest.param(
            ["--example", "hihel"], "no shipped example", "did you mean hihell?", id="misspelt example"
        ),
        pytest.param(
            ["--example", "zzz"],
            "no shipped example",
            "there are chunking, enwik8, ewt",
            id="no such example",
        ),
        pytest.param(
            ["char", "--example", "hihell"],
            "takes no task",
            "seqtool init --example hihell",
            id="task and example",
        ),
        pytest.param(
            ["char", "notes.txt", "--dev", "notes.txt"],
            "--dev and --test are options for taggers only",
            "init tagger",
            id="dev of a text",
        ),
        pytest.param(
            ["char", "gone.txt"],
            "gone.txt  there is no such file",
            "did you mean notes.txt?",
            id="no such file",
        ),
        pytest.param(["tagger", "notes.txt"], "notes.txt", "", id="no labels"),
    ],
)
def test_usage_errors_exit_2_with_message_and_hint(
    arguments: list[str], message: str, hint: str, folder: Path
) -> None:
    done = seqtool_in_process("init", *arguments, cwd=folder)
    assert (done.code, done.stdout) == (2, "")
    assert message in done.stderr
    assert hint in done.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["my words.conll", "notes.txt"]


def test_schema_is_the_committed_copy(tmp_path: Path) -> None:
    done = seqtool_in_process("schema", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout == (PROJECT / "configs/schema.json").read_text(encoding="utf-8")
