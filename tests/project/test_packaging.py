"""Packaging: the content of the wheel and the sdist, one version, pinned requirements, and the audit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from seqtool.version import VERSION
from tests.support.shell import PROJECT

BUILD = """
import sys
from setuptools import build_meta
print(getattr(build_meta, "build_" + sys.argv[1])(sys.argv[2]))
"""


def tracked() -> list[Path]:
    """Return the files of the repository that git does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"], cwd=PROJECT, capture_output=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git clone")
    return [
        PROJECT / name for name in listed.stdout.decode().split("\0") if name and (PROJECT / name).is_file()
    ]


def build(kind: str, source: Path, out: Path) -> Path:
    """Build a `wheel` or an `sdist` and return its path."""
    done = subprocess.run(
        [sys.executable, "-c", BUILD, kind, str(out)], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return out / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel, built in the way it is published: clone, sdist, wheel."""
    folder = tmp_path_factory.mktemp("build")
    for path in tracked():
        target = folder / "clone" / path.relative_to(PROJECT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    sdist = build("sdist", folder / "clone", folder)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return build("wheel", folder / sdist.name.removesuffix(".tar.gz"), folder)


def test_the_wheel_contains_the_package_and_the_examples(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name: archive.read(name) for name in archive.namelist() if name.startswith("seqtool/")}
    for path in tracked():
        name = path.relative_to(PROJECT).as_posix()
        if name.startswith("seqtool/"):
            assert packed[name] == path.read_bytes()
        elif name.startswith(("configs/", "data/")):
            assert packed[f"seqtool/examples/{name}"] == path.read_bytes()


def test_an_installed_wheel_works_in_any_directory(wheel: Path, tmp_path: Path) -> None:
    installed = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    code = (
        "import sys, seqtool; assert seqtool.__file__.startswith(sys.argv[1]), seqtool.__file__; "
        "sys.argv[1:] = ['init', '--example', 'toy_tagger']; from seqtool.cli.main import main; main()"
    )
    variables = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(installed)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=variables,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["configs/toy_tagger.yaml", "configs/schema.json", "data/toy.conll"]
    assert (tmp_path / "data/toy.conll").read_bytes() == (PROJECT / "data/toy.conll").read_bytes()


def test_the_version_is_defined_once(wheel: Path) -> None:
    assert wheel.name == f"seqtool-{VERSION}-py3-none-any.whl"
    assert f"\n## {VERSION}" in (PROJECT / "CHANGELOG.md").read_text()
    elsewhere = [
        path for path in tracked() if path.suffix in (".py", ".toml") and f'"{VERSION}"' in path.read_text()
    ]
    assert elsewhere == [PROJECT / "seqtool/version.py"]


def test_no_file_is_larger_than_a_megabyte() -> None:
    """Except the weights of shipped models, whose sizes `test_pretrained.py` limits."""
    weights = "weights.safetensors"
    large = [path for path in tracked() if path.stat().st_size > 1_000_000 and path.name != weights]
    assert large == []


def test_every_requirement_is_pinned_in_the_constraints() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + [
        line for lines in project["optional-dependencies"].values() for line in lines
    ]
    names = {re.split(r"[\[<>=~! ]", line)[0].lower() for line in wanted} - {"seqtool"}
    pinned = {
        line.split("==")[0].lower()
        for line in (PROJECT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    assert names <= pinned


@pytest.mark.parametrize(
    ("code", "says", "expected"),
    [
        pytest.param(0, "No known vulnerabilities found", (0, "audited: no known"), id="nothing found"),
        pytest.param(
            1, "Found 1 known vulnerability in 1 package", (1, "Found 1 known"), id="a vulnerability"
        ),
        pytest.param(
            1, "ConnectionError: no route", (0, "not audited: the advisory service"), id="no network"
        ),
    ],
)
def test_the_audit_fails_only_for_a_vulnerability(
    code: int, says: str, expected: tuple[int, str], tmp_path: Path
) -> None:
    fake = tmp_path / "python"
    fake.write_text(f'#!/bin/sh\n[ "$1" = -c ] && exit 0\necho "{says}"\nexit {code}\n')
    fake.chmod(0o755)
    done = subprocess.run(
        [str(PROJECT / ".ci/audit"), str(fake)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, expected[1] in done.stdout + done.stderr) == (expected[0], True)
