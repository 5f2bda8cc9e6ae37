"""Peak memory of `report`, `inspect` and `export` on a long text: `python -m tests.benchmarks.long_texts`.

`--symbols` is the length of the text. The default of 100 million needs 300 MB of disk and some minutes. Nine
tenths of the text are held out, and the model has random weights.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from pathlib import Path

from seqtool.config.dump import dump_settings
from seqtool.settings.data import CharData
from seqtool.settings.experiment import CharSettings
from seqtool.settings.training import Training
from tests.support.shell import SEQTOOL, environment
from tests.support.stored_models import store_character_model

LINE = "the dog ate an apple and everybody read that book in the house by the sea\n"
LIMIT = 500  # MB
COMMANDS = ("report long", "inspect long --find spaces", "export long --dtype float16")


def peak(arguments: str, folder: Path) -> float:
    """Run seqtool and return its peak memory in MB.

    Raises:
        RuntimeError: it failed.
    """
    process = subprocess.Popen(
        [*SEQTOOL, *arguments.split()], cwd=folder, env=environment(), stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"seqtool {arguments} failed")
    return usage.ru_maxrss / 1000


def main() -> None:
    """Write the text and the run, and print the memory of each command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=100_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "long.txt").open("w") as file:
            for _ in range(options.symbols // len(LINE)):
                file.write(LINE)
        store_character_model(folder / "runs/long", symbols="".join(sorted(set(LINE))))
        data = CharData(text=(str(folder / "long.txt"),), split=(0.1, 0.9))
        settings = CharSettings(name="long", data=data, training=Training(epochs=1))
        (folder / "runs/long/config.yaml").write_text(dump_settings(settings))
        for command in COMMANDS:
            used = peak(command, folder)
            print(f"seqtool {command}: {used:.0f} MB", flush=True)
            assert used <= LIMIT


if __name__ == "__main__":
    main()
