"""Training never imports torch's compiler, which takes a second, nor packages of other layers."""

from __future__ import annotations

import subprocess
import sys

import pytest

TRAIN = """
import sys
from dataclasses import replace
from typing import Any
from seqtool.settings.data import TaggerData
from seqtool.settings.experiment import CharSettings, TaggerSettings
from seqtool.settings.model import CharModel, Feature, TaggerModel
from seqtool.settings.training import Training
from seqtool.training.engine.device import choose_device, set_up_torch
from tests.support.small_tasks import *

settings = Training(epochs=2, batch_size=4, window=8, clip_norm=0.5, ema=0.9, schedule="cosine", {more})
set_up_torch(settings)
choose_device("auto")
char = CharModel(hidden_size=8, num_layers=2, dropout=0.2, weight_dropout=0.2, state_reset=0.2, residual=True)
tagger = TaggerModel(hidden_size=8, projection=8, dropout=0.2, decoder="crf", features=(
    Feature(name="form", dim=4), Feature(name="char_cnn", dim=4), Feature(name="char_lstm", dim=4)))
tagging = TaggerSettings(data=TaggerData(train=("x",)), model=tagger, training=settings)
sentences = random_sentences(9, spans=True)
characters = CharSettings(model=char, training=settings)
tasks = [text_task(characters), lines_task(characters), hihell_task(),
         tagging_task(tagging, sentences, sentences, "iob2")]
for task in tasks:
    trained = trainer(task)
    assert list(trained.run())
    trainer(task).load_state(trained.state_arrays(), trained.state_json())
names = "torch._dynamo", "torch._inductor", "sympy", "pandas", "yaml", "pydantic", "rich"
heavy = [name for name in names if name in sys.modules]
assert not heavy, heavy
"""


@pytest.mark.parametrize(
    "more",
    [
        "",
        'optimizer="sgd"',
        'precision="bfloat16"',
        "deterministic=True",
        'optimizer="rmsprop", accumulate=2',
    ],
)
def test_training_does_not_import_the_compiler(more: str) -> None:
    process = subprocess.run(
        [sys.executable, "-c", TRAIN.format(more=more)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert process.returncode == 0, process.stderr


def test_events_are_importable_without_torch() -> None:
    code = (
        "import sys, seqtool.training.engine.events\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
