"""What a page is made from: plain facts of runs, gathered by `jobs/report.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqtool.inspection.text_trace import Trace
    from seqtool.inspection.unit_names import Unit
    from seqtool.inspection.word_ablation import WordAblation
    from seqtool.reports.network import NetworkPart
    from seqtool.storage.model_directory import Manifest


@dataclass(frozen=True)
class UnitNote:
    """A unit that is shown, and why: `line-position +0.83`."""

    unit: Unit
    note: str


@dataclass(frozen=True)
class ReadText:
    """A text as a character model read it.

    Attributes:
        title: what text it is.
        unit: of the vocabulary, `char` or `byte`.
        vocabulary: its symbols, for the guesses.
        aligned: the guesses are aligned symbols, not the next ones.
        reading: with the states of `units`.
        units: the ones that are shown.
    """

    title: str
    unit: str
    vocabulary: Sequence[str]
    aligned: bool
    reading: Trace
    units: Sequence[UnitNote]


@dataclass(frozen=True)
class RunFacts:
    """What is known of a run; where a run's file is missing, what it would say is empty.

    Attributes:
        name: what a person calls it.
        task: `char` or `tagger`.
        title: the network in a line.
        parts: of the network, in the order of the data flow.
        config_text: the resolved config.
        config_path: where it lies, for the command that repeats the run.
        settings: by dotted key.
        manifest: of the model.
        rows, samples, evaluation: the run's files.
        texts: read by a character model.
        sentences: tagged by a tagger, and what each was taken for.
        notes: what could not be shown, and why.
    """

    name: str
    task: str
    title: str
    parts: Sequence[NetworkPart]
    config_text: str
    config_path: str
    settings: Mapping[str, Any]
    manifest: Manifest
    rows: Sequence[Mapping[str, Any]] = ()
    samples: Sequence[Mapping[str, Any]] = ()
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    texts: Sequence[ReadText] = ()
    sentences: Sequence[tuple[str, WordAblation]] = ()
    notes: Sequence[str] = ()
