"""All comparisons of docs/benchmarks.md with other programs: `python -m tests.benchmarks.all_peers FOLDER`.

The scripts run one after the other, since each needs a quiet machine. The tagger and the text model that some
of them use are trained first. What a script prints is also written to FOLDER, one file for each script.
`--only NAME...` runs some of them, on the models in FOLDER.

SEQTOOL_DATA names the directory of the data. SPACY_PYTHON and CRFSUITE_PYTHON are interpreters that have
spaCy 3.8 and python-crfsuite. This Python needs the test extra and `ufal.udpipe`. All take about 90 minutes
on two cores, of which UDPipe 1 takes 20 and the word models 20. UDPipe 1 is not trained on EWT, which takes
hours: `raw_text.py ewt` without `--no-peer` does.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).parent.parent.parent
EWT = ("train", "dev", "test")
MODELS = ("ewt", "shakespeare")


def commands(folder: Path) -> dict[str, list[str]]:
    """Return the arguments of Python for each comparison, in the order in which they run.

    Args:
        folder: where the models and the texts are.
    """
    tagger, text_model = (str(folder / "runs" / name) for name in MODELS)
    spacy = ["--spacy", os.environ["SPACY_PYTHON"]]
    return {
        "whole_process": [],
        "cold_start": [*spacy, "--jobs", tagger, "--jobs", "english"],
        "runtime": [tagger, *spacy],
        "characters": ["--threads", "1"],
        "inspection": ["--run", tagger],
        "export": [tagger, text_model],
        "shakespeare": [],
        "names": [],
        "detection": ["200", "1000000"],
        "taggers": ["steps", "ewt", "uyghur", "sequoia", "wnut17", "crfsuite", "spacy"],
        "raw_text_french": ["french", "--seeds", "1", "2", "3"],
        "raw_text_uyghur": ["uyghur", "--seeds", "1", "2", "3"],
        "words": [str(folder / "words"), "--widths", "200", "--rates", "20"],
    }


def train_models(folder: Path, data: Path) -> None:
    """Train the models with the shipped configs, unless they are there; end the program if one fails."""
    treebank = data / "ud_english_ewt/en_ewt-ud"
    settings = {
        "ewt": ["train-tagger", *(f"data.{part}={treebank}-{part}.conllu" for part in EWT)],
        "shakespeare": ["train-char", f"data.text={data}/tinyshakespeare/input.txt"],
    }
    for name, (command, *overrides) in settings.items():
        if not (folder / "runs" / name / "model").is_dir():
            options = [word for override in overrides for word in ("--set", override)]
            config = str(PROJECT / "configs" / f"{name}.yaml")
            places = ["--runs-dir", str(folder / "runs"), "--quiet", "--overwrite"]
            if not run(["-m", "seqtool", command, config, *places, *options], folder / f"train_{name}.txt"):
                sys.exit(f"failed: training of {name}")


def run(arguments: list[str], log: Path) -> bool:
    """Run Python, print its output and write it to a file; return whether it succeeded."""
    began = time.monotonic()
    print(f"=== {log.stem}: python {' '.join(arguments)}", flush=True)
    with (
        log.open("w", encoding="utf-8") as file,
        subprocess.Popen(
            [sys.executable, *arguments],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            file.write(line)
    print(f"=== {log.stem}: {time.monotonic() - began:.0f} s, exit code {process.returncode}", flush=True)
    return process.returncode == 0


def main() -> None:
    """Train the models, run the chosen comparisons, and name those that failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", metavar="NAME")
    options = parser.parse_args()
    folder: Path = options.folder.resolve()
    data = Path(os.environ["SEQTOOL_DATA"]).resolve()
    todo = commands(folder)
    if unknown := set(options.only or ()) - set(todo):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(todo)}")
    folder.mkdir(parents=True, exist_ok=True)
    train_models(folder, data)
    failed = []
    for name in options.only or todo:
        script = name.removesuffix("_french").removesuffix("_uyghur")
        if not run(["-m", f"tests.benchmarks.{script}", *todo[name]], folder / f"{name}.txt"):
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
