"""Random changes of bytes and truncations of every file of a model and of a checkpoint.

Every damage must be detected, and none may end in a traceback.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from seqtool.errors import ModelError, Stopped
from seqtool.settings.experiment import Settings
from seqtool.training.checkpoints import read_checkpoint
from tests.benchmarks.faults.common import check_model, counter
from tests.support.small_runs import StopAt, char_run, run, stopping, tagger_run

Reader = Callable[[Path], object]


@dataclass
class DamageReport:
    """Number of damaged files, and descriptions of the damages that were not reported as a ModelError."""

    damages: int = 0
    undetected: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Return whether every damage was detected."""
        return not self.undetected


def flip_bytes(count: int, folder: Path, seed: int = 1) -> DamageReport:
    """Damage the files of a character run and of a tagger run in turn, `count` times in all."""
    draw, report = random.Random(seed), DamageReport()
    directories = [
        pair for make in (char_run, tagger_run) for pair in _directories(make, folder / make.__name__)
    ]
    files = [(read, place, path) for read, place in directories for path in sorted(place.iterdir())]
    for read, place in directories:
        read(place)
    with counter(count, "damages") as advance:
        for number in range(count):
            read, place, path = files[number % len(files)]
            original = path.read_bytes()
            damage, content = _damaged(original, draw)
            path.write_bytes(content)
            try:
                read(place)
                report.undetected.append(f"{path.name}: {damage}")
            except ModelError:
                pass
            except Exception as error:
                report.undetected.append(f"{path.name}: {damage}: {type(error).__name__}: {error}")
            path.write_bytes(original)
            report.damages += 1
            advance()
    return report


def _directories(make: Callable[..., Settings], folder: Path) -> list[tuple[Reader, Path]]:
    """Train a run; return its model directory and a checkpoint, each with the function that reads it."""
    folder.mkdir(parents=True)
    settings = make(folder, max_steps=12, eval_every=4)
    run(settings, folder)
    with suppress(Stopped), stopping(StopAt(9)):
        run(settings, folder / "cut")
    (checkpoint,) = (folder / "cut/small.partial/checkpoints").iterdir()
    return [(check_model, folder / "small" / "model"), (read_checkpoint, checkpoint)]


def _damaged(content: bytes, draw: random.Random) -> tuple[str, bytes]:
    """Flip a bit, change a byte, or truncate; return a description and the new content.

    An empty file gets a byte.
    """
    if not content:
        return "one byte more", b"x"
    place, kind = draw.randrange(len(content)), draw.randrange(3)
    if kind == 0:
        return f"truncated to {place} bytes", content[:place]
    new = (
        content[place] ^ (1 << draw.randrange(8))
        if kind == 1
        else draw.choice([byte for byte in range(256) if byte != content[place]])
    )
    return f"byte {place} is {new}", content[:place] + bytes([new]) + content[place + 1 :]
