"""Raw text to CoNLL-U, compared with UDPipe 1: `python tests/benchmarks/raw_text.py ewt --seeds 1 2 3`.

Both are trained on the same files in one run, in whole processes with their default settings. UDPipe 1
(`pip install ufal.udpipe`) gets the defaults of its trainer: a tokenizer of at most 100 epochs, and a tagger
of one model and at most 20 iterations; the best on development data is kept. seqtool gets the config of the
treebank, or the settings of a file in place of a config. F1 is that of `udtools` on the raw text of the test
file. Speed and memory are those of processes on one thread that turn a text file into CoNLL-U; the time of
the start is subtracted. Times are given by the clock and as processor time.

SEQTOOL_DATA names the directory of the treebanks. `--small` cuts all files and trains UDPipe for two epochs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
sys.path.insert(0, str(PROJECT))
SEQTOOL = [sys.executable, "-m", "seqtool"]
UDPIPE = [sys.executable, str(HERE / "peers" / "udpipe.py")]
DATA = Path(os.environ.get("SEQTOOL_DATA", "data"))
TREEBANKS = {
    "ewt": ("ud_english_ewt/en_ewt", "ewt_full.yaml"),
    "french": ("ud_french_sequoia/fr_sequoia", "french_full.yaml"),
    "uyghur": ("ud_uyghur_udt/ug_udt", ""),
}
MEASURES = ("Tokens", "Sentences", "Words", "UPOS", "XPOS", "UFeats", "AllTags", "Lemmas")
SMALL = {"train": 300, "dev": 60, "test": 60}  # sentences of `--small`
WORDS = 60_000  # of the text on which speed is measured, at least; memory also on one of 5 times its length
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


# --- processes ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Process:
    """Measurements of a finished process.

    Attributes:
        seconds: wall-clock time.
        busy: processor time.
        peak: largest resident memory in megabytes.
        out: standard output.
    """

    seconds: float
    busy: float
    peak: float
    out: str


def process(command: Sequence[str | Path], folder: Path, **environment: str) -> Process:
    """Run a command and measure it."""
    variables = {**os.environ, "PYTHONPATH": str(PROJECT), **environment}
    log = folder / "log.txt"
    start = time.perf_counter()
    with (folder / "out.txt").open("wb") as out, log.open("wb") as errors:
        child = subprocess.Popen(
            list(map(str, command)), cwd=folder, stdout=out, stderr=errors, env=variables
        )
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if child.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{log.read_text(errors='replace')[-3000:]}")
    text = (folder / "out.txt").read_text(encoding="utf-8")
    return Process(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text)


# --- data ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Files:
    """Files of a treebank: training, development and test sentences, and the raw text of the latter."""

    train: Path
    dev: Path
    test: Path
    raw: Path


def treebank_files(stem: str, folder: Path, small: bool) -> Files:
    """Write the raw text of the test sentences, and with `small` the first sentences of each file."""
    from seqtool.data.tokenization.corpus import read_raw_text

    paths = {part: DATA / f"{stem}-ud-{part}.conllu" for part in SMALL}
    if small:
        for part, count in SMALL.items():
            sentences = paths[part].read_text(encoding="utf-8").split("\n\n")[:count]
            paths[part] = folder / f"{part}.conllu"
            paths[part].write_text("\n\n".join(sentences) + "\n\n", encoding="utf-8")
    raw = folder / "raw.txt"
    raw.write_text(
        "".join(f"{paragraph.text}\n\n" for paragraph in read_raw_text(paths["test"])), encoding="utf-8"
    )
    return Files(**paths, raw=raw)


def udtools_scores(gold: Path, system: str, folder: Path) -> dict[str, float]:
    """Return the F1 of each measure in percent; words get some tree, since udtools reads one."""
    from udtools.udeval import evaluate, load_conllu_file

    lines = []
    for line in system.splitlines():
        cells = line.split("\t")
        if len(cells) == 10 and cells[0].isdecimal():
            cells[6:8] = ["0" if cells[0] == "1" else "1", "dep"]
        lines.append("\t".join(cells))
    path = folder / "system.conllu"
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    scores = evaluate(*(load_conllu_file(str(one), {}) for one in (gold, path)))
    return {name: 100 * scores[name].f1 for name in MEASURES}


# --- the two programs ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trained:
    """A trained model.

    Attributes:
        name: name of the program in the table.
        training: measurements of the training process.
        size: bytes of the model by its form.
        tag: command that tags a text file, its path excepted; with `to_file`, the path of its output follows.
    """

    name: str
    training: Process
    size: Mapping[str, int]
    tag: Sequence[str | Path]
    to_file: bool = False

    def tagged(self, text: Path, folder: Path) -> tuple[Process, str]:
        """Tag a file on one thread; return measurements and CoNLL-U."""
        if not self.to_file:
            done = process([*self.tag, text], folder, **ONE_THREAD)
            return done, done.out
        out = folder / "tagged.conllu"
        done = process([*self.tag, text, out], folder, **ONE_THREAD)
        return done, out.read_text(encoding="utf-8")


def train_ours(files: Files, config: str, seed: int, folder: Path, arguments: Sequence[str]) -> Trained:
    """Train seqtool with the config of the treebank if there is one."""
    path = PROJECT / "configs" / config
    if config and path.is_file():
        data: list[str | Path] = [path]
        for part in ("train", "dev", "test"):
            data += ["--set", f"data.{part}={getattr(files, part)}"]
    else:
        data = [files.train, "--dev", files.dev, "--test", files.test]
    name = f"seed{seed}"
    options = ["--name", name, "--seed", str(seed), "--json", "--quiet", "--overwrite"]
    done = process([*SEQTOOL, "train-tagger", *data, *options, *arguments], folder)
    half = process([*SEQTOOL, "export", name, "--dtype", "float16", "--json"], folder)
    before, after = json.loads(half.out)["bytes"]
    run = folder / "runs" / name
    tag: list[str | Path] = [
        *SEQTOOL,
        "tag",
        "--model",
        run,
        "--format",
        "conllu",
        "--input-format",
        "text",
        "--file",
    ]
    return Trained("seqtool", done, {"float32": before, "float16": after}, tag)


def train_udpipe(files: Files, folder: Path, small: bool) -> Trained:
    """Train UDPipe 1 with the defaults of its trainer."""
    model = folder / "model.udpipe"
    options = ["epochs=2", "iterations=2"] if small else []
    done = process([*UDPIPE, "train", files.train, files.dev, model, *options], folder)
    return Trained("UDPipe 1", done, {"": model.stat().st_size}, [*UDPIPE, "tag", model], to_file=True)


# --- measurements -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Speed:
    """Words per second of a program on one thread, and peak memory.

    Attributes:
        busy: words per second of processor time.
        clock: words per second by the clock.
        peaks: peak memory in megabytes on a text, and on one of 5 times its length.
    """

    busy: float
    clock: float
    peaks: tuple[float, float]


def speed(trained: Trained, raw: Path, folder: Path) -> Speed:
    """Measure a program on the copies of a raw text."""
    content = raw.read_text(encoding="utf-8")
    copies = -(-WORDS // max(1, len(content.split())))
    texts = {}
    for name, text in (
        ("first", content.partition("\n\n")[0] + "\n"),
        ("some", content * copies),
        ("many", content * 5 * copies),
    ):
        texts[name] = folder / f"{name}.txt"
        texts[name].write_text(text, encoding="utf-8")
    start, _ = trained.tagged(texts["first"], folder)
    some, out = trained.tagged(texts["some"], folder)
    many, _ = trained.tagged(texts["many"], folder)
    words = sum(line.split("\t")[0].isdecimal() for line in out.splitlines())
    return Speed(
        words / (some.busy - start.busy), words / (some.seconds - start.seconds), (some.peak, many.peak)
    )


def row(name: str, *values: str) -> None:
    """Print a row of the table."""
    print(f"{name:<28}" + "".join(f"{value:>24}" for value in values), flush=True)


def times(runs: Sequence[Trained], kind: str) -> str:
    """Return the mean training time and each of the times."""
    seconds = [getattr(run.training, kind) for run in runs]
    each = "/".join(f"{value:.0f}" for value in seconds)
    return f"{statistics.mean(seconds):.1f} s ({each})"


def print_training(ours: Sequence[Trained], peer: Trained | None) -> None:
    """Print training times and sizes of models, with ratios."""
    for kind, name in (("seconds", "training, clock"), ("busy", "training, processor")):
        values = [times(ours, kind)]
        if peer is not None:
            mean = statistics.mean(getattr(run.training, kind) for run in ours)
            values += [times([peer], kind), f"{mean / getattr(peer.training, kind):.3f}"]
        row(name, *values)
    sizes = ", ".join(f"{name} {size / 1e6:.2f} MB" for name, size in ours[0].size.items())
    print(f"model: {sizes}" + (f"; UDPipe 1 {peer.size[''] / 1e6:.2f} MB" if peer else ""))


def print_scores(ours: Sequence[dict[str, float]], peer: dict[str, float] | None) -> None:
    """Print the mean F1 of each measure with the scores of each seed, and the difference from the peer."""
    for name in MEASURES:
        scores = [one[name] for one in ours]
        mean = statistics.mean(scores)
        each = " ".join(f"{score:.2f}" for score in scores)
        row(
            name,
            f"{mean:.2f}",
            *([f"{peer[name]:.2f}", f"{mean - peer[name]:+.2f}"] if peer else []),
            f"[{each}]",
        )


def print_speed(ours: Speed, peer: Speed | None) -> None:
    """Print words per second and memory of both."""
    for kind, name in (("busy", "words/s of a processor"), ("clock", "words/s by the clock")):
        values = [getattr(one, kind) for one in (ours, peer) if one is not None]
        ratio = [f"{values[0] / values[1]:.2f}"] if peer else []
        row(name, *(f"{value:,.0f}" for value in values), *ratio)
    peaks = [" and ".join(f"{peak:.0f}" for peak in one.peaks) for one in (ours, peer) if one is not None]
    row("peak MB, text and 5 times", *peaks)


def main() -> None:
    """Train and measure both programs on one treebank."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("treebank", choices=TREEBANKS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="settings of seqtool")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # installed packages have bytecode, so seqtool may, too
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    print(f"{machine}, Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}", flush=True)
    stem, config = TREEBANKS[options.treebank]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = treebank_files(stem, folder, options.small)
        peer = None if options.no_peer else train_udpipe(files, folder, options.small)
        arguments: list[Any] = [part for item in options.set for part in ("--set", item)]
        ours = [train_ours(files, config, seed, folder, arguments) for seed in options.seeds]
        row("", "seqtool", *([] if peer is None else ["UDPipe 1", "ratio or difference"]))
        print_training(ours, peer)
        scores = [udtools_scores(files.test, run.tagged(files.raw, folder)[1], folder) for run in ours]
        peer_scores = udtools_scores(files.test, peer.tagged(files.raw, folder)[1], folder) if peer else None
        print_scores(scores, peer_scores)
        print_speed(speed(ours[0], files.raw, folder), speed(peer, files.raw, folder) if peer else None)


if __name__ == "__main__":
    main()
