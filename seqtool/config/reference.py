"""What the schema says, for people and for editors: `configs/README.md` and the JSON Schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from seqtool.config.dump import flow
from seqtool.config.schema import SECTIONS, TASKS, Key, is_section, keys, section_class
from seqtool.settings import RICH_FEATURES, STANDARD_FEATURES, Feature

INTRODUCTION = """\
# Configs

<!-- Written by `python -m seqtool.config` from seqtool/settings.py; edit there. -->

One YAML file is one experiment. A file names its `task` and whatever differs from the defaults below; `seqtool train-char FILE`
or `seqtool train-tagger FILE` runs it, and `--set section.key=value` changes any key for one run.

| file | what it trains |
|---|---|
| `hihell.yaml` | the lecture's first network: `hihell` in, `ihello` out |
| `hello.yaml` | the lecture's bare cell, untrained, to look at: `seqtool inspect configs/hello.yaml --text hello` |
| `toy_tagger.yaml` | the lecture's part-of-speech tagger, two sentences |
| `shakespeare.yaml` | a character model of running text |
| `names.yaml` | a character model of a list of names, one a line |
| `ewt.yaml` | parts of speech, Universal Dependencies English EWT |
| `wnut17.yaml` | names in social media, WNUT-17 |
| `chunking.yaml` | phrases, in the layout of CoNLL-2000 |

How a file is read:

- Paths are relative to the file; paths after `--set` are relative to the current folder.
  A path may be a pattern (`part-*.txt`) and start with `~`.
- `1e-3` is a number. Text is text however it looks: in `pairs: [[no, yes]]` and `alphabet: 123` nothing is turned into
  a truth value or a number. Blanks at the ends, `#` and `: ` need quotes.
- `null` is for the keys that list it. A key or section with nothing after its colon is a mistake.
- All mistakes are reported at once, each with its line. Anchors, aliases, merge keys, tags, duplicate keys and more
  than 20 levels are refused.
- Editors with a YAML language server complete and check these files by `schema.json`; the first line of each names it.
- A path whose file is missing is answered with the config's `source`.
"""

NOTES = {
    ("char", "data"): """\
`text` and `pairs` exclude one another. With neither, but with an `alphabet`, there is nothing to train: such a config
shows an untrained network. With `per_line: true` a line break is the symbol before each line's first and after its last.""",
    ("tagger", "data"): """\
Without `dev` and without `split` there is no validation, and the best epoch is the one of the lowest training loss.""",
    ("tagger", "model"): """\
`features: standard` stands for the first list and `rich` for both:

```yaml
{features}
```""",
    ("", "training"): """\
`seed_skip` exists to repeat the numbers of programs that drew random numbers before they built the network. The
lecture's notebook, after seeding with 777, first builds an `nn.RNN(4, 2)` that it never trains: 8 + 4 + 2 + 2 = 16
uniform draws. With `seed_skip: 16`, `hihell.yaml` starts from the notebook's weights and prints its losses to the last
digit.

One of `epochs`, `max_steps` and `max_minutes` must be given. The `cosine` schedule needs `epochs` or `max_steps`,
since it ends with the last step.""",
}


def json_schema() -> dict[str, Any]:
    """One JSON Schema (draft 2020-12) for both tasks, told apart by `task`."""
    from seqtool.config.schema import adapter

    definitions: dict[str, Any] = {}
    for task, cls in TASKS.items():
        schema = adapter(task).json_schema(ref_template="#/$defs/{model}")
        definitions.update(schema.pop("$defs", {}))
        schema["required"] = sorted({"task", *schema.get("required", [])})
        definitions[cls.__name__] = schema
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "seqtool config",
        "description": "One experiment: a character model (task: char) or a tagger (task: tagger).",
        "type": "object",
        "required": ["task"],
        "properties": {"task": {"enum": list(TASKS), "description": "type of model"}},
        "allOf": [
            {"if": {"properties": {"task": {"const": task}}}, "then": {"$ref": f"#/$defs/{cls.__name__}"}}
            for task, cls in TASKS.items()
        ],
        "$defs": _tidy(definitions),
    }


def _tidy(node: Any) -> Any:
    """Pydantic's schema without its own titles, which only repeat the keys."""
    if isinstance(node, dict):
        return {
            key: _tidy(value)
            for key, value in node.items()
            if not (key == "title" and isinstance(value, str))
        }
    return [_tidy(item) for item in node] if isinstance(node, list | tuple) else node


def reference_markdown() -> str:
    """The text of `configs/README.md`."""
    parts = [INTRODUCTION]
    top = {name: key for name, key in keys(TASKS["char"]).items() if name not in SECTIONS}
    parts.append(
        "## Top level\n\n"
        + _table(top.values())
        + "\n`task` must be given: `char` or `tagger`; `name` is by default the task.\n"
    )
    for task in TASKS:
        for section in ("data", "model"):
            cls = section_class(task, section)
            parts.append(
                f"## `{section}:` with `task: {task}`\n\n{cls.__doc__}\n\n{_table(keys(cls).values())}{_note(task, section)}"
            )
    parts.append("### A feature\n\n" + str(Feature.__doc__) + "\n\n" + _table(keys(Feature).values()))
    training = section_class("char", "training")
    parts.append(
        f"## `training:`\n\n{training.__doc__}\n\n{_table(keys(training).values())}{_note('', 'training')}"
    )
    return "\n".join(parts)


def _note(task: str, section: str) -> str:
    note = NOTES.get((task, section), "")
    extra = [feature for feature in RICH_FEATURES if feature not in STANDARD_FEATURES]
    lists = (
        [f"- {_short(feature)}" for feature in STANDARD_FEATURES]
        + ["# rich adds"]
        + [f"- {_short(feature)}" for feature in extra]
    )
    return f"\n{note.replace('{features}', chr(10).join(lists))}\n" if note else ""


def _short(feature: Feature) -> str:
    shown = {
        name: getattr(feature, name)
        for name, key in keys(Feature).items()
        if key.required or getattr(feature, name) != key.default
    }
    return "{" + ", ".join(f"{name}: {value}" for name, value in shown.items()) + "}"


def _table(rows: Any) -> str:
    return "| key | values | default | meaning |\n|---|---|---|---|\n" + "".join(
        f"{line}\n" for line in _rows(rows)
    )


def _rows(rows: Any) -> Iterator[str]:
    for key in rows:
        yield f"| `{key.name}` | {_cell(key.expected)} | {_default(key)} | {_cell(key.meaning)} |"


def _default(key: Key) -> str:
    if key.required or is_section(key.type):
        return "required" if key.required else ""
    return f"`{flow(key.default)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
