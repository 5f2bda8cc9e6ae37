"""Construction of ONNX graphs from standard operators, which are added one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from seqtool.types import Array

if TYPE_CHECKING:
    from numpy.typing import DTypeLike
    from onnx import TensorProto

OPSET = 17
IR_VERSION = 8  # of the file format; runtimes since 2022 read it


class Graph:
    """An ONNX graph under construction; values are referred to by their names."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: dict[str, TensorProto] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._count = 0

    def input(self, name: str, dtype: DTypeLike, shape: Sequence[str | int]) -> str:
        """Add an input; a name in its shape means any size."""
        self._inputs.append(_value_info(name, dtype, shape))
        return name

    def output(self, value: str, name: str, dtype: DTypeLike, shape: Sequence[str | int]) -> None:
        """Add an output: a value under a new name."""
        self.add("Identity", value, outputs=[name])
        self._outputs.append(_value_info(name, dtype, shape))

    def constant(self, array: Array | Sequence[int] | int, name: str = "") -> str:
        """Add an array to the graph; integers become int64."""
        from onnx import numpy_helper

        values = np.asarray(array) if isinstance(array, np.ndarray) else np.array(array, np.int64)
        name = name or self.new_name("constant")
        if name not in self._constants:
            contiguous = np.ascontiguousarray(values).reshape(values.shape)
            self._constants[name] = numpy_helper.from_array(contiguous, name)
        return name

    def add(self, operator: str, *inputs: str, outputs: Sequence[str] = (), **attributes: Any) -> str:
        """Add an operator; an empty input is left out.

        Returns:
            The name of its first output.
        """
        from onnx import helper

        names = list(outputs) or [self.new_name(operator.lower())]
        self._nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names[0]

    def with_rows(self, x: str, table: str, rows: str, ids: str) -> str:
        """Append a row of a table for each sequence, numbers (batch,), to x (time, batch, width).

        Args:
            ids: an array (time, batch).
        """
        of_sequence = self.add("Gather", table, rows)
        width = self.add("Shape", table, start=1)
        shape = self.add("Concat", self.add("Shape", ids), width, axis=0)
        return self.add("Concat", x, self.add("Expand", of_sequence, shape), axis=2)

    def model(self, name: str, metadata: Mapping[str, str]) -> Any:
        """Return the finished model (a protobuf message) with metadata, checked by ONNX itself."""
        import onnx
        from onnx import helper

        from seqtool.version import VERSION

        constants = list(self._constants.values())
        graph = helper.make_graph(self._nodes, name, self._inputs, self._outputs, constants)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="seqtool",
            producer_version=VERSION,
        )
        helper.set_model_props(model, dict(metadata))
        onnx.checker.check_model(model, full_check=True)
        return model

    def new_name(self, word: str) -> str:
        """Return a name that is not used yet."""
        self._count += 1
        return f"{word}_{self._count}"


def _value_info(name: str, dtype: DTypeLike, shape: Sequence[str | int]) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), list(shape))
