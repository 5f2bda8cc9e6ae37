"""Names of other tools: each leads to a key or a value that exists."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqtool.config.hints import key_of_other_tool
from seqtool.config.load import parse_settings
from seqtool.config.other_names import OTHER_KEYS, other_key, other_value, value_names
from seqtool.config.schema import SECTIONS, TASKS, choices, keys, section_class
from seqtool.errors import ConfigError

EXAMPLES = {  # one name of each tool, by the key here
    "training.lr": ("learning_rate", "lr0", "initial_lr", "LEARNING-RATE"),
    "training.window": ("seq_length", "block_size", "bptt", "max_length"),
    "training.clip_norm": ("grad_clip", "clipnorm", "max_grad_norm", "gradient_clip_val"),
    "training.batch_size": ("mini_batch_size", "batch", "per_device_train_batch_size"),
    "training.epochs": ("max_epochs", "num_epochs", "iteration"),
    "training.weight_decay": ("l2", "c2"),
    "model.cell": ("type", "rnn_type", "word_seq_feature"),
    "model.hidden_size": ("rnn_size", "hidden_dim", "nhid"),
    "model.num_layers": ("n_layer", "lstm_layer", "rnn_layers"),
    "model.embedding_dim": ("n_embd", "emsize"),
}


def known_keys() -> dict[str, set[str]]:
    """Return the dotted keys, sections and top-level keys of each task."""
    result = {}
    for task in TASKS:
        dotted = {f"{section}.{key}" for section in SECTIONS for key in keys(section_class(task, section))}
        result[task] = dotted | set(keys(TASKS[task]))
    return result


def test_every_target_exists_and_takes_its_value() -> None:
    known = set().union(*known_keys().values())
    for targets in OTHER_KEYS.values():
        for target in targets:
            key, _, value = target.partition(": ")
            assert key in known
            if value:
                section, name = key.split(".")
                kinds = [keys(section_class(task, section)).get(name) for task in TASKS]
                assert any(kind and value in choices(kind.type) for kind in kinds)


def test_every_name_gives_a_hint_in_every_section_of_a_task_that_has_the_key() -> None:
    for task, known in known_keys().items():
        for name, targets in OTHER_KEYS.items():
            for section in SECTIONS:
                wanted = [
                    one for one in targets if one.partition(":")[0] in known and one != f"{section}.{name}"
                ]
                hint = key_of_other_tool(name, task, (section,))
                assert bool(hint) == bool(wanted)
                assert not hint or wanted[0].rpartition(".")[2] in hint


@pytest.mark.parametrize(("key", "name"), [(key, name) for key, names in EXAMPLES.items() for name in names])
def test_names_of_well_known_tools_lead_to_the_key(key: str, name: str) -> None:
    assert key in other_key(name)
    section, last = key.split(".")
    text = f"task: char\ndata: {{text: x}}\n{section}: {{{name}: 3}}\n"
    with pytest.raises(ConfigError) as caught:
        parse_settings(text, name="c.yaml", folder=Path())
    (problem,) = (one for one in caught.value.problems if one.message.endswith("unknown key"))
    assert problem.hint == f"did you mean {last}?"


def test_values_of_other_tools_are_values_of_a_key() -> None:
    kinds = [
        key.type
        for task in TASKS
        for section in SECTIONS
        for key in keys(section_class(task, section)).values()
    ]
    every = [choices(kind) for kind in kinds]
    for value, name in value_names():
        with_value = [one for one in every if value in one]
        assert with_value, value
        assert all(other_value(name.upper(), one) for one in with_value)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("data.scheme", "BIO", "iob2"),
        ("data.scheme", "BILOU", "bioes"),
        ("model.cell", "Elman", "rnn"),
        ("model.cell", "BiLSTM", "lstm"),
        ("training.device", "gpu", "cuda"),
        ("training.precision", "fp16", "bfloat16"),
        ("training.schedule", "CosineAnnealingLR", "cosine"),
        ("data.format", "conll2003", "conll"),
        ("data.format", "json", "jsonl"),
    ],
)
def test_hint_for_a_value_of_another_tool(key: str, text: str, value: str) -> None:
    config = "task: tagger\ndata: {train: x}\ntraining: {epochs: 1}\n"
    with pytest.raises(ConfigError) as caught:
        parse_settings(config, name="c.yaml", folder=Path(), overrides=[f"{key}={text}"])
    assert caught.value.problems[0].hint == f"did you mean {value}?"
