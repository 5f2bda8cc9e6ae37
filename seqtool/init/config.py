"""`init`: a config to begin with, for the user's own data or one of the shipped examples, and its schema for editors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from seqtool.config.reference import json_schema
from seqtool.errors import SeqtoolError
from seqtool.init.examples import example, example_names
from seqtool.storage.atomic import write_file, writing
from seqtool.tasks.suggest_character import SCHEMA, SCHEMA_FILE, Suggestion, suggest_char
from seqtool.tasks.suggest_tagger import suggest_tagger

PLACEHOLDERS = {
    "char": ("text.txt", "text", "text"),
    "tagger": ("train.conll", "train", "tagger"),
}  # file, key, the config's name
TEMPLATES = {
    "char": """\
# A character model of running text.
task: char
name: text
seed: 1

data:
  text: text.txt          # put your file's name here: a path, a list of paths or a pattern
  # per_line: true        # for a list: every line is a sequence of its own
  split: [0.9, 0.1]       # the last tenth validates

model:
  cell: lstm              # or gru, rnn
  hidden_size: 256
  embedding_dim: 64
  dropout: 0.1

training:
  epochs: 10
  batch_size: 16          # streams side by side
  window: 64              # symbols of back-propagation
  optimizer: adamw
  lr: 0.003               # its peak
  schedule: cosine
  warmup_steps: 100
  clip_norm: 1.0
""",
    "tagger": """\
# A tagger of labelled sentences.
task: tagger
name: tagger
seed: 1

data:
  train: train.conll      # put your file's name here: a token and its label on a line, a blank line after each sentence
  # dev: dev.conll        # what the best epoch is chosen by; with it, delete split
  # test: test.conll      # scored once, at the end
  split: 0.1              # no dev file: a tenth of the sentences, drawn by seed, chooses the best epoch
  # columns: [form, pos, chunk]   # if there are more than two
  # label: chunk          # which of them to predict; by default the last

model:
  features: standard      # forms, affixes, shapes; rich adds a character CNN, good for small data and names
  hidden_size: 128
  bidirectional: true     # a label depends on what follows, too
  dropout: 0.5

training:
  epochs: 20
  batch_words: 500
  optimizer: adamw
  lr: 0.004
  betas: [0.9, 0.98]
  schedule: cosine
  warmup_steps: 100
  clip_norm: 5.0
""",
}


@dataclass(frozen=True)
class InitResult:
    """What `init` did.

    Attributes:
        config: the YAML file.
        written: the files that were written; what was there already, byte for byte, is not among them.
        notes: what was seen in the data, and what to put in.
        command: what to run next.
    """

    config: str
    written: tuple[str, ...]
    notes: tuple[str, ...]
    command: str


def begin_with_example(name: str, *, overwrite: bool = False) -> InitResult:
    """Write a shipped example's config and data into the current folder.

    Raises:
        SeqtoolError: if there is none of this name, or if a file of the user's would be replaced.
    """
    names = example_names()
    if name not in names:
        near = get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
        raise SeqtoolError("no shipped example has this name", place=f"--example {name}", hint=hint)
    found = example(name)
    return InitResult(f"configs/{name}.yaml", _write(found.files, overwrite), (), found.command)


def begin(
    task: str, data: Path | None, dev: Sequence[Path], test: Sequence[Path], *, overwrite: bool = False
) -> InitResult:
    """Write the settings that training straight from a data file uses, or a template where there is none yet.

    Raises:
        SeqtoolError: if the data cannot be read, or if a file of the user's would be replaced.
    """
    if data is None:
        placeholder, key, stem = PLACEHOLDERS[task]
        suggestion = Suggestion(f"{SCHEMA}\n{TEMPLATES[task]}", ())
        notes: tuple[str, ...] = (f"put your file's name in place of {placeholder} (data.{key})",)
    else:
        suggestion = suggest_tagger(data, dev, test) if task == "tagger" else suggest_char(data)
        notes, stem = suggestion.notes, _name_in(suggestion.yaml)
    config = f"{stem}.yaml"
    schema = json.dumps(json_schema(), indent=2).encode() + b"\n"
    written = _write({config: suggestion.yaml.encode(), SCHEMA_FILE: schema}, overwrite)
    return InitResult(config, written, notes, f"seqtool train-{task} {config}")


def _name_in(yaml: str) -> str:
    return next(line.removeprefix("name:").strip() for line in yaml.splitlines() if line.startswith("name:"))


def _write(files: Mapping[str, bytes], overwrite: bool) -> tuple[str, ...]:
    """Write all files or none; what is there with other content is the user's and stays."""
    wanted = {path: content for path, content in files.items() if _content(Path(path)) != content}
    for path in wanted:
        if Path(path).exists() and not overwrite and not path.endswith("schema.json"):
            raise SeqtoolError(
                "there is such a file already, and it differs",
                place=path,
                hint="move it away, or replace it: --overwrite",
            )
    for path, content in wanted.items():
        with writing(Path(path)):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_file(Path(path), content)
    return tuple(wanted)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
