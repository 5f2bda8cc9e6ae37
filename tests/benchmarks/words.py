"""Word models against PyTorch's recipe, and against character models.

Run `python -m tests.benchmarks.words FOLDER`; texts and runs are written to FOLDER. The text is war_and_peace
below SEQTOOL_DATA, one paragraph a line. The last tenth is held out, the twentieth before it is the
development text. Words that occur less than twice in the training text are `<unk>` in all files. Both
programs read the same tokens for the same time:

- ours: settings in `OURS`; a short first run measures the steps per second, and the schedule then fits the
  time that is left.
- peer: `peers/word_language_model.py`, each of `--widths` with each of `--rates`. The best by development
  perplexity is reported.

`--spelling` compares bits per byte on the same held-out text instead: a word model that spells unknown words
and a character model, trained for the same time. `--softmax` times a training step with a linear and with an
adaptive output, tied, for vocabularies of 10,000, 30,000 and 100,000 words drawn by Zipf's law.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seqtool.data.text.words import split_words

UNKNOWN = "<unk>"
PROMISED = 1.2  # perplexity of the peer divided by ours
CALIBRATION = 0.06  # share of the time in which the steps per second are measured
MODEL = (
    "cell: lstm, hidden_size: 512, embedding_dim: 256, tied: true, output: adaptive, cutoffs: [1500, 5000]"
)
OURS = """
model: {{{model}, dropout_input: 0.4, dropout_output: 0.4, embedding_dropout: 0.1, weight_dropout: 0.3,
  state_reset: 0.03}}
training: {{max_steps: {steps}, max_minutes: {minutes}, eval_every: {every}, batch_size: 40, window: 35,
  optimizer: adamw, lr: 0.008, betas: [0.9, 0.99], weight_decay: 0.02, schedule: cosine, final_lr: 0.05,
  warmup_steps: {warmup}, ema: 0.999, clip_norm: 1.0, device: cpu, threads: {threads}, precision: bfloat16}}
"""
CHARACTERS = """
model: {{cell: lstm, hidden_size: 512, embedding_dim: 64, dropout: 0.1, state_reset: 0.02}}
training: {{max_steps: {steps}, max_minutes: {minutes}, eval_every: {every}, batch_size: 32, window: 100,
  optimizer: adamw, lr: 0.005, betas: [0.9, 0.99], weight_decay: 0.02, schedule: cosine,
  warmup_steps: {warmup}, clip_norm: 1.0, device: cpu, threads: {threads}}}
"""


# --- texts --------------------------------------------------------------------------------------------------


def paragraphs() -> list[str]:
    """Return the paragraphs of the novel, each without line breaks."""
    source = Path(os.environ["SEQTOOL_DATA"]) / "war_and_peace" / "war_and_peace.txt"
    blocks = source.read_text(encoding="utf-8").replace("\r\n", "\n").split("\n\n")
    return [" ".join(block.split()) for block in blocks if block.strip()]


def parts(lines: list[str]) -> dict[str, list[str]]:
    """Divide lines: the last tenth of the characters is test, the twentieth before it dev."""
    total = sum(map(len, lines))
    divided: dict[str, list[str]] = {"train": [], "dev": [], "test": []}
    done = 0
    for line in lines:
        share = done / total
        divided["train" if share < 0.85 else "dev" if share < 0.9 else "test"].append(line)
        done += len(line)
    return divided


def write_texts(folder: Path) -> None:
    """Write `train`, `dev` and `test`: `.raw` as they are, `.txt` as tokens with a closed vocabulary."""
    folder.mkdir(parents=True, exist_ok=True)
    divided = parts(paragraphs())
    counts = Counter(word.strip() for line in divided["train"] for word in split_words(line))
    known = {word for word, count in counts.items() if count >= 2}
    for name, lines in divided.items():
        (folder / f"{name}.raw").write_text("\n".join(lines) + "\n", encoding="utf-8")
        tokens = [" ".join(_tokens(line, known)) for line in lines]
        (folder / f"{name}.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    print(f"vocabulary: {len(known) + 2:,} words, {UNKNOWN} and <eos> among them")


def _tokens(line: str, known: set[str]) -> Iterator[str]:
    for word in map(str.strip, split_words(line)):
        if word:
            yield word if word in known else UNKNOWN


# --- runs ---------------------------------------------------------------------------------------------------


def seqtool(folder: Path, *arguments: str) -> str:
    """Run seqtool in a folder and return its stdout."""
    command = [sys.executable, "-m", "seqtool", *arguments]
    return subprocess.run(command, cwd=folder, check=True, text=True, stdout=subprocess.PIPE).stdout


def train(folder: Path, name: str, data: str, settings: str, options: argparse.Namespace) -> dict[str, Any]:
    """Train for the time in two runs, of which the first measures the speed; return the test evaluation."""
    first = CALIBRATION * options.minutes
    alone = data.partition(", val")[0] + ", split: [1.0, 0.0], unit" + data.partition("unit")[2]
    _write(folder, f"{name}-speed", alone, settings, options, steps=10**6, minutes=first, every=10**6)
    seqtool(folder, "train-char", f"{name}-speed.yaml", "--overwrite")
    row = json.loads((folder / f"runs/{name}-speed/metrics.jsonl").read_text().splitlines()[-1])
    rest = options.minutes - row["seconds"] / 60
    # The first steps of a process are slow, which leaves time for the evaluations.
    steps = max(10, int(row["step"] / row["seconds"] * 60 * rest))
    _write(folder, name, data, settings, options, steps=steps, minutes=rest, every=max(1, steps // 4))
    seqtool(folder, "train-char", f"{name}.yaml", "--overwrite")
    return json.loads((folder / f"runs/{name}/evaluation.json").read_text())["test"]  # type: ignore[no-any-return]


def _write(
    folder: Path, name: str, data: str, settings: str, options: argparse.Namespace, **values: float
) -> None:
    text = f"task: char\nname: {name}\nseed: {options.seed}\ndata: {{{data}}}\n"
    warmup = min(50, int(values["steps"]) // 10)
    filled = settings.format(model=MODEL, threads=options.threads, warmup=warmup, **values)
    (folder / f"{name}.yaml").write_text(text + filled, encoding="utf-8")


def peer(folder: Path, width: int, rate: float, options: argparse.Namespace) -> dict[str, Any]:
    """Train the peer and return its result."""
    script = Path(__file__).parent / "peers" / "word_language_model.py"
    given = {"--width": width, "--lr": rate, "--minutes": options.minutes, "--threads": options.threads}
    given |= {"--per-epoch": options.per_epoch, "--seed": options.seed}
    arguments = [str(part) for pair in given.items() for part in pair]
    command = [sys.executable, str(script), str(folder), *arguments]
    done = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE)
    result = json.loads(done.stdout.splitlines()[-1])
    print(f"peer {result}", flush=True)
    return result  # type: ignore[no-any-return]


def compare_perplexity(folder: Path, options: argparse.Namespace) -> None:
    """Compare test perplexities of both programs."""
    ours = train(folder, "words", _files("txt") + "unit: word, tokenized: true", OURS, options)
    perplexity = ours["carried"]["perplexity"]
    print(f"ours: test perplexity {perplexity:.2f} on {ours['symbols']:,} words", flush=True)
    if options.ours:
        return
    results = [peer(folder, width, rate, options) for width in options.widths for rate in options.rates]
    best = min(results, key=lambda result: float(result["dev_perplexity"]))
    ratio = best["test_perplexity"] / perplexity
    print(f"best peer by development perplexity: {best}")
    print(f"perplexity of the peer is {ratio:.3f} times ours (promised: {PROMISED})")


def compare_units(folder: Path, options: argparse.Namespace) -> None:
    """Compare bits per byte of a word model with spelling and of a character model."""
    spelled = _files("raw") + "unit: word, min_count: 3, spell_unknown: true"
    for name, data, settings in (
        ("spelled", spelled, OURS),
        ("characters", _files("raw") + "unit: char", CHARACTERS),
    ):
        carried = train(folder, name, data, settings, options)["carried"]
        print(f"{name}: {carried['bits_per_byte']:.4f} bits per byte on the test text", flush=True)


def _files(ending: str) -> str:
    return f"text: train.{ending}, val: dev.{ending}, test: test.{ending}, "


# --- output layer -------------------------------------------------------------------------------------------


def time_outputs(threads: int) -> None:
    """Print the processor time of a training step by vocabulary and output layer."""
    import numpy as np
    import torch

    from seqtool.models.character import build_character_network
    from seqtool.settings.experiment import CharSettings
    from seqtool.settings.model import CharModel

    torch.set_num_threads(threads)
    print("words    output    seconds/step (processor time, median of 5)")
    for words in (10_000, 30_000, 100_000):
        chances = 1 / np.arange(1, words + 1)
        drawn = np.random.default_rng(1).choice(words, (36, 20), p=chances / chances.sum())
        text = torch.from_numpy(drawn)
        for output in ("linear", "adaptive"):
            model = CharModel(hidden_size=256, embedding_dim=256, tied=True, output=output)
            network = build_character_network(CharSettings(model=model), words)
            optimizer = torch.optim.AdamW(network.parameters(), fused=True)
            times = []
            for _ in range(6):
                began = time.process_time()
                y, _ = network.read(text[:-1], network.encoder.initial_state(20))
                (network.loss(y, text[1:]) / text[1:].numel()).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                optimizer.zero_grad()
                times.append(time.process_time() - began)
            print(f"{words:<8} {output:<9} {sorted(times[1:])[2]:.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0, help="time of each training")
    parser.add_argument("--widths", type=int, nargs="+", default=[200, 650])
    parser.add_argument("--rates", type=float, nargs="+", default=[20.0, 10.0, 5.0])
    parser.add_argument("--per-epoch", type=int, default=1, help="development scores of the peer per epoch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ours", action="store_true", help="train only ours")
    parser.add_argument(
        "--spelling", action="store_true", help="compare bits per byte with a character model"
    )
    parser.add_argument("--softmax", action="store_true", help="time the output layers")
    options = parser.parse_args()
    if options.softmax:
        time_outputs(options.threads)
        return
    write_texts(options.folder)
    (compare_units if options.spelling else compare_perplexity)(options.folder, options)


if __name__ == "__main__":
    main()
