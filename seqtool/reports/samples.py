"""Generated text: to a terminal symbol by symbol, its control characters made visible; to a pipe the very text, line by line."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from seqtool.inference.sampling import Piece
from seqtool.reports.console import is_terminal, write_json
from seqtool.safe_text import visible_lines

Sample = tuple[int, Iterable[Piece]]  # its seed, and the text as it is generated


def print_samples(prompt: str, samples: Sequence[Sample], between: str) -> None:
    """Each sample after the prompt, ended by a line break.

    Args:
        prompt: stands before each; may be empty.
        between: stands on a line of its own between samples; empty: nothing.
    """
    terminal = is_terminal(sys.stdout)
    last = ""

    def write(text: str) -> None:
        nonlocal last
        if text:
            last = text[-1]
            sys.stdout.write(visible_lines(text) if terminal else text)
            if terminal or "\n" in text:
                sys.stdout.flush()

    for number, (_, pieces) in enumerate(samples):
        write(between if number else "")
        last = ""
        write(prompt)
        for piece in pieces:
            write(piece.text)
        write("" if last == "\n" else "\n")


def print_json(prompt: str, samples: Iterable[Sample]) -> None:
    """One object a sample: prompt, text (without the prompt), seed, and the text's log probability in nats."""
    for seed, pieces in samples:
        texts, total = [], 0.0
        for piece in pieces:
            texts.append(piece.text)
            total += piece.log_probability
        found = {"prompt": prompt, "text": "".join(texts), "seed": seed, "log_probability": round(total, 6)}
        write_json(found)
