"""Output of settings: YAML, a list with the origin of each value, and the differences of two configs."""
# ruff: noqa: PTH100, PTH117, PTH118, PTH206 - pathlib cannot resolve `..` without following links

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from seqtool.config.checks_tagger import feature_uses
from seqtool.config.load import ReadConfig
from seqtool.config.schema import INIT_FROM, PATH_KEYS, is_section, keys
from seqtool.config.yaml_tree import NULLS, quoted
from seqtool.settings.experiment import Settings, TaggerSettings
from seqtool.settings.model import Feature, RecurrentModel, feature_list

CONFIG = "config.yaml"
Model = TypeVar("Model", bound=RecurrentModel)
PLAIN = re.compile(r"[\w./+][\w./+-]*(?: [\w./+-]+)*", re.ASCII)  # text that needs no quotes in YAML
MAX_PLAIN_KEY = 200  # characters; YAML requires a question mark before a longer key
MAX_CLIMB = 3  # parent folders in a relative path: from the folder of a run to the folder of its project


# --- YAML ---------------------------------------------------------------------------------------------------


def dump_settings(settings: Settings, folder: Path | None = None) -> str:
    """Write settings as YAML with every default.

    Args:
        settings: the settings to write.
        folder: folder of the file that will hold the text; paths below or near it become relative to it. None
            keeps all paths absolute.

    Returns:
        YAML text that, read from that folder, gives equal settings.
    """
    write_path: Callable[[str], str] = str if folder is None else lambda path: relative(path, str(folder))
    values = {name: getattr(settings, name) for name in keys(type(settings))}
    sections = {name: value for name, value in values.items() if is_section(type(value))}
    lines = [f"{name}: {scalar(value)}" for name, value in values.items() if name not in sections]
    for section, value in sections.items():
        lines += ["", f"{section}:", *_section_lines(value, section, write_path)]
    return "\n".join(lines) + "\n"


def _section_lines(values: Any, section: str, write_path: Callable[[str], str]) -> Iterator[str]:
    for name in keys(type(values)):
        value = getattr(values, name)
        if is_section(type(value)):
            yield f"  {name}:"
            yield from (f"  {line}" for line in _section_lines(value, name, write_path))
        elif section == "data" and name in PATH_KEYS:
            paths = tuple(write_path(path) for path in value)
            yield f"  {name}: {scalar(paths[0]) if len(paths) == 1 else flow(paths)}"
        elif name == INIT_FROM:
            yield f"  {name}: {scalar(write_path(value))}"
        elif isinstance(value, dict):
            yield f"  {name}:{'' if value else ' {}'}"
            yield from (f"    {_label_key(label)}: {scalar(weight)}" for label, weight in value.items())
        elif name == "features" and not isinstance(value, str):
            yield f"  {name}:{'' if value else ' []'}"
            yield from (f"    - {_feature(feature, write_path)}" for feature in value)
        else:
            yield f"  {name}: {flow(value)}"


def _feature(feature: Feature, write_path: Callable[[str], str]) -> str:
    """Write a feature on one line, without the keys that have no meaning for it."""
    pairs = {name: getattr(feature, name) for name in keys(Feature) if feature_uses(feature.name, name)}
    if pairs.get("path"):
        pairs["path"] = write_path(feature.path)
    return "{" + ", ".join(f"{name}: {scalar(value)}" for name, value in pairs.items()) + "}"


def _label_key(label: str) -> str:
    text = scalar(label)
    return text if len(text) <= MAX_PLAIN_KEY else f"? {text}\n    "


def flow(value: Any) -> str:
    """Write a value or a list in the inline form of YAML."""
    if isinstance(value, tuple | list):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    return scalar(value)


def scalar(value: Any) -> str:
    """Write one value; text has quotes unless YAML reads it unchanged without them."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value if PLAIN.fullmatch(value) and value not in NULLS else quoted(value)
    return repr(value)


def relative(path: str, folder: str) -> str:
    """Return a path relative to a folder if it is below or near the folder, else the path itself."""
    folder = os.path.abspath(folder)
    if not os.path.isabs(path):
        return path
    near = os.path.relpath(path, folder)
    climb = near.split(os.sep).count(os.pardir)
    if climb > MAX_CLIMB or os.path.normpath(os.path.join(folder, near)) != path:
        return path
    return os.path.join(os.curdir, near) if near.startswith("~") else near


# --- resolved settings with their origins -------------------------------------------------------------------

FOLLOWS = "dropout, "  # origin of a value that is copied from `dropout`, before the origin of `dropout`
DROPOUTS = ("dropout_input", "dropout_between", "dropout_output")


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        key: dotted name.
        value: value that training uses; presets are replaced by their values.
        origin: `default`, `file:line` or `--set`, and the preset if the value comes from one.
    """

    key: str
    value: Any
    origin: str

    def to_json(self) -> Any:
        """Return the value in a form for JSON."""
        return _plain(self.value)


@dataclass(frozen=True)
class Difference:
    """Setting that differs between two configs; None means that the config does not have the key."""

    key: str
    first: Setting | None
    second: Setting | None


def find_config(reference: Path, root: Path) -> Path:
    """Return the config file of a run, given by directory or name; return any other reference unchanged."""
    for folder in (reference, root / reference):
        if folder.is_dir() and (folder / CONFIG).is_file():
            return folder / CONFIG
    return reference


def resolve(settings: Settings) -> Settings:
    """Replace a preset of features by its list, and set the three dropouts that follow `dropout`."""
    if isinstance(settings, TaggerSettings):
        model = replace(_with_dropouts(settings.model), features=feature_list(settings.model))
        tokenizer = settings.tokenizer
        if tokenizer is not None:
            tokenizer = replace(tokenizer, model=_with_dropouts(tokenizer.model))
        return replace(settings, model=model, tokenizer=tokenizer)
    resolved: Settings = replace(settings, model=_with_dropouts(settings.model))  # type: ignore[arg-type]
    return resolved


def _with_dropouts(model: Model) -> Model:
    values = {name: getattr(model, name.removeprefix("dropout_") + "_dropout") for name in _dropouts(model)}
    return replace(model, **values)


def _dropouts(model: RecurrentModel) -> tuple[str, ...]:
    """Return the dropouts that apply; a single layer has no dropout between layers."""
    return tuple(name for name in DROPOUTS if name != "dropout_between" or model.num_layers > 1)


def _models(settings: Settings) -> dict[str, RecurrentModel]:
    """Return the sections with recurrent layers by the dotted key of the section."""
    *others, main = settings.parts
    return {"model": main.model, **{f"{part.task}.model": part.model for part in others}}


def settings_with_origins(config: ReadConfig) -> list[Setting]:
    """List all settings in the order of the schema."""
    origins = dict(config.provenance)
    for section, model in _models(config.settings).items():
        for name in _dropouts(model):
            if getattr(model, name) is None:
                origins[f"{section}.{name}"] = f"{FOLLOWS}{origins[f'{section}.dropout']}"
    features = getattr(config.settings.model, "features", None)
    if isinstance(features, str):
        origins["model.features"] = f"preset {features}, {origins['model.features']}"
    return [Setting(key, value, origins[key]) for key, value in _values(resolve(config.settings))]


def _values(section: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    for name in keys(type(section)):
        value = getattr(section, name)
        if is_section(type(value)):
            yield from _values(value, f"{above}{name}.")
        else:
            yield above + name, value


def resolved_yaml(config: ReadConfig) -> str:
    """Write the resolved config as YAML with paths relative to the current folder."""
    return dump_settings(resolve(config.settings), Path.cwd())


def differences(first: ReadConfig, second: ReadConfig) -> list[Difference]:
    """List the settings that differ, in the order of the schema, without values copied from `dropout`."""
    a = {setting.key: setting for setting in settings_with_origins(first)}
    b = {setting.key: setting for setting in settings_with_origins(second)}
    names = [*a, *(key for key in b if key not in a)]
    pairs = (Difference(key, a.get(key), b.get(key)) for key in names)
    return [pair for pair in pairs if _differs(pair) and not _follows(pair)]


def _differs(pair: Difference) -> bool:
    return pair.first is None or pair.second is None or pair.first.value != pair.second.value


def _follows(pair: Difference) -> bool:
    return all(side is not None and side.origin.startswith(FOLLOWS) for side in (pair.first, pair.second))


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


# --- commented YAML -----------------------------------------------------------------------------------------

SCHEMA_FILE = "seqtool-schema.json"  # written by `init` next to the config
SCHEMA = f"# yaml-language-server: $schema={SCHEMA_FILE}"


def yaml_line(setting: str, comment: str = "", indent: int = 2) -> str:
    """Format one setting with a comment that explains it, aligned with the other comments."""
    text = " " * indent + setting
    return f"{text:<25} # {comment}" if comment else text


def header_lines(task: str, run: str) -> list[str]:
    """Return the lines for task, name and seed."""
    return [
        yaml_line(f"task: {task}", "kind of model", 0),
        yaml_line(f"name: {run}", "name of the run directory", 0),
        yaml_line("seed: 1", "random seed of weights, data order and dropout masks", 0),
    ]
