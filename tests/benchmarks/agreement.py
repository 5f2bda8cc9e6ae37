"""Torch and the runtime on all of EWT's development sentences, for every kind of tagger: `python -m tests.benchmarks.agreement`.

Every cell, one layer and two, one direction and both, four lists of features, three decoders: 192 taggers with random weights
of a trained model's size. SEQTOOL_DATA names the folder that holds `ud_english_ewt`. `--every 5` takes each fifth of them; runs
that are named, of taggers, are looked at first.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from pathlib import Path

import torch

from tests.support.agreement import (
    CASES,
    DECODERS,
    TOLERANCE,
    Agreement,
    Text,
    both,
    compare,
    network_settings,
    trained,
)

HIDDEN = 48


def line(name: str, found: Agreement) -> str:
    ok = found.deviation <= TOLERANCE and not found.wrong
    return f"{name:<36} {found.deviation:9.1e}  {found.different:5,}  {found.wrong:5,}  {'ok' if ok else 'NOT WITHIN'}"


def together(found: list[Agreement]) -> Agreement:
    return Agreement(
        sum(one.tokens for one in found),
        max(one.deviation for one in found),
        sum(one.different for one in found),
        sum(one.wrong for one in found),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--every", type=int, default=1)
    given = parser.parse_args()
    text = Text.of(Path(os.environ["SEQTOOL_DATA"]) / "ud_english_ewt")
    print(
        f"{platform.machine()}, torch {torch.__version__}, {time.strftime('%Y-%m-%d')}; {sum(map(len, text.sentences)):,} words a tagger"
    )
    print(
        f"{'':<36} {'deviation':>9}  {'other':>5}  {'wrong':>5}  (deviation promised <= {TOLERANCE}, wrong labels 0)"
    )
    found: dict[str, list[Agreement]] = {}
    for run in given.runs:
        print(line(run.name, compare(*trained(run / "model"), text)), flush=True)
    for case in CASES[:: given.every]:
        one = compare(*both(network_settings(case, HIDDEN), text.counts), text)
        found.setdefault(case.decoder, []).append(one)
        print(line(str(case), one), flush=True)
    for decoder in filter(found.__contains__, DECODERS):
        of_it = found[decoder]
        print(
            line(f"{decoder}: {len(of_it)} taggers", together(of_it)) + f"  {together(of_it).tokens:,} labels"
        )


if __name__ == "__main__":
    main()
