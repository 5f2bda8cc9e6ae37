"""Position of a process among the ranks, read from torchrun's environment variables."""

from __future__ import annotations

import pytest

from seqtool.data.sharding import WHOLE, Shard
from seqtool.errors import SeqtoolError
from seqtool.training.engine.ranks import Launch

TORCHRUN = {
    "RANK": "5",
    "WORLD_SIZE": "8",
    "MASTER_ADDR": "host",
    "MASTER_PORT": "1",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "4",
}


def test_environment_of_torchrun_is_read_and_without_it_a_process_trains_alone() -> None:
    assert Launch.from_environment({}) == Launch() == Launch(WHOLE, WHOLE, 0)
    assert (
        Launch.from_environment({"RANK": "1", "WORLD_SIZE": "2"}) == Launch()
    )  # variables of another program
    assert Launch.from_environment({**TORCHRUN, "TORCHELASTIC_RESTART_COUNT": "2"}) == Launch(
        Shard(5, 8), Shard(1, 4), 2
    )
    assert not Launch.from_environment(TORCHRUN).shard.is_main_process


@pytest.mark.parametrize("wrong", [{"RANK": "8"}, {"RANK": "-1"}, {"WORLD_SIZE": "x"}, {"LOCAL_RANK": "4"}])
def test_contradictory_environment_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(SeqtoolError, match="do not describe a rank"):
        Launch.from_environment({**TORCHRUN, **wrong})
