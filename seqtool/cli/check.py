"""`check`: what a config would train on, before any time is spent."""

from __future__ import annotations

from seqtool.cli.exit_codes import command
from seqtool.cli.options import AsJson, Overrides, RunsDir
from seqtool.cli.train import Config, DevFiles, TestFiles


@command
def check(
    config: Config,
    dev: DevFiles = None,
    test: TestFiles = None,
    overrides: Overrides = None,
    runs_dir: RunsDir = None,
    json: AsJson = False,
) -> None:
    """Look at what would be trained on, e.g. seqtool check configs/ewt.yaml"""
    from seqtool.data.formats.detect import looks_labeled
    from seqtool.data.tagging.unlabeled import ENDINGS
    from seqtool.init.settings_for import settings_for
    from seqtool.reports.console import say, write_json, write_line
    from seqtool.reports.data_check import check_json, check_lines
    from seqtool.storage.find_model import runs_root
    from seqtool.tasks.build import check_data
    from seqtool.tasks.interface import DataFiles

    labelled = dev or test or config.suffix.lower() in ENDINGS or looks_labeled(config)
    task = None if config.suffix.lower() in (".yaml", ".yml") else "tagger" if labelled else "char"
    files = DataFiles(config, tuple(dev or ()), tuple(test or ()))
    read = settings_for(files, task, overrides or [], say)
    result = check_data(read, runs_root(runs_dir) / ".cache")
    if json:
        write_json({"config": str(config), **check_json(result)})
        return
    for line in check_lines(result):
        write_line(line)
