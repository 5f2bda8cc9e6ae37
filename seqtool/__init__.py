"""seqtool: train small recurrent sequence models from YAML files and put them to work in the shell.

From Python, `seqtool.load("runs/ewt")` gives a model that can tag, or sample and score. Importing this package costs
nothing: what stands in the table below is imported when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seqtool.version import VERSION as __version__

if TYPE_CHECKING:
    from seqtool.errors import SeqtoolError as SeqtoolError
    from seqtool.jobs.api import Model as Model
    from seqtool.jobs.api import load as load

_HOMES = {"Model": "seqtool.jobs.api", "SeqtoolError": "seqtool.errors", "load": "seqtool.jobs.api"}

__all__ = ["Model", "SeqtoolError", "__version__", "load"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
