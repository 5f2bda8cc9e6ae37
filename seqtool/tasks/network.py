"""From prepared data to a task that can be trained: the first place where torch is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seqtool.data.text.corpus import CharCorpus
from seqtool.errors import SeqtoolError
from seqtool.settings import CharSettings, Settings, TaggerSettings
from seqtool.spans import allowed_transitions
from seqtool.tasks.prepare import Prepared
from seqtool.training.engine.ranks import ALONE, Ranks
from seqtool.training.init_from import transferred_weights

if TYPE_CHECKING:
    import torch

    from seqtool.models.tagger import TaggerNetwork
    from seqtool.training.engine.trainer import Task


@dataclass(frozen=True)
class BuiltTask:
    """A task with its freshly drawn network, and where it will be trained."""

    task: Task
    device: torch.device
    threads: int


def build_task(prepared: Prepared, ranks: Ranks = ALONE) -> BuiltTask:
    """Set torch up, draw the network's weights and join it to its data.

    Args:
        ranks: the processes that train it together.

    Raises:
        SeqtoolError: if torch is not installed.
        ConfigError: if the device is not to be had.
    """
    require_torch()
    from seqtool.models.weights import load_weights, weight_arrays
    from seqtool.training.engine.device import choose_device, set_up_torch

    settings = prepared.settings
    threads = set_up_torch(settings.training, ranks.local.size)
    device = choose_device(settings.training.device, ranks.local)
    make = _character_task if isinstance(settings, CharSettings) else _tagging_task
    task = make(prepared, device, ranks)
    if prepared.start is not None:
        fresh = weight_arrays(task.network)
        load_weights(
            task.network, transferred_weights(fresh, prepared.start, prepared.config, prepared.vocab)
        )
    ranks.broadcast_tensors(task.network.parameters())
    return BuiltTask(task, device, threads)


def untrained_arrays(
    settings: Settings, prepared: Prepared | None = None, symbols: int = 0
) -> dict[str, Any]:
    """Freshly drawn weights by name, of a character network over `symbols` symbols or of what has been prepared.

    Raises:
        SeqtoolError: if torch is not installed.
    """
    require_torch()
    from seqtool.models.character import build_character_network
    from seqtool.models.weights import weight_arrays

    if prepared is not None and isinstance(prepared.corpus, CharCorpus):
        symbols = len(prepared.corpus.vocabulary)
    if isinstance(settings, CharSettings):
        return weight_arrays(build_character_network(settings, symbols))
    assert prepared is not None
    return weight_arrays(_tagger_network(prepared))


def require_torch() -> None:
    """See, without importing it, that torch is installed.

    Raises:
        SeqtoolError: if it is not.
    """
    from importlib.util import find_spec

    try:
        installed = find_spec("torch") is not None
    except ModuleNotFoundError:
        installed = False
    if not installed:
        hint = "install it with: pip install 'seqtool[train]'; the README says how to choose its CPU build"
        raise SeqtoolError("drawing and training weights needs torch, which is not installed", hint=hint)


def _character_task(prepared: Prepared, device: torch.device, ranks: Ranks) -> Task:
    from seqtool.models.character import build_character_network
    from seqtool.tasks.character_training import CharacterTask

    settings, corpus = prepared.settings, prepared.corpus
    assert isinstance(settings, CharSettings) and isinstance(corpus, CharCorpus)
    network = build_character_network(settings, len(corpus.vocabulary))
    return CharacterTask(network, corpus, settings, device, ranks)


def _tagging_task(prepared: Prepared, device: torch.device, ranks: Ranks) -> Task:
    from seqtool.tasks.tagger_training import TaggingTask

    settings, corpus = prepared.settings, prepared.corpus
    assert isinstance(settings, TaggerSettings) and not isinstance(corpus, CharCorpus)
    return TaggingTask(_tagger_network(prepared), corpus, settings, device, ranks)


def _tagger_network(prepared: Prepared) -> TaggerNetwork:
    from seqtool.models.tagger import build_tagger_network
    from seqtool.settings import feature_list

    settings, corpus = prepared.settings, prepared.corpus
    assert isinstance(settings, TaggerSettings) and not isinstance(corpus, CharCorpus)
    encoder = corpus.encoder
    rows = [encoder.rows(index) for index in range(len(feature_list(settings.model)))]
    allowed = allowed_transitions(corpus.labels, corpus.inner_scheme)
    characters = len(encoder.characters or ()) + 3
    return build_tagger_network(settings, rows, characters, len(corpus.labels), allowed, encoder.vectors)
