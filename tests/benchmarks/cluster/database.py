"""A sweep whose PostgreSQL server is restarted again and again.

Needs the programs of PostgreSQL, its user `postgres`, psycopg, and root.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path

from tests.benchmarks.cluster.nodes import write_task
from tests.support.rank_runs import free_port
from tests.support.shell import start

PASSWORD = "s3cret-p@ss"


class Server:
    """A PostgreSQL server on a free port of this machine."""

    def __init__(self, folder: Path) -> None:
        self.data, self.port = folder / "data", free_port()
        folder.mkdir(parents=True)
        shutil.chown(folder, "postgres")
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        self.programs = programs[-1] if programs else Path("/usr/bin")
        secret = folder / "password"
        secret.write_text(PASSWORD)
        shutil.chown(secret, "postgres")
        self.run("initdb", "-D", str(self.data), "-A", "scram-sha-256", f"--pwfile={secret}", "-U", "me")
        self.control("start")

    def run(self, program: str, *arguments: str) -> None:
        """Run a program of PostgreSQL as its user."""
        command = ["runuser", "-u", "postgres", "--", str(self.programs / program), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")

    def control(self, action: str, *options: str) -> None:
        """Start or stop the server."""
        settings = f"-p {self.port} -k {self.data.parent} -c listen_addresses=127.0.0.1"
        log = str(self.data.parent / "log")
        self.run("pg_ctl", "-D", str(self.data), "-l", log, "-w", "-o", settings, *options, action)


def restarted_server(folder: Path, restarts: int, trials: int) -> None:
    """Restart the server during a sweep of two workers: no trial is lost or trained twice."""
    write_task(folder, 600)
    (folder / "space.yaml").write_text("training.lr: {low: 1e-3, high: 1e-1, log: true}\n")
    server = Server(Path(f"/tmp/seqtool-postgres-{time.time_ns()}"))
    url = f"postgresql://me@127.0.0.1:{server.port}/postgres"
    try:
        command = ["sweep", "small.yaml", "--space", "space.yaml", "--trials", str(trials), "--workers", "2"]
        options = ["--sampler", "random", "--no-prune", "--storage", url, "--sign-every", "2", "--json"]
        process = start(*command, *options, cwd=folder, PGPASSWORD=PASSWORD)
        draw, done = random.Random(1), 0
        while process.poll() is None and not list((folder / "runs/small").glob("trial-*")):
            time.sleep(0.1)
        while done < restarts and process.poll() is None:
            time.sleep(draw.uniform(0.5, 3))
            server.control("stop", "-m", draw.choice(["fast", "immediate"]))
            time.sleep(draw.uniform(0, 2))
            server.control("start")
            done += 1
        out, err = process.communicate(timeout=2400)
    finally:
        server.control("stop", "-m", "fast")
        shutil.rmtree(server.data.parent)
    lines = err.decode().splitlines()
    print(f"{done} restarts, exit code {process.returncode}, {len(lines)} lines on stderr:")
    for line, count in Counter(lines).items():
        print(f"  {count} x {line}")
    assert process.returncode == 0, err.decode()
    result = json.loads(out)
    assert result["counts"] == {"done": trials, "pruned": 0, "failed": 0}, result["counts"]
    runs = Counter(trial["run"] for trial in result["trials"])
    assert len(runs) == trials and "~" not in "".join(runs), runs
    assert not list((folder / "runs/small").glob("trial-*~*")), "a trial was trained twice"
    assert PASSWORD not in err.decode() + out.decode()
    print(f"{trials} trials: none lost, none twice")
