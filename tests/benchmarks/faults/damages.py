"""Random damages of files under the runs root, and the commands that read them.

No damage may end in a traceback, block a command, or take gigabytes of memory: the exit code is 0 or 2. Half
of the damages of a model or of a checkpoint are forged: the manifest states the hashes of the damaged files.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import resource
import shutil
import signal
import socket
import sqlite3
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from seqtool.config.dump import dump_settings
from seqtool.errors import Stopped
from seqtool.settings.data import CharData
from seqtool.settings.experiment import CharSettings, Settings
from seqtool.settings.model import CharModel
from seqtool.storage.verified_directory import MANIFEST, canonical_json
from tests.benchmarks.faults.common import counter
from tests.support.shell import seqtool, seqtool_in_process
from tests.support.small_runs import TRAINING, StopAt, char_run, run, stopping, tagger_run, tokenizer_run
from tests.support.unreadable import unreadable

MEMORY = 6 << 30  # bytes of address space that a command may add
SECONDS = 60  # longest time of a command
PRIVATE = 0.1  # share of damages that make a directory unreadable instead
ALLOWED = (0, 2)  # exit codes

CHAR_COMMANDS = (
    ("sample", "--model", "{run}", "--length", "5"),
    ("score", "--model", "{run}", "the dog ate"),
    ("evaluate", "{run}"),
    ("inspect", "{run}"),
    ("inspect", "{run}", "--text", "the dog"),
    ("inspect", "{run}", "--find", "quotes"),
    ("report", "{run}", "--out", "{out}/page.html"),
    ("play", "{run}", "--out", "{out}/play.html"),
    ("export", "{run}", "--dtype", "float16", "--out", "{out}/half"),
    ("train-char", "{config}", "--init-from", "{run}", "--name", "next", "--set", "training.max_steps=1"),
)
PAIR_COMMANDS = (
    ("predict", "--model", "{run}", "ab"),
    ("play", "{run}", "--out", "{out}/play.html"),
    ("report", "{run}", "--out", "{out}/page.html"),
    ("inspect", "{run}", "--text", "ab"),
)
TAGGER_COMMANDS = (
    ("tag", "--model", "{run}", "the dog ate"),
    ("tag", "--model", "{run}", "--format", "jsonl", "--probs", "the dog ate"),
    ("tag", "--model", "{run}", "--input-format", "conll", "--format", "conllu", "--file", "dev.conll"),
    ("evaluate", "{run}"),
    ("evaluate", "{run}", "--suspects", "{out}/suspects"),
    ("inspect", "{run}"),
    ("inspect", "{run}", "--text", "the dog"),
    ("report", "{run}", "--out", "{out}/page.html"),
    ("play", "{run}", "--out", "{out}/play.html"),
    ("export", "{run}", "--dtype", "float16", "--out", "{out}/half"),
    ("train-tagger", "{config}", "--init-from", "{run}", "--name", "next", "--set", "training.max_steps=1"),
)
TOKENIZER_COMMANDS = (
    ("tokenize", "--model", "{run}", "the dog ate."),
    ("evaluate", "{run}", "train.conllu"),
    ("play", "{run}", "--out", "{out}/play.html"),
    ("inspect", "{run}", "--text", "the dog"),
    ("report", "{run}", "--out", "{out}/page.html"),
)
ALL_COMMANDS = (
    ("runs",),
    ("runs", "--json"),
    ("runs", "compare", "{run}", "{other}"),
    ("inspect", "{run}", "--json"),
    ("report", "{run}", "{other}", "--out", "{out}/page.html"),
    ("config", "show", "runs/{run}/config.yaml"),
    ("config", "diff", "runs/{run}/config.yaml", "runs/{other}/config.yaml"),
    ("tag", "the dog ate"),
    ("sample", "--length", "5"),
    ("predict", "ab"),
)
LAST_COMMANDS = (  # these change or delete the run
    ("{train}", "{config}", "--resume", "--set", "training.max_steps=13"),
    ("runs", "rm", "--yes", "--checkpoints", "{run}"),
    ("runs", "rm", "--yes", "{run}"),
)
SWEEP = ("sweep", "text.yaml", "--space", "space.yaml", "--sampler", "grid", "--name", "search")
SWEEP_COMMANDS = (
    SWEEP,
    (*SWEEP, "--overwrite"),
    ("config", "show", "runs/search/best.yaml"),
    ("train-char", "runs/search/best.yaml", "--name", "next", "--set", "training.max_steps=1"),
    ("runs",),
    ("runs", "rm", "search", "--yes"),
)
OF_RUN = {
    "text": CHAR_COMMANDS,
    "pairs": PAIR_COMMANDS,
    "tagger": TAGGER_COMMANDS,
    "splitter": TOKENIZER_COMMANDS,
}


@dataclass
class DamageReport:
    """Number of damages and of commands, exit codes, and descriptions of what must not happen."""

    damages: int = 0
    commands: int = 0
    codes: Counter[int] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Return whether every command ended as promised."""
        return not self.failures


def damage_runs(count: int, folder: Path, seed: int = 1, commands: int | None = None) -> DamageReport:
    """Damage files of runs, one at a time.

    Args:
        count: number of damages.
        commands: number of random commands for each damage; None for all commands that read the file.
    """
    pristine = folder / "pristine"
    make_runs(pristine, with_sweep=commands is None)
    draw, report = random.Random(seed), DamageReport()
    with counter(count, "damages") as advance, limited_memory():
        for number in range(count):
            here = folder / f"damage-{number}"
            shutil.copytree(pristine, here)
            path = draw.choice(readable_files(here / "runs"))
            name = path.relative_to(here / "runs").parts[0]
            is_private = draw.random() < PRIVATE
            private = draw.choice(_folders(path, here)) if is_private else None
            kind = f"private: {private.relative_to(here)}" if private else damage(path, draw)
            readers = commands_for(name)
            for command in readers if commands is None else draw.sample(readers, min(commands, len(readers))):
                failure = call(command, name, here, report, private)
                if failure:
                    place = path.relative_to(here)
                    report.failures.append(f"{number}: {place}: {kind}: {' '.join(command)}: {failure}")
                    print(report.failures[-1], file=sys.stderr, flush=True)
            report.damages += 1
            report.kinds[kind.split(":")[0]] += 1
            shutil.rmtree(here, ignore_errors=True)
            advance()
    return report


def _folders(path: Path, here: Path) -> list[Path]:
    """Return the directories from that of a file to the root of the runs."""
    return [folder for folder in path.parents if here in folder.parents]


def make_runs(folder: Path, *, with_sweep: bool = False) -> None:
    """Train a text model, a model of pairs, a tagger and a tokenizer, and interrupt a run of each task."""
    folder.mkdir(parents=True)
    pairs = CharData(pairs=(("ab", "ba"), ("ba", "ab")))
    settings: dict[str, Settings] = {
        "text": char_run(folder, max_steps=12, eval_every=4),
        "pairs": CharSettings(name="x", data=pairs, model=CharModel(hidden_size=3), training=TRAINING),
        "tagger": tagger_run(folder, max_steps=12, eval_every=4),
        "splitter": tokenizer_run(folder, max_steps=12, eval_every=4),
    }
    for name, one in settings.items():
        run(replace(one, name=name), folder / "runs")
        (folder / f"{name}.yaml").write_text(dump_settings(replace(one, name=name), folder))
    for name in ("text", "tagger"):
        cut = replace(settings[name], name=f"{name}-cut")
        (folder / f"{name}-cut.yaml").write_text(dump_settings(cut, folder))
        with suppress(Stopped), stopping(StopAt(9)):
            run(cut, folder / "runs")
    (folder / "space.yaml").write_text("training.lr: [0.01, 0.02]\n")
    if with_sweep:
        assert seqtool(*SWEEP, cwd=folder).code == 0


def readable_files(root: Path) -> list[Path]:
    """Return the files that a command reads. The trials of a sweep are runs like others."""
    files = (path for path in root.rglob("*") if path.is_file() and path.name != "lock")
    return sorted(path for path in files if root / "search" not in path.parents[1:])


def commands_for(name: str) -> list[tuple[str, ...]]:
    """Return the commands that read a file of a run, or of the cache of encoded texts."""
    if name.endswith("-cut.partial"):
        return [("{train}", "{config}", "--resume", "--json"), ("runs",), ("runs", "--json")]
    if name == "search":
        return list(SWEEP_COMMANDS)
    if name == ".cache":
        return [
            ("evaluate", "text"),
            ("report", "text", "--out", "{out}/page.html"),
            ("train-char", "text.yaml"),
        ]
    return [*OF_RUN[name], *ALL_COMMANDS, *LAST_COMMANDS]


def call(
    command: tuple[str, ...], name: str, here: Path, report: DamageReport, private: Path | None = None
) -> str:
    """Run a command; return a description of what must not happen, or nothing.

    Args:
        private: directory that the command may not read.
    """
    out = here / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    other = "pairs" if name == "text" else "text"
    config = f"{name.removesuffix('.partial')}.yaml"
    train = "train-char" if name.startswith(("text", "pairs")) else "train-tagger"
    words = [word.format(run=name, other=other, out=out, config=config, train=train) for word in command]
    report.commands += 1
    try:
        with alarm(SECONDS), unreadable(private) if private else nullcontext():
            # Workers of a sweep write to the stderr of their process, so that it is another one.
            done = (seqtool if command[0] == "sweep" else seqtool_in_process)(*words, cwd=here)
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}:{last.lineno} in {last.name}"
        return f"{type(error).__name__}: {str(error)[:100]} at {where}"
    report.codes[done.code] += 1
    if done.code not in ALLOWED or "Traceback" in done.stderr:
        return f"exit code {done.code}: {done.stderr[-200:]}"
    return "" if done.code == 0 or "error: " in done.stderr else "exit code 2 without a message"


class Expired(BaseException):
    """End of the time of a command; no `except` of seqtool catches it."""


@contextmanager
def alarm(seconds: int) -> Iterator[None]:
    """Raise Expired after some seconds, and each second from then on."""

    def expire(*_: object) -> None:
        raise Expired(f"longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def limited_memory() -> Iterator[None]:
    """Limit the address space of this process to what it has and `MEMORY`."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


# --- damages ------------------------------------------------------------------------------------------------


def damage(path: Path, draw: random.Random) -> str:
    """Damage a file at random, and return a description."""
    kinds: list[Callable[[Path, random.Random], str]] = [flip, truncate, add_bytes, other_entry]
    if path.suffix in (".json", ".jsonl", ".safetensors"):
        kinds += [forge_value, forge_value, forge_value, duplicate_key]
    if path.suffix == ".yaml":
        kinds += [forge_line, forge_line]
    if path.suffix == ".db":
        kinds += [forge_cell] * 4
    description = draw.choice(kinds)(path, draw)
    if path.is_file() and not path.is_symlink() and draw.random() < 0.5:
        with suppress(OSError, ValueError, KeyError, TypeError):
            forge_hashes(path)
            description += " (forged hash)"
    return description


def flip(path: Path, draw: random.Random) -> str:
    """Flip up to five bits."""
    content = bytearray(path.read_bytes() or b"x")
    for _ in range(draw.randint(1, 5)):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)
    return "flip"


def truncate(path: Path, draw: random.Random) -> str:
    """Cut the end of a file off."""
    content = path.read_bytes()
    path.write_bytes(content[: draw.randrange(len(content) + 1)])
    return "truncate"


def add_bytes(path: Path, draw: random.Random) -> str:
    """Insert bytes that are not UTF-8, brackets, or a long line; or append a hole of 30 GB."""
    content = path.read_bytes()
    place = draw.randrange(len(content) + 1)
    kind = draw.randrange(5)
    if kind == 4:
        with path.open("ab") as file:
            file.truncate(30 << 30)
        return "sparse"
    more = (b"\xff\xfe", b"[" * 300_000, b'{"a":' * 3000, b"\0" * 100_000)[kind]
    path.write_bytes(content[:place] + more + content[place:])
    return "insert"


def other_entry(path: Path, draw: random.Random) -> str:
    """Replace a file by something else, or delete it."""
    path.unlink()
    kind = draw.choice(("link", "dangling link", "loop", "device", "FIFO", "directory", "socket", "nothing"))
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "socket":
        folder = os.open(path.parent, os.O_RDONLY)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"/proc/self/fd/{folder}/{path.name}")
        os.close(folder)
    elif kind != "nothing":
        targets = {
            "link": "/etc/passwd",
            "dangling link": "nowhere",
            "loop": path.name,
            "device": "/dev/zero",
        }
        path.symlink_to(targets[kind])
    return f"replace: {kind}"


VALUES: tuple[Any, ...] = (
    10**9, 10**18, 10**30, -1, 0, 1e300, 1e-300, 0.5, True, None, "", "x", "\ud800", "\x1b[31m", "x" * 10_000,
    [], {}, [[]], [1], ["a"], {"a": 1}, [None] * 100, "NaN", "Infinity", "1e999", "[" * 90 + "]" * 90,
)  # fmt: skip


def forge_value(path: Path, draw: random.Random) -> str:
    """Replace a value of a JSON file, of a line, or of the header of a safetensors file."""
    before, text, after = _json_part(path, draw)
    value = json.loads(text)
    new = draw.choice(VALUES)
    raw = isinstance(new, str) and new[:1] in ("N", "I", "1", "[")
    place = _replace_value(value, "@@" if raw else new, draw)
    changed = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if raw:
        changed = changed.replace('"@@"', str(new), 1)
    _write_part(path, before, changed.encode("utf-8", "surrogatepass"), after)
    return f"value: {place} = {str(new)[:20]!r}"


def duplicate_key(path: Path, draw: random.Random) -> str:
    """Write the first key of an object twice."""
    before, text, after = _json_part(path, draw)
    value = json.loads(text)
    key = draw.choice(list(value)) if isinstance(value, dict) and value else "a"
    pair = f"{json.dumps(key)}:{json.dumps(draw.choice([None, 1, []]))}".encode()
    _write_part(path, before, text[:1] + pair + b"," + text[1:], after)
    return f"twice: {key}"


def _json_part(path: Path, draw: random.Random) -> tuple[bytes, bytes, bytes]:
    content = path.read_bytes()
    if path.suffix == ".jsonl":
        lines = content.splitlines(keepends=True) or [b"{}\n"]
        number = draw.randrange(len(lines))
        return b"".join(lines[:number]), lines[number].strip(), b"\n" + b"".join(lines[number + 1 :])
    if path.suffix == ".safetensors":
        size = int.from_bytes(content[:8], "little")
        return b"", content[8 : 8 + size], content[8 + size :]
    return b"", content, b""


def _write_part(path: Path, before: bytes, text: bytes, after: bytes) -> None:
    if path.suffix == ".safetensors":
        before = len(text).to_bytes(8, "little")
    path.write_bytes(before + text + after)


def _replace_value(value: Any, new: object, draw: random.Random) -> str:
    """Replace a random value inside a JSON value, and return its place."""
    place: list[str] = []
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return ".".join(place)
        key = draw.choice(keys)
        place.append(str(key))
        inner = value[key]
        if not isinstance(inner, dict | list) or not inner or draw.random() < 0.2:
            value[key] = new
            return ".".join(place)
        value = inner


def forge_line(path: Path, draw: random.Random) -> str:
    """Replace the value of a line of YAML."""
    lines = path.read_text().splitlines()
    number = draw.randrange(len(lines))
    new = draw.choice(VALUES)
    lines[number] = lines[number].partition(":")[0] + ": " + json.dumps(new)
    path.write_text("\n".join(lines) + "\n")
    return f"line: {lines[number][:40]}"


def forge_cell(path: Path, draw: random.Random) -> str:
    """Replace a value of a table of a database, in one row or in all."""
    with sqlite3.connect(path) as database:
        tables = database.execute("select name from sqlite_master where type = 'table'").fetchall()
        table = draw.choice(sorted(name for (name,) in tables))
        column = draw.choice([row[1] for row in database.execute(f"pragma table_info({table})")])
        value = draw.choice(
            [new for new in VALUES if isinstance(new, str | float | None) and new != "\ud800"]
        )
        where = draw.choice(("", " where rowid = (select min(rowid) from {})", " where rowid % 2"))
        with suppress(sqlite3.IntegrityError):  # a value that the table refuses
            database.execute(f"update {table} set {column} = ?{where.format(table)}", (value,))
    database.close()
    return f"cell: {table}.{column}{where} = {str(value)[:20]!r}"


def forge_hashes(path: Path) -> None:
    """Write the size and the hash of a file into the manifest or the description next to it."""
    size = path.stat().st_size
    if path.name == MANIFEST and size >= 1 << 30:
        return
    if path.name == "facts.json" and size < 1 << 30:
        value = json.loads(path.read_bytes())
        value.pop("description_sha256")
        digest = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
        path.write_text(json.dumps({**value, "description_sha256": digest}))
        return
    manifest = json.loads((path.parent / MANIFEST).read_bytes())
    if size < 1 << 30 and path.name != MANIFEST:
        content = path.read_bytes()
        manifest["files"][path.name]["sha256"] = hashlib.sha256(content).hexdigest()
    if path.name != MANIFEST:
        manifest["files"][path.name]["bytes"] = size
    del manifest["sha256"]
    manifest["sha256"] = hashlib.sha256(canonical_json(manifest)).hexdigest()
    (path.parent / MANIFEST).write_bytes(canonical_json(manifest))
