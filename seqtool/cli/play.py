"""`play`: write a web page in which a trained model runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqtool.cli.exit_codes import command
from seqtool.cli.options import AsJson, ModelArgument, RunsDir

Page = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Path of the page (default: play.html in the run).", show_default=False),
]
Open = Annotated[bool, typer.Option("--open", help="Open the page in the web browser.")]


@command
def play(
    model: ModelArgument, out: Page = None, show: Open = False, runs_dir: RunsDir = None, json: AsJson = False
) -> None:
    """Write a web page in which the model runs, every step in numbers,
    e.g. seqtool play hihell --open
    """
    from seqtool.reports.console import say, write_json, write_line
    from seqtool.reports.play.collect import collect_play
    from seqtool.reports.play.render import PLAY_MARK, render_play
    from seqtool.storage.atomic import write_file
    from seqtool.storage.find_model import find_model, input_files, runs_root
    from seqtool.storage.model_directory import read_model
    from seqtool.storage.ownership import check_output

    location = find_model(model, runs_root(runs_dir))
    page = out or (location.run or Path()) / "play.html"
    page = page / "play.html" if page.is_dir() else page
    inputs = [location.model, *input_files(location, read_model(location.model).manifest)]
    check_output(page, inputs, mark=PLAY_MARK)
    data = collect_play(location, runs_dir)
    for note in data.notes:
        say(f"note: {note}")
    write_file(page, render_play(data).encode("utf-8", "backslashreplace"))
    write_json({"page": str(page), "notes": list(data.notes)}) if json else write_line(str(page))
    if show:
        import webbrowser

        webbrowser.open_new_tab(page.resolve().as_uri())
