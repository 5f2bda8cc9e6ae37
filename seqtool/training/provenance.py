"""What a run is made of and what it is made with, as plain JSON, and how two runs differ in that."""

from __future__ import annotations

import json
import platform
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seqtool.config import read_settings
from seqtool.config.schema import PATH_KEYS
from seqtool.data.input_files import expand
from seqtool.errors import SeqtoolError
from seqtool.settings import Settings
from seqtool.storage.atomic import present
from seqtool.storage.find_model import MODEL
from seqtool.storage.model_directory import read_manifest
from seqtool.tasks.prepare import Prepared
from seqtool.version import VERSION

Json = dict[str, Any]

MAY_DIFFER = frozenset(
    f"training.{name}" for name in ("epochs", "max_steps", "max_minutes", "patience", "checkpoint_minutes")
)
_CONTENT = "content of the files"
_WIDEST = 40  # characters of a value that are shown


def experiment(prepared: Prepared) -> Json:
    """What decides a run's weights: its settings, with the hashes of files in the place of their paths."""
    start = None if prepared.start is None else prepared.start.manifest.sha256
    return _described(prepared.settings, prepared.corpus.files, start)


def _described(settings: Settings, hashes: Mapping[str, str], start: str | None) -> Json:
    value = asdict(settings)
    del value["name"], value["data"]["source"]
    value["training"]["init_from"] = start
    for name in PATH_KEYS & value["data"].keys():
        paths = value["data"].pop(name)
        value["data"][f"{name}: {_CONTENT}"] = [hashes.get(str(path)) for path in expand(paths)]
    features = value["model"].get("features")
    for feature in features if isinstance(features, list | tuple) else ():
        if feature["path"]:
            feature["path"] = [hashes.get(str(path)) for path in expand([feature["path"]])]
    plain: Json = json.loads(json.dumps(value))
    return plain


def made_with(device: str, threads: int, precision: str, ranks: int = 1) -> Json:
    """What the last bits of a run depend on beside its experiment."""
    import numpy
    import torch

    versions = {
        "seqtool": VERSION,
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "python": platform.python_version(),
    }
    return {
        "device": device,
        "threads": threads,
        "precision": precision,
        "world_size": ranks,
        "versions": versions,
    }


def differences(
    before: Mapping[str, Any], now: Mapping[str, Any], but_for: Collection[str] = ()
) -> list[str]:
    """What is not the same, a line each: `training.lr: 0.003 before, 0.002 now`."""
    old, new = dict(_flat(before)), dict(_flat(now))
    lines = []
    for key in sorted(old.keys() | new.keys()):
        if key in but_for or old.get(key) == new.get(key):
            continue
        if key.endswith(_CONTENT):
            lines.append(f"{key.removesuffix(': ' + _CONTENT)}: other files, or another content")
        else:
            lines.append(f"{key}: {_shown(old, key)} before, {_shown(new, key)} now")
    return lines


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, item in value.items():
        if isinstance(item, Mapping):
            yield from _flat(item, f"{prefix}{name}.")
        else:
            yield prefix + name, item


def _shown(values: Mapping[str, Any], key: str) -> str:
    if key not in values:
        return "nothing"
    text = json.dumps(values[key], ensure_ascii=False)
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def differences_from_earlier(
    earlier: Path, prepared: Prepared, circumstances: Mapping[str, Any]
) -> list[str]:
    """How a run differs from the finished one that stands where it will stand; empty where there is none, or nothing differs."""
    try:
        manifest = read_manifest(present(earlier / MODEL))
        settings = read_settings(earlier / "config.yaml").settings
        if settings.task != prepared.settings.task:
            return [f"task: {settings.task} before, {prepared.settings.task} now"]
        before = _described(settings, manifest.data, manifest.init_from)
    except SeqtoolError:  # none there, damaged, or its files have gone
        return []
    then = {name: manifest.to_json().get(name) for name in circumstances}
    return differences(before, experiment(prepared)) + differences(then, circumstances)
