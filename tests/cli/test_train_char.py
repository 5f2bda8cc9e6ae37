"""Character models on the command line: running text, lines and bytes, with warnings and evaluations."""

from __future__ import annotations

import json
import math
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from seqtool.config.load import read_settings
from seqtool.data.text.splits import split_ends
from seqtool.settings.experiment import CharSettings
from tests.support.shell import PROJECT, Result, in_terminal, seqtool, seqtool_in_process

COLUMNS = "epoch step train|train bits|carried|carried bits|blocks 25|lr|grad|chars/s|time|left|prediction"
SMALL = ["--set", "model.hidden_size=12", "--set", "model.embedding_dim=8"]
TEXT = """\
task: char
name: verse
data: {text: verse.txt}
model: {hidden_size: 12, embedding_dim: 8, dropout: 0.1, state_reset: 0.1}
training: {epochs: 2, batch_size: 4, window: 20, eval_block: 25, device: cpu}
"""


def verse(lines: int, seed: int = 0) -> str:
    """Return sentences of a small grammar."""
    draw = random.Random(seed)
    parts = (
        ("the old sea", "a bird", "my heart"),
        ("sings of", "turns to", "forgets"),
        ("rain.", "the hills.", "1 song!"),
    )
    return "".join(" ".join(draw.choice(part) for part in parts).capitalize() + "\n" for _ in range(lines))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verse")
    (folder / "verse.txt").write_text(verse(120))
    (folder / "verse.yaml").write_text(TEXT)
    names = random.Random(1)
    (folder / "names.txt").write_text(
        "\n".join("".join(names.choices("abcdeilmnor", k=names.randint(3, 8))) for _ in range(400))
    )
    return folder


@pytest.fixture(scope="module")
def trained(folder: Path) -> Result:
    return seqtool("train-char", "verse.yaml", cwd=folder)


@pytest.fixture(scope="module")
def evaluated(trained: Result, folder: Path) -> dict[str, Any]:
    found = seqtool_in_process(
        "evaluate", "verse", "--block", "25", "--fit-temperature", "--json", cwd=folder
    )
    assert (trained.code, found.code) == (0, 0), found.stderr
    return dict(json.loads(found.stdout))


# --- what is printed ----------------------------------------------------------------------------------------


def test_row_has_losses_in_nats_and_bits_named_by_protocol(trained: Result, folder: Path) -> None:
    header, *rows = trained.lines
    assert header.replace("\t", " ") == COLUMNS.replace("|", " ")
    metrics = [json.loads(line) for line in (folder / "runs/verse/metrics.jsonl").read_text().splitlines()]
    assert len(rows) == len(metrics) == 2
    for row, saved in zip(rows, metrics, strict=True):
        cells = dict(zip(header.split("\t"), row.split("\t"), strict=True))
        assert cells["train"] == f"{saved['train_loss']:.3f}"
        assert cells["train bits"] == f"{saved['train_loss'] / math.log(2):.3f}"
        assert cells["carried"] == f"{saved['val_loss']:.4f}"
        assert cells["carried bits"] == f"{saved['val_bits_per_char']:.3f}"
        assert cells["blocks 25"] == f"{saved['val_loss_blocks']:.4f}"
        assert cells["lr"] == f"{saved['lr']:.1e}"
        assert float(cells["grad"]) > 0
        assert float(cells["chars/s"].replace(",", "")) > 0
        assert cells["prediction"]
    assert rows[-1].split("\t")[-2] == "0.0s"


def test_narrow_terminal_shows_every_number(folder: Path) -> None:
    shown = in_terminal("train-char", "verse.yaml", "--name", "narrow", cwd=folder, columns=60)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.stdout)
    assert shown.code == 0
    for value in (
        r"blocks 25 \d\.\d{4}",
        r"lr \d\.\de-\d\d",
        r"grad \d\.\d\d",
        r"chars/s [\d,]+",
        r"left \S+",
    ):
        assert re.search(value, plain), plain


# --- evaluating ---------------------------------------------------------------------------------------------


def test_evaluate_equals_the_final_evaluation_of_training(evaluated: dict[str, Any], folder: Path) -> None:
    rows = [json.loads(line) for line in (folder / "runs/verse/metrics.jsonl").read_text().splitlines()]
    best = min(rows, key=lambda row: float(row["val_loss"]))
    report = json.loads((folder / "runs/verse/evaluation.json").read_text())["val"]
    for found in (evaluated, report):
        assert found["carried"]["nats"] == pytest.approx(best["val_loss"], abs=1e-4)
        assert found["blocks"]["25"] == pytest.approx(best["val_loss_blocks"], abs=1e-4)
    assert evaluated["classes"] == report["classes"] and evaluated["contexts"] == report["contexts"]
    assert evaluated["data"] == "val" and evaluated["ngrams"] and evaluated["novelty"]


def test_evaluate_prints_a_report_of_a_text_model(evaluated: dict[str, Any], folder: Path) -> None:
    told = seqtool_in_process("evaluate", "verse", "--fit-temperature", cwd=folder).stdout
    for words in (
        "runs/verse on the val text",
        "carried",
        "blocks 64",
        "blocks 256",
        "letters",
        "newline",
        "punctuation",
        "digits",
    ):
        assert words in told
    for words in (
        "bits per byte",
        "unknown to the model",
        "6-gram",
        "fitted on this very text",
        "longest copied stretch",
    ):
        assert words in told
    assert evaluated


def test_model_directory_without_run_needs_a_training_text(evaluated: dict[str, Any], folder: Path) -> None:
    (folder / "alone").mkdir()
    for path in (folder / "runs/verse/model").iterdir():
        (folder / "alone" / path.name).write_bytes(path.read_bytes())
    (folder / "more.txt").write_text(verse(20, seed=5))
    without = seqtool_in_process("evaluate", "alone", "more.txt", cwd=folder)
    assert without.code == 0 and without.stdout.count("not available") == 2
    given = seqtool_in_process("evaluate", "alone", "more.txt", "--train-text", "verse.txt", cwd=folder)
    assert given.code == 0 and "not available" not in given.stdout and "2-gram" in given.stdout
    missing = seqtool_in_process("evaluate", "alone", cwd=folder)
    assert missing.code == 2 and "no text is named" in missing.stderr and evaluated


# --- lines --------------------------------------------------------------------------------------------------


def test_model_of_lines_evaluates_and_samples_names(folder: Path) -> None:
    done = seqtool_in_process("train-char", "names.txt", *SMALL, "--set", "training.epochs=2", cwd=folder)
    assert done.code == 0, done.stderr
    assert "chosen: lines, LSTM of" in done.stderr
    assert re.search(
        r"novelty: of 200 sampled lines \d+ are new, \d+ occur in the training text", done.stderr
    )
    assert done.lines[0].split("\t")[4:6] == ["val", "val bits"]
    told = seqtool_in_process("evaluate", "names", "--json", cwd=folder)
    found = json.loads(told.stdout)
    known = set((folder / "names.txt").read_text().splitlines())
    assert set(found["novelty"]["seen_lines"]) <= known
    assert len(found["novelty"]["new_lines"]) + len(found["novelty"]["seen_lines"]) == 200
    assert found["classes"]["newline"]["count"] == 40  # a tenth of the lines, with their line ends
    refused = seqtool_in_process("evaluate", "names", "--fit-temperature", cwd=folder)
    assert refused.code == 2 and "for running text" in refused.stderr


# --- a text in place of the YAML, and surprises in it -------------------------------------------------------


def test_text_file_is_trained_with_suggested_settings(folder: Path) -> None:
    done = seqtool_in_process(
        "train-char",
        "verse.txt",
        *SMALL,
        "--set",
        "training.max_steps=3",
        "--set",
        "training.warmup_steps=0",
        cwd=folder,
    )
    assert done.code == 0, done.stderr
    size = len((folder / "verse.txt").read_text())
    assert f"verse.txt: about {size:,} characters" in done.stderr
    assert re.search(r"chosen: running text, LSTM of \d+, 3 steps", done.stderr)


def test_binary_file_is_read_as_bytes_on_request_only(folder: Path) -> None:
    (folder / "noise.bin").write_bytes(random.Random(3).randbytes(5000))
    steps = ("--set", "training.max_steps=2", "--set", "training.warmup_steps=0")
    refused = seqtool_in_process("train-char", "noise.bin", *SMALL, *steps, cwd=folder)
    assert refused.code == 2 and "data.unit: byte" in refused.stderr
    done = seqtool_in_process(
        "train-char", "noise.bin", *SMALL, *steps, "--set", "data.unit=byte", cwd=folder
    )
    assert done.code == 0, done.stderr
    assert "about 5,000 bytes" in done.stderr
    assert seqtool_in_process("evaluate", "noise", cwd=folder).stdout.count("bits per byte") == 1


def test_rare_symbols_become_unknown_with_their_share(folder: Path) -> None:
    (folder / "rare.txt").write_text(verse(100) + "é" + verse(60, 2) + "ñ" + verse(40, 3))
    (folder / "rare.yaml").write_text(
        TEXT.replace("verse.txt", "rare.txt, min_count: 3").replace("verse", "rare")
    )
    done = seqtool_in_process("train-char", "rare.yaml", cwd=folder)
    assert done.code == 0, done.stderr
    assert re.search(
        r"the unknown symbol, .+, replaces \d+ rare symbols \(data.min_count\), 0\.\d+% of train",
        done.stderr,
    )
    (folder / "strange.txt").write_text("A bird sings of 漢字.\n" * 5)
    found = json.loads(seqtool_in_process("evaluate", "rare", "strange.txt", "--json", cwd=folder).stdout)
    assert found["unknown_share"] == pytest.approx(10 / 99)


def test_unusual_vocabulary_gives_a_warning_before_training(folder: Path) -> None:
    draw = random.Random(0)
    (folder / "han.txt").write_text(
        "".join(chr(draw.randrange(0x4E00, 0x6E00)) for _ in range(6000)), encoding="utf-8"
    )
    done = seqtool_in_process(
        "train-char",
        "verse.yaml",
        "--set",
        "data.text=han.txt",
        "--set",
        "training.max_steps=1",
        "--name",
        "han",
        cwd=folder,
    )
    warning, network = done.stderr.index("symbols, "), done.stderr.index("LSTM character model")
    assert done.code == 0 and warning < network
    assert re.search(
        r"warning: [\d,]+ symbols, [\d,]+ of which occur less than 5 times in train; `data.min_count: 5`",
        done.stderr,
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train-char", "nothing.txt"], "nothing.txt"),
        (["train-char", "empty.txt"], "empty"),
        (["evaluate", "verse", "--strict"], "are for taggers"),
        (["evaluate", "verse", "nothing.txt"], "nothing.txt"),
        (["evaluate", "verse", "--train-text", "nothing.txt"], "nothing.txt"),
        (["evaluate", "verse", "--block", "0"], "--block"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_usage_errors_exit_2_with_place_and_message(
    arguments: list[str], said: str, evaluated: dict[str, Any], folder: Path
) -> None:
    (folder / "empty.txt").touch()
    done = seqtool_in_process(*arguments, cwd=folder)
    assert evaluated and done.code == 2
    assert said in done.stderr and "Traceback" not in done.stderr


# --- the script of python_source.yaml -----------------------------------------------------------------------


def test_python_source_config_trains_on_the_standard_library(tmp_path: Path) -> None:
    target = tmp_path / "data/python_source.txt"
    done = subprocess.run(
        [sys.executable, PROJECT / "configs/python_source.py", target],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    text = target.read_text(encoding="utf-8")
    assert re.search(r"[\d,]+ modules, [\d,]+ bytes", done.stdout)
    assert (
        len(text) > 1_000_000
        and "# json/decoder.py\n" in text
        and "class JSONDecoder" in text
        and "/test/" not in text[:10_000]
    )


# --- the shipped configs ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["shakespeare", "shakespeare_best", "python_source", "names", "enwik8", "words"]
)
def test_shipped_config_trains_on_a_small_text(name: str, folder: Path) -> None:
    small = [
        "model.hidden_size=8",
        "model.embedding_dim=8",
        "training.max_steps=2",
        "training.warmup_steps=0",
        "training.batch_size=4",
    ]
    small += ["data.text=verse.txt", "training.window=20", "training.device=cpu"]
    given = [part for setting in small for part in ("--set", setting)]
    done = seqtool_in_process("train-char", PROJECT / f"configs/{name}.yaml", *given, cwd=folder)
    assert done.code == 0, done.stderr
    assert len(done.lines) >= 2


def test_enwik8_has_the_usual_split() -> None:
    settings = read_settings(PROJECT / "configs/enwik8.yaml").settings
    assert isinstance(settings, CharSettings) and settings.data.unit == "byte"
    assert split_ends(100_000_000, settings.data.split) == [90_000_000, 95_000_000, 100_000_000]
