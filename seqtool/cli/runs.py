"""`runs` command: list, delete and compare runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqtool.cli.exit_codes import command
from seqtool.cli.help import Command, Group
from seqtool.cli.options import AsJson, RunsDir, complete_any_run, complete_run

if TYPE_CHECKING:
    from seqtool.storage.run_list import Removal

Names = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...", help="Names of runs.", autocompletion=complete_any_run, show_default=False
    ),
]
Checkpoints = Annotated[
    bool, typer.Option("--checkpoints", help="Delete only the checkpoints of finished runs.")
]
First = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="Name of a run, run directory or model directory.",
        autocompletion=complete_run,
        show_default=False,
    ),
]
Second = Annotated[
    str,
    typer.Argument(
        metavar="OTHER", help="Run to compare with.", autocompletion=complete_run, show_default=False
    ),
]

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")]

app = typer.Typer(
    cls=Group,
    rich_markup_mode=None,
    invoke_without_command=True,
    help="List runs, e.g. seqtool runs, or runs compare ewt ewt~1",
)


@app.callback()
@command
def runs(context: typer.Context, runs_dir: RunsDir = None, json: AsJson = False) -> None:
    """List the runs under the runs root, and the pretrained models, e.g. seqtool runs"""
    if context.invoked_subcommand is not None:
        return
    import time

    from seqtool.reports.console import print_lines, say, write_json
    from seqtool.reports.runs import pretrained_lines, run_lines
    from seqtool.storage.find_model import runs_root
    from seqtool.storage.run_list import list_pretrained, list_runs

    root = runs_root(runs_dir)
    entries, pretrained = list_runs(root, say), list_pretrained()
    if json:
        lists = {"runs": entries, "pretrained": pretrained}
        write_json({"root": str(root), **{name: [one.to_json() for one in lists[name]] for name in lists}})
        return
    if entries:
        print_lines([*run_lines(entries, time.time()), ""])
    else:
        say(f"no runs under {root}; train one: seqtool init --example hihell")
    print_lines(pretrained_lines(pretrained))


@command
def remove(
    names: Names,
    checkpoints: Checkpoints = False,
    yes: Yes = False,
    runs_dir: RunsDir = None,
    json: AsJson = False,
) -> None:
    """Delete runs after a confirmation, e.g. seqtool runs rm hihell~1"""
    from seqtool.reports.console import say, write_json, write_line
    from seqtool.reports.formatting import format_size
    from seqtool.storage.find_model import runs_root
    from seqtool.storage.run_list import (
        plan_checkpoint_removals,
        plan_removals,
        remove_checkpoints,
        remove_runs,
    )

    plan = (plan_checkpoint_removals if checkpoints else plan_removals)(names, runs_root(runs_dir))
    what = "the checkpoints of " if checkpoints else ""
    if not yes and not _confirmed(plan, what):
        say("nothing was deleted")
        return
    removed = list((remove_checkpoints if checkpoints else remove_runs)(plan))
    if json:
        write_json({"removed": [{"name": name, "bytes": count} for name, count in removed]})
        return
    for name, count in removed:
        write_line(f"removed {what}{name}, {format_size(count)}")


def _confirmed(plan: list[Removal], what: str) -> bool:
    """List what will be deleted, and ask whether to delete it.

    Raises:
        SeqtoolError: if there is no terminal to ask on.
    """
    from seqtool.errors import SeqtoolError
    from seqtool.reports.console import notice
    from seqtool.reports.formatting import format_size

    notice("to delete:")
    for removal in plan:
        notice(f"  {what}{removal.name}, {format_size(removal.size)}")
        for run in removal.runs:
            if run != removal.name:
                notice(f"    {run}")
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        option = "--yes --checkpoints" if what else "--yes"
        hint = f"add --yes: seqtool runs rm {option} {' '.join(removal.name for removal in plan)}"
        raise SeqtoolError("deleting runs needs a confirmation, and there is no terminal", hint=hint)
    print("delete? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


@command
def compare(run: First, other: Second, runs_dir: RunsDir = None, json: AsJson = False) -> None:
    """Show two runs side by side, e.g. seqtool runs compare hihell hihell~1"""
    from seqtool.config.dump import CONFIG, differences
    from seqtool.config.load import read_run_settings
    from seqtool.reports.console import print_lines, write_json
    from seqtool.reports.runs import comparison_lines, difference_rows
    from seqtool.storage.find_model import runs_root
    from seqtool.storage.plain_files import exists
    from seqtool.storage.run_list import find_run

    entries = [find_run(reference, runs_root(runs_dir)) for reference in (run, other)]
    folders = [entry.path for entry in entries]
    have_configs = all(exists(folder / CONFIG) for folder in folders)
    changes = differences(*map(read_run_settings, folders)) if have_configs else []
    if json:
        write_json(
            {
                "runs": [{**entry.to_json(), "facts": entry.compared_values()} for entry in entries],
                "differences": {
                    change.key: [
                        None if side is None else side.to_json() for side in (change.first, change.second)
                    ]
                    for change in changes
                },
            }
        )
        return
    print_lines(comparison_lines((run, other), entries, difference_rows(changes, str(Path.cwd()))))


for function, name in ((remove, "rm"), (compare, "compare")):
    app.command(name, cls=Command)(function)
