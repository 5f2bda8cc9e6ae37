"""A process's place among those that train together, as torchrun's environment says it."""

from __future__ import annotations

import pytest
import torch

from seqtool.data.sharding import WHOLE, Shard
from seqtool.errors import ConfigError, SeqtoolError
from seqtool.training.engine.device import choose_device
from seqtool.training.engine.ranks import Launch, default_threads

TORCHRUN = {
    "RANK": "5",
    "WORLD_SIZE": "8",
    "MASTER_ADDR": "host",
    "MASTER_PORT": "1",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "4",
}


def test_what_torchrun_says_is_taken_and_without_it_a_process_is_alone() -> None:
    assert Launch.from_environment({}) == Launch() == Launch(WHOLE, WHOLE, 0)
    assert Launch.from_environment({"RANK": "1", "WORLD_SIZE": "2"}) == Launch()  # somebody else's variables
    assert Launch.from_environment({**TORCHRUN, "TORCHELASTIC_RESTART_COUNT": "2"}) == Launch(
        Shard(5, 8), Shard(1, 4), 2
    )
    assert not Launch.from_environment(TORCHRUN).shard.is_main_process


@pytest.mark.parametrize("wrong", [{"RANK": "8"}, {"RANK": "-1"}, {"WORLD_SIZE": "x"}, {"LOCAL_RANK": "4"}])
def test_an_environment_that_makes_no_sense_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(SeqtoolError, match="do not describe a rank"):
        Launch.from_environment({**TORCHRUN, **wrong})


def test_ranks_share_the_cores_and_have_a_gpu_each(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_threads(10_000) == 1 <= default_threads() <= 4
    chosen: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert choose_device("cuda") == torch.device("cuda") and not chosen
    assert choose_device("cuda", Shard(1, 2)) == torch.device("cuda", 1) and chosen == [1]
    with pytest.raises(ConfigError, match="3 ranks need as many GPUs, this machine has 2"):
        choose_device("auto", Shard(0, 3))
