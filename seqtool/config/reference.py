"""Reference of the configuration keys: the text of `configs/README.md` and the JSON Schema."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from seqtool.config.dump import flow
from seqtool.config.schema import SECTIONS, TASKS, Key, adapter, is_section, keys, section_class
from seqtool.settings.experiment import TokenizerPart
from seqtool.settings.model import RICH_FEATURES, STANDARD_FEATURES, Feature
from seqtool.settings.training import TokenizerTraining
from seqtool.types import Json

INTRODUCTION = """\
# Configs

<!-- Written by `python -m seqtool.config.reference` from seqtool/settings and the configs' comments. -->

One YAML file is one experiment. It states its `task` and all values that differ from the defaults below.
`seqtool train-char FILE` or `seqtool train-tagger FILE` runs it. `--set section.key=value` changes a key for
one run.

{configs}
Rules for a file:

- Paths are relative to the file. Paths in `--set` are relative to the current folder.
  A path can be a pattern (`part-*.txt`) and can start with `~`.
- `1e-3` is a number. The key decides the type of a value: in `pairs: [[no, yes]]` and `alphabet: 123` all
  values are text. Text with spaces at its ends, `#` or `: ` needs quotes.
- `null` is allowed for the keys that list it. A key or section without a value is a mistake.
- All mistakes are reported at once, each with its line. Anchors, aliases, merge keys, tags, duplicate keys
  and more than 20 levels are refused.
- Editors with a YAML language server complete and check these files with `schema.json`, which the first line
  of each file names.
- If a data file is missing, the error message shows the `source` of the config.
"""

NOTES = {
    ("char", "data"): """\
Use either `text` or `pairs`. A config with only an `alphabet` has no training data and describes an untrained
network. With `per_line: true`, a line break is the symbol before and after the symbols of each line. With a
`condition`, `separator` describes a prefix or a table, and the keys of columns a table. Files of `val` and
`test` have their conditions in the same place.""",
    ("tagger", "data"): """\
Without `dev` and `split` there is no validation; then the best epoch has the lowest training loss.""",
    ("tagger", "model"): """\
`features: standard` is the first list, `features: rich` is both lists:

```yaml
{features}
```""",
    ("tokenizer", "data"): """\
A file without paragraph marks is one paragraph. Without `dev` and `split` there is no validation; then the
best epoch has the lowest training loss.""",
    ("", "training"): """\
`seed_skip` reproduces programs that draw random numbers before they build the network. After seeding with
777, the notebook of the lecture first builds an `nn.RNN(4, 2)` that it never trains: 8 + 4 + 2 + 2 = 16
uniform draws. With `seed_skip: 16`, `hihell.yaml` starts from the weights of the notebook and prints the same
losses to the last digit.

At least one of `epochs`, `max_steps` and `max_minutes` is required. The `cosine` schedule needs `epochs` or
`max_steps`, since it ends with the last step.""",
}

TOKENIZER_NOTE = """\
Without this section, or with `tokenizer: null`, the run has no tokenizer. `tokenizer: {}` uses all defaults.
It has two sections of its own: `model:` with the keys of `task: tokenizer`, and `training:`, where the keys
below have other defaults. The data, the seed, `init_from`, `threads`, `device`, `precision` and
`deterministic` are those of the tagger."""


def json_schema() -> Json:
    """Return one JSON Schema (draft 2020-12) for all tasks; the value of `task` selects the definitions."""
    definitions: Json = {}
    for task, cls in TASKS.items():
        schema = adapter(task).json_schema(ref_template="#/$defs/{model}")
        definitions.update(schema.pop("$defs", {}))
        schema["required"] = sorted({"task", *schema.get("required", [])})
        definitions[cls.__name__] = schema
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "seqtool config",
        "description": "One experiment: a character model (task: char), a tagger (task: tagger) "
        "or a tokenizer (task: tokenizer).",
        "type": "object",
        "required": ["task"],
        "properties": {"task": {"enum": list(TASKS), "description": "type of model"}},
        "allOf": [
            {"if": {"properties": {"task": {"const": task}}}, "then": {"$ref": f"#/$defs/{cls.__name__}"}}
            for task, cls in TASKS.items()
        ],
        "$defs": _without_titles(definitions),
    }


def _without_titles(node: Any) -> Any:
    """Remove the titles from the schema of pydantic, since they only repeat the keys."""
    if isinstance(node, dict):
        return {
            key: _without_titles(value)
            for key, value in node.items()
            if not (key == "title" and isinstance(value, str))
        }
    return [_without_titles(item) for item in node] if isinstance(node, list | tuple) else node


def reference_markdown(folder: Path) -> str:
    """Return the text of the `README.md` of a folder of configs."""
    top_level = [key for name, key in keys(TASKS["char"]).items() if name not in SECTIONS]
    top_note = "`task` is required: `char`, `tagger` or `tokenizer`. The default of `name` is the task."
    parts = [
        INTRODUCTION.replace("{configs}", "".join(_config_rows(folder))),
        f"## Top level\n\n{_table(top_level)}\n{top_note}\n",
    ]
    for task in TASKS:
        for section in ("data", "model"):
            heading = f"## `{section}:` with `task: {task}`"
            parts.append(_section(heading, section_class(task, section), NOTES.get((task, section), "")))
    parts.append(_section("### A feature", Feature, ""))
    parts.append(_tokenizer_part())
    parts.append(_section("## `training:`", section_class("char", "training"), NOTES["", "training"]))
    return "\n".join(parts)


def _config_rows(folder: Path) -> Iterator[str]:
    """Yield a table of the configs in a folder; a description is the first comment after the schema line."""
    yield "| file | experiment |\n|---|---|\n"
    for path in sorted(folder.glob("*.yaml")):
        lines = path.read_text(encoding="utf-8").splitlines()
        comments = (line for line in lines if line.startswith("# ") and "yaml-language-server" not in line)
        description = next(comments, "").removeprefix("# ")
        yield f"| [`{path.name}`]({path.name}) | {_cell(description)} |\n"


def _section(heading: str, cls: type[Any], note: str) -> str:
    text = f"{heading}\n\n{cls.__doc__}\n\n{_table(keys(cls).values())}"
    return f"{text}\n{note.replace('{features}', _feature_lists())}\n" if note else text


def _tokenizer_part() -> str:
    """Describe the section of a tokenizer in a tagger's config, with the keys that have other defaults."""
    usual = keys(section_class("tokenizer", "training"))
    own = [key for name, key in keys(TokenizerTraining).items() if key.default != usual[name].default]
    heading = "## `tokenizer:` with `task: tagger`"
    return "\n\n".join([heading, TokenizerPart.__doc__ or "", TOKENIZER_NOTE, _table(own)])


def _feature_lists() -> str:
    extra = [feature for feature in RICH_FEATURES if feature not in STANDARD_FEATURES]
    lines = [f"- {_short(feature)}" for feature in STANDARD_FEATURES]
    return "\n".join([*lines, "# rich adds", *(f"- {_short(feature)}" for feature in extra)])


def _short(feature: Feature) -> str:
    """Write a feature with the keys that differ from their defaults."""
    values = {
        name: getattr(feature, name)
        for name, key in keys(Feature).items()
        if key.required or getattr(feature, name) != key.default
    }
    return "{" + ", ".join(f"{name}: {value}" for name, value in values.items()) + "}"


def _table(rows: Iterable[Key]) -> str:
    lines = (
        f"| `{key.name}` | {_cell(key.expected)} | {_default(key)} | {_cell(key.meaning)} |\n" for key in rows
    )
    return "| key | values | default | meaning |\n|---|---|---|---|\n" + "".join(lines)


def _default(key: Key) -> str:
    if key.required:
        return "required"
    return "" if is_section(key.type) else f"`{flow(key.default)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def write_reference(folder: Path) -> None:
    """Write `README.md` and `schema.json` of a folder of configs."""
    (folder / "README.md").write_text(reference_markdown(folder), encoding="utf-8")
    (folder / "schema.json").write_text(json.dumps(json_schema(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_reference(Path(sys.argv[1] if len(sys.argv) > 1 else "configs"))
