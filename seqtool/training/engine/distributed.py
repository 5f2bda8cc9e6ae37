"""Several ranks, started by torchrun: sums over them by `torch.distributed`, with gloo between CPUs and NCCL between GPUs.

What the host must know (a stop, a clock, a score) goes through gloo as a few numbers of double precision; gradients go
from where they are, all in one piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import ParamSpec, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch._C._distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from seqtool.data.sharding import Columns, Shard
from seqtool.errors import SeqtoolError
from seqtool.training.engine.ranks import Ranks
from seqtool.training.engine.torchrun import Launch

PATIENCE = timedelta(
    hours=2
)  # how long a rank waits for the others: a large text may have to be encoded first

P = ParamSpec("P")
T = TypeVar("T")


def _together(call: Callable[P, T]) -> Callable[P, T]:
    """A rank whose partner has gone says that, instead of which socket was closed."""

    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return call(*args, **kwargs)
        except (dist.DistBackendError, RuntimeError) as error:
            raise SeqtoolError(
                f"another rank of this run has gone ({str(error).splitlines()[0][:100]})",
                hint="look above for what it said; torchrun --max-restarts=N starts all again from the last checkpoint",
            ) from error

    return called


@contextmanager
def process_group(launch: Launch, device: torch.device) -> Iterator[Group]:
    """The process group that torchrun has arranged for, joined for the block.

    Raises:
        SeqtoolError: if the others cannot be reached, or the device cannot work with them.
    """
    if device.type not in ("cpu", "cuda"):
        raise SeqtoolError(
            f"several ranks cannot train on {device.type}", place="training.device", hint="use --device cpu"
        )
    _meet("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", launch)
    try:
        yield Group(launch.shard, launch.local)
    finally:
        with suppress(Exception):
            dist.destroy_process_group()


@_together
def _meet(backend: str, launch: Launch) -> None:
    """Connect the ranks, under names of their own in torchrun's store.

    After a restart the store may still hold the addresses of the ranks that have gone; gloo would wait for them for hours.
    """
    rank, size = launch.shard.rank, launch.shard.size
    store, _, _ = next(rendezvous("env://", rank, size, timeout=PATIENCE))
    name = f"seqtool/{launch.restarts}/{size}"
    meeting = (
        store.add(name, 1) - 1
    ) // size  # as often as torchrun has started them, a machine having come or gone
    dist.init_process_group(
        backend, store=PrefixStore(f"{name}/{meeting}", store), timeout=PATIENCE, rank=rank, world_size=size
    )


class Group(Ranks):
    """This process among several."""

    def __init__(self, shard: Shard, local: Shard) -> None:
        self.shard, self.local = shard, local

    @_together
    def any(self, flag: bool) -> bool:
        """Whether any rank says yes."""
        votes = torch.tensor([int(flag)], dtype=torch.int32)
        dist.all_reduce(votes, dist.ReduceOp.MAX)
        return bool(votes.item())

    @_together
    def sums(self, *values: float) -> tuple[float, ...]:
        """Each value added up over the ranks, in double precision; whole numbers stay whole."""
        found = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(found)
        return tuple(type(value)(total) for value, total in zip(values, found.tolist(), strict=True))

    @_together
    def add_gradients(self, weights: Iterable[nn.Parameter], loss: Tensor) -> Tensor:
        """Add up every weight's gradient over the ranks, in place; the loss added up, too.

        All ranks have gradients of the same weights: one without sequences of its own works on one that counts nothing.
        """
        learning = [weight for weight in weights if weight.grad is not None]
        pieces = [weight.grad.reshape(-1) for weight in learning if weight.grad is not None]
        flat = torch.cat([*pieces, loss.reshape(1).to(pieces[0])])
        dist.all_reduce(flat)
        *parts, total = torch.split(flat, [*map(len, pieces), 1])
        for weight, part in zip(learning, parts, strict=True):
            weight.grad = part.view_as(weight)
        return total.squeeze(0)

    @_together
    def broadcast_tensors(self, tensors: Iterable[Tensor]) -> None:
        """Give all ranks the first one's tensors, in place."""
        for tensor in tensors:
            dist.broadcast(tensor.detach(), 0)

    @_together
    def gather(self, tensor: Tensor, columns: Columns) -> Tensor:
        """A tensor (own sequences, …) of each rank as one for the whole batch."""
        whole = tensor.new_zeros(columns.width, *tensor.shape[1:])
        whole[torch.from_numpy(columns.indices).to(tensor.device)] = tensor
        dist.all_reduce(whole)
        return whole

    @_together
    def broadcast(self, data: bytes | None) -> bytes | None:
        """What the first rank says; no pickle."""
        size = torch.tensor([-1 if data is None else len(data)])
        dist.broadcast(size, 0)
        if size.item() < 0:
            return None
        said = torch.zeros(int(size.item()), dtype=torch.uint8)
        if self.is_main_process and data:
            said = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        dist.broadcast(said, 0)
        return said.numpy().tobytes()
