"""Setup of torch: device, threads, memory and determinism."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

from seqtool.data.sharding import Shard
from seqtool.errors import ConfigError
from seqtool.settings.training import Training
from seqtool.training.engine.device import choose_device, set_up_torch
from seqtool.training.engine.ranks import default_threads


@pytest.fixture
def _restored_torch() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch._C._set_deterministic_algorithms(False, warn_only=False)


@pytest.mark.usefixtures("_restored_torch")
def test_setup_sets_threads_and_determinism() -> None:
    assert set_up_torch(Training(epochs=1, threads=1, deterministic=True)) == 1 == torch.get_num_threads()
    assert torch.are_deterministic_algorithms_enabled()
    assert 1 <= set_up_torch(Training(epochs=1)) <= 4


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is glibc's")
def test_freed_memory_is_kept_for_the_next_step() -> None:
    """Run in new processes, since the memory of this one is fragmented by other tests.

    The address layout of a process is random and can leave the heap no room to grow: one of twelve must do.
    Small allocations can divide freed blocks, so the heap first grows for some steps.
    """
    program = """if True:
        import resource, torch
        from seqtool.training.engine.device import keep_freed_memory
        keep_freed_memory()
        for step in range(30):
            if step == 20:
                before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            torch.zeros(1 << 24)  # 64 MB: 16,384 pages
        print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    """
    command = [sys.executable, "-c", program]
    processes = (subprocess.run(command, check=True, capture_output=True, text=True) for _ in range(12))
    assert any(int(process.stdout) < 3 * (1 << 14) for process in processes)


def test_missing_device_is_a_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    for name in ("cuda", "mps"):
        with pytest.raises(ConfigError, match=f"no {name} device"):
            choose_device(name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto").type == "cuda"


def test_ranks_share_the_cores_and_have_separate_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_threads(10_000) == 1 <= default_threads() <= 4
    chosen: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert choose_device("cuda") == torch.device("cuda") and not chosen
    assert choose_device("cuda", Shard(1, 2)) == torch.device("cuda", 1) and chosen == [1]
    with pytest.raises(ConfigError, match="3 ranks need as many GPUs, this machine has 2"):
        choose_device("auto", Shard(0, 3))
