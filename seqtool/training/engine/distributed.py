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
from torch._C._distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from seqtool.data.sharding import Columns, Shard
from seqtool.errors import SeqtoolError, Stopped
from seqtool.training.engine.rank_meeting import (
    Note,
    Terms,
    check_notes,
    meet,
    publish_error,
    published_error,
)
from seqtool.training.engine.ranks import Launch, Ranks

TIMEOUT = 1800.0  # seconds; the default of `training.rank_timeout`
NO_TERMS: Terms = {}
RESTART_HINT = "see its message above; torchrun --max-restarts=N restarts from the last checkpoint"

P = ParamSpec("P")
T = TypeVar("T")


class LostRank(SeqtoolError):
    """Failed exchange with the other ranks, because one of them has ended or does not answer."""


def _explain_lost_rank(call: Callable[P, T]) -> Callable[P, T]:
    """Report the loss of another rank as such, instead of torch's error about a socket."""

    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return call(*args, **kwargs)
        except (dist.DistBackendError, RuntimeError) as error:
            raise LostRank(
                f"another rank of this run has ended ({str(error).splitlines()[0][:100]})", hint=RESTART_HINT
            ) from error

    return called


@contextmanager
def process_group(
    launch: Launch, device: torch.device, terms: Terms = NO_TERMS, timeout: float = TIMEOUT
) -> Iterator[ConnectedRanks]:
    """Connect the ranks for the duration of the block. The other ranks receive an error inside it.

    Args:
        launch: position of this process among the ranks.
        device: device of this rank.
        terms: values that must be equal on all ranks before they connect.
        timeout: seconds that a rank waits for another one.

    Raises:
        SeqtoolError: the other ranks cannot be reached, differ from this one, or have ended; or the device
            does not support several ranks.
    """
    if device.type not in ("cpu", "cuda"):
        raise SeqtoolError(
            f"several ranks cannot train on {device.type}", place="training.device", hint="use --device cpu"
        )
    store, token = _meet(launch, Note.of_this_rank({**terms, "device": device.type}), timeout)
    try:
        with _errors_for_others(store, token, launch.shard.rank):
            _connect("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", launch, store, token, timeout)
            yield ConnectedRanks(launch.shard, launch.local)
    finally:
        with suppress(Exception):
            dist.destroy_process_group()


def send_error(launch: Launch, error: SeqtoolError, timeout: float) -> None:
    """Send the other ranks, which wait for this one, the error that ends it before it connects."""
    with suppress(Exception):
        _meet(launch, Note.of_this_rank({}, error.summary), timeout)


def _meet(launch: Launch, note: Note, timeout: float) -> tuple[Store, str]:
    """Meet the other ranks in torchrun's store, and check their notes.

    Returns:
        The store, and the token of this start.
    """
    rank, size = launch.shard.rank, launch.shard.size
    try:
        store, _, _ = next(rendezvous("env://", rank, size, timeout=timedelta(seconds=timeout)))
        meeting = meet(store, launch.shard, note, timeout)
    except (dist.DistError, RuntimeError) as error:
        raise SeqtoolError(
            f"the ranks do not find each other ({str(error).splitlines()[0][:100]})",
            place="training.rank_timeout",
            hint="see the output on the other machines, and docs/cluster.md for addresses",
        ) from error
    check_notes(meeting.notes)
    return store, meeting.token


@contextmanager
def _errors_for_others(store: Store, token: str, rank: int) -> Iterator[None]:
    """Store the error that ends this rank for the others; name theirs in place of a lost connection."""
    try:
        yield
    except LostRank as lost:
        with suppress(RuntimeError):  # the store has ended with rank 0
            if message := published_error(store, token):
                raise SeqtoolError(message, hint=RESTART_HINT) from lost
        raise
    except Exception as error:
        message = error.summary if isinstance(error, SeqtoolError) else f"{type(error).__name__}: {error}"
        if not isinstance(error, Stopped):
            with suppress(RuntimeError):
                publish_error(store, token, rank, message)
        raise


@_explain_lost_rank
def _connect(backend: str, launch: Launch, store: Store, token: str, timeout: float) -> None:
    """Connect the ranks that have met; their addresses are stored under the token of this start."""
    dist.init_process_group(
        backend,
        store=PrefixStore(token, store),
        timeout=timedelta(seconds=timeout),
        rank=launch.shard.rank,
        world_size=launch.shard.size,
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

    @_explain_lost_rank
    def gather_bytes(self, data: bytes) -> list[bytes]:
        """Return the data of each rank, on all ranks."""
        size = torch.tensor([len(data)])
        sizes = [torch.zeros_like(size) for _ in range(self.shard.size)]
        dist.all_gather(sizes, size)
        width = max(int(length.item()) for length in sizes)
        own = torch.zeros(width, dtype=torch.uint8)
        own[: len(data)] = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        buffers = [torch.zeros_like(own) for _ in sizes]
        dist.all_gather(buffers, own)
        return [
            buffer.numpy().tobytes()[: int(length.item())]
            for buffer, length in zip(buffers, sizes, strict=True)
        ]
