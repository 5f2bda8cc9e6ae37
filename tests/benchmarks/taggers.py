"""Taggers against their peers, all in one run: `SEQTOOL_DATA=folder python tests/benchmarks/taggers.py [PART...]`.

Parts: ewt, uyghur, sequoia, wnut17, crf, steps, crfsuite, spacy (needs SPACY_PYTHON, an interpreter that has spaCy 3.8); by
default all. Trainings are whole processes, from command to saved model. The machine's own pace changes with what else it
does, so each time is given twice: by the clock, and as the seconds that processors were busy; ratios are of the same kind.
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
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
SEQTOOL = [sys.executable, "-m", "seqtool"]
DATA = Path(os.environ.get("SEQTOOL_DATA", "data"))
EWT = tuple(DATA / f"ud_english_ewt/en_ewt-ud-{part}.conllu" for part in ("train", "dev", "test"))
WNUT = tuple(
    DATA / "wnut17" / name for name in ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated")
)
SEEDS = (1, 2, 3)
GROUPS = {
    "LSTM": ("mkldnn_rnn", "aten::lstm"),
    "other matrix products": ("aten::mm", "aten::addmm", "aten::bmm"),
    "optimiser": ("adamw", "foreach", "linalg_vector_norm", "_norm"),
    "embeddings": ("embedding", "index_select", "scatter_add", "fill_", "zero_"),
}


@dataclass(frozen=True)
class Run:
    """A training as a whole process."""

    seconds: float
    busy: float
    scores: dict[str, float]
    log: str = ""


def process(command: Sequence[str], cwd: Path) -> tuple[float, float, str, str]:
    """Clock and processor seconds of a command, and what it wrote on stdout and stderr."""
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
    given = [*SEQTOOL, "train-tagger", *map(str, arguments), "--json", "--quiet", "--overwrite"]
    seconds, busy, out, log = process(given, folder)
    return Run(seconds, busy, json.loads(out)["scores"], log)


def files(paths: Sequence[Path]) -> list[str]:
    """A config's data, named anew."""
    return [
        part
        for name, path in zip(("train", "dev", "test"), paths, strict=True)
        for part in ("--set", f"data.{name}={path}")
    ]


@cache
def ewt_runs(folder: Path) -> tuple[Run, ...]:
    """The shipped config with three seeds."""
    return tuple(
        train(folder, PROJECT / "configs/ewt.yaml", *files(EWT), "--seed", str(seed)) for seed in SEEDS
    )


def mean(runs: Sequence[Run], score: str) -> float:
    """Of a score, in per cent."""
    return 100 * statistics.mean(run.scores[score] for run in runs)


def tell(name: str, value: float, promised: str, runs: Sequence[Run]) -> None:
    """A line of results."""
    clock = "/".join(f"{run.seconds:.0f}" for run in runs)
    busy = "/".join(f"{run.busy:.0f}" for run in runs)
    each = " ".join(f"{100 * run.scores.get('test_f1', run.scores['test_accuracy']):.2f}" for run in runs)
    print(
        f"{name:<38} {value:6.2f} (wanted {promised})  clock {clock} s, busy {busy} s, 2 cores  [{each}]",
        flush=True,
    )


# --- the parts --------------------------------------------------------------------------------------------------------


def ewt(folder: Path) -> None:
    """English web text, parts of speech."""
    runs = ewt_runs(folder)
    tell("EWT UPOS, mean of 3 seeds", mean(runs, "test_accuracy"), ">= 95.7", runs)


def small(name: str, folder: Path, stem: str, wanted: str) -> None:
    """A smaller treebank, with the settings that seqtool chooses by itself."""
    train_file, dev, test = (
        DATA / folder_name(stem) / f"{stem}-ud-{part}.conllu" for part in ("train", "dev", "test")
    )
    runs = [train(folder, train_file, "--dev", dev, "--test", test)]
    tell(name, mean(runs, "test_accuracy"), wanted, runs)


def folder_name(stem: str) -> str:
    """Where a treebank lies."""
    return {"ug_udt": "ud_uyghur_udt", "fr_sequoia": "ud_french_sequoia"}[stem]


def wnut17(folder: Path) -> None:
    """Names in social media."""
    runs = [
        train(folder, PROJECT / "configs/wnut17.yaml", *files(WNUT), "--seed", str(seed)) for seed in SEEDS
    ]
    tell("WNUT-17 span F1, mean of 3 seeds", mean(runs, "test_f1"), ">= 20.0", runs)


def crf(folder: Path) -> None:
    """What a CRF costs in an epoch beside softmax, three epochs of each in turn."""
    paces: dict[str, list[float]] = {"crf": [], "softmax": []}
    one_epoch = (
        "--set",
        "training.epochs=1",
        "--set",
        "training.class_weights=none",
        "--set",
        "training.label_smoothing=0",
    )
    for _ in range(3):
        for decoder, found in paces.items():
            run = train(
                folder,
                PROJECT / "configs/wnut17.yaml",
                *files(WNUT),
                *one_epoch,
                "--set",
                f"model.decoder={decoder}",
            )
            found.append(run.busy)
    one_step = ("--set", "training.max_steps=1", "--set", "training.warmup_steps=0", *one_epoch[2:])
    start = train(folder, PROJECT / "configs/wnut17.yaml", *files(WNUT), *one_step).busy
    ratio = statistics.median(
        (a - start) / (b - start) for a, b in zip(paces["crf"], paces["softmax"], strict=True)
    )
    print(f"CRF epoch / softmax epoch              {ratio:6.2f} (wanted <= 1.5)", flush=True)


def steps(folder: Path) -> None:  # noqa: ARG001 - the form of a part
    """Words a second in the training steps, their share of the machine's matrix rate, and where the rest goes."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    from seqtool.config.load import read_settings
    from seqtool.tasks.build import build_task, prepare
    from seqtool.training.engine.events import StepEvent
    from seqtool.training.engine.trainer import Trainer

    prepared = prepare(
        read_settings(
            PROJECT / "configs/ewt.yaml", [f"data.train={EWT[0]}", "data.dev=[]", "data.test=[]"]
        ).settings
    )
    built = build_task(prepared)
    running = Trainer(
        built.task, replace(prepared.settings.training, epochs=None, max_steps=10_000, schedule="constant")
    ).run()

    def walk(count: int) -> tuple[int, float, float]:
        words, start, busy = 0, time.perf_counter(), time.process_time()
        for report in running:
            words += report.items if isinstance(report, StepEvent) else 0
            count -= 1
            if not count:
                break
        return words, time.perf_counter() - start, time.process_time() - busy

    walk(20)
    found = [(*walk(40), matrix_rate(torch)) for _ in range(5)]
    words, seconds, busy, rate = sorted(found, key=lambda one: one[0] / one[1])[-1]
    weights = sum(
        weight.numel()
        for name, weight in built.task.network.named_parameters()
        if weight.dim() == 2 and "features" not in name
    )
    used = (
        6 * weights * words / seconds / 1e9
    )  # a product and a sum for each weight, forward and twice backward
    print(
        f"steps: {words / seconds:,.0f} words/s on {built.threads} threads (wanted >= 35,000); {words / busy:,.0f} per busy second"
    )
    print(
        f"       {used:.0f} of the {rate:.0f} GFLOP/s that products of 1024 x 1024 matrices reach: {used / rate:.0%}"
    )
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        walk(40)
    spent: dict[str, float] = dict.fromkeys((*GROUPS, "all else"), 0.0)
    for event in profiled.key_averages():
        group = next(
            (name for name, parts in GROUPS.items() if any(part in event.key for part in parts)), "all else"
        )
        spent[group] += event.self_cpu_time_total
    whole = sum(spent.values())
    print("       " + ", ".join(f"{name} {share / whole:.0%}" for name, share in spent.items()), flush=True)


def matrix_rate(torch: Any) -> float:
    """GFLOP/s of products of 1024 x 1024 float32 matrices."""
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    best = 0.0
    for _ in range(5):
        start = time.perf_counter()
        a @ b
        best = max(best, 2 * 1024**3 / (time.perf_counter() - start) / 1e9)
    return best


def two_columns(path: Path, target: Path) -> Path:
    """A CoNLL-U file's words and parts of speech, as the peers read them."""
    rows = (
        line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")
    )
    kept = (row for row in rows if len(row) < 10 or row[0].isdigit())
    target.write_text(
        "".join(f"{row[1]}\t{row[3]}\n" if len(row) == 10 else "\n" for row in kept), encoding="utf-8"
    )
    return target


def peer(name: str, python: str, folder: Path) -> None:
    """A peer on EWT, and the ratios."""
    paths = [two_columns(path, folder / f"{path.stem}.tsv") for path in EWT]
    _, _, out, _ = process([python, str(HERE / "peers" / f"{name}_tagger.py"), *map(str, paths)], folder)
    print(f"{name}: {'; '.join(out.split(chr(10)))}")
    clock, busy = (float(part.split(" s")[0].split()[-1]) for part in out.splitlines()[0].split(", "))
    accuracy = 100 * float(out.split("test accuracy ")[1].split(",")[0])
    runs = ewt_runs(folder)
    ours, work = statistics.mean(run.seconds for run in runs), statistics.mean(run.busy for run in runs)
    print(
        f"seqtool / {name}: clock {ours / clock:.3f}, busy {work / busy:.3f}; {mean(runs, 'test_accuracy') - accuracy:+.2f} points"
    )


PARTS: dict[str, Callable[[Path], None]] = {
    "ewt": ewt,
    "uyghur": lambda folder: small("Uyghur UPOS, a file in place of a config", folder, "ug_udt", ">= 89.4"),
    "sequoia": lambda folder: small(
        "Sequoia UPOS, a file in place of a config", folder, "fr_sequoia", ">= 97.9"
    ),
    "wnut17": wnut17,
    "crf": crf,
    "steps": steps,
    "crfsuite": lambda folder: peer("crfsuite", os.environ.get("CRFSUITE_PYTHON", sys.executable), folder),
    "spacy": lambda folder: peer("spacy", os.environ["SPACY_PYTHON"], folder),
}


def main() -> None:
    wanted = sys.argv[1:] or list(PARTS)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as name:
        for part in wanted:
            PARTS[part](Path(name))


if __name__ == "__main__":
    main()
