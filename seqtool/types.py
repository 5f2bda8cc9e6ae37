"""Type aliases for arrays and for objects that are read from or written to JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np

Array: TypeAlias = "np.ndarray[Any, Any]"  # of any shape and number type; each docstring gives the shape
Arrays: TypeAlias = dict[str, Array]  # by name: the weights of a model, the tensors of a checkpoint
Json: TypeAlias = dict[str, Any]  # one JSON object, only where JSON is read or written
