"""Adapt the pretrained `english` to fifty sentences: `python tests/benchmarks/adapting.py`.

SEQTOOL_DATA names the directory of the treebank. The sentences are the first e-mails of EWT's development
data. UPOS is measured on the given words of all e-mails of its test data, for a tagger trained from random
weights, for taggers that start from `english`, and for `english` itself.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).parent.parent.parent
SEQTOOL = [sys.executable, "-m", "seqtool"]
TREEBANK = Path(os.environ.get("SEQTOOL_DATA", "data")) / "ud_english_ewt"
SENTENCES = 50
RUNS = {
    "from random weights": [],
    "with --init-from english": ["--init-from", "english"],
    "with --init-from english --set training.lr=0.0005": [
        *("--init-from", "english"),
        *("--set", "training.lr=0.0005"),
    ],
}


def emails(part: str, path: Path, most: int | None = None) -> None:
    """Write the first e-mails of a file of the treebank."""
    blocks = (TREEBANK / f"en_ewt-ud-{part}.conllu").read_text(encoding="utf-8").split("\n\n")
    chosen = [block for block in blocks if "\n# sent_id = email-" in f"\n{block}"][:most]
    path.write_text("\n\n".join(chosen) + "\n\n", encoding="utf-8")
    print(f"{part}: {len(chosen)} sentences")


def accuracy(folder: Path, model: str) -> str:
    """Return the UPOS accuracy of a model on the e-mails of the test data."""
    command = [*SEQTOOL, "evaluate", model, "test.conllu", "--json"]
    done = subprocess.run(command, cwd=folder, check=True, text=True, stdout=subprocess.PIPE)
    return f"{100 * json.loads(done.stdout)['accuracy']:.2f} %"


def main() -> None:
    os.environ["PYTHONPATH"] = str(PROJECT)
    print(f"{platform.machine()}, Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        emails("dev", folder / "mails.conllu", SENTENCES)
        emails("test", folder / "test.conllu")
        for title, options in RUNS.items():
            command = [*SEQTOOL, "train-tagger", "mails.conllu", "--overwrite", *options]
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
            print(f"{title:<52} {accuracy(folder, 'mails')}", flush=True)
        print(f"{'english itself':<52} {accuracy(folder, 'english')}")


if __name__ == "__main__":
    main()
