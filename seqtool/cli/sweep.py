"""`sweep` command: search over the settings of a config with workers that share one study."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from seqtool.cli.exit_codes import command
from seqtool.cli.options import AsJson, DeviceOption, Name, Overrides, Quiet, RunsDir, Seed


class Sampler(StrEnum):
    """Method that chooses the values of a trial."""

    TPE = "tpe"
    RANDOM = "random"
    GRID = "grid"


@command
def sweep(
    config: Annotated[
        Path,
        typer.Argument(metavar="CONFIG", help="A YAML file, the same for all trials.", show_default=False),
    ],
    space: Annotated[
        Path,
        typer.Option(
            "--space",
            help="A YAML file: for each key its choices [a, b] or a range {low: …, high: …}.",
            show_default=False,
        ),
    ],
    trials: Annotated[
        int | None,
        typer.Option(
            "--trials",
            min=1,
            max=100_000,
            help="Number of trials (default: 20, or all points of a grid).",
            show_default=False,
        ),
    ] = None,
    sampler: Annotated[
        Sampler, typer.Option("--sampler", help="tpe learns from earlier trials.")
    ] = Sampler.TPE,
    prune: Annotated[
        bool,
        typer.Option("--prune/--no-prune", help="End trials that are worse than the median of the others."),
    ] = True,
    workers: Annotated[
        int,
        typer.Option(
            "--workers", min=1, max=1000, help="Number of trials that run at the same time on this machine."
        ),
    ] = 1,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage",
            help="Database URL, which several machines can share (default: a file under runs).",
            show_default=False,
        ),
    ] = None,
    sign_every: Annotated[
        float,
        typer.Option(
            "--sign-every",
            min=1,
            help="Seconds between heartbeats of a trial; after six missed ones another worker resumes it.",
        ),
    ] = 10.0,
    overrides: Overrides = None,
    name: Name = None,
    runs_dir: RunsDir = None,
    seed: Seed = None,
    device: DeviceOption = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Delete the earlier sweep of this name and its trials.")
    ] = False,
    quiet: Quiet = False,
    json: AsJson = False,
) -> None:
    """Search over settings, or resume a search, e.g. seqtool sweep my.yaml --space space.yaml --workers 2"""
    from seqtool.reports.console import continuing_without_output
    from seqtool.reports.sweep import SweepScreen
    from seqtool.storage.find_model import runs_root
    from seqtool.sweep.run import SweepOptions
    from seqtool.sweep.run import sweep as run_sweep

    short_forms = {"name": name, "seed": seed, "training.device": device.value if device else None}
    all_overrides = [
        *(overrides or []),
        *(f"{key}={value}" for key, value in short_forms.items() if value is not None),
    ]
    options = SweepOptions(
        root=runs_root(runs_dir),
        trials=trials,
        sampler=sampler.value,
        prune=prune,
        workers=workers,
        storage=storage,
        heartbeat=sign_every,
        overwrite=overwrite,
    )
    with continuing_without_output():
        run_sweep(config, space, all_overrides, options, SweepScreen(quiet=quiet, as_json=json))
