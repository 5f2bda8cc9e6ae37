"""Run the two directions of a layer side by side, each in a separate thread, forward and backward.

Where processors are free, it is as fast to divide each matrix among the threads. Beside other busy processes,
each step of a sequence would wait for the slower thread. Directions are independent of each other; their
threads meet once per layer. Both ways give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from seqtool.models.waiting_threads import threads_sleep_early

Result = TypeVar("Result")


# A pass over a sequence, and its arguments. It uses no other tensor that needs a gradient.
Run: TypeAlias = Callable[..., tuple[Tensor, ...]]
Pass: TypeAlias = tuple[Run, Sequence[Tensor]]
Graph: TypeAlias = tuple[list[Tensor], tuple[Tensor, ...]]  # arguments and results of a pass


def pays(x: Tensor, passes: Sequence[Pass]) -> bool:
    """Return whether passes over an input run side by side.

    They do if there are two, in training, on a CPU with several threads that sleep early while they wait:
    threads that spin would take the processor of the worker, and a step would take 1.6 times as long. Lower
    precision (autocast) is a state of the calling thread. The worker does not have it.
    """
    on_cpu = x.device.type == "cpu" and torch.get_num_threads() > 1 and not torch.is_autocast_enabled("cpu")
    return len(passes) == 2 and on_cpu and torch.is_grad_enabled() and threads_sleep_early()


def side_by_side(passes: Sequence[Pass]) -> list[tuple[Tensor, ...]]:
    """Return the results of two passes, which are equally many, with gradients for all arguments."""
    (first, own), (second, other) = passes
    flat = _SideBySide.apply((first, second), len(own), *own, *other)  # type: ignore[no-untyped-call]
    half = len(flat) // 2
    return [flat[:half], flat[half:]]


class _SideBySide(torch.autograd.Function):
    """Two passes as one operation. Each keeps its own graph, which its thread runs backward."""

    @staticmethod
    def forward(ctx: Any, runs: tuple[Run, Run], count: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        first, second = _in_threads(
            lambda: _with_graph(runs[0], tensors[:count]), lambda: _with_graph(runs[1], tensors[count:])
        )
        ctx.graphs = first, second
        ctx.set_materialize_grads(False)  # most results, such as the last state, have no effect on the loss
        return tuple(result.detach() for _, results in (first, second) for result in results)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        first, second = ctx.graphs
        half = len(first[1])
        both = _in_threads(
            lambda: _gradients(first, gradients[:half]), lambda: _gradients(second, gradients[half:])
        )
        return (None, None, *both[0], *both[1])


class _GivenGradients(torch.autograd.Function):
    """A number with given gradients. torch imports its compiler, for a second, if `grad` gets gradients."""

    @staticmethod
    def forward(ctx: Any, gradients: tuple[Tensor, ...], *results: Tensor) -> Tensor:
        ctx.gradients = gradients
        return results[0].new_zeros(())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, _: Tensor) -> tuple[Tensor | None, ...]:
        return (None, *ctx.gradients)


def _with_graph(run: Run, tensors: Sequence[Tensor]) -> Graph:
    """Run a pass on detached inputs."""
    inputs = [tensor.detach().requires_grad_(tensor.requires_grad) for tensor in tensors]
    with torch.enable_grad():
        return inputs, run(*inputs)


def _gradients(graph: Graph, gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Return the gradient of each argument, None for those that need none."""
    arguments, results = graph
    pairs = zip(results, gradients, strict=True)
    outputs = [(result, gradient) for result, gradient in pairs if gradient is not None]
    if not outputs:
        return [None] * len(arguments)
    used, given = zip(*outputs, strict=True)
    needed = [tensor for tensor in arguments if tensor.requires_grad]
    with torch.enable_grad():
        start = _GivenGradients.apply(given, *used)  # type: ignore[no-untyped-call]
    # The graph is kept, since the caller may go backward twice; it is freed with the operation.
    found = iter(torch.autograd.grad(start, needed, retain_graph=True))
    return [next(found) if tensor.requires_grad else None for tensor in arguments]


def _in_threads(first: Callable[[], Result], second: Callable[[], Result]) -> tuple[Result, Result]:
    """Return the results of two functions. Each has half of torch's threads; a worker computes the second."""
    threads = torch.get_num_threads()
    waiting = _worker().submit(_with_threads, threads // 2, second)
    try:
        result = _with_threads(threads // 2, first)
    finally:
        wait([waiting])  # also after an error, since the worker reads the same tensors
        torch.set_num_threads(threads)
    return result, waiting.result()


def _with_threads(threads: int, function: Callable[[], Result]) -> Result:
    torch.set_num_threads(threads)  # of the thread that calls
    return function()


@cache
def _worker() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "direction")
