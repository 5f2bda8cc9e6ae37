"""Taggers compared with peers in one run: `SEQTOOL_DATA=folder python tests/benchmarks/taggers.py [PART...]`.

Parts: ewt, uyghur, sequoia, wnut17, crf, steps, crfsuite, spacy (with SPACY_PYTHON, an interpreter that has
spaCy 3.8); the default is all. Trainings are whole processes, from the command to the saved model. The speed
of a machine changes with its load, so each time is given twice: as wall-clock time and as processor time.
Ratios compare times of the same kind.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
SEQTOOL = [sys.executable, "-m", "seqtool"]
DATA = Path(os.environ.get("SEQTOOL_DATA", "data"))
SEEDS = (1, 2, 3)
GROUPS = {
    "LSTM": ("mkldnn_rnn", "aten::lstm"),
    "other matrix products": ("aten::mm", "aten::addmm", "aten::bmm"),
    "optimizer": ("adamw", "foreach", "linalg_vector_norm", "_norm"),
    "embeddings": ("embedding", "index_select", "scatter_add", "fill_", "zero_"),
}


@dataclass(frozen=True)
class Run:
    """Times, scores and log of a training process."""

    seconds: float
    busy: float
    scores: dict[str, float]
    log: str = ""


def process(command: Sequence[str], cwd: Path) -> tuple[float, float, str, str]:
    """Return the wall-clock and processor seconds of a command, its stdout and its stderr."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        command,
        cwd=cwd,
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return (
        seconds,
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        done.stdout,
        done.stderr,
    )


def train(folder: Path, *arguments: str | Path) -> Run:
    """Train with seqtool."""
    command = [*SEQTOOL, "train-tagger", *map(str, arguments), "--json", "--quiet", "--overwrite"]
    seconds, busy, out, log = process(command, folder)
    return Run(seconds, busy, json.loads(out)["scores"], log)


def files(paths: Sequence[Path]) -> list[str]:
    """Return the options that replace the data files of a config."""
    return [
        part
        for name, path in zip(("train", "dev", "test"), paths, strict=True)
        for part in ("--set", f"data.{name}={path}")
    ]


@dataclass(frozen=True)
class Task:
    """A data set, and the settings that seqtool is measured with.

    Attributes:
        title: name of the printed row.
        paths: training, development and test file.
        promised: smallest score in percent.
        config: name of a shipped config; empty: the training file in place of a config, with one seed.
        score: accuracy or f1 (of spans).
    """

    title: str
    paths: tuple[Path, Path, Path]
    promised: float
    config: str = ""
    score: str = "accuracy"


def treebank(stem: str) -> tuple[Path, Path, Path]:
    """Return the files of a treebank; the stem starts with its directory."""
    train_file, dev, test = (DATA / f"{stem}-ud-{part}.conllu" for part in ("train", "dev", "test"))
    return train_file, dev, test


EWT = Task("EWT UPOS", treebank("ud_english_ewt/en_ewt"), 95.7, "ewt.yaml")
UYGHUR = Task("Uyghur UPOS, a file in place of a config", treebank("ud_uyghur_udt/ug_udt"), 89.4)
SEQUOIA = Task("Sequoia UPOS, a file in place of a config", treebank("ud_french_sequoia/fr_sequoia"), 97.9)
WNUT_FILES = (
    DATA / "wnut17/wnut17train.conll",
    DATA / "wnut17/emerging.dev.conll",
    DATA / "wnut17/emerging.test.annotated",
)
WNUT17 = Task("WNUT-17 span F1", WNUT_FILES, 20.0, "wnut17.yaml", "f1")


@cache
def trained(task: Task, folder: Path) -> tuple[Run, ...]:
    """Train with a shipped config and three seeds, or with the settings that seqtool suggests."""
    if not task.config:
        train_file, dev, test = task.paths
        return (train(folder, train_file, "--dev", dev, "--test", test),)
    config = PROJECT / "configs" / task.config
    return tuple(train(folder, config, *files(task.paths), "--seed", str(seed)) for seed in SEEDS)


def mean(task: Task, runs: Sequence[Run]) -> float:
    """Return the mean test score in percent."""
    return 100 * statistics.mean(run.scores[f"test_{task.score}"] for run in runs)


# --- the parts ----------------------------------------------------------------------------------------------


def measure(task: Task, folder: Path) -> None:
    """Train, and print a row of scores and times."""
    runs = trained(task, folder)
    title = task.title + (f", mean of {len(runs)} seeds" if len(runs) > 1 else "")
    clock = "/".join(f"{run.seconds:.0f}" for run in runs)
    busy = "/".join(f"{run.busy:.0f}" for run in runs)
    each = " ".join(f"{mean(task, [run]):.2f}" for run in runs)
    times = f"clock {clock} s, busy {busy} s, {os.cpu_count()} cores"
    print(f"{title:<42} {mean(task, runs):6.2f} (promised >= {task.promised})  {times}  [{each}]", flush=True)


def crf(folder: Path) -> None:
    """Measure the ratio of an epoch with a CRF to one with softmax, three epochs of each in alternation."""
    times: dict[str, list[float]] = {"crf": [], "softmax": []}
    one_epoch = (
        "--set",
        "training.epochs=1",
        "--set",
        "training.class_weights=none",
        "--set",
        "training.label_smoothing=0",
    )
    for _ in range(3):
        for decoder, seconds in times.items():
            run = train(
                folder,
                PROJECT / "configs/wnut17.yaml",
                *files(WNUT17.paths),
                *one_epoch,
                "--set",
                f"model.decoder={decoder}",
            )
            seconds.append(run.busy)
    one_step = ("--set", "training.max_steps=1", "--set", "training.warmup_steps=0", *one_epoch[2:])
    start = train(folder, PROJECT / "configs/wnut17.yaml", *files(WNUT17.paths), *one_step).busy
    ratio = statistics.median(
        (a - start) / (b - start) for a, b in zip(times["crf"], times["softmax"], strict=True)
    )
    print(f"CRF epoch / softmax epoch              {ratio:6.2f} (promised <= 1.5)", flush=True)


def steps(folder: Path) -> None:  # noqa: ARG001 - all parts have the same arguments
    """Measure words per second of training, their share of the machine's matrix rate, time per operation."""
    sys.path.insert(0, str(PROJECT))
    from seqtool.threads import choose_waiting

    choose_waiting()  # as the commands do, before torch is loaded
    import torch
    from torch.profiler import ProfilerActivity, profile

    from seqtool.config.load import read_settings
    from seqtool.tasks.build import build_task, prepare
    from seqtool.training.engine.events import StepEvent
    from seqtool.training.engine.trainer import Trainer

    prepared = prepare(
        read_settings(
            PROJECT / "configs/ewt.yaml", [f"data.train={EWT.paths[0]}", "data.dev=[]", "data.test=[]"]
        ).settings
    )
    built = build_task(prepared)
    events = Trainer(
        built.task, replace(prepared.settings.training, epochs=None, max_steps=10_000, schedule="constant")
    ).run()

    def train_steps(count: int) -> tuple[int, float, float]:
        words, start, busy = 0, time.perf_counter(), time.process_time()
        for event in events:
            words += event.items if isinstance(event, StepEvent) else 0
            count -= 1
            if not count:
                break
        return words, time.perf_counter() - start, time.process_time() - busy

    train_steps(20)
    rounds = [(*train_steps(40), matrix_rate(torch)) for _ in range(5)]
    words, seconds, busy, rate = max(rounds, key=lambda row: row[0] / row[1])
    weights = sum(
        weight.numel()
        for name, weight in built.task.network.named_parameters()
        if weight.dim() == 2 and "features" not in name
    )
    # A multiplication and an addition for each weight, once forward and twice backward.
    used = 6 * weights * words / seconds / 1e9
    speed = f"{words / seconds:,.0f} words/s on {built.threads} threads"
    print(f"steps: {speed} (promised >= 35,000); {words / busy:,.0f} per processor second")
    share = f"{used:.0f} of {rate:.0f} GFLOP/s, {used / rate:.0%}"
    print(f"       share of the rate of products of 1024 x 1024 matrices: {share}")
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        train_steps(40)
    spent: dict[str, float] = dict.fromkeys((*GROUPS, "other"), 0.0)
    for event in profiled.key_averages():
        group = next(
            (name for name, parts in GROUPS.items() if any(part in event.key for part in parts)), "other"
        )
        spent[group] += event.self_cpu_time_total
    whole = sum(spent.values())
    print("       " + ", ".join(f"{name} {part / whole:.0%}" for name, part in spent.items()), flush=True)


def matrix_rate(torch: Any) -> float:
    """Return the GFLOP/s of products of 1024 x 1024 float32 matrices."""
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    best = 0.0
    for _ in range(5):
        start = time.perf_counter()
        a @ b
        best = max(best, 2 * 1024**3 / (time.perf_counter() - start) / 1e9)
    return best


def two_columns(path: Path, target: Path) -> Path:
    """Write words and labels in two columns, as peers read them. Those of CoNLL-U are parts of speech."""
    with target.open("w", encoding="utf-8") as file:
        for line in path.read_text(encoding="utf-8").split("\n"):
            row = line.split("\t")
            if path.suffix == ".conllu" and row[0].isdigit():
                file.write(f"{row[1]}\t{row[3]}\n")
            elif path.suffix != ".conllu" or not line:
                file.write(f"{line}\n")
    return target


def peer(name: str, python: str, task: Task, folder: Path) -> None:
    """Train and test a peer, and print the ratios."""
    paths = [two_columns(path, folder / f"{path.name}.tsv") for path in task.paths]
    _, _, out, _ = process([python, str(HERE / "peers" / f"{name}_tagger.py"), *map(str, paths)], folder)
    print(f"{name}, {task.title}: {'; '.join(out.splitlines())}")
    clock, busy = (float(part.split(" s")[0].split()[-1]) for part in out.splitlines()[0].split(", "))
    tested = out.split("\ntest ")[1]
    score = float(tested.split({"accuracy": "accuracy ", "f1": "span F1 "}[task.score])[1].split(",")[0])
    runs = trained(task, folder)
    ours, work = statistics.mean(run.seconds for run in runs), statistics.mean(run.busy for run in runs)
    ratios = f"clock {ours / clock:.3f}, busy {work / busy:.3f}"
    print(f"seqtool / {name}: {ratios}; {mean(task, runs) - 100 * score:+.2f} points", flush=True)


def crfsuite(folder: Path) -> None:
    """Compare with CRFsuite on all data."""
    for task in (EWT, UYGHUR, SEQUOIA, WNUT17):
        peer("crfsuite", os.environ.get("CRFSUITE_PYTHON", sys.executable), task, folder)


PARTS: dict[str, Callable[[Path], None]] = {
    "ewt": partial(measure, EWT),
    "uyghur": partial(measure, UYGHUR),
    "sequoia": partial(measure, SEQUOIA),
    "wnut17": partial(measure, WNUT17),
    "crf": crf,
    "steps": steps,
    "crfsuite": crfsuite,
    "spacy": lambda folder: peer("spacy", os.environ["SPACY_PYTHON"], EWT, folder),
}


def main() -> None:
    """Measure the chosen parts."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    print(f"{machine}, Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        for part in sys.argv[1:] or PARTS:
            PARTS[part](Path(name))


if __name__ == "__main__":
    main()
