"""`runs` command: list, deletion and comparison of runs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from seqtool.storage.model_directory import write_model
from seqtool.storage.run_directory import RunDirectory
from seqtool.storage.run_list import list_runs, plan_removals, remove_runs
from tests.support.shell import Result, seqtool_in_process
from tests.support.unreadable import unreadable

CONFIG = "task: char\nname: {name}\ndata: {{alphabet: ab}}\nmodel: {{hidden_size: {hidden}}}\n"


def make_run(folder: Path, age: float, hidden: int = 4, task: str = "char", **facts: object) -> None:
    """Make a finished run with an arbitrary network."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG.format(name=folder.name.partition(".")[0], hidden=hidden))
    write_model(
        folder / "model",
        {"task": task},
        {},
        {"w": np.zeros((hidden, 3), np.float32)},
        {"kind": "text", **facts},
    )
    os.utime(folder / "model/manifest.json", (1e9 - age, 1e9 - age))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "runs"
    make_run(
        root / "old",
        900,
        scores={"val_loss": 2.0, "train_loss": 1.5},
        test_scores={"test_loss": 2.1},
        seconds=61.2,
    )
    make_run(root / "new", 10, hidden=8, scores={"val_loss": 1.75, "train_loss": 1.5}, seconds=61.2)
    make_run(root / "names/seed-1", 100, task="tagger", scores={"val_accuracy": 0.95, "val_f1": 0.5})
    make_run(root / "names/seed-2", 200, task="tagger", scores={"val_accuracy": 0.95})
    make_run(root / "old/seed-1", 901)
    make_run(root / "going.partial", 5)
    (root / "started.partial").mkdir()
    (root / ".cache").mkdir()
    (root / "mine").mkdir()
    (root / "mine/notes.txt").write_text("the user's own")
    (root / "broken/model").mkdir(parents=True)
    (root / "broken/model/manifest.json").write_text("{}")
    return root


def call(root: Path, *arguments: str) -> Result:
    return seqtool_in_process("runs", *arguments, cwd=root.parent)


def test_list_shows_the_newest_first_with_scores_and_states(root: Path) -> None:
    done = call(root)
    assert (done.code, done.stderr) == (0, "")
    rows = {line.split()[0]: line.split("  ") for line in done.lines if line}
    newest_first = [
        name for name in rows if name in ("old", "old/seed-1", "new", "names/seed-1", "names/seed-2")
    ]
    assert newest_first == ["new", "names/seed-1", "names/seed-2", "old", "old/seed-1"]
    cells = {name: [cell.strip() for cell in row if cell] for name, row in rows.items()}
    assert cells["old"][1:3] == ["char", "loss 2.0000"]
    assert cells["names/seed-1"][1:3] == ["tagger", "F1 50.00"]
    assert cells["names/seed-2"][1:3] == ["tagger", "accuracy 95.00%"]
    assert cells["going.partial"][1:3] == ["char", "unfinished"]
    assert cells["broken"][2] == "damaged"
    assert "mine" not in cells
    assert ".cache" not in cells


def test_json_list_contains_scores_and_size(root: Path) -> None:
    value = json.loads(call(root, "--json").stdout)
    assert (value["version"], value["root"]) == (1, "runs")
    old = next(run for run in value["runs"] if run["name"] == "old")
    assert old["scores"] == {"val_loss": 2.0, "train_loss": 1.5, "test_loss": 2.1}
    assert (old["task"], old["state"], old["parameters"], old["modified"]) == (
        "char",
        "finished",
        12,
        1e9 - 900,
    )
    assert old["bytes"] == sum(path.stat().st_size for path in (root / "old").rglob("*") if path.is_file())


def test_list_skips_and_names_directories_that_cannot_be_read(root: Path) -> None:
    with unreadable(root / "old"):
        done = call(root)
    assert done.code == 0
    assert done.stderr == "warning: skipped runs/old: cannot read: Permission denied\n"
    assert [line.partition(" ")[0] for line in done.lines[1:]].count("new") == 1
    assert not any(line.startswith("old") for line in done.lines)
    with unreadable(root):
        done = call(root)
    assert (done.code, done.stdout) == (2, "")
    assert "runs  cannot read: Permission denied" in done.stderr


@pytest.mark.parametrize("private", ["", "old", "old/model", "started.partial", "names"])
@pytest.mark.parametrize(
    "line", ["rm --yes old", "rm --yes --checkpoints old", "rm --yes names", "rm --yes started.partial"]
)
def test_rm_of_a_directory_of_another_user_is_one_error(line: str, private: str, root: Path) -> None:
    with unreadable(root / private):
        done = call(root, *line.split())
    if done.code != 0:  # the run itself can be read
        assert (done.code, done.stdout) == (2, "")
        assert done.stderr.startswith("error: ") and "Permission denied\n" in done.stderr


def test_compare_refuses_a_config_that_is_a_link(root: Path) -> None:
    (root / "old/config.yaml").unlink()
    (root / "old/config.yaml").symlink_to("/etc/passwd")
    done = call(root, "compare", "old", "new")
    assert (done.code, done.stdout) == (2, "")
    assert "expected a plain file, found a symbolic link" in done.stderr


def test_list_without_runs_names_the_next_command(tmp_path: Path) -> None:
    done = seqtool_in_process("runs", cwd=tmp_path)
    assert done.code == 0 and done.stdout.startswith("pretrained ")
    assert "no runs under runs; train one: seqtool init --example hihell" in done.stderr


def test_rm_deletes_runs_seeds_and_unfinished_runs(root: Path) -> None:
    done = call(root, "rm", "--yes", "old", "names/seed-1", "started.partial")
    assert done.code == 0
    assert [line.split(",")[0] for line in done.lines] == [
        "removed old",
        "removed names/seed-1",
        "removed started.partial",
    ]
    assert {entry.name for entry in list_runs(root)} == {"new", "names/seed-2", "going.partial", "broken"}
    assert json.loads(call(root, "rm", "--yes", "names", "--json").stdout)["removed"][0]["name"] == "names"
    assert not list(root.glob(".*removed*"))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        pytest.param("ol", "runs here: ", id="misspelled"),
        pytest.param("going", "the unfinished run is going.partial", id="unfinished"),
        pytest.param("mine", "runs here: ", id="the user's own folder"),
        pytest.param(".", "runs here: ", id="the root"),
        pytest.param("..", "runs here: ", id="above the root"),
        pytest.param("/", "runs here: ", id="everything"),
        pytest.param(".cache", "runs here: ", id="the cache"),
    ],
)
def test_rm_deletes_nothing_if_one_name_is_not_a_run(name: str, hint: str, root: Path) -> None:
    before = sorted(root.rglob("*"))
    done = call(root, "rm", "--yes", "new", name)
    assert (done.code, done.stdout) == (2, "")
    assert "no run of this name" in done.stderr
    assert hint in done.stderr
    assert sorted(root.rglob("*")) == before


def test_rm_checkpoints_deletes_only_the_checkpoints_of_finished_runs(root: Path) -> None:
    for run in ("old", "names/seed-1", "going.partial"):
        checkpoint = root / run / "checkpoints" / "000003"
        checkpoint.mkdir(parents=True)
        (checkpoint / "state.json").write_bytes(bytes(2048))
    run = next(run for run in json.loads(call(root, "--json").stdout)["runs"] if run["name"] == "old")
    assert run["checkpoint_bytes"] == 2048
    (line,) = (line for line in call(root).lines if line.startswith("old "))
    assert "2.0 kB" in line or "2 kB" in line, line
    refused = call(root, "rm", "--yes", "--checkpoints", "old", "going.partial")
    assert refused.code == 2
    assert "this run is not finished" in refused.stderr
    assert (root / "old/checkpoints/000003/state.json").exists()
    done = call(root, "rm", "--yes", "--checkpoints", "old", "names")
    assert done.code == 0, done.stderr
    assert [line.split(",")[0] for line in done.lines] == [
        "removed the checkpoints of old",
        "removed the checkpoints of names",
    ]
    left = {path.parent.relative_to(root).as_posix() for path in root.rglob("checkpoints")}
    assert left == {"going.partial"}
    assert (root / "old/model/manifest.json").exists()


def test_rm_checkpoints_without_a_terminal_needs_yes(root: Path) -> None:
    state = root / "old/checkpoints/000003/state.json"
    state.parent.mkdir(parents=True)
    state.write_bytes(bytes(2048))
    before = sorted(root.rglob("*"))
    done = call(root, "rm", "--checkpoints", "old")
    assert (done.code, done.stdout) == (2, "")
    assert "old, 2" in done.stderr and "seqtool runs rm --yes --checkpoints old" in done.stderr
    assert sorted(root.rglob("*")) == before
    assert call(root, "rm", "--checkpoints", "old", "--yes").code == 0
    assert not state.parent.parent.exists() and (root / "old/model/manifest.json").exists()


def test_rm_refuses_a_run_that_is_being_trained(root: Path) -> None:
    run = RunDirectory(root, "busy")
    run.start()
    (run.path / "config.yaml").touch()
    try:
        assert next(entry.state for entry in list_runs(root) if entry.name == "busy.partial") == "running"
        done = call(root, "rm", "--yes", "busy.partial")
        assert done.code == 2
        assert "is being trained" in done.stderr
        (run.path / "metrics.jsonl").write_text("{}\n")
    finally:
        run.release()
    assert next(entry.state for entry in list_runs(root) if entry.name == "busy.partial") == "unfinished"
    assert [name for name, _ in remove_runs(plan_removals(["busy.partial"], root))] == ["busy.partial"]


def test_rm_does_not_follow_a_link(root: Path, tmp_path: Path) -> None:
    make_run(tmp_path / "elsewhere/run", 1)
    (root / "link").symlink_to(tmp_path / "elsewhere/run")
    assert call(root, "rm", "--yes", "link").code == 2
    assert (tmp_path / "elsewhere/run/model").is_dir()


def test_compare_shows_differences_of_scores_and_settings(root: Path) -> None:
    done = call(root, "compare", "old", "new")
    assert (done.code, done.stderr) == (0, "")
    rows = {line.split()[0]: line.split()[1:] for line in done.lines[1:]}
    assert done.lines[0].split() == ["old", "new", "difference"]
    assert rows["val_loss"] == ["2.0000", "1.7500", "-0.2500"]
    assert rows["test_loss"] == ["2.1000", "-"]
    assert rows["parameters"] == ["12", "24"]
    assert rows["model.hidden_size"] == ["4", "8"]
    assert "seconds" not in rows  # the same in both
    value = json.loads(call(root, "compare", "old", "new", "--json").stdout)
    assert value["differences"] == {"name": ["old", "new"], "model.hidden_size": [4, 8]}
    assert [run["name"] for run in value["runs"]] == ["old", "new"]


def test_compare_accepts_a_model_directory(root: Path) -> None:
    done = call(root, "compare", "names/seed-1", "runs/names/seed-2/model")
    assert done.code == 0
    assert any(line.split() == ["val_accuracy", "95.00%", "95.00%", "+0.00"] for line in done.lines)
    assert call(root, "compare", "old", "gone").code == 2
