"""Gain of dynamic evaluation on tiny-shakespeare: `python -m tests.benchmarks.dynamic [MODEL] [--choose]`.

MODEL is `shakespeare`, the pretrained model, or a run of `configs/shakespeare.yaml`. Both are trained on the
first nine tenths of the text. The first `CHOICE` characters of the last tenth are for the choice of settings
(`--choose` tries several), the others are for the measurement. `SEQTOOL_DATA` is the folder that contains
`tinyshakespeare/`. On one core, a measurement takes about two minutes, a choice four.
"""

from __future__ import annotations

import argparse
import os
from itertools import product
from pathlib import Path

import numpy as np

from seqtool.evaluation.dynamic import DynamicOptions, TrainedNetwork, dynamic_score
from seqtool.inference.load import load_character_model
from seqtool.inference.text_scoring import carried_losses
from seqtool.storage.find_model import find_model, runs_root
from seqtool.storage.model_directory import read_model

CHOICE = 20_000
RATES, DECAYS = (5e-4, 1e-3, 2e-3), (3e-4, 1e-3, 3e-3)
PROMISED_GAIN = 0.01


def main() -> None:
    """Choose settings if asked to, and print the losses."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="shakespeare")
    parser.add_argument("--choose", action="store_true", help="compare settings first, and use the best")
    options = parser.parse_args()
    stored = read_model(find_model(options.model, runs_root(None)).model)
    model = load_character_model(stored)
    trained = TrainedNetwork(model.settings, len(model.vocabulary), stored.weights)
    text = (Path(os.environ["SEQTOOL_DATA"]) / "tinyshakespeare/input.txt").read_text(encoding="utf-8")
    ids = model.encode(text)
    cut = int(0.9 * len(ids))
    train, choice, measured = ids[:cut], ids[cut : cut + CHOICE], ids[cut + CHOICE :]
    best = DynamicOptions()
    if options.choose:
        scores = []
        for rate, decay in product(RATES, DECAYS):
            tried = DynamicOptions(rate, decay)
            scores.append((dynamic_score(trained, choice, train, tried).nats, rate, decay))
            print(f"learning rate {rate:g}, decay {decay:g}: {scores[-1][0]:.4f}", flush=True)
        best = DynamicOptions(*min(scores)[1:])
    static = float(carried_losses(model, np.asarray(measured), streams=1).mean())
    print(
        f"one pass, trained weights        {static:.4f} nats per character on {len(measured):,}", flush=True
    )
    for name, source in (("training text", train), ("text alone", None)):
        score = dynamic_score(trained, measured, source, best)
        gain = static - score.nats
        print(f"dynamic, gradients of {name:<13} {score.nats:.4f}, gain {gain:.4f}", flush=True)
        assert gain >= PROMISED_GAIN
    print(f"with {best}")


if __name__ == "__main__":
    main()
