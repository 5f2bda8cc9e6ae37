"""Settings of either task that are each fine and make no sense together: one small function for each way that can happen."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from seqtool.config.schema import Path
from seqtool.config.yaml_tree import quoted
from seqtool.settings import Settings, TaggerSettings


@dataclass(frozen=True)
class Contradiction:
    """What does not go together.

    Attributes:
        path: the key to blame, from the top.
        message: what is wrong, without the key's name.
        hint: what to do.
    """

    path: Path
    message: str
    hint: str = ""


Found = Iterator[Contradiction]


def reserved_name(settings: Settings) -> Found:
    """Run directories carry these endings while they are written."""
    for ending in (".partial", ".new", ".old"):
        if settings.name.endswith(ending):
            yield Contradiction(
                ("name",),
                f"a name must not end in {ending}, which marks unfinished runs",
                "choose another name",
            )


def no_end(settings: Settings) -> Found:
    """A run must end; a config without data is never run."""
    training = settings.training
    has_data = isinstance(settings, TaggerSettings) or settings.data.text or settings.data.pairs
    if has_data and training.epochs is None and training.max_steps is None and training.max_minutes is None:
        yield Contradiction(
            ("training",),
            "nothing says when to stop",
            "give training.epochs, training.max_steps or training.max_minutes",
        )


def cosine_without_length(settings: Settings) -> Found:
    """A cosine runs to a known last step; minutes give none."""
    training = settings.training
    if (
        training.schedule == "cosine"
        and training.max_minutes is not None
        and training.epochs is None
        and training.max_steps is None
    ):
        yield Contradiction(
            ("training", "schedule"),
            "cosine needs to know the last step",
            "give training.epochs or training.max_steps beside max_minutes",
        )


def warmup_longer_than_run(settings: Settings) -> Found:
    """With a known number of steps, warm-up must end before it."""
    training = settings.training
    if training.max_steps is not None and 0 < training.max_steps <= training.warmup_steps:
        yield Contradiction(
            ("training", "warmup_steps"),
            f"{training.warmup_steps} steps of warm-up leave none of max_steps ({training.max_steps}) to train at full rate",
            "make it smaller than training.max_steps",
        )


def nesterov_without_momentum(settings: Settings) -> Found:
    """Nesterov's rule is one of sgd with momentum."""
    training = settings.training
    if training.nesterov and training.optimizer != "sgd":
        yield Contradiction(
            ("training", "nesterov"),
            f"is for optimizer: sgd, found {training.optimizer}",
            "delete it, or set training.optimizer: sgd",
        )
    elif training.nesterov and not training.momentum:
        yield Contradiction(
            ("training", "nesterov"), "needs momentum", "set training.momentum, usually to 0.9"
        )


def betas_out_of_range(settings: Settings) -> Found:
    """Decays of averages lie in [0, 1)."""
    for index, beta in enumerate(settings.training.betas):
        if not 0 <= beta < 1:
            yield Contradiction(
                ("training", "betas", index),
                f"expected a number of at least 0 and below 1, found {beta:g}",
                "usual are 0.9 and 0.999",
            )


def residual_with_one_layer(settings: Settings) -> Found:
    """Residual connections start at the second layer."""
    if settings.model.residual and settings.model.num_layers == 1:
        yield Contradiction(
            ("model", "residual"),
            "needs at least two layers",
            "set model.num_layers to 2 or more, or residual to false",
        )


def dropout_between_one_layer(settings: Settings) -> Found:
    """There is nothing between one layer."""
    if settings.model.dropout_between and settings.model.num_layers == 1:
        yield Contradiction(
            ("model", "dropout_between"),
            "needs at least two layers",
            "use model.dropout_output, or set model.num_layers to 2 or more",
        )


def unknown_encoding(settings: Settings) -> Found:
    """The encoding must be one that Python knows as text."""
    name = settings.data.encoding
    try:
        known = codecs.lookup(name)._is_text_encoding
    except (LookupError, ValueError):
        known = False
    if not known:
        yield Contradiction(
            ("data", "encoding"),
            f"expected a text encoding, found {quoted(name)}",
            "usual are utf-8, latin-1 and utf-16",
        )


def impossible_paths(settings: Settings) -> Found:
    """A path is not empty and holds no NUL."""
    for name in ("train", "dev", "text", "val", "test"):
        for index, path in enumerate(getattr(settings.data, name, ())):
            if not path or "\0" in path:
                yield Contradiction(
                    ("data", name, index),
                    f"expected a path, found {quoted(path)}",
                    "give the file's name, or leave the key out",
                )


COMMON: tuple[Callable[[Settings], Found], ...] = (
    reserved_name,
    no_end,
    cosine_without_length,
    warmup_longer_than_run,
    nesterov_without_momentum,
    betas_out_of_range,
    residual_with_one_layer,
    dropout_between_one_layer,
    unknown_encoding,
    impossible_paths,
)
