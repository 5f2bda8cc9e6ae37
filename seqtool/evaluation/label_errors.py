"""Gold labels that look wrong, as a file to work through: the surest contradictions first, each with its line."""

from __future__ import annotations

from pathlib import Path

from seqtool.evaluation.tagger import suspects
from seqtool.evaluation.tagger_data import GoldSentences
from seqtool.inference.tagger import TaggerModel
from seqtool.storage.atomic import write_file

HEADER = ("probability", "gold_probability", "place", "token", "gold", "predicted")


def write_suspects(path: Path, model: TaggerModel, given: GoldSentences) -> int:
    """Write the list with tabs between columns, and give its length.

    Raises:
        SeqtoolError: if it cannot be written.
    """
    found = suspects(model, given.sentences)
    places = list(given.token_places()) if found else []
    lines = ["\t".join(HEADER)]
    for one in found:
        place = places[one.sentence][one.token]
        form = one.form.replace("\t", " ")
        lines.append(
            "\t".join(
                [
                    f"{one.probability:.4f}",
                    f"{one.gold_probability:.4f}",
                    place,
                    form,
                    one.gold,
                    one.predicted,
                ]
            )
        )
    write_file(path, ("\n".join(lines) + "\n").encode())
    return len(found)
