"""The Slurm script of docs/cluster.md under a Slurm of one machine: submitted, requeued, finished.

Needs root and the programs of Debian's `slurm-wlm`. The daemons have a configuration of their own.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.cluster.nodes import PATIENCE, digest, first_row, write_task
from tests.support.rank_runs import free_port
from tests.support.shell import PROJECT, environment, seqtool

STEPS = 3_000
CONFIG = """
ClusterName=seqtool
SlurmctldHost=HOST(127.0.0.1)
SlurmUser=root
AuthType=auth/none
CredType=cred/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
ReturnToService=2
SlurmctldPort=CONTROL
SlurmdPort=DAEMON
SlurmctldPidFile=FOLDER/slurmctld.pid
SlurmdPidFile=FOLDER/slurmd.pid
StateSaveLocation=FOLDER/state
SlurmdSpoolDir=FOLDER/spool
SlurmctldLogFile=FOLDER/slurmctld.log
SlurmdLogFile=FOLDER/slurmd.log
NodeName=HOST NodeAddr=127.0.0.1 CPUs=CORES State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
"""


def slurm_script() -> str:
    """Return the script of the document."""
    text = (PROJECT / "docs/cluster.md").read_text(encoding="utf-8")
    return next(
        str(script) for script in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) if "#SBATCH" in script
    )


@contextmanager
def slurm(folder: Path) -> Iterator[dict[str, str]]:
    """Start the daemons of Slurm, and end them; yield the environment of its commands."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    values = {"HOST": socket.gethostname().partition(".")[0], "FOLDER": str(folder)}
    values |= {"CONTROL": str(free_port()), "DAEMON": str(free_port()), "CORES": str(os.cpu_count())}
    config = CONFIG
    for name, value in values.items():
        config = config.replace(name, value)
    (folder / "slurm.conf").write_text(config)
    launcher = folder / "torchrun"  # of this interpreter, whatever the PATH
    launcher.write_text(f'#!/bin/sh\nexec {sys.executable} -m torch.distributed.run "$@"\n')
    launcher.chmod(0o755)
    path = f"{folder}:/usr/sbin:{os.environ['PATH']}"
    variables = environment(SLURM_CONF=str(folder / "slurm.conf"), PATH=path)
    daemons = []
    try:
        for command in (["slurmctld", "-D", "-c"], ["slurmd", "-D"]):
            with (folder / f"{command[0]}.out").open("w") as out:
                daemons.append(subprocess.Popen(command, env=variables, stdout=out, stderr=out))
        yield variables
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(60)


def requeued_job(folder: Path) -> None:
    """Submit the script, put the job into the queue again while it trains, and compare with a plain run."""
    write_task(folder, STEPS)
    (folder / "small.yaml").rename(folder / "my.yaml")
    plain = seqtool("train-char", "my.yaml", "--name", "whole", "--quiet", cwd=folder, timeout=PATIENCE)
    assert plain.code == 0, plain.stderr
    (folder / "job.sh").write_text(slurm_script())
    with slurm(folder / "slurm") as variables:

        def call(*command: str) -> str:
            done = subprocess.run(
                command, env=variables, cwd=folder, check=False, capture_output=True, text=True
            )
            return done.stdout + done.stderr

        job = ""
        while not job:  # the daemons start
            found = re.search(r"Submitted batch job (\d+)", call("sbatch", "--nodes=1", "job.sh"))
            job = found[1] if found else ""
            time.sleep(1)
        first_row(folder / "runs/small", 400)
        time.sleep(3)
        print("requeue:", call("scontrol", "requeue", job).strip() or "accepted", flush=True)
        state, deadline = "", time.monotonic() + PATIENCE
        while state not in ("COMPLETED", "FAILED") and time.monotonic() < deadline:
            call("scontrol", "update", f"JobId={job}", "StartTime=now")  # Slurm waits for two minutes
            time.sleep(1)
            state = (re.search(r"JobState=(\w+)", call("scontrol", "show", "job", job)) or ["", ""])[1]
        restarts = (re.search(r"Restarts=(\d+)", call("scontrol", "show", "job", job)) or ["", ""])[1]
    log = (folder / f"slurm-{job}.out").read_text()
    same = digest(folder / "runs/whole") == digest(folder / "runs/small")
    resumed = next((line for line in log.splitlines() if line.startswith("resumed after step")), "")
    print(f"job {state}, {restarts} restart, {resumed}; same bytes: {same}", flush=True)
    assert state == "COMPLETED" and restarts == "1" and resumed and same, log[-3000:]
