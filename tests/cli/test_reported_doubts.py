"""Doubts about data and results that are reported: sizes of batches and held-out data, losses, symbols."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from seqtool.reports.training import _loss_doubt
from seqtool.training.engine.events import RowEvent
from tests.support.shell import seqtool_in_process
from tests.support.small_runs import char_run, run, sentences_file, text_file


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with data, a text model `text`, and one with an unknown symbol, `rare`."""
    folder = tmp_path_factory.mktemp("doubts")
    settings = char_run(folder, max_steps=6, warmup_steps=1)
    run(replace(settings, name="text"), folder / "runs")
    rare = replace(settings.data, min_count=12)
    run(replace(settings, name="rare", data=rare), folder / "runs")
    sentences_file(folder)
    return folder


@pytest.mark.parametrize(
    ("file", "options", "warning"),
    [
        ("text.txt", "training.batch_size=5000", "training.batch_size: 5,000 is more than the "),
        ("text.txt", "data.split=[0.997,0.003]", "only 3 symbols for validation"),
        ("train.conll", "training.batch_words=90000", "training.batch_words: 90,000 is more than the "),
        ("train.conll", "data.split=0.05", "only 2 sentences for validation"),
    ],
)
def test_batch_larger_than_the_data_and_few_held_out_data_are_reported(
    file: str, options: str, warning: str, folder: Path
) -> None:
    assert f"warning: {warning}" in seqtool_in_process("check", file, "--set", options, cwd=folder).stdout
    command = "train-char" if file == "text.txt" else "train-tagger"
    more = ("--set", "training.max_steps=1", "--set", "model.hidden_size=4", "--name", "x", "--overwrite")
    done = seqtool_in_process(command, file, "--set", options, *more, cwd=folder)
    assert done.code == 0 and f"warning: {warning}" in done.stderr


def test_usual_sizes_are_not_reported(folder: Path) -> None:
    for file in ("text.txt", "train.conll"):
        shown = seqtool_in_process("check", file, "--set", "training.batch_size=2", cwd=folder).stdout
        assert "is more than" not in shown and "for validation: its score" not in shown


@pytest.mark.parametrize(
    ("factor", "doubtful"), [(0.5, False), (1.0, False), (1.2, False), (1.3, True), (9, True)]
)
def test_loss_far_above_a_guess_is_reported(factor: float, doubtful: bool) -> None:
    loss = factor * math.log(50)
    more = {"lr": 1, "grad_norm": 1, "rate": 1, "seconds": 1}
    row = RowEvent(epoch=1, step=1, train_loss=loss, scores={}, best=True, last=True, **more)
    assert bool(list(_loss_doubt(row, 50))) is doubtful
    assert not list(_loss_doubt(row, 0))


# --- unknown symbols ----------------------------------------------------------------------------------------


def test_score_skips_unknown_symbols_and_counts_them(folder: Path) -> None:
    known = seqtool_in_process("score", "--model", "text", "the dog", cwd=folder)
    done = seqtool_in_process(
        "score", "--model", "text", "--unknown", "skip", "thé€é doég".replace("th", "the"), cwd=folder
    )
    assert (
        done.stdout
        == seqtool_in_process("score", "--model", "text", "the dog", cwd=folder).stdout
        == known.stdout
    )
    assert "note: 4 symbols not in the vocabulary, left out: é €" in done.stderr
    lines = seqtool_in_process(
        "score", "--lines", "--model", "text", "--unknown", "skip", "é", "the", cwd=folder
    )
    assert lines.code == 0 and "note: 1 symbol not in the vocabulary, left out: é" in lines.stderr


def test_score_refuses_unknown_symbols_and_names_the_option(folder: Path) -> None:
    for more in ((), ("--unknown", "fail"), ("--lines",)):
        done = seqtool_in_process("score", "--model", "text", "é", *more, cwd=folder)
        assert done.code == 2 and "leave such symbols out with --unknown skip" in done.stderr


def test_score_reports_symbols_that_are_scored_as_the_unknown_symbol(folder: Path) -> None:
    done = seqtool_in_process("score", "--model", "rare", "the é dog é", cwd=folder)
    assert done.code == 0 and "symbols not in the vocabulary, scored as the unknown symbol: é" in done.stderr
    quiet = seqtool_in_process("score", "--model", "rare", "the é dog é", "--quiet", cwd=folder)
    assert (quiet.stdout, quiet.stderr) == (done.stdout, "")


# --- the stop text ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", ["é", "e€", r"\t", "\\\\", ""])
def test_stop_text_that_cannot_occur_is_refused(stop: str, folder: Path) -> None:
    done = seqtool_in_process("sample", "--model", "text", "--length", "3", f"--stop={stop}", cwd=folder)
    assert (done.code, done.stdout) == (2, "")
    assert "error: --stop" in done.stderr and " hint: " in done.stderr


def test_escapes_in_a_stop_text_are_read(tmp_path: Path) -> None:
    text_file(tmp_path)
    lines = tmp_path / "lines.txt"
    lines.write_text("ab\n\tc\n" * 100)
    settings = char_run(tmp_path, max_steps=6, warmup_steps=1)
    run(replace(settings, data=replace(settings.data, text=(str(lines),))), tmp_path / "runs")
    for escape, symbol in ((r"\n", "\n"), (r"\t", "\t")):
        outputs = [
            seqtool_in_process("sample", "--length", "90", "--stop", stop, cwd=tmp_path)
            for stop in (escape, symbol)
        ]
        assert outputs[0] == outputs[1] and outputs[0].code == 0
        assert symbol not in outputs[0].stdout.removesuffix("\n")


def test_python_refuses_a_stop_text_that_cannot_occur(folder: Path) -> None:
    import seqtool
    from seqtool.errors import DataError

    model = seqtool.load(folder / "runs" / "text")
    with pytest.raises(DataError, match=r"stop:1:1: .*\nhint: .*never generates"):
        model.sample(stop="é")
