"""Checks of settings in combination: contradictions of both tasks, and settings without effect.

A contradiction is an error. A setting without effect is only reported, since a sweep over cells would
otherwise fail. The defaults never contradict each other, so a resolved config can be read again. Each
contradiction is one small function.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from seqtool.config.schema import KeyPath, keys
from seqtool.config.yaml_tree import quoted
from seqtool.settings.data import CharData, TaggerData, TokenizerData
from seqtool.settings.experiment import Settings, TokenizerPart
from seqtool.settings.training import TrainingLoop
from seqtool.settings.values import is_text_encoding

_KEY = re.compile(r"\b(?:model|training)\.(?=[a-z])")  # beginning of a dotted key in a text


@dataclass(frozen=True)
class Contradiction:
    """Settings that contradict each other.

    Attributes:
        path: path of the key that the message points at.
        message: statement of the mistake, without the name of the key.
        hint: statement of how to correct it.
    """

    path: KeyPath
    message: str
    hint: str = ""

    def of_part(self, part: str) -> Contradiction:
        """Return the contradiction between the same keys in the section of a part of the run."""
        message, hint = (_KEY.sub(rf"{part}.\g<0>", text) for text in (self.message, self.hint))
        return Contradiction((part, *self.path), message, hint)


Contradictions = Iterator[Contradiction]


def reserved_name(settings: Settings) -> Contradictions:
    """Reserve the ending that run directories have while they are written."""
    if settings.name.endswith(".partial"):
        yield Contradiction(
            ("name",),
            "a name must not end in .partial, which marks unfinished runs",
            "choose another name",
        )


def no_limit(settings: Settings) -> Contradictions:
    """Require a limit on the length of a run; a config without data is never trained."""
    training = settings.training
    limits = (training.epochs, training.max_steps, training.max_minutes)
    if settings.data.has_training_data and all(limit is None for limit in limits):
        yield Contradiction(
            ("training",),
            "the run has no limit",
            "give training.epochs, training.max_steps or training.max_minutes",
        )


def cosine_without_length(settings: Settings) -> Contradictions:
    """Require a known last step for the cosine schedule; a limit in minutes does not give one."""
    training = settings.training
    if (
        training.schedule == "cosine"
        and training.max_minutes is not None
        and training.epochs is None
        and training.max_steps is None
    ):
        yield Contradiction(
            ("training", "schedule"),
            "cosine needs a known last step",
            "give training.epochs or training.max_steps in addition to max_minutes",
        )


def warmup_longer_than_run(settings: Settings) -> Contradictions:
    """Require that warm-up ends before the last step."""
    training = settings.training
    if training.max_steps is not None and 0 < training.max_steps <= training.warmup_steps:
        yield Contradiction(
            ("training", "warmup_steps"),
            f"{training.warmup_steps} warm-up steps leave no step of max_steps ({training.max_steps}) "
            "for the full learning rate",
            "make it smaller than training.max_steps",
        )


def nesterov_without_momentum(settings: Settings) -> Contradictions:
    """Restrict Nesterov momentum to sgd with momentum."""
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


def betas_out_of_range(settings: Settings) -> Contradictions:
    """Require decay rates from 0 to below 1."""
    for index, beta in enumerate(settings.training.betas):
        if not 0 <= beta < 1:
            yield Contradiction(
                ("training", "betas", index),
                f"expected a number of at least 0 and below 1, found {beta:g}",
                "the usual values are 0.9 and 0.999",
            )


def residual_with_one_layer(settings: Settings) -> Contradictions:
    """Require a second layer for residual connections, which start there."""
    if settings.model.residual and settings.model.num_layers == 1:
        yield Contradiction(
            ("model", "residual"),
            "needs at least two layers",
            "set model.num_layers to 2 or more, or residual to false",
        )


def dropout_between_with_one_layer(settings: Settings) -> Contradictions:
    """Require a second layer for dropout between layers."""
    if settings.model.dropout_between and settings.model.num_layers == 1:
        yield Contradiction(
            ("model", "dropout_between"),
            "needs at least two layers",
            "use model.dropout_output, or set model.num_layers to 2 or more",
        )


def unknown_encoding(settings: Settings) -> Contradictions:
    """Require a text encoding that Python knows."""
    name = settings.data.encoding
    if name != "auto" and not is_text_encoding(name):
        yield Contradiction(
            ("data", "encoding"),
            f"expected a text encoding, found {quoted(name)}",
            "common encodings are utf-8, latin-1 and utf-16",
        )


def invalid_paths(settings: Settings) -> Contradictions:
    """Refuse empty paths and paths with a NUL character."""
    for name in ("train", "dev", "text", "val", "test"):
        for index, path in enumerate(getattr(settings.data, name, ())):
            if not path or "\0" in path:
                yield Contradiction(
                    ("data", name, index),
                    f"expected a path, found {quoted(path)}",
                    "give the name of the file, or delete the key",
                )


COMMON: tuple[Callable[[Settings], Contradictions], ...] = (
    reserved_name,
    no_limit,
    cosine_without_length,
    warmup_longer_than_run,
    nesterov_without_momentum,
    betas_out_of_range,
    residual_with_one_layer,
    dropout_between_with_one_layer,
    unknown_encoding,
    invalid_paths,
)


# --- settings without effect --------------------------------------------------------------------------------

# (key, key that it depends on, values of that key with which it has an effect)
EFFECT_CONDITIONS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("model.nonlinearity", "model.cell", ("rnn",)),
    ("model.forget_bias", "model.cell", ("lstm",)),
    ("model.embedding_dim", "model.input", ("embedding",)),
    ("training.betas", "training.optimizer", ("adam", "adamw")),
    ("training.momentum", "training.optimizer", ("sgd", "rmsprop")),
    ("training.final_lr", "training.schedule", ("cosine",)),
    ("training.decay_steps", "training.schedule", ("step", "plateau")),
    ("training.decay_factor", "training.schedule", ("step", "plateau")),
)


def penalties_of_text_models(training: TrainingLoop) -> Contradictions:
    """Restrict the penalties on outputs to text models."""
    for name in ("activation_penalty", "slowness_penalty"):
        if getattr(training, name):
            yield Contradiction(("training", name), "is for text models", "delete it")


def notes_on_settings(settings: Settings) -> tuple[str, ...]:
    """Return notes for the user on settings without effect and on files that are named twice.

    Settings with their default value are not reported.
    """
    lines = list(_without_effect(settings))
    for name in keys(type(settings)):  # a section of a further part has sections itself
        part = getattr(settings, name)
        if hasattr(part, "training"):
            lines += [f"{name}.{line}" for line in _without_effect(part)]
    return (*lines, *_repeated_files(settings.data))


def _without_effect(part: Settings | TokenizerPart) -> Iterator[str]:
    """Yield a line for each setting without effect in the sections of a part of the run."""
    for name, condition, values in EFFECT_CONDITIONS:
        section, key = name.split(".")
        condition_section, condition_key = condition.split(".")
        known, conditions = (keys(type(getattr(part, one))) for one in (section, condition_section))
        if key not in known or condition_key not in conditions:
            continue
        actual = getattr(getattr(part, condition_section), condition_key)
        if actual not in values and getattr(getattr(part, section), key) not in (known[key].default, None):
            yield f"{name} has no effect with {condition_key}: {actual}"


def _repeated_files(data: CharData | TaggerData | TokenizerData) -> Iterator[str]:
    names = ("train", "text", "dev", "val", "test")
    groups = [(name, set(getattr(data, name, ()))) for name in names]
    for index, (first, paths) in enumerate(groups):
        for second, others in groups[index + 1 :]:
            for path in sorted(paths & others):
                yield f"data.{second} names a file that data.{first} names too: {path}"
