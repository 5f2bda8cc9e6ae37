"""No command reads pickle: the interpreter raises the audit event `pickle.find_class` when one does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from seqtool.cli.main import COMMANDS as EVERY_COMMAND
from tests.support.shell import PROJECT, environment

# Commands with arguments; {out} is a directory for output. Commands that are missing here run with --help.
OFTEN = " --set training.checkpoint_minutes=0.0000001"  # a checkpoint after every step
CHARACTER_COMMANDS = """
init --example hihell
train-char {project}/configs/hihell.yaml --set training.max_steps=9
train-char {project}/configs/hihell.yaml --set training.max_steps=9 --resume
train-char {out}/lines.txt --name lines --set training.epochs=1 --set model.hidden_size=4{often}
sample --model lines --length 5
score --model lines dog
predict --model hihell hihell
evaluate lines {out}/lines.txt
inspect hihell --text hihell
report hihell
export hihell --to onnx
export hihell --dtype float16
runs compare hihell lines
"""
TAGGER_COMMANDS = """
train-tagger {project}/configs/toy_tagger.yaml --set training.epochs=3
train-tagger {project}/configs/toy_tagger.yaml --set training.epochs=2 --name second --init-from toy_tagger
tag --model toy_tagger The dog ate
tag --model toy_tagger --file {project}/data/toy.conll
check {project}/configs/toy_tagger.yaml
evaluate toy_tagger {project}/data/toy.conll
schema
runs
config show {project}/configs/hihell.yaml
"""

# The hook records all reading of pickle except messages between own processes, which come from no file.
SCRIPT = """
import sys, traceback

found, commands = [], []

def hook(event, arguments):
    if event == "pickle.find_class":
        stack = "".join(traceback.format_stack(limit=30))
        if "multiprocessing/connection" not in stack and "multiprocessing/queues" not in stack:
            found.append((commands[-1], arguments, stack))

sys.addaudithook(hook)
from seqtool.cli.exit_codes import run
from seqtool.cli.main import app

for line in sys.argv[1].strip().splitlines():
    commands.append(line)
    sys.argv = ["seqtool", *line.split()]
    try:
        code = run(app)
    except SystemExit as end:
        code = end.code
    print(f"{code} {line}", file=sys.stderr)
print(f"{len(found)} events", found[:3], file=sys.stderr)
"""


def commands_that_are_missing() -> str:
    named = CHARACTER_COMMANDS + TAGGER_COMMANDS
    return "".join(f"{name} --help\n" for name in EVERY_COMMAND if f"\n{name}" not in named)


@pytest.mark.parametrize(
    "commands",
    [
        pytest.param(CHARACTER_COMMANDS, id="character models"),
        pytest.param(TAGGER_COMMANDS + commands_that_are_missing(), id="taggers"),
    ],
)
def test_no_command_unpickles_a_file(commands: str, tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("the dog ate the apple\n" * 10, encoding="utf-8")
    commands = commands.format(out=tmp_path, project=PROJECT, often=OFTEN)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, commands],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=environment(),
        timeout=300,
        check=False,
    )
    assert "0 events []" in done.stderr, done.stderr
    failed = [
        line
        for line in done.stderr.splitlines()
        if line[:2].strip().isdigit() and line[:2] != "0 " and "events" not in line
    ]
    assert not failed, (failed, done.stderr)


def test_hook_records_reading_of_pickle() -> None:
    code = "import pickle; pickle.loads(pickle.dumps(print))"
    script = SCRIPT.split("from seqtool")[0] + f"commands.append('x')\n{code}\nprint(len(found))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "1"
