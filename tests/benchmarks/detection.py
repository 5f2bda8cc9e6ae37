"""Detection of 10,000 random tables, and its cost on a large file.

    python -m tests.benchmarks.detection [TABLES [FIRST_SEED]]

A table passes if its tokens and labels are read as written, if a doubt is reported, or if it is refused with
the cause and the location. Use seeds that the detector was not corrected against.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import time
from pathlib import Path

from seqtool.data.encoding import examine
from seqtool.data.formats.blocks import raw_lines
from seqtool.data.formats.detect import LABELED, detect_file
from seqtool.data.tagging.lemma_scripts import lemma_script
from seqtool.data.tagging.sentences import read_split
from seqtool.data.tokenization.corpus import read_raw_text
from seqtool.errors import DataError
from seqtool.settings.data import TaggerData
from tests.support.random_tables import RandomTable, random_table
from tests.support.shell import seqtool_in_process

TABLES = 10_000
LABELS = ("upos", "xpos", "feats", "lemma")
BYTES, CHECKED_BYTES = 100_000_000, 10_000_000
TURNS = 5  # of reading and checking
SHOWN = 10  # seeds of each kind of failure that are printed


def outcome(path: Path, table: RandomTable) -> str:
    """Return `right`, `doubt`, `refused` (with cause and location), `bare refusal`, or `silent error`."""
    path.write_bytes(table.content)
    data = TaggerData(train=(str(path),))
    try:
        detection = detect_file(path, data, LABELED)
        split = read_split("evaluation", [path], data)
    except DataError as error:
        cause = error.problems[0]
        return "refused" if cause.place and cause.message and cause.hint else "bare refusal"
    read = tuple((sentence.tokens, sentence.labels) for sentence in split.sentences)
    if read == table.sentences:
        return "right"
    return "doubt" if detection.doubts else "silent error"


def run_tables(count: int, first: int) -> None:
    """Print how many random tables are read correctly."""
    counts: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, first + count):
            result = outcome(Path(folder) / f"{seed % 100}.txt", random_table(seed))
            counts[result] = counts.get(result, 0) + 1
            if result not in ("right", "doubt") and counts[result] <= SHOWN:
                print(f"seed {seed}: {result}", flush=True)
    print(f"{count:,} tables: " + ", ".join(f"{name} {number:,}" for name, number in sorted(counts.items())))


def _write_table(path: Path, most: int) -> Path:
    with path.open("w", encoding="utf-8") as stream:
        size = seed = 0
        while size < most:
            tokens, labels = random_table(seed).sentences[0]
            rows = "".join(
                f"{token}{seed % 4999}\tNN\t{label}\n" for token, label in zip(tokens, labels, strict=True)
            )
            size += stream.write((rows + "\n") * 50)
            seed += 1
    return path


def run_check() -> None:
    """Print the time of `check` as a multiple of the time of reading the sentences of the file once.

    The files are a generated one, WNUT-17, repeated up to the same size, and EWT, of which both read four
    labels and the raw text.
    """
    gc.set_threshold(200_000, 20, 20)  # as `seqtool.__main__`
    with tempfile.TemporaryDirectory() as folder:
        path = _write_table(Path(folder) / "read.tsv", CHECKED_BYTES)
        _print_ratio("three columns", path)
        data = Path(os.environ["SEQTOOL_DATA"])
        content = (data / "wnut17/wnut17train.conll").read_bytes()
        path.write_bytes((content.rstrip() + b"\n\n") * (CHECKED_BYTES // len(content)))
        _print_ratio("WNUT-17", path)
        treebank = Path(folder) / "ewt.conllu"
        treebank.write_bytes((data / "ud_english_ewt/en_ewt-ud-train.conllu").read_bytes())
        _print_ratio("EWT", treebank)


def _print_ratio(name: str, path: Path) -> None:
    """Let reading and `check` take turns, after one turn that loads the modules; print the median ratio."""
    turns = [(_read_time(path), _check_time(path)) for _ in range(TURNS + 1)][1:]
    ratios = sorted(checked / read for read, checked in turns)
    read, checked = (min(times) for times in zip(*turns, strict=True))
    print(
        f"{path.stat().st_size / 1e6:.0f} MB of {name}: read {read:.2f} s, check {checked:.2f} s "
        f"({ratios[TURNS // 2]:.2f} ×, {ratios[0]:.2f} to {ratios[-1]:.2f})"
    )


def _read_time(path: Path) -> float:
    path.touch()  # a changed file is detected again
    gc.collect()
    start = time.process_time()
    is_treebank = path.suffix == ".conllu"  # of which `check` reads four labels and the raw text
    read_split("train", [path], TaggerData(train=(str(path),), labels=LABELS if is_treebank else ()))
    if is_treebank:
        read_raw_text(path)
    return time.process_time() - start


def _check_time(path: Path) -> float:
    path.touch()
    lemma_script.cache_clear()  # a command starts without known scripts
    gc.collect()
    start = time.process_time()
    assert seqtool_in_process("check", path.name, cwd=path.parent).code == 0
    return time.process_time() - start


def run_costs() -> None:
    """Print the time of a detection as a multiple of the time of decoding the lines of the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = _write_table(Path(folder) / "large.tsv", BYTES)
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


def run_encodings() -> None:
    """Print the time of deciding the encoding of a text as a multiple of the time of decoding it."""
    line = "Où étiez-vous ? Все счастливые семьи похожи друг на друга; all the others are not.\n"
    for encoding in ("utf-8", "utf-16"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "large.txt"
            lines = BYTES // len(line.encode(encoding))
            path.write_text(line * lines, encoding=encoding)
            start = time.process_time()
            with path.open(encoding=encoding, newline="") as stream:
                while stream.read(1 << 20):
                    pass
            decoded = time.process_time() - start
            start = time.process_time()
            examine(path)
            examined = time.process_time() - start
        print(f"{encoding}: decode {decoded:.2f} s, decide {examined:.2f} s ({examined / decoded:.2f} ×)")


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    run_tables(*arguments, *(TABLES, 0)[len(arguments) :])
    run_costs()
    run_check()
    run_encodings()
