"""Character network of the lecture on the command line: training, kept model, prediction and inspection."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.shell import PROJECT, Result, in_terminal, seqtool, start

HIHELL = PROJECT / "configs/hihell.yaml"
ROWS = (
    "1.658 llllol · 1.500 llllll · 1.387 llllll · 1.260 ililll · "
    "1.152 ililll · 1.047 ililll · 0.926 ililll · 0.808 ililll · "
    "0.698 ehello · 0.601 ehello · 0.522 ehello · 0.455 ehello · 0.397 ehello · 0.348 ehello · 0.312 ihello"
)
TABLE = [
    "epoch\tloss\tprediction",
    *("\t".join([str(epoch), *row.split()]) for epoch, row in enumerate(ROWS.split(" · "), 1)),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hihell")


@pytest.fixture(scope="module")
def trained(folder: Path) -> Result:
    return seqtool("train-char", HIHELL, cwd=folder)


def test_table_equals_that_of_the_notebook(trained: Result) -> None:
    assert trained.code == 0, trained.stderr
    assert trained.lines == TABLE


def test_data_network_and_next_command_are_on_stderr(trained: Result) -> None:
    told = trained.stderr
    assert "Elman RNN character model, 69 parameters" in told
    assert re.search(r"input +one-hot of 5 symbols: h i e l o\n", told)
    assert re.search(r"layer 1 +rnn \(tanh\) 5 -> 4 +44\n", told)
    assert re.search(r"output +linear 4 -> 5 +25\n", told)
    assert re.search(r"device +cpu, \d+ threads?\n", told)
    assert told.splitlines()[-2:] == ["model: runs/hihell/model", "next: seqtool predict hihell"]


def test_run_directory_contains_the_documented_files(trained: Result, folder: Path) -> None:
    run = folder / "runs/hihell"
    assert trained.code == 0
    assert {"config.yaml", "metrics.jsonl", "samples.jsonl", "evaluation.json", "model"} <= {
        entry.name for entry in run.iterdir()
    }
    assert sorted(entry.name for entry in (run / "model").iterdir()) == [
        "config.json",
        "manifest.json",
        "vocab.json",
        "weights.safetensors",
    ]
    manifest = json.loads((run / "model/manifest.json").read_text())
    assert (manifest["epoch"], manifest["seed"], manifest["device"]) == (15, 777, "cpu")
    assert (
        f"{manifest['scores']['train_loss']:.3f}" == "0.312"
    )  # row 15 of the notebook, not the state after one more update
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    samples = [json.loads(line) for line in (run / "samples.jsonl").read_text().splitlines()]
    rows = [
        f"{row['epoch']}\t{row['train_loss']:.3f}\t{sample['text']}"
        for row, sample in zip(metrics, samples, strict=True)
    ]
    assert rows == TABLE[1:]
    assert {"step", "epoch", "seconds", "lr", "train_loss"} <= metrics[0].keys()


def test_kept_model_predicts_the_text_of_its_row(trained: Result, folder: Path) -> None:
    assert trained.code == 0
    found = seqtool("predict", "hihell", "hihel", cwd=folder)
    assert (found.code, found.lines) == (0, ["ihello", "ihell"])
    assert found.stderr == "model: runs/hihell (the newest)\n"
    assert seqtool("predict", cwd=folder, stdin="hihell\n").lines == ["ihello"]


def test_unknown_symbol_is_named_with_the_alphabet(trained: Result, folder: Path) -> None:
    assert trained.code == 0
    found = seqtool("predict", "--model", "hihell", "hixell", cwd=folder)
    assert (found.code, found.stdout) == (2, "")
    assert found.stderr == (
        "error: symbol 'x' (U+0078) at position 3 is not in the alphabet\n hint: the alphabet is: h i e l o\n"
    )


def test_resolved_config_repeats_the_run_byte_for_byte(trained: Result, folder: Path, tmp_path: Path) -> None:
    assert trained.code == 0
    again = seqtool("train-char", folder / "runs/hihell/config.yaml", cwd=tmp_path)
    assert again.lines == TABLE
    for name in ("model/weights.safetensors", "model/vocab.json", "model/config.json", "config.yaml"):
        assert (tmp_path / "runs/hihell" / name).read_bytes() == (
            folder / "runs/hihell" / name
        ).read_bytes(), name


def test_terminal_colors_right_and_wrong_symbols(tmp_path: Path) -> None:
    shown = in_terminal("train-char", HIHELL, cwd=tmp_path, columns=80)
    assert shown.code == 0
    last = next(line for line in shown.stdout.splitlines() if "0.312" in line and "best" not in line)
    first = next(line for line in shown.stdout.splitlines() if "1.658" in line)
    assert last.count("\x1b[32m") == 6
    assert (first.count("\x1b[1;4;31m"), first.count("\x1b[32m")) == (5, 1)  # one l of llllol is right
    plain = in_terminal("train-char", HIHELL, cwd=tmp_path, NO_COLOR="1").stdout
    assert "ihello" in plain
    assert "\x1b[3" not in plain


def test_json_is_one_object_and_the_rows_go_to_stderr(tmp_path: Path) -> None:
    found = seqtool(
        "train-char",
        HIHELL,
        "--json",
        "--runs-dir",
        "elsewhere",
        "--name",
        "one",
        "--seed",
        "5",
        cwd=tmp_path,
    )
    (line,) = found.lines
    value = json.loads(line)
    assert (value["run"], value["model"], value["epoch"]) == (
        "elsewhere/one",
        "elsewhere/one/model",
        value["epoch"],
    )
    assert value["parameters"] == 69
    assert set(value["scores"]) == {"train_loss"}
    assert "epoch\tloss\tprediction" in found.stderr
    assert json.loads((tmp_path / "elsewhere/one/model/manifest.json").read_text())["seed"] == 5


def test_several_seeds_end_with_mean_and_deviation(tmp_path: Path) -> None:
    found = seqtool("train-char", HIHELL, "--seeds", "3", "--json", "--quiet", cwd=tmp_path)
    value = json.loads(found.stdout)
    losses = [run["scores"]["train_loss"] for run in value["runs"]]
    assert [Path(run["run"]).name for run in value["runs"]] == ["seed-777", "seed-778", "seed-779"]
    assert value["mean"]["train_loss"] == pytest.approx(sum(losses) / 3)
    assert found.stderr == ""
    # Runs inside another run are never the newest, and the root contains no other run.
    assert seqtool("predict", "hihell", cwd=tmp_path).code == 2


def test_closed_pipe_does_not_end_training(tmp_path: Path) -> None:
    process = start("train-char", HIHELL, cwd=tmp_path)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) == 0
    assert (tmp_path / "runs/hihell/model/manifest.json").is_file()


def test_another_pair_trains_or_names_the_key_to_change(tmp_path: Path) -> None:
    other = "data.pairs=[[hallo, alloh]]"
    refused = seqtool("train-char", HIHELL, "--set", other, cwd=tmp_path)
    assert refused.code == 2
    assert 'the symbol "a" is not in data.alphabet' in refused.stderr
    works = seqtool(
        "train-char", HIHELL, "--set", other, "--set", "data.alphabet=halo", "--quiet", cwd=tmp_path
    )
    assert works.lines[-1].endswith("\talloh")


def test_symbols_are_strings_however_yaml_reads_them(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        "task: char\ndata:\n  pairs: [[no, on], [yes, sey], [1, 2]]\n  alphabet: [n, o, y, e, s, 1, 2]\n"
        "training: {epochs: 1, device: cpu}\n"
    )
    found = seqtool("train-char", "p.yaml", cwd=tmp_path)
    assert found.code == 0, found.stderr
    assert "one-hot" not in found.stderr
    assert "symbols: n o y e s 1 2" in found.stderr


def test_inspect_prints_the_first_step_of_the_cell_in_numbers(tmp_path: Path) -> None:
    found = seqtool("inspect", PROJECT / "configs/hello.yaml", "--text", "hello", cwd=tmp_path)
    assert found.code == 0, found.stderr
    assert re.search(r"input +1x5x4", found.stdout)
    assert re.search(r"output +1x5x2", found.stdout)
    assert re.search(r"final state +1x1x2", found.stdout)
    assert re.search(r"o +0 0 0 1 +-0.7762 +0.8319\n", found.stdout)
    assert "the last output equals the final state: [-0.7762, 0.8319]\n" in found.stdout
    assert "W_ih x + b_ih   = [-0.5913, 0.5393] + [-0.5527, 0.1716]" in found.stdout
    assert not list(tmp_path.iterdir())  # `inspect` writes no files


def test_config_without_data_is_refused_by_training(tmp_path: Path) -> None:
    found = seqtool("train-char", PROJECT / "configs/hello.yaml", cwd=tmp_path)
    assert found.code == 2
    assert "there is nothing to train on" in found.stderr
    assert "seqtool inspect CONFIG --text TEXT" in found.stderr


def test_inspect_shows_a_trained_run(trained: Result, folder: Path) -> None:
    assert trained.code == 0
    shown = seqtool("inspect", "hihell", "--text", "hihell", cwd=folder)
    for expected in (
        "69 parameters",
        "symbols    5: h i e l o",
        "train_loss 0.3120 (epoch 15, step 15)",
        "train_loss over epochs",
    ):
        assert expected in shown.stdout
    shown = seqtool("inspect", folder / "runs/hihell/model", cwd=Path("/"))
    assert shown.stdout.count("train_loss over epochs") == 1
