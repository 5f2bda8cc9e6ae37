"""Languages of held-out names, and the PyTorch tutorial's network: `python -m tests.benchmarks.names`.

The names of each language are deduplicated and every tenth one is held out. A model of
`configs/names_by_language.yaml` is trained on the others, and classifies a held-out name by the language that
makes it most probable. The peer (`peers/names_rnn.py`) is then trained for the same processor time, once with
random languages as in the tutorial and once with random names. All use one thread. `--choose` holds out every
tenth name of the training part instead; settings were chosen on those. `SEQTOOL_DATA` is the folder that
contains `names_by_language/`.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks.programs import PROJECT, run_python

PEER = Path(__file__).parent / "peers/names_rnn.py"
PROMISED_GAIN = 0.05
LANGUAGES = 18


def write_parts(source: Path, folder: Path, *, choose: bool) -> None:
    """Write the names of each language to `train` and `test`; with `choose`, the test names are left out."""
    files = [path for path in sorted(source.glob("*.txt")) if path.stem != "LICENSE"]
    assert len(files) == LANGUAGES, files
    for path in files:
        lines = map(str.strip, path.read_text(encoding="utf-8").splitlines())
        names = list(dict.fromkeys(filter(None, lines)))
        test, train = names[9::10], [name for place, name in enumerate(names) if place % 10 != 9]
        if choose:
            test, train = train[9::10], [name for place, name in enumerate(train) if place % 10 != 9]
        for part, own in (("train", train), ("test", test)):
            (folder / part).mkdir(exist_ok=True)
            (folder / part / path.name).write_text("".join(f"{name}\n" for name in own), encoding="utf-8")


def run(*arguments: str | Path, folder: Path) -> tuple[str, float]:
    """Run a Python program on one thread; return its output and its seconds of processor time."""
    done = run_python(*arguments, folder=folder, OMP_NUM_THREADS="1")
    return done.out, done.busy


def ours(folder: Path, settings: list[str]) -> tuple[dict[str, Any], float]:
    """Train the config, and return the scores of its classification and the processor time of the training.

    A tenth of the training names chooses the best epoch, as in the config.
    """
    names = ["--set", f"data.text={folder}/train/*.txt", "--set", f"data.test={folder}/test/*.txt"]
    others = [word for setting in settings for word in ("--set", setting)]
    config = PROJECT / "configs/names_by_language.yaml"
    training: list[str | Path] = [
        "-m",
        "seqtool",
        "train-char",
        config,
        "--quiet",
        "--overwrite",
        *names,
        *others,
    ]
    _, seconds = run(*training, folder=folder)
    files = sorted((folder / "test").glob("*.txt"))
    shown, _ = run("-m", "seqtool", "evaluate", "names_by_language", *files, "--json", folder=folder)
    scores: dict[str, Any] = json.loads(shown)["conditions"]
    return scores, seconds


def main() -> None:
    """Train all networks and print their scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--choose", action="store_true", help="hold out names of the training part instead")
    parser.add_argument(
        "--set", action="append", default=[], dest="settings", help="KEY=VALUE for the config"
    )
    options = parser.parse_args()
    source = Path(os.environ["SEQTOOL_DATA"]) / "names_by_language"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_parts(source, folder, choose=options.choose)
        scores, seconds = ours(folder, options.settings)
        print(f"{scores['classified']:,} held-out names; {seconds:.0f} s of one processor each", flush=True)
        row = "{:<34} accuracy {:6.2%}, macro F1 {:5.2f}"
        print(row.format("seqtool", scores["accuracy"], 100 * scores["macro_f1"]), flush=True)
        for name, more in (("tutorial, random languages", []), ("tutorial, random names", ["uniform"])):
            shown, _ = run(PEER, folder / "train", folder / "test", str(seconds), *more, folder=folder)
            peer = json.loads(shown)
            title = f"{name} ({peer['steps']:,} steps)"
            print(row.format(title, peer["accuracy"], 100 * peer["macro_f1"]), flush=True)
            assert scores["accuracy"] >= peer["accuracy"] + PROMISED_GAIN
        for confusion in scores["confusions"][:8]:
            print(f"  {confusion['gold']} taken for {confusion['predicted']}: {confusion['count']}")


if __name__ == "__main__":
    main()
