"""seqtool: train small recurrent sequence models from YAML files and use them from the shell.

In Python, `seqtool.train("configs/hihell.yaml")` trains a model and `seqtool.load("runs/ewt")` loads one that
can tag, or sample and score. Importing this package imports almost nothing: public names are imported on
first use.
"""

from seqtool.version import VERSION as __version__

# Type checkers treat this name as true. Importing `typing` for it takes longer than the rest of the file.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from seqtool.api.model import Model as Model
    from seqtool.api.model import load as load
    from seqtool.api.train import Run as Run
    from seqtool.api.train import read_config as read_config
    from seqtool.api.train import train as train
    from seqtool.errors import SeqtoolError as SeqtoolError

_MODULES = {
    "Model": "seqtool.api.model",
    "Run": "seqtool.api.train",
    "SeqtoolError": "seqtool.errors",
    "load": "seqtool.api.model",
    "read_config": "seqtool.api.train",
    "train": "seqtool.api.train",
}

__all__ = ["Model", "Run", "SeqtoolError", "__version__", "load", "read_config", "train"]


def __getattr__(name: str) -> "Any":
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
