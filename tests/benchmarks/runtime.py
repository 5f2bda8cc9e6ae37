"""Inference compared with peers: `python tests/benchmarks/runtime.py RUN [--spacy PYTHON] [--stream WORDS]`.

RUN is a tagger trained with `configs/ewt.yaml`; SEQTOOL_DATA names the directory that contains
`ud_english_ewt`. PYTHON is the interpreter of an environment with spaCy 3.8. Everything runs on one thread.
Pairs are measured in alternation, and the result is the median of their ratios. Words per second of the
tagging itself are measured in processor time, for seqtool and spaCy, because other processes disturb it
least.
"""

from __future__ import annotations

import argparse
import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # before numpy is imported

import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
SEQTOOL = [sys.executable, "-m", "seqtool"]
SENTENCE = "The dog ate the apple"
TEN_WORDS = ["I", "think", "that", "we", "will", "all", "see", "it", "soon", "."]
ROUNDS = 5


def line(name: str, result: str, promised: str, ok: bool) -> None:
    """Print one result."""
    print(f"{name:<44} {result:<42} promised {promised:<18} {'ok' if ok else 'MISSED'}", flush=True)


def row(name: str, result: str) -> None:
    """Print a measurement without a promise."""
    print(f"{name:<44} {result}", flush=True)


def seconds(command: list[str]) -> float:
    """Return the wall-clock time of one run."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def peak_megabytes(command: list[str], stdin: bytes = b"") -> float:
    """Return the peak resident memory of one process."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    assert process.stdin is not None
    process.stdin.write(stdin)
    process.stdin.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss / 1024


def cold(run: str, spacy: list[str] | None) -> None:
    """Measure a process that tags one sentence."""
    ours = [*SEQTOOL, "tag", "--model", run, SENTENCE]
    numpy = [sys.executable, "-c", "import numpy"]
    rounds = [(seconds(ours), seconds(numpy), seconds(spacy) if spacy else 0.0) for _ in range(ROUNDS + 1)][
        1:
    ]
    tag, bare, peer = (statistics.median(column) for column in zip(*rounds, strict=True))
    above = statistics.median(one - other for one, other, _ in rounds)
    line(
        "cold tag, above import numpy", f"{tag:.3f} - {bare:.3f} = {above:.3f} s", "<= 0.25 s", above <= 0.25
    )
    if spacy:
        ratio = statistics.median(one / other for one, _, other in rounds)
        line(
            "cold tag / spaCy load and tag", f"{tag:.3f} / {peer:.3f} s = {ratio:.3f}", "<= 0.2", ratio <= 0.2
        )
    peak = peak_megabytes(ours)
    line("peak memory of cold tag", f"{peak:.0f} MB", "< 100 MB", peak < 100)
    long = (" ".join(islice(cycle(f"word{number}" for number in range(5000)), 100_000)) + "\n").encode()
    peak = peak_megabytes([*SEQTOOL, "tag", "--model", run, "-"], long)
    line("peak memory, a line of 100,000 tokens", f"{peak:.0f} MB", "< 100 MB", peak < 100)


def words_of(path: Path) -> list[list[str]]:
    """Return the sentences of a CoNLL-U file."""
    from seqtool.data.formats.blocks import raw_lines
    from seqtool.data.formats.conllu import ConlluFormat

    with path.open("rb") as stream:
        return [block.tokens for block in ConlluFormat().read(raw_lines(stream), str(path)) if block.tokens]


def throughput(run: str, test: Path, spacy: list[str] | None) -> None:
    """Measure words per second: the tagging itself, compared with spaCy, and a process from file to file."""
    import seqtool

    sentences = words_of(test)
    total = sum(map(len, sentences))

    def ours() -> float:
        model = seqtool.load(run)  # with an empty cache of words
        start = time.process_time()
        model.tag(sentences)
        return total / (time.process_time() - start)

    def peer() -> float:
        return (
            float(subprocess.run(spacy or [], check=True, capture_output=True, text=True).stdout)
            if spacy
            else 1.0
        )

    rounds = [(ours(), peer()) for _ in range(ROUNDS)]
    rate, other = (statistics.median(column) for column in zip(*rounds, strict=True))
    line("tagging, words/s", f"{rate:,.0f}", ">= 100,000", rate >= 100_000)
    if spacy:
        ratio = statistics.median(one / two for one, two in rounds)
        line("tagging / spaCy nlp.pipe", f"{rate:,.0f} / {other:,.0f} = {ratio:.2f}", ">= 2.5", ratio >= 2.5)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.conllu"
        command = [*SEQTOOL, "tag", "--model", run, "--file", str(test)]

        def file_to_file() -> float:
            start = time.perf_counter()
            with out.open("wb") as stream:
                subprocess.run(command, check=True, stdout=stream)
            return total / (time.perf_counter() - start - idle)

        idle = statistics.median(seconds([*SEQTOOL, "tag", "--model", run, "x"]) for _ in range(3))
        rate = statistics.median(file_to_file() for _ in range(ROUNDS))
    line("file to file without the start, words/s", f"{rate:,.0f}", ">= 60,000", rate >= 60_000)


def parts_of_tagging(run: str, test: Path) -> None:
    """Print where the time of tagging goes, and the speed if only the recurrent products were left."""
    import seqtool
    from seqtool.inference.cells import LstmStepper
    from seqtool.inference.encoder import TableGates

    sentences = words_of(test)
    total = sum(map(len, sentences))
    times = dict.fromkeys(("gates from the table", "recurrent products", "functions of the gates"), 0.0)
    operations = 0

    def timed(owner: type, method: str, name: str, inner: str = "") -> Callable[..., Any]:
        original = getattr(owner, method)

        def measured(*arguments: Any) -> Any:
            start, inside = time.perf_counter(), times.get(inner, 0.0)
            result = original(*arguments)
            times[name] += time.perf_counter() - start - (times.get(inner, 0.0) - inside)
            if method == "recur":
                nonlocal operations
                operations += 2 * arguments[0].h.size * arguments[0].cell.gates
            return result

        setattr(owner, method, measured)
        return lambda: setattr(owner, method, original)

    model = seqtool.load(run)
    model.tag(sentences[:100])
    undo = [
        timed(TableGates, "block", "gates from the table"),
        timed(LstmStepper, "recur", "recurrent products"),
        timed(LstmStepper, "step", "functions of the gates", "recurrent products"),
    ]
    start = time.perf_counter()
    model.tag(sentences)
    whole = time.perf_counter() - start
    for restore in undo:
        restore()
    times["features of words, output layer, labels"] = whole - sum(times.values())
    for name, spent in times.items():
        row(f"tagging: {name}", f"{spent / whole:.0%}")
    reached = operations / times["recurrent products"] / 1e9
    bound = total / times["recurrent products"]
    row("recurrent products alone", f"{reached:.0f} of {matrix_rate():.0f} GFLOP/s, {bound:,.0f} words/s")


def matrix_rate(size: int = 640, repeat: int = 20) -> float:
    """Return the rate of a large product of numpy on one thread in GFLOP/s, the fastest of several."""
    one = np.ones((size, size), np.float32)
    best = min(seconds_of(lambda: one @ one) for _ in range(repeat))
    return 2 * size**3 / best / 1e9


def seconds_of(work: Callable[[], object]) -> float:
    """Return the wall-clock time of a function."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def latency(run: str) -> None:
    """Measure one sentence at a time in a warm process."""
    import seqtool

    model = seqtool.load(run)
    times = []
    for _ in range(500):
        start = time.perf_counter()
        model.tag([TEN_WORDS])
        times.append(time.perf_counter() - start)
    median = statistics.median(times) * 1000
    line("ten words in a warm process, median", f"{median:.3f} ms", "< 1 ms", median < 1)


def sampling() -> None:
    """Measure characters per second of 1 x LSTM 512, compared with the same weights stepped in torch."""
    sys.path.insert(0, str(PROJECT))
    import torch

    from seqtool.inference.load import load_character_model
    from seqtool.models.character import build_character_network
    from seqtool.models.weights import weight_arrays
    from seqtool.settings.experiment import CharSettings
    from seqtool.settings.model import CharModel
    from tests.support.random_models import character_parts, stored_model

    torch.set_num_threads(1)
    symbols = "".join(map(chr, range(32, 97)))
    settings = CharSettings(model=CharModel(hidden_size=512, embedding_dim=96))
    network = build_character_network(settings, len(symbols)).eval()
    config, vocab, _ = character_parts(settings.model, symbols)
    model = load_character_model(stored_model((config, vocab, weight_arrays(network))))
    length = 1500

    def ours() -> None:
        for _ in model.sample("A", length):
            pass

    def stepped() -> None:
        with torch.inference_mode():
            state, symbol = network.encoder.initial_state(1), torch.zeros(1, 1, dtype=torch.long)
            for _ in range(length):
                logits, state = network(symbol, state)
                symbol = torch.multinomial(torch.softmax(logits[0], -1), 1)

    rounds = [(rate(ours, length), rate(stepped, length)) for _ in range(ROUNDS)]
    one, other = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(a / b for a, b in rounds)
    line(
        "sample / stepped in torch, characters/s",
        f"{one:,.0f} / {other:,.0f} = {ratio:.2f}",
        ">= 3",
        ratio >= 3,
    )


def rate(work: Callable[[], None], count: int) -> float:
    """Return the number per second."""
    start = time.perf_counter()
    work()
    return count / (time.perf_counter() - start)


def stream(run: str, test: Path, words: int) -> None:
    """Measure resident memory while new sentences are tagged, and check that `| head -1` ends the command."""
    sentences = words_of(test)
    process = subprocess.Popen(
        [*SEQTOOL, "tag", "--model", run, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    assert process.stdin is not None
    draw, sent, early = np.random.default_rng(0), 0, 0.0
    while sent < words:
        chosen = [sentences[number] for number in draw.integers(0, len(sentences), 500)]
        text = "".join(
            " ".join(sentence).replace("\n", " ") + f" new{sent + place}\n"
            for place, sentence in enumerate(chosen)
        )
        process.stdin.write(text.encode())
        sent += len(text.split())
        if not early and sent >= words / 10:
            early = resident(process.pid)
    late = resident(process.pid)
    process.stdin.close()
    assert process.wait() == 0
    line(
        f"resident after {words // 10:,} and {words:,} words",
        f"{early:.1f} and {late:.1f} MB",
        "within 10 %",
        late <= 1.1 * early,
    )
    command = (
        f"yes '{SENTENCE}' | {' '.join(SEQTOOL)} tag --model {run} - 2>&1 | head -1; echo ${{PIPESTATUS[1]}}"
    )
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    row, *rest = done.stdout.split("\n")
    line("| head -1", f"{row!r}, exit code {rest[0]}", "quiet, 0", rest == ["0", ""])


def resident(pid: int) -> float:
    """Return the resident memory of a process in megabytes (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(row.split()[1]) for row in status.splitlines() if row.startswith("VmRSS")) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--spacy", metavar="PYTHON")
    parser.add_argument(
        "--spacy-model",
        metavar="FOLDER",
        help="directory of its tagger, which is trained if it does not exist",
    )
    parser.add_argument("--stream", metavar="WORDS", type=int, default=0)
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = str(PROJECT)
    os.environ.pop(
        "PYTHONDONTWRITEBYTECODE", None
    )  # installed packages have bytecode, so seqtool may have it, too
    folder = Path(os.environ["SEQTOOL_DATA"]) / "ud_english_ewt"
    test = folder / "en_ewt-ud-test.conllu"
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    print(f"{machine}, Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}")
    with tempfile.TemporaryDirectory() as name:
        peer, model = None, ""
        if options.spacy:
            peer = [options.spacy, str(HERE / "peers/spacy_use.py")]
            model = options.spacy_model or f"{name}/spacy"
            if not Path(model).exists():
                subprocess.run([*peer, "train", str(folder / "en_ewt-ud-train.conllu"), model], check=True)
        cold(options.run, [*peer, "one", model] if peer else None)
        throughput(options.run, test, [*peer, "pipe", model, str(test)] if peer else None)
    parts_of_tagging(options.run, test)
    latency(options.run)
    sampling()
    if options.stream:
        stream(options.run, test, options.stream)


if __name__ == "__main__":
    main()
