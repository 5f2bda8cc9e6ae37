"""`python -m seqtool.config [FOLDER]`: write `README.md` and `schema.json` of the folder `configs`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from seqtool.config.reference import json_schema, reference_markdown


def main(folder: Path) -> None:
    """Write both files into a folder of configs."""
    (folder / "README.md").write_text(reference_markdown(folder), encoding="utf-8")
    (folder / "schema.json").write_text(json.dumps(json_schema(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "configs"))
