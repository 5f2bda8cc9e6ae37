"""How much each label counts in a tagger's loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from seqtool.errors import ConfigError
from seqtool.types import Array

_OUTER = {"S": "B", "E": "I"}  # marks that only the inner scheme has, and what the files have in their place


def class_weights(
    wanted: str | Mapping[str, float], labels: Sequence[str], counts: Array, spans: bool
) -> Array | None:
    """A weight for each label, with a mean of 1 over the training tokens; None where all count the same.

    Args:
        wanted: `none`; `balanced`, the inverse square root of a label's frequency; or weights by label, 1 for those not named.
            For span labels a weight goes by the label as the files have it (`B-PER`), or by the type (`PER`).
        labels: what the network predicts.
        counts: (labels,), over the training tokens.
        spans: whether labels mark spans.

    Raises:
        ConfigError: a weight for a label that the training data does not have, or no weight above 0 for any label that it has.
    """
    if wanted == "none":
        return None
    weights = (
        1 / np.sqrt(np.maximum(counts, 1.0)) if isinstance(wanted, str) else _named(wanted, labels, spans)
    )
    total = float((weights * counts).sum())
    if total <= 0:
        raise ConfigError(
            "expected a weight above 0 for a label of the training data, found none",
            place="training.class_weights",
            hint="0 leaves a label out of the loss",
        )
    scaled: Array = weights * (counts.sum() / total)
    return scaled


def _named(wanted: Mapping[str, float], labels: Sequence[str], spans: bool) -> Array:
    names = [_names(label, spans) for label in labels]
    for label in wanted:
        if not any(label in known for known in names):
            raise ConfigError(
                f"the training data has no label {label!r}",
                place="training.class_weights",
                hint=f"its labels are {', '.join(list(dict.fromkeys(known[-1] for known in names))[:40])}",
            )
    return np.array([next((wanted[name] for name in known if name in wanted), 1.0) for known in names])


def _names(label: str, spans: bool) -> list[str]:
    """What a label may be called in the settings, the narrowest name first."""
    mark, dash, kind = label.partition("-")
    if not (spans and dash):
        return [label]
    return [label, f"{_OUTER.get(mark, mark)}-{kind}", kind]
