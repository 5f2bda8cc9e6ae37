"""Check that two checkouts give the same bits: `python -m tests.benchmarks.same_results OLD NEW`.

The command line of each checkout runs in a temporary directory with a copy of the code: it trains, is
interrupted and resumed, starts from a model, runs in two ranks, and its models are put to use. Files,
standard output and exit codes are compared, without times, versions and messages. With one checkout,
`--record FILE` writes the results, and `--against FILE` compares with them. The data sets are those
in `$SEQTOOL_DATA`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

CODE = ("seqtool", "configs", "data")  # what a checkout needs to run from anywhere
SEQTOOL = ("-m", "seqtool")
TWO_RANKS = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *SEQTOOL)
MODEL = ("weights.safetensors", "vocab.json", "config.json")
BESIDE_MODEL = ("model/manifest.json", "metrics.jsonl", "samples.jsonl", "evaluation.json", "config.yaml")
RUN = (*(f"model/{name}" for name in MODEL), *BESIDE_MODEL)
TIMES = ("time", "left")  # columns of a training table, with those that end in `/s`
VARYING = ("seconds", "modified", "bytes", "command", "versions", "sha256", "notes", "warnings")  # in JSON
TRAINED = ("  trained  ", "  versions  ")  # how lines of `inspect` begin that give times and versions
UNEXPECTED = "not as expected"  # replaces a hash, together with the reason


# --- the cases ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Command:
    """Command with its expected exit code and the files that it must write."""

    case: str
    line: str
    code: int = 0
    files: tuple[str, ...] = ()
    start: tuple[str, ...] = SEQTOOL
    stdin: str = ""


def training(case: str, line: str, *more: str, **other: Any) -> Command:
    """Describe a training command whose run is named after its case."""
    files = tuple(f"runs/{case}/{name}" for name in RUN)
    command = Command(case, " ".join((line, f"--name {case}", ALWAYS, *more)), files=files)
    return replace(command, **other)


def steps(count: int) -> str:
    """Return the options of a short run with two rows."""
    limits = {"max_steps": count, "eval_every": count // 2, "warmup_steps": count // 10}
    return " ".join(f"--set training.{key}={value}" for key, value in limits.items())


SMALL = """
task: char
name: small
data: {text: text.txt}
model: {hidden_size: 48, embedding_dim: 12, num_layers: 2, dropout: 0.2, state_reset: 0.1}
training: {max_steps: 1200, eval_every: 100, batch_size: 8, window: 32, schedule: cosine, ema: 0.9}
"""
CRF = """
task: tagger
name: crf
data: {train: spans.conll, split: 0.2}
model: {features: rich, projection: 24, cell: gru, hidden_size: 16, decoder: crf, word_dropout: 0.1}
training: {epochs: 4, batch_words: 60, schedule: plateau, decay_steps: 1, accumulate: 2, patience: 3}
"""
ALWAYS = "--device cpu --set training.threads=1"
EWT = [f"--set data.{part}=sets/ud_english_ewt/en_ewt-ud-{part}.conllu" for part in ("train", "dev", "test")]
WNUT = ["--set data.train=sets/wnut17/wnut17train.conll", "--set data.dev=sets/wnut17/emerging.dev.conll"]
BYTES = ["--set data.unit=byte --set model.cell=gru --set model.tied=true --set model.embedding_dim=48"]
SLOPE = ["--set training.optimizer=sgd --set training.momentum=0.9 --set model.weight_dropout=0.2"]
STEEP = [
    "--set model.cell=rnn --set model.nonlinearity=relu",
    "--set training.lr=1e3 --set training.optimizer=sgd",
]
PLAY, NAMES = (f"--set data.text=sets/{name}" for name in ("tinyshakespeare/input.txt", "names/names.txt"))
TRAININGS = (
    training("hihell", "train-char code/configs/hihell.yaml"),
    training("toy_tagger", "train-tagger code/configs/toy_tagger.yaml"),
    training("shakespeare", "train-char code/configs/shakespeare.yaml", steps(200), PLAY),
    training("ewt", "train-tagger code/configs/ewt.yaml", steps(200), *EWT),
    training("wnut17", "train-tagger code/configs/wnut17.yaml", steps(40), *WNUT, "--set data.test=[]"),
    training("names", "train-char code/configs/names.yaml", steps(60), NAMES),
    training("small", "train-char small.yaml"),
    training("bytes", "train-char small.yaml", steps(60), *BYTES, *SLOPE),
    training("crf", "train-tagger crf.yaml"),
    training("init-from", "train-char small.yaml --init-from small --set data.text=other.txt", steps(40)),
    training("two-ranks", "train-char small.yaml", steps(50), start=TWO_RANKS),
    training("seeds", "train-char small.yaml --seeds 2 --json", steps(20), files=()),
    training("sweep", "sweep small.yaml --space space.yaml --sampler grid --json", steps(20), files=()),
    training("diverged", "train-char small.yaml", *STEEP, code=3, files=()),
)
RESUMED = training("resume", "train-char small.yaml")
DOG = "'The dog ate the apple .'"
TEST = "sets/ud_english_ewt/en_ewt-ud-test.conllu"
API = "from seqtool import load; print(load('ewt').tag(['The dog ate .']), load('small').score('the dog'))"
USES = (
    Command("tag", f"tag -m ewt {DOG} 'Colorless green ideas sleep furiously .'"),
    Command("tag: probabilities", f"tag -m ewt --format jsonl --probs {DOG}"),
    Command("tag: n best", f"tag -m ewt --nbest 3 {DOG}"),
    Command("tag: CRF, n best", "tag -m crf --nbest 3 --format jsonl 'Ann met Bob Ray in Old Rome'"),
    Command("tag: CoNLL-U", f"tag -m ewt -f {TEST}"),
    Command("tag: 2 processes", f"tag -m ewt --jobs 2 -f {TEST}"),
    Command("tag: JSON lines", "tag -m crf --input-format jsonl", stdin='{"id": 7, "text": "Ann met Bob"}\n'),
    Command("predict", "predict -m hihell hihell"),
    Command("score", "score -m shakespeare --json 'Good night!'"),
    Command("score: symbols", "score -m bytes --symbols 'the dog ate an apple'"),
    Command("sample", "sample -m shakespeare --seed 1 --length 200"),
    Command("sample: choices", "sample -m small --json --seed 2 --num 2 --temperature 0.7 --top-k 6"),
    Command("sample: names", "sample -m names --seed 3 --num 5"),
    Command("evaluate: tagger", "evaluate ewt --json"),
    Command("evaluate: spans", "evaluate crf --json --strict"),
    Command("evaluate: text", "evaluate small --json --fit-temperature"),
    Command("inspect", "inspect small --json --find spaces"),
    Command("inspect: units", "inspect hihell --text hihell --units h"),
    Command("inspect: tagger", "inspect toy_tagger --text 'The dog ate the apple'"),
    Command("inspect: untrained", "inspect code/configs/hello.yaml --text hello"),
    Command("runs", "runs --json"),
    Command("runs compare", "runs compare small init-from --json"),
    Command("check", "check code/configs/toy_tagger.yaml --json"),
    Command("config show", "config show code/configs/ewt.yaml --json"),
    Command("export: float16", "export ewt --dtype float16 --json --out half", files=(f"half/{MODEL[0]}",)),
    Command("export: ONNX", "export small --to onnx --json", files=("runs/small/model.onnx",)),
    Command("export: ONNX tagger", "export crf --to onnx --json", files=("runs/crf/model.onnx",)),
    Command("Python", "", start=("-c", API)),
    Command("mistake: no command", "trane", code=2),
    Command("mistake: unknown key", "train-char small.yaml --name x --set training.lrr=1", code=2),
    Command("mistake: no config", "train-char nothing.yaml", code=2),
    Command("mistake: other task", "train-char code/configs/toy_tagger.yaml", code=2),
    Command("mistake: bad data", "train-tagger crf.yaml --name y --set data.train=broken.conll", code=2),
    Command("mistake: network", "train-char small.yaml --init-from small --set model.hidden_size=8", code=2),
    Command("mistake: two options", "train-char small.yaml --resume --overwrite", code=2),
    Command("mistake: no model", "tag -m nothing 'The dog'", code=2),
    Command("mistake: other model", "tag -m small 'The dog'", code=2),
    Command("mistake: new symbol", "sample -m small --prompt 漢", code=2),
    Command("mistake: bad JSON", "tag -m ewt --input-format jsonl", code=2, stdin='{"tokens": 3}\n'),
)


# --- a checkout at work -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """Exit code and output of a command."""

    code: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True)
class Part:
    """Part of a comparison: its case, its name, and its SHA-256."""

    case: str
    what: str
    digest: str


@dataclass(frozen=True)
class Workshop:
    """Run commands of one checkout in a folder that holds a copy of its code."""

    folder: Path

    def start(self, command: Command) -> subprocess.Popen[bytes]:
        """Start a command with pipes for its three streams."""
        kept = {name: os.environ[name] for name in os.environ if not name.startswith(("SEQTOOL_", "OMP_"))}
        fixed = {"PYTHONPATH": str(self.folder / "code"), "OPENBLAS_NUM_THREADS": "1", "COLUMNS": "100"}
        line, pipe = [sys.executable, *command.start, *shlex.split(command.line)], subprocess.PIPE
        environment = {**kept, **fixed}
        return subprocess.Popen(line, cwd=self.folder, env=environment, stdin=pipe, stdout=pipe, stderr=pipe)

    def run(self, command: Command) -> Said:
        """Run a command to its end."""
        with self.start(command) as process:
            stdout, stderr = process.communicate(command.stdin.encode())
        return Said(process.returncode, stdout, stderr)

    def interrupt(self, command: Command) -> Said:
        """Run a training command until its first row is printed, then stop it as a shutdown would."""
        with self.start(command) as process:
            assert process.stdout is not None
            begun = process.stdout.readline() + process.stdout.readline()
            process.terminate()
            stdout, stderr = process.communicate()
        return Said(process.returncode, begun + stdout, stderr)

    def parts(self, command: Command) -> Iterator[Part]:
        """Run a command and yield its parts of the comparison."""
        said = self.run(command)
        yield Part(command.case, "exit code", exit_code(command, said))
        yield Part(command.case, "stdout", self.neutral_hash(said.stdout))
        yield from self.files(command)

    def files(self, command: Command) -> Iterator[Part]:
        """Yield the parts for the files of a command: models by their bytes, others without what varies."""
        for path in (self.folder / name for name in command.files):
            what = path.stem if path.parent.name == "model" else path.name
            if not path.is_file():
                yield Part(command.case, what, f"{UNEXPECTED}: no file")
            else:
                exact = path.name in MODEL or path.suffix == ".onnx"
                content = path.read_bytes()
                yield Part(command.case, what, sha256(content) if exact else self.neutral_hash(content))

    def neutral_hash(self, content: bytes) -> str:
        """Return the SHA-256 of a text without times, sizes and the path of the directory."""
        lines = content.replace(bytes(self.folder), b"FOLDER").decode("utf-8", "surrogateescape").split("\n")
        neutral = "\n".join(map(without_varying, timeless(lines)))
        return sha256(neutral.encode("utf-8", "surrogateescape"))


def exit_code(command: Command, said: Said) -> str:
    """Return an exit code; an unexpected one is marked and reported on stderr."""
    if said.code == command.code:
        return str(said.code)
    print(f"{command.case}: {command.line}\n{said.stderr.decode(errors='replace')[-2000:]}", file=sys.stderr)
    return f"{UNEXPECTED}: {said.code}, not {command.code}"


def timeless(lines: list[str]) -> list[str]:
    """Drop times: columns of a training table, and lines of `inspect`."""
    if not lines[0].startswith("epoch\t"):
        return [line for line in lines if not line.startswith(TRAINED)]
    head = lines[0].split("\t")
    timed = {place for place, name in enumerate(head) if name in TIMES or name.endswith("/s")}
    rows = [enumerate(line.split("\t")) for line in lines]
    return ["\t".join(cell for place, cell in row if place not in timed) for row in rows]


def without_varying(line: str) -> str:
    """Drop the keys that vary from run to run, at any depth, from a line that is a JSON object."""
    try:
        return json.dumps(without_keys(json.loads(line))) if line.startswith("{") else line
    except ValueError:  # a text that begins with a brace
        return line


def without_keys(value: object) -> object:
    """Drop the keys that vary from run to run from a JSON value."""
    if isinstance(value, dict):
        return {key: without_keys(item) for key, item in value.items() if key not in VARYING}
    return [without_keys(item) for item in value] if isinstance(value, list) else value


def sha256(content: bytes) -> str:
    """Return the SHA-256 in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


# --- what is recorded ---------------------------------------------------------------------------------------


def record(checkout: Path, data: Path) -> list[Part]:
    """Run all cases with one checkout."""
    begun, parts = time.monotonic(), list(environment())
    with workshop(checkout, data) as shop:
        for command in TRAININGS:
            parts += shop.parts(command)
        parts += resumed(shop)
        for command in USES:
            parts += shop.parts(command)
    print(f"{checkout}: {len(parts)} parts in {time.monotonic() - begun:.0f} s", file=sys.stderr)
    return parts


def environment() -> Iterator[Part]:
    """Yield the versions and the machine, on which the bits depend as well."""
    for package in ("torch", "numpy", "onnx"):
        yield Part("environment", package, version(package))
    yield Part("environment", "Python", f"{platform.python_version()} {platform.machine()}")
    yield Part("environment", "cores", str(os.cpu_count()))


def resumed(shop: Workshop) -> Iterator[Part]:
    """Interrupt a run and resume it; its files must not depend on where it was interrupted."""
    stopped = replace(RESUMED, code=143)
    yield Part("resume", "first exit code", exit_code(stopped, shop.interrupt(stopped)))
    again = replace(RESUMED, line=f"{RESUMED.line} --resume")
    yield Part("resume", "exit code", exit_code(again, shop.run(again)))
    yield from shop.files(again)


@contextmanager
def workshop(checkout: Path, data: Path) -> Iterator[Workshop]:
    """Create a temporary directory for a checkout: its code, the data sets, and small files."""
    without_caches = shutil.ignore_patterns("__pycache__")
    with tempfile.TemporaryDirectory(prefix="same_results-") as name:
        folder = Path(name).resolve()
        for part in CODE:
            shutil.copytree(checkout / part, folder / "code" / part, ignore=without_caches)
        (folder / "sets").symlink_to(data.resolve())
        write_small_files(folder)
        shop = Workshop(folder)
        imported = shop.run(Command("", "", start=("-c", "import seqtool; print(seqtool.__file__)"))).stdout
        if not imported.startswith(bytes(folder)):
            raise SystemExit(f"{checkout}: another seqtool is imported: {imported.decode()}")
        yield shop


def write_small_files(folder: Path) -> None:
    """Write the configs and texts of the small cases."""
    draw = random.Random(1)
    words = ["the", "dog", "ate", "an", "apple", "and", "everybody", "read", "that", "book"]
    labels = {"Ann": "B-PER", "Bob": "B-PER", "Ray": "I-PER", "Rome": "B-LOC", "met": "O", "in": "O"}
    spans = [[draw.choice([*labels]) for _ in range(draw.randint(3, 9))] for _ in range(150)]
    texts = {
        "small.yaml": SMALL,
        "crf.yaml": CRF,
        "space.yaml": "training.lr: [0.001, 0.01]\n",
        "text.txt": " ".join(draw.choice(words) for _ in range(6000)),
        "other.txt": " ".join(draw.choice([*words, "déjà", "Öl!"]) for _ in range(1500)),
        "spans.conll": "\n".join("".join(f"{word}\t{labels[word]}\n" for word in one) for one in spans),
        "broken.conll": "one\tO\ntwo\n\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


# --- what is compared ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """Row of the table: the name of a case or a part, and its hashes on both sides."""

    name: str
    old: str
    new: str

    @property
    def verdict(self) -> str:
        """Return whether both sides are the same and as expected."""
        if self.old != self.new:
            return "DIFFERENT"
        return "FAILED" if UNEXPECTED in self.old else "same"

    def show(self, compared: str = "") -> None:
        """Print the row, its hashes shortened."""
        old, new = (side[:8] if len(side) == 64 else side for side in (self.old, self.new))
        print(f"{self.name:<24}  {old:<8}  {new:<8}  {self.verdict:<9}  {compared}".rstrip())


def compare(old: Sequence[Part], new: Sequence[Part]) -> bool:
    """Print a table with a row for each case; return whether all are the same and as expected."""
    print(f"{'case':<24}  {'old':<8}  {'new':<8}  {'':<9}  what is compared")
    fine = True
    for case in dict.fromkeys(part.case for part in (*old, *new)):
        rows = rows_of(*([part for part in parts if part.case == case] for parts in (old, new)))
        names = ", ".join(row.name.strip() for row in rows)
        Row(case, combined_hash(row.old for row in rows), combined_hash(row.new for row in rows)).show(names)
        wrong = [row for row in rows if row.verdict != "same"]
        for row in wrong:
            row.show()
        fine = fine and not wrong
    return fine


def rows_of(old: Sequence[Part], new: Sequence[Part]) -> list[Row]:
    """Return a row for each part of a case."""
    before, after = ({part.what: part.digest for part in parts} for parts in (old, new))
    names = dict.fromkeys((*before, *after))
    return [Row(f"  {what}", before.get(what, "absent"), after.get(what, "absent")) for what in names]


def combined_hash(digests: Iterable[str]) -> str:
    """Return one hash for several, or the mark that something failed."""
    hashes = list(digests)
    return UNEXPECTED if any(UNEXPECTED in digest for digest in hashes) else sha256(" ".join(hashes).encode())


def main() -> int:
    """Record one or two checkouts and compare; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.same_results", description=__doc__)
    parser.add_argument("checkouts", metavar="CHECKOUT", nargs="+", type=Path, help="a source tree: old, new")
    parser.add_argument("--record", type=Path, help="write the results of the last checkout to this file")
    parser.add_argument("--against", type=Path, help="compare with this file, not with an old checkout")
    given = parser.parse_args()
    sides = len(given.checkouts) + (given.against is not None)
    if "SEQTOOL_DATA" not in os.environ or not (sides == 2 or (sides == 1 and given.record)):
        parser.error("set SEQTOOL_DATA, and give two checkouts, or one with --record or --against")
    records = [[Part(**part) for part in json.loads(given.against.read_text())]] if given.against else []
    records += [record(checkout, Path(os.environ["SEQTOOL_DATA"])) for checkout in given.checkouts]
    if given.record:
        given.record.write_text(json.dumps([asdict(part) for part in records[-1]], indent=1) + "\n")
    if len(records) == 1:
        return 1 if any(UNEXPECTED in part.digest for part in records[0]) else 0
    return 0 if compare(records[0], records[1]) else 1


if __name__ == "__main__":
    sys.exit(main())
