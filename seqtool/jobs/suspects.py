"""Gold labels that look wrong, as a file to work through: the surest contradictions first, each with its line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seqtool.data.labelled import Sentence
from seqtool.files import write_file
from seqtool.jobs.evaluation import suspects
from seqtool.jobs.evaluation_data import token_places
from seqtool.runtime.tagger import TaggerModel
from seqtool.settings import TaggerData

HEADER = ("probability", "gold_probability", "place", "token", "gold", "predicted")


def write_suspects(path: Path, model: TaggerModel, data: TaggerData, files: Sequence[Path], sentences: Sequence[Sentence]) -> int:
    """Write the list with tabs between columns, and give its length.

    Raises:
        SeqtoolError: if it cannot be written.
    """
    found = suspects(model, sentences)
    places = list(token_places(data, files)) if found else []
    lines = ["\t".join(HEADER)]
    for one in found:
        place = places[one.sentence][one.token]
        form = one.form.replace("\t", " ")
        lines.append("\t".join([f"{one.probability:.4f}", f"{one.gold_probability:.4f}", place, form, one.gold, one.predicted]))
    write_file(path, ("\n".join(lines) + "\n").encode())
    return len(found)
