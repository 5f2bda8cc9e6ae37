"""What `config` shows: every setting as training will use it, where it came from, and what differs between two configs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any

from seqtool.config import ReadConfig, dump_settings
from seqtool.config.schema import SECTIONS, keys
from seqtool.settings import Settings, TaggerSettings, feature_list

CONFIG = "config.yaml"
FOLLOWS = "dropout, "  # an origin: the value is that of `dropout`, which has the origin after it
DROPOUTS = ("dropout_input", "dropout_between", "dropout_output")


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        key: its dotted name.
        value: what training uses, presets spelt out.
        origin: `default`, `file:line` or `--set`, and the preset that it comes by.
    """

    key: str
    value: Any
    origin: str

    def to_json(self) -> Any:
        """The value as JSON has it."""
        return _plain(self.value)


@dataclass(frozen=True)
class Difference:
    """A setting that two configs do not share; what one of them does not know is None."""

    key: str
    first: Setting | None
    second: Setting | None


def find_config(reference: Path, root: Path) -> Path:
    """A YAML file, or the config of a run: its directory or its name."""
    for folder in (reference, root / reference):
        if folder.is_dir() and (folder / CONFIG).is_file():
            return folder / CONFIG
    return reference


def resolved(settings: Settings) -> Settings:
    """The same settings with what stands for others spelt out: the features of a preset, the three dropouts."""
    model = settings.model
    spelt = {name: getattr(model, name.removeprefix("dropout_") + "_dropout") for name in _dropouts(settings)}
    if isinstance(settings, TaggerSettings):
        return replace(
            settings, model=replace(settings.model, **spelt, features=feature_list(settings.model))
        )
    return replace(settings, model=replace(settings.model, **spelt))


def _dropouts(settings: Settings) -> tuple[str, ...]:
    """Those that have a place: a single layer has nothing between layers."""
    return tuple(name for name in DROPOUTS if name != "dropout_between" or settings.model.num_layers > 1)


def settings_of(read: ReadConfig) -> list[Setting]:
    """Every setting in the order of the schema."""
    spelt, origins = resolved(read.settings), dict(read.provenance)
    model = read.settings.model
    for name in _dropouts(read.settings):
        if getattr(model, name) is None:
            origins[f"model.{name}"] = f"{FOLLOWS}{origins['model.dropout']}"
    features = getattr(model, "features", None)
    if isinstance(features, str):
        origins["model.features"] = f"preset {features}, {origins['model.features']}"
    return [Setting(key, value, origins[key]) for key, value in _values(spelt)]


def _values(settings: Settings) -> Iterator[tuple[str, Any]]:
    for name in keys(type(settings)):
        value = getattr(settings, name)
        if name not in SECTIONS:
            yield name, value
            continue
        yield from ((f"{name}.{inner}", getattr(value, inner)) for inner in keys(type(value)))


def resolved_yaml(read: ReadConfig) -> str:
    """The resolved config as YAML whose paths are relative to the current folder."""
    return dump_settings(resolved(read.settings), Path.cwd())


def differences(first: ReadConfig, second: ReadConfig) -> list[Difference]:
    """The settings that differ, in the order of the schema; what follows in both from another that differs is left out."""
    a = {setting.key: setting for setting in settings_of(first)}
    b = {setting.key: setting for setting in settings_of(second)}
    names = [*a, *(key for key in b if key not in a)]
    found = (Difference(key, a.get(key), b.get(key)) for key in names)
    return [one for one in found if _differs(one) and not _follows(one)]


def _differs(one: Difference) -> bool:
    return one.first is None or one.second is None or one.first.value != one.second.value


def _follows(one: Difference) -> bool:
    return all(side is not None and side.origin.startswith(FOLLOWS) for side in (one.first, one.second))


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
