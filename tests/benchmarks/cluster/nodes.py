"""Two machines as network namespaces: torchrun, killed nodes that come back, and nodes that differ.

Needs root and iproute2. The namespaces are removed at the end.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.shell import PROJECT, environment

NODES = ("seqtool-a", "seqtool-b")
INTERFACES, ADDRESSES = ("sqveth0", "sqveth1"), ("10.77.0.1", "10.77.0.2")
PATIENCE = 1800.0  # seconds
SOON = 10.0  # seconds within which different nodes are refused, beyond the start of equal ones
LARGEST_DIFFERENCE = 1e-3  # of validation losses, if the number of nodes changes
CONFIG = """
task: char
name: small
data: {text: text.txt}
model: {hidden_size: 32, embedding_dim: 8, dropout: 0.2, state_reset: 0.1}
training: {max_steps: STEPS, eval_every: 200, batch_size: 8, window: 32, threads: 1, device: cpu,
  checkpoint_minutes: 0.03, rank_timeout: 120}
"""


def ip(*arguments: str) -> str:
    """Run `ip` and return its output."""
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


@contextmanager
def two_nodes() -> Iterator[None]:
    """Make two namespaces that are connected by a cable; remove them at the end."""
    remove_nodes()
    for node in NODES:
        ip("netns", "add", node)
    ip(
        "link",
        "add",
        INTERFACES[0],
        "netns",
        NODES[0],
        "type",
        "veth",
        "peer",
        INTERFACES[1],
        "netns",
        NODES[1],
    )
    for node, interface, address in zip(NODES, INTERFACES, ADDRESSES, strict=True):
        ip("-n", node, "addr", "add", f"{address}/24", "dev", interface)
        for device in ("lo", interface):
            ip("-n", node, "link", "set", device, "up")
    try:
        yield
    finally:
        remove_nodes()


def remove_nodes() -> None:
    """End the processes in the namespaces, and remove them."""
    for node in NODES:
        if Path("/run/netns", node).exists():
            kill(node)
            ip("netns", "delete", node)


def kill(node: str) -> None:
    """End all processes of a node at once, as if its power failed."""
    for number in ip("netns", "pids", node).split():
        with suppress(ProcessLookupError):
            os.kill(int(number), signal.SIGKILL)


def launch(
    index: int, folder: Path, nnodes: str, *arguments: str, code: Path = PROJECT
) -> subprocess.Popen[str]:
    """Start torchrun on a node.

    Args:
        index: 0 for the node that has the rendezvous, else 1.
        folder: current directory; both nodes share it.
        nnodes: number of nodes, or `least:most`.
        arguments: arguments of seqtool.
        code: directory that contains the package.
    """
    launcher = ["-m", "torch.distributed.run", f"--nnodes={nnodes}", "--nproc-per-node=1"]
    rendezvous = ["--rdzv-backend=c10d", f"--rdzv-endpoint={ADDRESSES[0]}:29400", "--max-restarts=100"]
    place = [f"--rdzv-conf=is_host={int(index == 0)}", f"--local-addr={ADDRESSES[index]}"]
    variables = {
        "GLOO_SOCKET_IFNAME": INTERFACES[index],
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
        "PYTHONPATH": str(code),
    }
    log = (folder / f"node-{index}.log").open("a")
    return subprocess.Popen(
        [
            *("ip", "netns", "exec", NODES[index], sys.executable),
            *(*launcher, *rendezvous, *place, "-m", "seqtool", *arguments),
        ],
        cwd=folder,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        text=True,
    )


def digest(run: Path) -> str:
    """Return the hash of the weights and the logged scores of a run."""
    rows = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    scores = [row.partition('"val_loss":')[2].partition(",")[0] for row in rows]
    weights = (run / "model/weights.safetensors").read_bytes()
    return hashlib.sha256(weights + repr(scores).encode()).hexdigest()


def last_loss(run: Path) -> float:
    """Return the last validation loss of a run."""
    import json

    loss: float = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["val_loss"]
    return loss


def write_task(folder: Path, steps: int) -> None:
    """Write a text and its config."""
    draw = random.Random(1)
    words = ["the", "dog", "ate", "an", "apple", "and", "everybody", "read", "that", "book"]
    (folder / "text.txt").write_text(" ".join(draw.choice(words) for _ in range(20_000)), encoding="utf-8")
    (folder / "small.yaml").write_text(CONFIG.replace("STEPS", str(steps)), encoding="utf-8")


def wait(nodes: Sequence[subprocess.Popen[str]], folder: Path, seconds: float = PATIENCE) -> None:
    """Wait until both nodes have ended without an error."""
    deadline = time.monotonic() + seconds
    for node in nodes:
        code = node.wait(timeout=max(1, deadline - time.monotonic()))
        assert code == 0, (folder / "node-0.log").read_text()[-3000:]


def first_row(run: Path, seconds: float = PATIENCE) -> float:
    """Wait for the first row of a run that is going on, and return the seconds until then."""
    started = time.monotonic()
    rows = run.with_name(run.name + ".partial") / "metrics.jsonl"
    while not (rows.exists() and rows.stat().st_size) and not run.exists():
        assert time.monotonic() - started < seconds, "no row"
        time.sleep(0.05)
    return time.monotonic() - started


def undisturbed(folder: Path, steps: int) -> float:
    """Train on two nodes without faults, and return the seconds until the first row."""
    write_task(folder, steps)
    started = time.monotonic()
    nodes = [launch(index, folder, "2", "train-char", "small.yaml", "--name", "whole") for index in (0, 1)]
    begin = first_row(folder / "runs/whole")
    wait(nodes, folder)
    seconds = time.monotonic() - started
    print(f"undisturbed run of two nodes: {seconds:.0f} s, first row after {begin:.0f} s", flush=True)
    return begin


def killed_nodes(folder: Path, kills: int, nnodes: str, steps: int) -> None:
    """Kill the second node at random moments, start it again, and compare with an undisturbed run."""
    longest_life = 2 * undisturbed(folder, steps)  # a half of the kills hit the start
    draw = random.Random(kills)
    name = f"killed-{nnodes.replace(':', '-')}"
    arguments = ("train-char", "small.yaml", "--resume", "--name", name)
    nodes = [launch(index, folder, nnodes, *arguments) for index in (0, 1)]
    done = ended = 0

    def supervise(seconds: float) -> bool:
        """Start torchrun again where it ends with an error; return whether the run still goes on."""
        nonlocal ended
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and nodes[0].poll() != 0:
            for index, node in enumerate(nodes):
                if node.poll() not in (None, 0):
                    ended += 1
                    nodes[index] = launch(index, folder, nnodes, *arguments)
            time.sleep(0.2)
        return nodes[0].poll() != 0

    while done < kills and supervise(draw.uniform(0, longest_life)):
        kill(NODES[1])
        nodes[1].wait()
        time.sleep(draw.uniform(0, 5))
        nodes[1] = launch(1, folder, nnodes, *arguments)
        done += 1
    assert not supervise(PATIENCE), (folder / "node-0.log").read_text()[-3000:]
    with suppress(subprocess.TimeoutExpired):
        nodes[1].wait(timeout=60)
    print(f"torchrun ended by itself and was started again: {ended} times")
    _compare(folder, name, f"--nnodes={nnodes}: {done} of {kills} kills", equal=":" not in nnodes)
    assert done == kills, "the run ended too early: give it more steps"


def lost_endpoint(folder: Path, steps: int) -> None:
    """Kill the node of the rendezvous: torchrun ends on the other one, and `--resume` on both continues."""
    begin = undisturbed(folder, steps)
    arguments = ("train-char", "small.yaml", "--name", "endpoint")
    nodes = [launch(index, folder, "2", *arguments) for index in (0, 1)]
    first_row(folder / "runs/endpoint")
    time.sleep(random.Random(1).uniform(2, 2 + begin))
    kill(NODES[0])
    killed = time.monotonic()
    nodes[0].wait()
    code = nodes[1].wait(timeout=PATIENCE)
    print(f"the other node ended with exit code {code} after {time.monotonic() - killed:.0f} s", flush=True)
    assert code != 0
    nodes = [launch(index, folder, "2", *arguments, "--resume") for index in (0, 1)]
    wait(nodes, folder)
    assert "resumed after step" in (folder / "node-0.log").read_text()
    _compare(folder, "endpoint", "the node of the endpoint killed, both started again", equal=True)


def _compare(folder: Path, name: str, what: str, *, equal: bool) -> None:
    whole, disturbed = folder / "runs/whole", folder / "runs" / name
    difference = abs(last_loss(whole) - last_loss(disturbed))
    same = digest(whole) == digest(disturbed)
    print(f"{what}; same bytes: {same}")
    print(f"  the last validation losses differ by {difference:.1e}", flush=True)
    assert same if equal else difference < LARGEST_DIFFERENCE


def differing_nodes(folder: Path) -> None:
    """Start a second node with another config, text or version: rank 0 names the difference.

    An equal pair of nodes shows how long they take until the first row.
    """
    begin = undisturbed(folder, 500)
    config = (folder / "small.yaml").read_text()
    (folder / "lr.yaml").write_text(config.replace("training: {", "training: {lr: 0.01, "))
    (folder / "other.txt").write_text((folder / "text.txt").read_text().replace("dog", "cat"))
    (folder / "text.yaml").write_text(config.replace("text.txt", "other.txt"))
    shutil.copytree(PROJECT / "seqtool", folder / "code/seqtool", ignore=shutil.ignore_patterns("pretrained"))
    (folder / "code/seqtool/version.py").write_text('"""Version."""\n\nVERSION = "0.0.9"\n')
    for what, file, code in (
        ("config", "lr.yaml", PROJECT),
        ("text", "text.yaml", PROJECT),
        ("version", "small.yaml", folder / "code"),
    ):
        for index in (0, 1):
            (folder / f"node-{index}.log").write_text("")
        started, first = time.monotonic(), ""
        nodes = [
            launch(0, folder, "2", "train-char", "small.yaml", "--name", what),
            launch(1, folder, "2", "train-char", file, "--name", what, code=code),
        ]
        while not first and time.monotonic() - started < PATIENCE:
            time.sleep(0.1)
            log = (folder / "node-0.log").read_text()
            first = next((line for line in log.splitlines() if "the ranks differ in" in line), "")
        seconds = time.monotonic() - started
        remove_running(nodes)
        print(f"another {what}, after {seconds:.0f} s: {first[:150]}", flush=True)
        assert first and not (folder / "runs" / what).exists()
        assert seconds < begin + SOON


def remove_running(nodes: Sequence[subprocess.Popen[str]]) -> None:
    """End both nodes; torchrun would start the ranks again."""
    for node in NODES:
        kill(node)
    for process in nodes:
        process.wait()
