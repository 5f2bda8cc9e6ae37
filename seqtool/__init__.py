"""seqtool: train small recurrent sequence models from YAML files and put them to work in the shell.

From Python, `seqtool.train("configs/hihell.yaml")` makes a run and `seqtool.load("runs/ewt")` gives a model that can tag,
or sample and score. Importing this package costs nothing: what stands in the table below is imported when first asked for.
"""

from seqtool.version import VERSION as __version__

TYPE_CHECKING = (
    False  # as type checkers know it; the module it comes from takes longer to import than all this
)
if TYPE_CHECKING:
    from typing import Any

    from seqtool.api.model import Model as Model
    from seqtool.api.model import load as load
    from seqtool.api.train import Run as Run
    from seqtool.api.train import read_config as read_config
    from seqtool.api.train import train as train
    from seqtool.errors import SeqtoolError as SeqtoolError

_API, _TEACH = "seqtool.api.model", "seqtool.api.train"
_HOMES = {
    "Model": _API,
    "Run": _TEACH,
    "SeqtoolError": "seqtool.errors",
    "load": _API,
    "read_config": _TEACH,
    "train": _TEACH,
}

__all__ = ["Model", "Run", "SeqtoolError", "__version__", "load", "read_config", "train"]


def __getattr__(name: str) -> "Any":
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
