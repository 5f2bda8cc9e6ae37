"""Lines in invented languages, and configs of models that read the language beside every symbol."""

from __future__ import annotations

import random
from pathlib import Path

LETTERS = {"Ana": "abn", "Kiki": "kit", "Oro": "orz"}  # letters of each language
COUNTS = {"Ana": 60, "Kiki": 30, "Oro": 10}
CONFIG = """\
task: char
name: languages
data: {text: "*.txt", per_line: true, condition: file, split: [0.8, 0.2]}
model: {hidden_size: 12, embedding_dim: 6, condition_dim: 5}
training: {epochs: 6, batch_size: 10, lr: 0.02, device: cpu}
"""


def lines(seed: int = 0) -> dict[str, list[str]]:
    """Return the lines of each language; the letters of a language are most of those in its lines."""
    draw = random.Random(seed)
    return {
        name: ["".join(draw.choices(letters + "e", k=draw.randint(3, 7))) for _ in range(COUNTS[name])]
        for name, letters in LETTERS.items()
    }


def write_files(folder: Path, seed: int = 0) -> None:
    """Write one file for each language, a table, a file of prefixes, and a config for each of them."""
    by_name = lines(seed)
    for name, own in by_name.items():
        (folder / f"{name}.txt").write_text("\n".join(own))
    pairs = [(name, line) for name, own in by_name.items() for line in own]
    (folder / "table.csv").write_text(
        "id,word,language\n" + "".join(f"{n},{w},{c}\n" for n, (c, w) in enumerate(pairs))
    )
    (folder / "prefix.tsv").write_text("".join(f"{c}\t{w}\n" for c, w in pairs))
    (folder / "languages.yaml").write_text(CONFIG)
    column = "condition: column, condition_column: language, text_column: word"
    table = CONFIG.replace('"*.txt"', "table.csv").replace("condition: file", column)
    (folder / "table.yaml").write_text(table.replace("name: languages", "name: table"))
    prefix = CONFIG.replace('"*.txt"', "prefix.tsv").replace("condition: file", "condition: prefix")
    (folder / "prefix.yaml").write_text(prefix.replace("name: languages", "name: prefix"))
