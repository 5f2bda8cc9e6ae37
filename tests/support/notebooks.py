"""Execute a notebook in an empty directory with the seqtool of this tree."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.shell import PROJECT

if TYPE_CHECKING:
    from nbformat import NotebookNode


def execute(notebook: NotebookNode, folder: Path) -> None:
    """Run all cells; the outputs replace those in the notebook."""
    from nbclient import NotebookClient

    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    settings = {"COLUMNS": "100", "OMP_NUM_THREADS": "1", "SEQTOOL_RUNS": "runs", "SEQTOOL_MODEL": ""}
    resources = {"metadata": {"path": folder}}
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources)
    client.execute(env={**os.environ, "PATH": path, "PYTHONPATH": str(PROJECT), **settings})
    for cell in notebook.cells:
        cell.get("metadata", {}).pop("execution", None)  # the times of this run
        if "outputs" in cell:
            cell["outputs"] = _joined(cell["outputs"])


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Join the pieces in which a command wrote its lines to a terminal."""
    joined: list[NotebookNode] = []
    for output in outputs:
        if joined and output.output_type == "stream" and output.get("name") == joined[-1].get("name"):
            joined[-1]["text"] += output["text"]
        else:
            joined.append(output)
    for output in joined:
        if "text" in output:
            output["text"] = output["text"].replace("\r\n", "\n")
    return joined
