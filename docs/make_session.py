"""Draw `docs/session.svg` from a real session in a terminal of 72 columns.

Run it from the root of the repository.
"""

from __future__ import annotations

import io
import re
import shlex
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from rich.console import Console
from rich.text import Text

from tests.support.shell import in_terminal

SESSION = (
    "seqtool init --example hihell",
    "seqtool train-char configs/hihell.yaml",
    "seqtool predict hihell",
)


def main() -> None:
    """Run the commands in an empty directory, and draw the contents of the terminal."""
    console = Console(record=True, width=72, file=io.StringIO())
    with tempfile.TemporaryDirectory() as folder:
        for line in SESSION:
            console.print(Text.assemble(("$ ", "bold green"), (line, "bold")))
            output = in_terminal(*shlex.split(line)[1:], cwd=Path(folder), columns=72).stdout
            for row in output.replace("\r\n", "\n").rstrip("\n").split("\n"):
                console.print(Text.from_ansi(row.rpartition("\r")[2]), no_wrap=True)
    drawing = re.sub(
        r"@font-face \{.*?\}", "", console.export_svg(title="seqtool"), flags=re.DOTALL
    )  # the picture loads no fonts
    Path("docs/session.svg").write_text(drawing, encoding="utf-8")


if __name__ == "__main__":
    main()
