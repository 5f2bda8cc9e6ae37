"""`config show` and `config diff`: settings of training and their origins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seqtool.config.dump import differences, find_config, resolve, settings_with_origins
from seqtool.config.load import parse_settings, read_settings
from seqtool.settings.model import STANDARD_FEATURES
from tests.support.shell import PROJECT, seqtool_in_process

CONFIGS = sorted((PROJECT / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=[path.stem for path in CONFIGS])
def test_show_prints_yaml_that_reads_as_the_resolved_settings(path: Path) -> None:
    done = seqtool_in_process("config", "show", path, "--set", "seed=5", cwd=PROJECT)
    assert (done.code, done.stderr) == (0, "")
    read = read_settings(path, ["seed=5"])
    assert parse_settings(done.stdout, name="shown", folder=PROJECT).settings == resolve(read.settings)
    for one in settings_with_origins(read):
        name = one.key.rpartition(".")[2]
        assert any(
            line.strip().startswith(f"{name}:") and line.endswith(f"  # {one.origin}") for line in done.lines
        )


def test_show_prints_the_origin_of_each_setting(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "task: tagger\ndata:\n  train: t.conll\nmodel:\n  dropout: 0.4\n  dropout_output: 0.1\n"
    )
    done = seqtool_in_process(
        "config", "show", "a.yaml", "--set", "training.epochs=3", "--json", cwd=tmp_path
    )
    value = json.loads(done.stdout)
    assert (value["version"], value["config"], value["task"]) == (1, "a.yaml", "tagger")
    found = value["settings"]
    assert found["data.train"] == {"value": [str(tmp_path / "t.conll")], "from": "a.yaml:3"}
    assert found["training.epochs"] == {"value": 3, "from": "--set"}
    assert found["training.lr"] == {"value": 0.003, "from": "default"}
    assert found["model.dropout_input"] == {"value": 0.4, "from": "dropout, a.yaml:5"}
    assert found["model.dropout_output"] == {"value": 0.1, "from": "a.yaml:6"}
    assert found["model.features"]["from"] == "preset standard, default"
    assert [feature["name"] for feature in found["model.features"]["value"]] == [
        feature.name for feature in STANDARD_FEATURES
    ]


def test_show_of_a_data_file_prints_the_suggested_settings(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("a\tX\n\nb\tY\n\n" * 10)
    done = seqtool_in_process("config", "show", "a.conll", cwd=tmp_path)
    assert done.code == 0
    assert "  train: a.conll                              # suggested" in done.lines


def test_show_finds_a_run_by_its_name(tmp_path: Path) -> None:
    run = tmp_path / "runs/mine"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text("task: char\nname: mine\ndata: {alphabet: ab}\n")
    for reference in ("mine", "runs/mine", "runs/mine/config.yaml"):
        done = seqtool_in_process("config", "show", reference, cwd=tmp_path)
        assert "name: mine                                    # runs/mine/config.yaml:2" in done.lines
    assert find_config(Path("other"), tmp_path / "runs") == Path("other")


def test_notes_about_settings_without_effect_are_on_stderr(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "task: char\ndata: {alphabet: ab}\nmodel: {cell: lstm, nonlinearity: relu}\n"
    )
    done = seqtool_in_process("config", "show", "a.yaml", cwd=tmp_path)
    assert done.code == 0
    assert done.stderr.startswith("note: ")


def test_diff_prints_the_settings_that_differ() -> None:
    done = seqtool_in_process("config", "diff", "configs/ewt.yaml", "configs/wnut17.yaml", cwd=PROJECT)
    assert (done.code, done.stderr) == (0, "")
    rows = {line.split("  ")[0]: [cell for cell in line.split("  ") if cell][1:] for line in done.lines[1:]}
    assert [cell.strip() for cell in rows["model.hidden_size"]] == ["160", "128"]
    assert "model.dropout" in rows
    assert "model.dropout_input" not in rows  # set by `dropout` in both configs
    assert "model.cell" not in rows
    value = json.loads(
        seqtool_in_process(
            "config", "diff", "configs/ewt.yaml", "configs/wnut17.yaml", "--json", cwd=PROJECT
        ).stdout
    )
    assert set(value["differences"]) == set(rows)
    assert value["differences"]["model.dropout"] == [
        {"value": 0.4, "from": f"configs/ewt.yaml:{line_of('dropout: 0.4', 'configs/ewt.yaml')}"},
        {"value": 0.5, "from": f"configs/wnut17.yaml:{line_of('dropout: 0.5', 'configs/wnut17.yaml')}"},
    ]


def line_of(text: str, path: str) -> int:
    """Return the number of the first line that contains a text, from 1."""
    lines = (PROJECT / path).read_text(encoding="utf-8").splitlines()
    return 1 + next(number for number, line in enumerate(lines) if text in line)


def test_diff_compares_configs_of_different_tasks_and_equal_configs() -> None:
    first, second = (read_settings(PROJECT / "configs" / name) for name in ("hihell.yaml", "toy_tagger.yaml"))
    found = {one.key: one for one in differences(first, second)}
    assert found["data.pairs"].second is None
    assert found["data.train"].first is None
    assert found["data.pairs"].first is not None
    assert differences(first, first) == []
    done = seqtool_in_process("config", "diff", "configs/hihell.yaml", "configs/hihell.yaml", cwd=PROJECT)
    assert (done.code, done.stdout, done.stderr) == (0, "", "no setting differs\n")


def test_show_prints_lists_and_weights_in_words(tmp_path: Path) -> None:
    head = "task: tagger\ndata: {train: a.conll}\n"
    (tmp_path / "a.yaml").write_text(
        head
        + "training: {epochs: 1, class_weights: {X: 2, Y: 1}}\nmodel: {features: [{name: form, dim: 3}]}\n"
    )
    (tmp_path / "b.yaml").write_text(head + "training: {epochs: 1}\n")
    done = seqtool_in_process("config", "diff", "a.yaml", "b.yaml", cwd=tmp_path)
    text = "\n".join(" ".join(line.split()) for line in done.lines)
    assert "model.features 1 feature: form 3 10 features: lower 96, form 48," in text
    assert "training.class_weights X: 2.0, Y: 1.0 none" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["show", "gone.yaml"], "gone.yaml  there is no such file", id="no file"),
        pytest.param(
            ["show", "configs/hihell.yaml", "--set", "training.lrr=1"], "did you mean lr?", id="misspelt key"
        ),
        pytest.param(["show"], "Missing argument 'CONFIG'", id="no argument"),
        pytest.param(["diff", "configs/hihell.yaml"], "Missing argument 'OTHER'", id="one config"),
        pytest.param(["sho"], "No such command 'sho'", id="misspelt command"),
    ],
)
def test_usage_errors_exit_2_with_place_and_message(arguments: list[str], message: str) -> None:
    done = seqtool_in_process("config", *arguments, cwd=PROJECT)
    assert (done.code, done.stdout) == (2, "")
    assert message in done.stderr


def test_group_without_command_prints_its_help() -> None:
    done = seqtool_in_process("config", cwd=PROJECT)
    assert done.code == 2
    assert "show" in done.stdout + done.stderr
    assert "error" not in done.stderr
