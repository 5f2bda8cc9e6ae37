"""Write `docs/lecture.ipynb` and execute it in an empty directory, so that it contains its outputs.

Run it from the root of the repository. It needs the extra `test`. The play pages are left out of the outputs:
the notebook draws them when its cells run.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from textwrap import dedent

sys.path.insert(0, str(Path(__file__).parent.parent))

import nbformat

from tests.support.notebooks import execute

NOTEBOOK = Path(__file__).parent / "lecture.ipynb"
HTML = "text/html"

TEXT, CODE = "markdown", "code"
CELLS = (
    (
        TEXT,
        """
        # The lecture's networks with seqtool

        This notebook follows the lecture on recurrent networks cell by cell: one RNN cell, the network that
        turns `hihell` into `ihello`, and the LSTM tagger for "The dog ate the apple". All numbers are those
        of the lecture, to the last printed digit. It needs `pip install 'seqtool[train]'` and a Jupyter
        frontend. Run it in an empty directory.
        """,
    ),
    (
        CODE,
        """
        import numpy as np

        import seqtool
        """,
    ),
    (
        TEXT,
        """
        ## 1. One cell: h, e, l, o

        The lecture begins with one untrained cell, `nn.RNN(4, 2)`, and the one-hot vectors of h, e, l and
        o. A config describes the cell. `inspect` feeds it a text, and prints the shapes and each hidden
        state.
        """,
    ),
    (CODE, "!seqtool init --example hello"),
    (CODE, "!seqtool inspect configs/hello.yaml --text hello"),
    (
        TEXT,
        """
        ## 2. hihell to ihello

        The first network of the lecture reads `hihell` and predicts the next symbol at each step. The
        config has the order of the symbols, the pair, and the settings of the lecture.
        """,
    ),
    (CODE, "!seqtool init --example hihell\n!cat configs/hihell.yaml"),
    (
        TEXT,
        """
        `seqtool.train` shows one table and its curve, which change while the training runs. Correct symbols
        are green.
        """,
    ),
    (CODE, 'run = seqtool.train("configs/hihell.yaml")'),
    (
        TEXT,
        """
        The rows are a list of dictionaries, for example for `pandas.DataFrame(run.history)`.
        `run.plot()` draws them.
        """,
    ),
    (CODE, '[(row["epoch"], round(row["train_loss"], 3)) for row in run.history]'),
    (CODE, "run.plot()"),
    (CODE, "run"),
    (CODE, 'model = run.model\nmodel.predict("hihell")'),
    (
        TEXT,
        """
        The states of the network at each symbol, one row per symbol:
        """,
    ),
    (CODE, 'states = model.runtime.states("hihell")["encoder.0.h"]\nstates.round(4)'),
    (
        TEXT,
        """
        The second step with the formula of the lecture, `h2 = tanh(W_ih·x2 + b_ih + W_hh·h1 + b_hh)`. The
        weights are arrays of a plain file. The second symbol, `i`, has number 1.
        """,
    ),
    (
        CODE,
        """
        from safetensors.numpy import load_file

        weights = load_file(run.path / "model/weights.safetensors")
        W_ih, W_hh, b_ih, b_hh = (
            weights[f"encoder.0.forward.{name}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        x2 = np.eye(5)["hielo".index("i")]
        np.tanh(W_ih @ x2 + b_ih + W_hh @ states[0] + b_hh).round(4)
        """,
    ),
    (
        TEXT,
        """
        The same network in a page, where you can change the input, select a unit, and see each step in
        numbers. Change the second letter and look at unit 3:
        """,
    ),
    (CODE, "model.play()"),
    (
        TEXT,
        """
        ## 3. The tagger

        Two sentences, three labels, an embedding of 6 numbers and an LSTM of 6 units, trained for 300
        epochs.
        """,
    ),
    (CODE, "!seqtool init --example toy_tagger\n!cat data/toy.conll"),
    (CODE, 'tagger_run = seqtool.train("configs/toy_tagger.yaml")'),
    (CODE, 'tagger_run.model.tag(["The dog ate the apple", "Everybody read that book"])'),
    (
        TEXT,
        "The probabilities of the labels DET, NN and V for each word, and the page of the tagger:",
    ),
    (
        CODE,
        """
        tagger = tagger_run.model
        print(tagger.runtime.labels)
        tagger.runtime.probabilities([["The", "dog", "ate", "the", "apple"]])[0].round(3)
        """,
    ),
    (CODE, "tagger.play()"),
)


def new_notebook() -> nbformat.NotebookNode:
    """Return the notebook without outputs."""
    make = {TEXT: nbformat.v4.new_markdown_cell, CODE: nbformat.v4.new_code_cell}
    cells = [make[kind](dedent(source).strip()) for kind, source in CELLS]
    for number, one in enumerate(cells):
        one["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def main() -> None:
    """Write the notebook with its outputs."""
    notebook = new_notebook()
    with tempfile.TemporaryDirectory() as folder:
        execute(notebook, Path(folder))
    for one in notebook.cells:
        for output in one.get("outputs", ()):
            if "srcdoc" in output.get("data", {}).get(HTML, ""):
                del output["data"][HTML]
    nbformat.write(notebook, NOTEBOOK)


if __name__ == "__main__":
    main()
