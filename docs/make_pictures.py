"""Write `docs/play.html` and the pictures of the play page in `docs/`.

Run it from the root of the repository. It needs Chromium and its driver. It trains the two small networks of
the lecture; the text model is the pretrained one.
"""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.support.browser import chromium, set_size
from tests.support.shell import seqtool

DOCS = Path(__file__).parent
WIDTH = 1000
TRAINED = {"hihell": "train-char", "toy_tagger": "train-tagger"}
PICTURES = (  # file, model, height, and what a user does
    (
        "play-pairs.png",
        "hihell",
        1150,
        """
        view.input.value = "hehell";
        view.input.setSelectionRange(2, 2);
        view.input.dispatchEvent(new Event("input"));
        view.units.setUnit(2, true);
        """,
    ),
    (
        "play-text.png",
        "shakespeare",
        1000,
        """
        view.input.value = "ROMEO:\\nWhat light is this, that breaks upon my window?\\nIt is the east.";
        view.input.setSelectionRange(30, 30);
        view.input.dispatchEvent(new Event("input"));
        """,
    ),
    (
        "play-tagger.png",
        "toy_tagger",
        1430,
        """
        view.input.value = "The dog ate the book";
        view.input.dispatchEvent(new Event("input"));
        view.select(1);
        view.toggle();
        view.select(4);
        """,
    ),
)


def main() -> None:
    """Train, write the pages and draw them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for model, command in TRAINED.items():
            for line in (f"init --example {model}", f"{command} configs/{model}.yaml --quiet"):
                assert seqtool(*line.split(), cwd=folder).code == 0, line
        assert seqtool("play", "hihell", "--out", str(DOCS / "play.html"), cwd=folder).code == 0
        (folder / "profile").mkdir()
        with chromium(folder / "profile") as driver:
            for file, model, height, script in PICTURES:
                page = folder / f"{model}.html"
                assert seqtool("play", model, "--out", str(page), cwd=folder).code == 0
                set_size(driver, WIDTH, height)
                driver.get(page.as_uri())
                driver.execute_script(f"const {{ view }} = window.seqtool; {script}")
                driver.execute_async_script("requestAnimationFrame(() => setTimeout(arguments[0], 500))")
                picture = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]
                (DOCS / file).write_bytes(base64.b64decode(picture))


if __name__ == "__main__":
    main()
