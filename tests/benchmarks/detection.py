"""Detection of 10,000 random tables, and its cost on a large file.

    python -m tests.benchmarks.detection [TABLES]

A table passes if its tokens and labels are read as written, or if a doubt is reported.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from seqtool.data.formats.blocks import raw_lines
from seqtool.data.formats.detect import LABELED, detect_file
from seqtool.data.tagging.sentences import read_split
from seqtool.errors import DataError
from seqtool.settings import TaggerData
from tests.support.random_tables import RandomTable, random_table

TABLES = 10_000
BYTES = 100_000_000


def outcome(path: Path, table: RandomTable) -> str:
    """Return `right`, `doubt`, `refused`, or `silent error`."""
    path.write_bytes(table.content)
    data = TaggerData(train=(str(path),))
    try:
        detection = detect_file(path, data, LABELED)
        split = read_split("evaluation", [path], data)
    except DataError:
        return "refused"
    read = tuple((sentence.tokens, sentence.labels) for sentence in split.sentences)
    if read == table.sentences:
        return "right"
    return "doubt" if detection.doubts else "silent error"


def run_tables(count: int) -> None:
    """Print how many random tables are read correctly."""
    counts: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(count):
            result = outcome(Path(folder) / f"{seed % 100}.txt", random_table(seed))
            counts[result] = counts.get(result, 0) + 1
            if result in ("silent error", "refused") and counts[result] <= 5:
                print(f"seed {seed}: {result}")
    print(f"{count:,} tables: " + ", ".join(f"{name} {number:,}" for name, number in sorted(counts.items())))


def run_costs() -> None:
    """Print the time of a detection as a multiple of the time of decoding the lines of the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.tsv"
        with path.open("w", encoding="utf-8") as stream:
            size = seed = 0
            while size < BYTES:
                tokens, labels = random_table(seed).sentences[0]
                rows = "".join(
                    f"{token}{seed % 4999}\tNN\t{label}\n"
                    for token, label in zip(tokens, labels, strict=True)
                )
                size += stream.write((rows + "\n") * 50)
                seed += 1
        start = time.process_time()
        with path.open("rb") as binary:
            for _ in raw_lines(binary):
                pass
        decoded = time.process_time() - start
        start = time.process_time()
        detect_file(path)
        detected = time.process_time() - start
    print(
        f"{BYTES / 1e6:.0f} MB: decode {decoded:.2f} s, detect {detected:.2f} s ({detected / decoded:.2f} ×)"
    )


if __name__ == "__main__":
    run_tables(int(sys.argv[1]) if len(sys.argv) > 1 else TABLES)
    run_costs()
