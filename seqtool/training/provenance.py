"""Settings, data and environment of a run as JSON, and the comparison of two runs."""

from __future__ import annotations

import json
import platform
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from seqtool.config.load import read_run_settings
from seqtool.config.schema import PATH_KEYS, TASKS
from seqtool.data.encoding import AUTO, UTF8
from seqtool.data.input_files import expand
from seqtool.errors import Problem, SeqtoolError
from seqtool.settings.experiment import Settings
from seqtool.storage.atomic import present
from seqtool.storage.find_model import MODEL
from seqtool.storage.model_directory import read_manifest
from seqtool.tasks.parts import PreparedRun
from seqtool.types import Json
from seqtool.version import VERSION

PARTS = ("", *(f"{task}." for task in TASKS))  # beginnings of the keys of the main part and of other parts
# Settings that a resumed run may change and that have no effect on when it ends. Other threads change the
# last bits of the weights, which is reported.
LIKE_FINISHED = frozenset(
    f"{part}training.{name}" for part in PARTS for name in ("checkpoint_minutes", "threads", "rank_timeout")
)
# Settings that a resumed run may change; the others determine when it ends.
MAY_DIFFER = LIKE_FINISHED | frozenset(
    f"{part}training.{name}" for part in PARTS for name in ("epochs", "max_steps", "max_minutes", "patience")
)
_CONTENT = "content of the files"
_LONGEST_VALUE = 40  # characters of a value in a message; longer values are cut


def experiment(prepared: PreparedRun) -> Json:
    """Return everything that determines the weights: the settings, with file hashes instead of paths."""
    initial_model = prepared.initial_model
    sha256 = None if initial_model is None else initial_model.manifest.sha256
    return _experiment(prepared.settings, prepared.files, sha256)


def _experiment(settings: Settings, hashes: Mapping[str, str], initial_model: str | None) -> Json:
    value = asdict(settings)
    if value.get("tokenizer", "") is None:  # as in runs of versions without this section
        del value["tokenizer"]
    del value["name"], value["data"]["source"]
    value["training"]["init_from"] = initial_model
    if value["data"]["encoding"] == UTF8:
        value["data"]["encoding"] = AUTO  # a file that is valid UTF-8 is read alike
    for name in PATH_KEYS & value["data"].keys():
        paths = value["data"].pop(name)
        value["data"][f"{name}: {_CONTENT}"] = [hashes.get(str(path)) for path in expand(paths)]
    features = value["model"].get("features")
    for feature in features if isinstance(features, list | tuple) else ():
        if feature["path"]:
            feature["path"] = [hashes.get(str(path)) for path in expand([feature["path"]])]
    plain: Json = json.loads(json.dumps(value))
    return plain


def environment(device: str, threads: int, precision: str, ranks: int = 1) -> Json:
    """Return the parts of the environment that affect the last bits of the weights.

    They are device, threads, precision, number of ranks and versions.
    """
    import numpy

    more = {"numpy": numpy.__version__, "python": platform.python_version()}
    return {
        "device": device,
        "threads": threads,
        "precision": precision,
        "world_size": ranks,
        "versions": {**versions(), **more},
    }


def versions() -> dict[str, str]:
    """Return the versions of seqtool and torch, which the ranks of a run must share."""
    import torch

    return {"seqtool": VERSION, "torch": torch.__version__}


def differences(before: Json, now: Json, ignored: Collection[str] = ()) -> list[str]:
    """Return the differences between two JSON objects, one line each.

    A line looks like this: `training.lr: 0.003 before, 0.002 now`.

    Args:
        before: the earlier object.
        now: the current object.
        ignored: dotted keys that are not compared, such as `training.epochs`.
    """
    old, new = flat(before), flat(now)
    lines = []
    for key in sorted(old.keys() | new.keys()):
        if key in ignored or old.get(key) == new.get(key):
            continue
        if key.endswith(_CONTENT):
            lines.append(f"{key.removesuffix(': ' + _CONTENT)}: other files, or other content")
        else:
            lines.append(f"{key}: {_shown(old, key)} before, {_shown(new, key)} now")
    return lines


def flat(value: Json) -> dict[str, object]:
    """Return the values of nested JSON objects by dotted key."""
    return dict(_flat(value))


def _flat(value: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, item in value.items():
        if isinstance(item, Mapping):
            yield from _flat(item, f"{prefix}{name}.")
        else:
            yield prefix + name, item


def _shown(values: Mapping[str, object], key: str) -> str:
    if key not in values:
        return "nothing"
    text = json.dumps(values[key], ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def differences_from_earlier(earlier: Path, prepared: PreparedRun, current_environment: Json) -> list[str]:
    """Compare a run with the earlier run of the same name, which it will replace or rename.

    Args:
        earlier: final directory of the run.
        prepared: settings and data of the run.
        current_environment: result of `environment` for the run.

    Returns:
        One line per difference; empty if there is no earlier run or if it cannot be read.
    """
    try:
        before = stored_experiment(earlier)
        fields = read_manifest(present(earlier / MODEL)).to_json()
    except SeqtoolError:  # missing or damaged, or its data files are gone
        return []
    now = experiment(prepared)
    other_task = differences({"task": before["task"]}, {"task": now["task"]})
    if other_task:  # they have hardly a key in common
        return other_task
    earlier_environment = {name: fields.get(name) for name in current_environment}
    return [
        *differences(before, now),
        *differences(earlier_environment, current_environment),
    ]


def stored_experiment(run: Path) -> Json:
    """Return the result of `experiment` for a finished run.

    Raises:
        SeqtoolError: its config or manifest is missing or damaged, or its data files are gone.
    """
    manifest = read_manifest(present(run / MODEL))
    return _experiment(read_run_settings(run).settings, manifest.data, manifest.init_from)


def check_same_run(
    run: str, before: Json, prepared: PreparedRun, place: Path, may_differ: Collection[str], hint: str
) -> None:
    """Check that settings and data are those of the run that is resumed.

    Args:
        run: description of that run in the message.
        before: result of `experiment` for that run.
        prepared: present settings and data.
        place: directory of that run.
        may_differ: dotted keys of settings that are not compared.
        hint: advice if they differ.

    Raises:
        SeqtoolError: they differ; each difference is one problem.
    """
    differ = differences(before, experiment(prepared), may_differ)
    if differ:
        raise SeqtoolError([Problem(f"{run} differs in {line}", str(place), hint) for line in differ])


def resume_command(command: Sequence[str]) -> str:
    """Return the command line that resumes an interrupted run; `--resume` if the command is unknown."""
    if not command:
        return "--resume"
    return shlex.join(["seqtool", *command, *([] if "--resume" in command else ["--resume"])])
