"""Tag random files of all formats, compare every byte, and evaluate the output.

`python -m tests.benchmarks.tag_layouts 10000` runs this number of files.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from seqtool.inference.load import load_tagger
from seqtool.storage.model_directory import read_model
from tests.support.shell import seqtool_in_process
from tests.support.stored_models import store_tagger
from tests.support.tag_layouts import random_tag_file

LAYOUT = {"label": "auto", "columns": [], "width": 2, "text_key": "tokens", "label_key": "labels"}


def main(count: int) -> int:
    """Print the files that are not right, and return their number."""
    wrong: Counter[str] = Counter()
    with TemporaryDirectory() as name:
        here = Path(name)
        store_tagger(here / "runs/columns", layout=LAYOUT)
        store_tagger(here / "runs/other")
        model = load_tagger(read_model(here / "runs/other/model"))
        for seed in range(count):
            file = random_tag_file(seed)
            path, run = here / file.name, ("columns", "other")[seed % 2]
            path.write_bytes(file.content)
            done = seqtool_in_process("tag", "--model", run, "--file", path, cwd=here)
            problem = (
                "" if done.stdout.encode() == file.expected(model.tag(file.sentences)) else "bytes differ"
            )
            if not problem:
                path.write_bytes(done.stdout.encode())
                scores = seqtool_in_process("evaluate", run, path, "--json", cwd=here).stdout
                problem = "" if scores and json.loads(scores)["accuracy"] == 1.0 else "evaluated otherwise"
            if problem:
                wrong[problem] += 1
                print(f"seed {seed}: {problem}: {file.kind}", done.stderr)
    print(f"{count:,} files, {sum(wrong.values())} of them wrong", dict(wrong))
    return sum(wrong.values())


if __name__ == "__main__":
    sys.exit(bool(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)))
