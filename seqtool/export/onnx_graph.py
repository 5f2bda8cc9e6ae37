"""A small writer of ONNX graphs: operators are added one by one, each result gets a name. Only standard operators are used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from seqtool.types import Array

OPSET = 17
IR_VERSION = 8  # of the file; what runtimes from 2022 on read


class Graph:
    """An ONNX graph in the making."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._count = 0

    def input(self, name: str, dtype: Any, shape: Sequence[str | int]) -> str:
        """An input; a name in its shape stands for any size."""
        self._inputs.append(_value(name, dtype, shape))
        return name

    def output(self, value: str, name: str, dtype: Any, shape: Sequence[str | int]) -> None:
        """Give a value out under a name."""
        self.add("Identity", value, outputs=[name])
        self._outputs.append(_value(name, dtype, shape))

    def constant(self, array: Array | Sequence[int] | int, name: str = "") -> str:
        """An array that belongs to the graph; integers become int64."""
        from onnx import numpy_helper

        values = np.asarray(array) if isinstance(array, np.ndarray) else np.array(array, np.int64)
        name = name or self.fresh("constant")
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(
                np.ascontiguousarray(values).reshape(values.shape), name
            )
        return name

    def add(self, operator: str, *inputs: str, outputs: Sequence[str] = (), **attributes: Any) -> str:
        """Add an operator; an empty input is left out.

        Returns:
            The name of its first output.
        """
        from onnx import helper

        names = list(outputs) or [self.fresh(operator.lower())]
        self._nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names[0]

    def model(self, name: str, facts: Mapping[str, str]) -> Any:
        """The finished model, checked by ONNX itself; `facts` are kept in it as text by name."""
        import onnx
        from onnx import helper

        from seqtool.version import VERSION

        graph = helper.make_graph(
            self._nodes, name, self._inputs, self._outputs, list(self._constants.values())
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="seqtool",
            producer_version=VERSION,
        )
        helper.set_model_props(model, dict(facts))
        onnx.checker.check_model(model, full_check=True)
        return model

    def fresh(self, word: str) -> str:
        """A name that nothing has yet."""
        self._count += 1
        return f"{word}_{self._count}"


def _value(name: str, dtype: Any, shape: Sequence[str | int]) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), list(shape))
