"""Waiting threads sleep early while other processes are busy, and spin again afterwards."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from seqtool.models import waiting_threads
from seqtool.models.waiting_threads import (
    BUSY,
    PERIOD,
    IdleTeam,
    ProcessorShare,
    adapt_to_load,
    threads_sleep_early,
)
from seqtool.threads import WAITING_ON_LINUX

CPU = torch.device("cpu")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="libgomp is torch's on Linux only")


@pytest.fixture(autouse=True)
def chosen_waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in WAITING_ON_LINUX.items():
        monkeypatch.setenv(name, value)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def wait_for(number: int) -> None:
    """Wait until the process has at most so many threads."""
    end = time.monotonic() + 30
    while threads() > number and time.monotonic() < end:
        time.sleep(0.01)
    assert threads() <= number


@pytest.fixture
def after(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., bool]]:
    """Return a function that lets time pass, given a share of a processor; it tells if threads sleep."""
    clocks = {"perf_counter": 0.0, "thread_time": 0.0}
    for name in clocks:
        monkeypatch.setattr(time, name, lambda name=name: clocks[name])
    monkeypatch.setattr(waiting_threads, "_processor_share", ProcessorShare())
    before, team = threads(), IdleTeam()
    monkeypatch.setattr(waiting_threads, "_idle_team", team)

    def pass_time(share: float, seconds: float = PERIOD, device: torch.device = CPU) -> bool:
        clocks["perf_counter"] += seconds
        clocks["thread_time"] += share * seconds
        adapt_to_load(device)
        return threads_sleep_early()

    yield pass_time
    team.keep(False)
    wait_for(before)  # so that the next test counts no thread that ends


def test_threads_sleep_early_from_the_first_busy_period_to_the_first_free_one(
    after: Callable[..., bool],
) -> None:
    assert not threads_sleep_early()
    assert not after(0.95)
    assert after(0.5)
    assert after(0.95, PERIOD / 2), "the share is that of a whole period"
    assert not after(0.95, PERIOD / 2)
    assert after(0.6) and after(0.6) and not after(1.0)


def test_one_thread_and_variables_of_the_user_change_nothing(
    after: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    assert not after(0.1)
    torch.set_num_threads(2)
    assert not after(0.1, device=torch.device("meta")), "the thread waits for the device"
    monkeypatch.setenv("GOMP_SPINCOUNT", "200000")
    assert not after(0.1)
    monkeypatch.setenv("GOMP_SPINCOUNT", "500")
    assert after(1.0), "the variable of the user lets them sleep at any time"


def test_idle_team_has_a_thread_per_processor_until_it_ends() -> None:
    torch.zeros(100_000).add_(1)
    before, team = threads(), IdleTeam()
    for _ in range(3):
        for _ in range(2):
            team.keep(True)
            assert team.exists and threads() >= before + len(os.sched_getaffinity(0))
        for _ in range(2):
            team.keep(False)
        assert not team.exists
        wait_for(before)


def test_share_of_a_sleeping_thread_is_small_and_each_thread_has_its_own() -> None:
    share = ProcessorShare()
    time.sleep(PERIOD)
    measured = share.measure()
    assert measured is not None and measured < BUSY
    with ThreadPoolExecutor(1) as worker:
        assert worker.submit(share.measure).result() is None, "its period has just begun"
