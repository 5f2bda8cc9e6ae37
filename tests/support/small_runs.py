"""Small runs in this process, from files to a finished directory; a test can stop them at a chosen point."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from seqtool.settings.data import CharData, TaggerData, TokenizerData
from seqtool.settings.experiment import CharSettings, Settings, TaggerSettings, TokenizerSettings
from seqtool.settings.model import Feature, TaggerModel, TokenizerModel
from seqtool.settings.training import Training
from seqtool.training import run as training_job
from seqtool.training.listeners import RunResult
from seqtool.training.run import TrainOptions, train
from seqtool.training.session import StopFlag
from tests.support.random_tokenizers import write_treebank
from tests.support.small_tasks import STATEFUL

WORDS = [
    "the",
    "dog",
    "ate",
    "an",
    "apple",
    "and",
    "everybody",
    "read",
    "that",
    "book",
    "in",
    "a",
    "house",
    "by",
    "the",
    "sea",
]
LABELS = ("DET", "NN", "V", "P")
TRAINING = Training(
    max_steps=60,
    batch_size=4,
    window=8,
    lr=0.01,
    schedule="cosine",
    warmup_steps=5,
    clip_norm=0.5,
    ema=0.9,
    patience=40,
    threads=1,
    device="cpu",
)


def text_file(folder: Path, length: int = 700, name: str = "text.txt") -> Path:
    """Write a text of random words."""
    draw = random.Random(1)
    path = folder / name
    path.write_text(" ".join(draw.choice(WORDS) for _ in range(length // 4))[:length], encoding="utf-8")
    return path


def sentences_file(folder: Path, count: int = 30, name: str = "train.conll") -> Path:
    """Write labeled sentences; the label of a word depends on its length."""
    draw = random.Random(len(name) + count)
    path = folder / name
    sentences = [[draw.choice(WORDS) for _ in range(draw.randint(1, 9))] for _ in range(count)]
    lines = ["".join(f"{word}\t{LABELS[len(word) % 4]}\n" for word in words) for words in sentences]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def char_run(folder: Path, **training: Any) -> CharSettings:
    """Return a character run with every kind of state: dropout, averages, a schedule, carried states."""
    data = CharData(text=(str(text_file(folder)),), split=(0.8, 0.1, 0.1))
    return CharSettings(name="small", data=data, model=STATEFUL, training=replace(TRAINING, **training))


def tokenizer_run(folder: Path, **training: Any) -> TokenizerSettings:
    """Return the settings of a small tokenizer with held-out sentences."""
    return TokenizerSettings(
        name="small",
        seed=3,
        data=TokenizerData(train=(str(write_treebank(folder / "train.conllu")),), split=0.2),
        model=TokenizerModel(
            hidden_size=5, embedding_dim=4, class_dim=3, filters=6, num_layers=2, unknown=0.1
        ),
        training=replace(TRAINING, window=30, **training),
    )


def tagger_run(folder: Path, **training: Any) -> TaggerSettings:
    """Return a tagger run with dropout, word replacement and a CRF."""
    features = (
        Feature(name="form", dim=4),
        Feature(name="suffix", length=2, dim=3),
        Feature(name="char_cnn", dim=4),
    )
    model = TaggerModel(
        hidden_size=4, projection=5, features=features, dropout=0.3, decoder="crf", initial_state="learned"
    )
    files: dict[str, Any] = {
        name: (str(sentences_file(folder, count, f"{name}.conll")),)
        for name, count in (("train", 30), ("dev", 8), ("test", 8))
    }
    return TaggerSettings(
        name="small",
        data=TaggerData(format="conll", **files),
        model=model,
        training=replace(TRAINING, **training),
    )


def run(settings: Settings, root: Path, **options: Any) -> RunResult:
    """Train in this process, without output."""
    return train(settings, TrainOptions(root, **options))


class StopAt(StopFlag):
    """A flag that requests a stop at the check with a given number."""

    def __init__(self, check: int) -> None:
        super().__init__()
        self.checks_left = check

    def __call__(self) -> bool:
        self.checks_left -= 1
        if self.checks_left == 0:
            self.signal_number = signal.SIGTERM
        return super().__call__()


@contextmanager
def stopping(flag: StopFlag) -> Iterator[None]:
    """Use this flag for the stop signals of runs inside the block."""

    @contextmanager
    def signals() -> Iterator[StopFlag]:
        yield flag

    with patch.object(training_job, "stop_signals", signals):
        yield


def count_polls(settings: Settings, root: Path) -> int:
    """Count how often a run checks its stop flag."""
    flag = StopAt(1 << 60)
    with stopping(flag):
        run(settings, root)
    return (1 << 60) - flag.checks_left


def weights(run: Path) -> bytes:
    """Return the bytes of a run's weights."""
    return (run / "model" / "weights.safetensors").read_bytes()


def metrics(run: Path) -> list[dict[str, Any]]:
    """Return the rows of `metrics.jsonl`, without times."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [{key: value for key, value in json.loads(line).items() if key != "seconds"} for line in lines]


def samples(run: Path) -> bytes:
    """Return the bytes of `samples.jsonl`."""
    return (run / "samples.jsonl").read_bytes()
