"""Names of labels that are integers in JSON.

They come from the settings, from the record, or from the file `dataset_info.json` that Hugging Face datasets
have beside the data.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from seqtool.data.formats.json_spans import Record
from seqtool.errors import DataError, SeqtoolError
from seqtool.settings.data import TaggerData
from seqtool.storage.plain_files import read_plain

INFO_FILES = ("dataset_info.json", "dataset_infos.json")
INFO_LIMIT = 1 << 24  # bytes of such a file
MOST_NAMES = 100_000


def names_of(
    key: str, numbers: Collection[int], first: Record, data: TaggerData, path: str
) -> tuple[str, ...]:
    """Return the names of the numbers in a field; nothing if there are none for all of them."""
    if not numbers or data.label_names:
        return data.label_names if numbers else ()
    beside = (_read_info(Path(path).parent / name) for name in INFO_FILES) if path else ()
    for names in (_own_names(first, key), *(_listed_names(info, key) for info in beside)):
        if names and min(numbers) >= 0 and max(numbers) < len(names):
            return names
    return ()


def _own_names(record: Record, key: str) -> tuple[str, ...]:
    """Return the names that a record has for a field of its own: `names`, `label_names` or `KEY_names`."""
    for name in (f"{key}_names", "label_names", "names"):
        if names := _strings(record.get(name)):
            return names
    features = record.get("features")
    return _listed_names(features, key) if isinstance(features, dict) else ()


def _listed_names(value: object, key: str) -> tuple[str, ...]:
    """Return the list `names` below the field `key` in a description of a dataset."""
    pending: list[tuple[object, bool]] = [(value, False)]
    while pending:
        item, below = pending.pop()
        if isinstance(item, dict):
            if below and (names := _strings(item.get("names"))):
                return names
            pending.extend((inner, below or name == key) for name, inner in item.items())
    return ()


def _strings(value: object) -> tuple[str, ...]:
    if (
        isinstance(value, list)
        and 0 < len(value) <= MOST_NAMES
        and all(isinstance(item, str) for item in value)
    ):
        return tuple(item.strip() for item in value)
    return ()


def _read_info(path: Path) -> object:
    """Return the content of a description of a dataset; None if there is none that can be read."""
    if not path.is_file():
        return None
    try:
        return json.loads(bytes(read_plain(path, INFO_LIMIT)))
    except (OSError, ValueError, RecursionError, DataError, SeqtoolError):
        return None
