"""From settings to a run that is ready for training: data, network, and the weights that it starts from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqtool.data.input_files import ProgressCallback
from seqtool.errors import SeqtoolError
from seqtool.progress import tell_progress
from seqtool.settings.experiment import Settings
from seqtool.storage.model_directory import StoredModel
from seqtool.tasks.data_check import DataCheck, size_warnings
from seqtool.tasks.init_from import check_same_network, read_initial_models, transferred_weights
from seqtool.tasks.interface import Prepared, definition
from seqtool.tasks.parts import PreparedRun
from seqtool.threads import choose_waiting
from seqtool.training.engine.ranks import ALONE, Ranks
from seqtool.types import Arrays

if TYPE_CHECKING:
    import torch

    from seqtool.config.load import ReadConfig
    from seqtool.training.engine.task import TrainingTask


@dataclass(frozen=True)
class BuiltTask:
    """A network joined to its data, on its device.

    Attributes:
        task: the network and its data.
        device: device of the network.
        threads: CPU threads of the training.
        side_by_side: whether the parts of the run have separate threads, so that all can be trained at once.
    """

    task: TrainingTask
    device: torch.device
    threads: int
    side_by_side: bool


def prepare(
    settings: Settings,
    cache: Path | None = None,
    progress: ProgressCallback | None = None,
    *,
    skip_wrong: bool = False,
) -> Prepared:
    """Read the data of the main part of a run and describe its model; errors as `prepare_run`."""
    initial = read_initial_models([settings]).get(settings.task)
    return _prepare_part(settings, initial, cache, progress, skip_wrong)


def prepare_run(
    settings: Settings,
    cache: Path | None = None,
    progress: ProgressCallback | None = None,
    *,
    skip_wrong: bool = False,
) -> PreparedRun:
    """Read the data of a run and describe the model of each of its parts.

    Mistakes in config and data are reported here, before torch is loaded.

    Raises:
        ConfigError: there is nothing to train on.
        DataError: a file is missing or malformed.
        SeqtoolError: the model of `init_from` is another network than the settings describe.
    """
    initial = read_initial_models(settings.parts)
    return PreparedRun.of(
        *(_prepare_part(part, initial.get(part.task), cache, progress, skip_wrong) for part in settings.parts)
    )


def _prepare_part(
    settings: Settings,
    initial_model: StoredModel | None,
    cache: Path | None,
    progress: ProgressCallback | None,
    skip_wrong: bool,
) -> Prepared:
    task = definition(settings.task)
    prepared = task.prepare(settings, initial_model, cache, progress, skip_wrong)
    if initial_model is not None:
        check_same_network(initial_model, prepared.config, settings.training.init_from)
    return _with_size_warnings(prepared)


def _with_size_warnings(prepared: Prepared) -> Prepared:
    corpus: Any = prepared.corpus
    found = tuple(size_warnings(prepared.kind, prepared.settings.training, corpus))
    return replace(prepared, corpus=replace(corpus, warnings=corpus.warnings + found)) if found else prepared


def prepare_untrained(read: ReadConfig, cache: Path) -> Prepared:
    """Read the data of a config, or describe the network of a config without data; errors as `prepare`."""
    without_data = definition(read.settings.task).prepare_without_data(read)
    return prepare(read.settings, cache) if without_data is None else without_data


def check_data(read: ReadConfig, cache: Path) -> list[DataCheck]:
    """Read the data of a config and return statistics and probable mistakes, the main part of the run first.

    Raises:
        SeqtoolError: an error that training would raise before its first step.
    """
    read.check_trainable()
    *others, main = prepare_run(read.settings, cache, tell_progress, skip_wrong=True).parts.values()
    checks = [definition(main.settings.task).check_data(main, read.notes)]
    return [*checks, *(definition(part.settings.task).check_data(part) for part in others)]


def build_task(prepared: Prepared, ranks: Ranks = ALONE, parts: int = 1) -> BuiltTask:
    """Set up torch, draw the weights of the network, and connect the network to its data.

    Args:
        ranks: the processes that train the network together.
        parts: number of parts of the run. On a CPU, and in one process, they share its threads, so that the
            weights are the same whether the parts are trained side by side or one after the other.

    Raises:
        SeqtoolError: torch is not installed.
        ConfigError: the device is not available.
    """
    require_torch()
    from seqtool.models.weights import load_weights, weight_arrays
    from seqtool.training.engine.device import choose_device, set_up_torch, use_threads

    settings = prepared.settings
    threads = set_up_torch(settings.training, ranks.local.size)
    device = choose_device(settings.training.device, ranks.local)
    shared = parts > 1 and device.type == "cpu" and ranks.shard.size == 1
    side_by_side = shared and threads >= parts
    if shared:
        threads = use_threads(threads // parts)
    task_definition = definition(settings.task)
    task = task_definition.training_task(prepared, task_definition.build_network(prepared), device, ranks)
    if prepared.initial_model is not None:
        fresh = weight_arrays(task.network)
        load_weights(task.network, transferred_weights(fresh, prepared.initial_model, prepared))
    ranks.broadcast_tensors(task.network.parameters())
    return BuiltTask(task, device, threads, side_by_side)


def untrained_weights(prepared: Prepared) -> Arrays:
    """Draw the weights of a network, by their names in a model directory.

    Raises:
        SeqtoolError: torch is not installed.
    """
    require_torch()
    from seqtool.models.weights import weight_arrays

    return weight_arrays(definition(prepared.settings.task).build_network(prepared))


def require_torch(what: str = "training and untrained networks") -> None:
    """Check that torch is installed, and choose how its threads wait, without importing it.

    Args:
        what: plural that needs torch, for the message.

    Raises:
        SeqtoolError: it is not installed.
    """
    from importlib.util import find_spec

    choose_waiting()
    try:
        installed = find_spec("torch") is not None
    except ModuleNotFoundError:
        installed = False
    if not installed:
        hint = "install it with: pip install 'seqtool[train]'; the README shows how to choose its CPU build"
        raise SeqtoolError(f"{what} need torch, which is not installed", hint=hint)
