"""Several ranks, started by torchrun and connected by gloo (between CPUs) or NCCL (between GPUs).

Values that the host needs (stop flags, times, scores) are summed by gloo in double precision. Gradients stay
on their device and are summed in one buffer.
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
from seqtool.training.engine.ranks import Launch, Ranks

TIMEOUT = timedelta(hours=2)  # long, because a rank may wait while another encodes a large text

P = ParamSpec("P")
T = TypeVar("T")


def _explain_lost_rank(call: Callable[P, T]) -> Callable[P, T]:
    """Report the loss of another rank as such, instead of torch's error about a socket."""

    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return call(*args, **kwargs)
        except (dist.DistBackendError, RuntimeError) as error:
            raise SeqtoolError(
                f"another rank of this run has ended ({str(error).splitlines()[0][:100]})",
                hint="see its message above; torchrun --max-restarts=N restarts from the last checkpoint",
            ) from error

    return called


@contextmanager
def process_group(launch: Launch, device: torch.device) -> Iterator[ConnectedRanks]:
    """Connect the ranks for the duration of the block.

    Raises:
        SeqtoolError: the other ranks cannot be reached, or the device does not support several ranks.
    """
    if device.type not in ("cpu", "cuda"):
        raise SeqtoolError(
            f"several ranks cannot train on {device.type}", place="training.device", hint="use --device cpu"
        )
    _connect("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", launch)
    try:
        yield ConnectedRanks(launch.shard, launch.local)
    finally:
        with suppress(Exception):
            dist.destroy_process_group()


@_explain_lost_rank
def _connect(backend: str, launch: Launch) -> None:
    """Connect the ranks, under a new prefix in torchrun's store for every start.

    After a restart the store may still contain the addresses of ended ranks. gloo would wait for them for
    hours.
    """
    rank, size = launch.shard.rank, launch.shard.size
    store, _, _ = next(rendezvous("env://", rank, size, timeout=TIMEOUT))
    name = f"seqtool/{launch.restarts}/{size}"
    # torchrun does not count a restart after a machine has joined or left, so the ranks count starts
    # themselves.
    attempt = (store.add(name, 1) - 1) // size
    dist.init_process_group(
        backend, store=PrefixStore(f"{name}/{attempt}", store), timeout=TIMEOUT, rank=rank, world_size=size
    )


class ConnectedRanks(Ranks):
    """One of several connected ranks."""

    def __init__(self, shard: Shard, local: Shard) -> None:
        self.shard, self.local = shard, local

    @_explain_lost_rank
    def any(self, flag: bool) -> bool:
        """Return whether the flag is true on any rank."""
        votes = torch.tensor([int(flag)], dtype=torch.int32)
        dist.all_reduce(votes, dist.ReduceOp.MAX)
        return bool(votes.item())

    @_explain_lost_rank
    def sums(self, *values: float) -> tuple[float, ...]:
        """Add up each value over the ranks, in double precision; whole numbers stay whole."""
        totals = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(totals)
        return tuple(type(value)(total) for value, total in zip(values, totals.tolist(), strict=True))

    @_explain_lost_rank
    def add_gradients(self, weights: Iterable[nn.Parameter], loss: Tensor) -> Tensor:
        """Add up the gradient of each weight over the ranks, in place, and return the loss of all ranks.

        All ranks have gradients of the same weights: a rank without own sequences computes one with a loss of
            0.
        """
        learning = [weight for weight in weights if weight.grad is not None]
        pieces = [weight.grad.reshape(-1) for weight in learning if weight.grad is not None]
        flat = torch.cat([*pieces, loss.reshape(1).to(pieces[0])])
        dist.all_reduce(flat)
        *parts, total = torch.split(flat, [*map(len, pieces), 1])
        for weight, part in zip(learning, parts, strict=True):
            weight.grad = part.view_as(weight)
        return total.squeeze(0)

    @_explain_lost_rank
    def broadcast_tensors(self, tensors: Iterable[Tensor]) -> None:
        """Copy the tensors of rank 0 to all ranks, in place."""
        for tensor in tensors:
            dist.broadcast(tensor.detach(), 0)

    @_explain_lost_rank
    def gather(self, tensor: Tensor, columns: Columns) -> Tensor:
        """Join each rank's tensor (own sequences, …) to one for the whole batch (batch, …)."""
        whole = tensor.new_zeros(columns.width, *tensor.shape[1:])
        whole[torch.from_numpy(columns.indices).to(tensor.device)] = tensor
        dist.all_reduce(whole)
        return whole

    @_explain_lost_rank
    def broadcast(self, data: bytes | None) -> bytes | None:
        """Return the data of rank 0, sent as bytes and not by pickle; other ranks' argument is not used."""
        size = torch.tensor([-1 if data is None else len(data)])
        dist.broadcast(size, 0)
        if size.item() < 0:
            return None
        buffer = torch.zeros(int(size.item()), dtype=torch.uint8)
        if self.is_main_process and data:
            buffer = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        dist.broadcast(buffer, 0)
        return buffer.numpy().tobytes()
