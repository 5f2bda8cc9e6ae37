"""Agreement of torch and numpy on the development sentences of EWT: `python -m tests.benchmarks.agreement`.

There are 192 taggers with random weights of the size of trained ones: every cell, one or two layers, one or
both directions, four lists of features, three decoders. SEQTOOL_DATA names the directory that contains
`ud_english_ewt`. `--every 5` takes every fifth tagger. Named runs of taggers are compared first.
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


def line(name: str, result: Agreement) -> str:
    """Format a result as a line of the table."""
    verdict = "ok" if result.deviation <= TOLERANCE and not result.wrong else "NOT WITHIN"
    return f"{name:<36} {result.deviation:9.1e}  {result.different:5,}  {result.wrong:5,}  {verdict}"


def combined(results: list[Agreement]) -> Agreement:
    """Return the sum of the counts and the largest deviation."""
    return Agreement(
        sum(result.tokens for result in results),
        max(result.deviation for result in results),
        sum(result.different for result in results),
        sum(result.wrong for result in results),
    )


def main() -> None:
    """Compare, and print one line per tagger and one per decoder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--every", type=int, default=1)
    options = parser.parse_args()
    text = Text.of(Path(os.environ["SEQTOOL_DATA"]) / "ud_english_ewt")
    size = f"{sum(map(len, text.sentences)):,} words per tagger"
    print(f"{platform.machine()}, torch {torch.__version__}, {time.strftime('%Y-%m-%d')}; {size}")
    promise = f"(promised: deviation <= {TOLERANCE}, wrong 0)"
    print(f"{'':<36} {'deviation':>9}  {'other':>5}  {'wrong':>5}  {promise}")
    results: dict[str, list[Agreement]] = {}
    for run in options.runs:
        print(line(run.name, compare(*trained(run / "model"), text)), flush=True)
    for case in CASES[:: options.every]:
        result = compare(*both(network_settings(case, HIDDEN), text.counts), text)
        results.setdefault(case.decoder, []).append(result)
        print(line(str(case), result), flush=True)
    for decoder in filter(results.__contains__, DECODERS):
        whole = combined(results[decoder])
        print(f"{line(f'{decoder}: {len(results[decoder])} taggers', whole)}  {whole.tokens:,} labels")


if __name__ == "__main__":
    main()
