"""What settings say together: contradictions, which are mistakes, and settings without effect, which are worth a line.

Defaults never contradict one another, so that a resolved config reads back. A setting that merely has no effect is no
mistake (a sweep over cells would break on it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from seqtool.config.checks_char import CHAR
from seqtool.config.checks_common import COMMON, Contradiction, Found
from seqtool.config.checks_tagger import TAGGER
from seqtool.config.schema import keys, section_class
from seqtool.settings import CharData, CharSettings, Settings, TaggerData


def contradictions(settings: Settings) -> list[Contradiction]:
    """Everything in the settings that does not go together."""
    checks: tuple[Callable[[Any], Found], ...] = COMMON + (
        CHAR if isinstance(settings, CharSettings) else TAGGER
    )
    return [found for check in checks for found in check(settings)]


IDLE: tuple[
    tuple[str, str, tuple[Any, ...]], ...
] = (  # (key, the key that decides, values with which it has an effect)
    ("model.nonlinearity", "model.cell", ("rnn",)),
    ("model.forget_bias", "model.cell", ("lstm",)),
    ("model.embedding_dim", "model.input", ("embedding",)),
    ("training.betas", "training.optimizer", ("adam", "adamw")),
    ("training.momentum", "training.optimizer", ("sgd", "rmsprop")),
    ("training.final_lr", "training.schedule", ("cosine",)),
    ("training.decay_steps", "training.schedule", ("step", "plateau")),
    ("training.decay_factor", "training.schedule", ("step", "plateau")),
)


def idle(settings: Settings) -> tuple[str, ...]:
    """One line for each setting that differs from its default and has no effect beside the others."""
    lines = []
    for name, decider, values in IDLE:
        section, key = name.split(".")
        decider_section, decider_key = decider.split(".")
        declared = keys(section_class(settings.task, section)).get(key)
        if declared is None or decider_key not in keys(section_class(settings.task, decider_section)):
            continue
        decided = getattr(getattr(settings, decider_section), decider_key)
        if decided not in values and getattr(getattr(settings, section), key) not in (declared.default, None):
            lines.append(f"{name} has no effect with {decider_key}: {decided}")
    return (*lines, *_same_files(settings.data))


def _same_files(data: CharData | TaggerData) -> Iterator[str]:
    names = ("train", "text", "dev", "val", "test")
    groups = [(name, set(getattr(data, name, ()))) for name in names]
    for index, (first, paths) in enumerate(groups):
        for second, others in groups[index + 1 :]:
            for path in sorted(paths & others):
                yield f"data.{second} names a file that data.{first} names too: {path}"
