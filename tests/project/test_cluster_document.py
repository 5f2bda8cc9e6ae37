"""The scripts and the Kubernetes Job of docs/cluster.md are valid."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
import yaml

from tests.support.shell import PROJECT

BLOCKS = re.findall(
    r"```(\w+)\n(.*?)```", (PROJECT / "docs/cluster.md").read_text(encoding="utf-8"), re.DOTALL
)
BASH = shutil.which("bash")


@pytest.mark.skipif(BASH is None, reason="bash is not installed")
@pytest.mark.parametrize("script", [text for kind, text in BLOCKS if kind == "sh"])
def test_script_has_no_syntax_error(script: str) -> None:
    assert BASH is not None
    done = subprocess.run([BASH, "-n"], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_job_starts_torchrun_on_two_pods_of_one_service() -> None:
    (job,) = [
        document
        for kind, text in BLOCKS
        if kind == "yaml"
        and isinstance(document := yaml.safe_load(text), dict)
        and document.get("kind") == "Job"
    ]
    spec = job["spec"]
    pod = spec["template"]["spec"]
    (command,) = pod["containers"][0]["args"]
    assert spec["completionMode"] == "Indexed" and f"--nnodes={spec['completions']} " in command
    assert f"--rdzv-endpoint={job['metadata']['name']}-0.{pod['subdomain']}:" in command
    assert {mount["name"] for mount in pod["containers"][0]["volumeMounts"]} == {
        volume["name"] for volume in pod["volumes"]
    }
