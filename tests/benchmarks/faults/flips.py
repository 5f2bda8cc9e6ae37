"""Random byte flips and truncations over every file of a model and of a checkpoint: each is detected, none ends in a traceback."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from seqtool.errors import ModelError, Stopped
from seqtool.training.checkpoints import read_checkpoint
from tests.benchmarks.faults.common import loads, telling
from tests.support.small_runs import StopAt, char_run, run, stopping, tagger_run


@dataclass
class Flips:
    """What came of it."""

    damages: int = 0
    undetected: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether all is as promised."""
        return not self.undetected


def flip_bytes(count: int, folder: Path, seed: int = 1) -> Flips:
    """Damage `count` times, by turns each file of the models and checkpoints of a character run and a tagger's."""
    draw, found = random.Random(seed), Flips()
    readers = [reader for make in (char_run, tagger_run) for reader in _sealed(make, folder / make.__name__)]
    files = [(read, place, path) for read, place in readers for path in sorted(place.iterdir())]
    for read, place in readers:
        read(place)
    with telling(count, "damages") as one:
        for number in range(count):
            read, place, path = files[number % len(files)]
            original = path.read_bytes()
            what, damaged = _damaged(original, draw)
            path.write_bytes(damaged)
            try:
                read(place)
                found.undetected.append(f"{path.name}: {what}")
            except ModelError:
                pass
            except Exception as error:
                found.undetected.append(f"{path.name}: {what}: {type(error).__name__}: {error}")
            path.write_bytes(original)
            found.damages += 1
            one()
    return found


def _sealed(make: Callable[..., object], folder: Path) -> list[tuple[Callable[[Path], object], Path]]:
    """A model and a checkpoint, and what reads each."""
    folder.mkdir(parents=True)
    settings = make(folder, max_steps=12, eval_every=4)
    run(settings, folder)  # type: ignore[arg-type]
    try:
        with stopping(StopAt(9)):
            run(settings, folder / "cut")  # type: ignore[arg-type]
    except Stopped:
        pass
    (checkpoint,) = (folder / "cut/small.partial/checkpoints").iterdir()
    return [(loads, folder / "small" / "model"), (read_checkpoint, checkpoint)]


def _damaged(content: bytes, draw: random.Random) -> tuple[str, bytes]:
    """A bit turned over, a byte changed, or the end cut off; of an empty file, a byte more."""
    if not content:
        return "a byte more", b"x"
    place, kind = draw.randrange(len(content)), draw.randrange(3)
    if kind == 0:
        return f"cut at {place}", content[:place]
    new = (
        content[place] ^ (1 << draw.randrange(8))
        if kind == 1
        else draw.choice([byte for byte in range(256) if byte != content[place]])
    )
    return f"byte {place} is {new}", content[:place] + bytes([new]) + content[place + 1 :]
