"""Hints for wrong command lines: options, commands and arguments that users of other tools try.

The parser does not know what the user wanted. `usage_hint` finds a command line that does it.
This module is imported only after such an error.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

# The command line that does what a user expects of a command, and names of such a command.
_COMMANDS = {
    "seqtool train-char TEXT, or seqtool train-tagger SENTENCES": "train fit learn teach run start",
    "seqtool train-char TEXT --resume": "resume continue restart",
    "seqtool sample": "generate gen complete completion write speak decode prompt chat sampling infer",
    "seqtool tag": "label annotate ner pos tagger parse analyze analyse apply classify pipe process tags nlp",
    "seqtool evaluate MODEL": "eval test validate accuracy benchmark metrics validation conlleval",
    "seqtool score TEXT": "perplexity ppl loss logprob likelihood surprisal probability nll bpc",
    "seqtool init --example hihell": "example examples demo quickstart tutorial download",
    "seqtool init char TEXT, or seqtool init tagger SENTENCES": "new create init-config template setup "
    "config-init",
    "seqtool runs": "list ls models history status log logs",
    "seqtool runs rm RUN": "rm remove delete clean del purge",
    "seqtool runs compare RUN OTHER": "diff compare vs",
    "seqtool inspect MODEL": "show info describe view summary explain visualize visualise trace print states",
    "seqtool sweep CONFIG --space SPACE": "tune search hyperopt optuna optimize grid hpo",
    "seqtool export MODEL --to onnx": "convert onnx save quantize compile package",
    "seqtool check DATA": "lint stats verify data debug doctor debug-data dry-run",
    "seqtool report RUN": "html plot dashboard page visual graph",
    "seqtool schema": "json-schema keys",
    "seqtool --help": "help usage commands man",
    "seqtool --version": "version ver",
}
_SUBCOMMANDS = {
    "seqtool runs": {"seqtool runs": "list ls show", "seqtool runs rm RUN": "delete remove del clean purge"}
    | {"seqtool runs compare RUN OTHER": "diff vs"},
    "seqtool config": {
        "seqtool config show CONFIG": "print list get view",
        "seqtool config diff A B": "compare vs",
    }
    | {"seqtool check CONFIG": "check validate lint", "seqtool init": "new create init write"},
}
# An option, and names of such an option. Names of training settings are in `config.other_names`.
_OPTIONS = {
    "--prompt": "start start-text start-string prime primetext prefix seed-text text input context begin "
    "message",
    "--length": "max-length max-tokens max-new-tokens num-chars n-chars chars tokens size max-len "
    "num-tokens n",
    "--temperature": "temp diversity sampling-temperature",
    "--num": "num-samples samples count number n-samples num-return-sequences repeat",
    "--top-k": "topk k",
    "--top-p": "topp nucleus",
    "--min-p": "minp",
    "--beam": "num-beams beams beam-size beam-width beam-search n-best nbest",
    "--length-norm": "length-penalty length-normalization alpha",
    "--repetition-penalty": "repeat-penalty frequency-penalty presence-penalty rep-penalty no-repeat",
    "--prompts": "prompts-file batch batch-file",
    "--interactive": "repl chat loop",
    "--stop": "end eos until stop-at terminator end-of-text",
    "--model": "checkpoint ckpt weights model-path model-dir load run init-from snapshot model-file",
    "--file": "input input-file in text-file data file-name from-file path files data-file corpus",
    "--format": "output-format to as style",
    "--input-format": "informat in-format from",
    "--out": "output output-file o save-to to-file dest",
    "--jobs": "workers processes threads num-workers parallel n-jobs procs",
    "--json": "as-json json-output output-json",
    "--dev": "val valid validation dev-file val-file validation-file valid-file",
    "--test": "test-file eval-file",
    "--runs-dir": "output-dir out-dir save-dir model-dir log-dir output runs base-path o",
    "--quiet": "silent verbose-off no-progress s",
    "--plain": "no-color no-progress no-bar no-live",
    "--overwrite": "force replace f",
    "--device": "gpu cuda cpu use-gpu use-cuda no-cuda gpuid gpu-id",
    "--resume": "continue restore resume-from",
    "--seed": "random-seed manual-seed rng",
    "--seeds": "repeats num-runs runs",
    "--probs": "probabilities scores confidence proba scores-only",
    "--nbest": "n-best beam top k",
    "--unknown": "ignore-unknown skip-unknown oov",
    "--text": "sentence prompt input string",
    "--lines": "per-line by-line",
    "--symbols": "per-char chars per-symbol",
    "--set": "override config-override overrides param",
    "--trials": "n-trials num-trials",
    "--yes": "force no-confirm",
}
TEXT_NAMES = ("text", "prompt", "sentence", "string")  # options of other commands; an argument here


def usage_message(message: str) -> str:
    """Return a message of the parser as other messages are written.

    >>> usage_message("Got unexpected extra argument(s) (b.txt).")
    'unexpected argument: b.txt'
    """
    extra = re.fullmatch(r"Got unexpected extra argument(?:\(s\)|s)? \((.*)\)\.?", message, re.DOTALL)
    return f"unexpected argument: {extra[1]}" if extra else message.rstrip(".")


def usage_hint(error: Any) -> str:
    """Return what to write instead of a command line that the parser refuses, else the command's help.

    Args:
        error: exception of the parser. Its context has the arguments, see `cli.help`.
    """
    context = getattr(error, "ctx", None)
    if context is None:
        return "see seqtool --help"
    path, arguments = context.command_path, list(context.meta.get("arguments", ()))
    hint = ""
    if hasattr(error, "option_name") and error.option_name not in option_names(context.command):
        hint = _for_option(error.option_name, context, arguments)
    elif getattr(context.command, "commands", None) and arguments:
        hint = _for_command(path, arguments[0])
    elif extra := _extra_arguments(context, arguments):
        hint = _for_extra(context, arguments, extra)
    return hint or f"see {path} --help"


# --- commands -----------------------------------------------------------------------------------------------


def _for_command(path: str, name: str) -> str:
    """Return a command line for a command that does not exist, or for a file in its place."""
    table = _COMMANDS if path == "seqtool" else _SUBCOMMANDS.get(path, {})
    word = name.lower().replace("_", "-").strip("-")
    lines = [line for line, names in table.items() if word in names.split()]
    if not lines and path == "seqtool" and Path(name).suffix and Path(name).is_file():
        from seqtool.init.config import task_of_ending

        return f"to train on this file: seqtool train-{task_of_ending(Path(name))} {shlex.quote(name)}"
    return f"use: {lines[0]}" if lines else ""


# --- options ------------------------------------------------------------------------------------------------


def _for_option(name: str, context: Any, arguments: Sequence[str]) -> str:
    """Return the option or the setting that an unknown option means."""
    word, own = name.lstrip("-").lower().replace("_", "-"), option_names(context.command)
    named = [option for option, names in _OPTIONS.items() if option in own and word in names.split()]
    same = f"--{word}"
    if word in TEXT_NAMES and any(param.metavar == "[TEXT]..." for param in context.command.params):
        return f"a text needs no option: {context.command_path} {_value(name, arguments, 'TEXT')}"
    if same in own:
        named.insert(0, same)
    if named:
        return f"did you mean {named[0]}?"
    if "--set" in own and (key := _setting(word, context.info_name)):
        return f"write --set {key}={_value(name, arguments)}"
    near = get_close_matches(same, sorted(own), n=1, cutoff=0.75)
    if near:
        return f"did you mean {near[0]}?"
    others = [command for command, options in _options_of_all(context) if same in options]
    listed = " and ".join([", ".join(others[:3][:-1]), others[:3][-1]] if len(others) > 1 else others)
    return f"{same} is an option of {listed}; see {context.command_path} --help" if others else ""


def _setting(word: str, command: str) -> str:
    """Return the dotted key of a setting by its name here, its name in other tools, or a similar name."""
    from seqtool.cli.options import config_keys
    from seqtool.config.other_names import other_key

    tasks = {"train-char": ("val", "text", "pairs"), "train-tagger": ("dev", "train", "columns")}
    foreign = tasks["train-tagger" if command == "train-char" else "train-char"] if command in tasks else ()
    keys = {key: key.rpartition(".")[2] for key in config_keys()}
    name = word.replace("-", "_")
    same = [key for key, last in keys.items() if name == last]
    other = [key for key in other_key(name) if key in keys and keys[key] not in foreign]
    near = get_close_matches(name, keys.values(), n=1, cutoff=0.8)
    return (same or other or [key for key, last in keys.items() if last in near] or [""])[0]


def _value(name: str, arguments: Sequence[str], default: str = "VALUE") -> str:
    """Return the value that the user gave with an option, or the default."""
    for argument, after in zip(arguments, [*arguments[1:], "-"], strict=True):
        if argument == name and not after.startswith("-"):
            return shlex.quote(after)
        if argument.startswith(f"{name}="):
            return shlex.quote(argument.partition("=")[2])
    return default


def option_names(command: Any) -> set[str]:
    """Return the names of the options of a command."""
    named = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    return {name for name in named if name.startswith("-")} | {"--help", "-h"}


def _options_of_all(context: Any) -> Iterator[tuple[str, set[str]]]:
    root = context.find_root()
    for name in root.command.list_commands(root):
        yield f"seqtool {name}", option_names(root.command.get_command(root, name))


# --- arguments ----------------------------------------------------------------------------------------------


def _extra_arguments(context: Any, arguments: list[str]) -> list[str]:
    """Return the arguments that no parameter of the command takes."""
    try:
        values, rest, order = context.command.make_parser(context).parse_args(args=list(arguments))
    except Exception:  # the error is another one
        return []
    del values, order
    return [argument for argument in rest if argument]


def _for_extra(context: Any, arguments: Sequence[str], extra: list[str]) -> str:
    """Return where arguments belong that the command does not take."""
    own, name = option_names(context.command), context.info_name
    quoted = [shlex.quote(argument) for argument in extra]
    files = [argument for argument in extra if Path(argument).is_file()]
    if name in ("train-char", "train-tagger", "check"):
        return _for_training_files(name, context.command_path, arguments, extra)
    if files and "--file" in own:
        return "files are read with --file: " + " ".join(f"--file {shlex.quote(file)}" for file in files)
    for option in ("--prompt", "--text"):
        if option in own:
            kept = [shlex.quote(argument) for argument in arguments if argument not in extra]
            line = " ".join([context.command_path, *kept, option, shlex.quote(" ".join(extra))])
            return f"a text is given with {option}: {line}"
    if files and "--data" in own:
        return f"data are given with --data: --data {quoted[0]}"
    return ""


def _for_training_files(name: str, path: str, arguments: Sequence[str], extra: list[str]) -> str:
    """Return how to train on several files."""
    first = next((argument for argument in arguments if not argument.startswith("-")), extra[0])
    if first.endswith((".yaml", ".yml")):
        return "a run has one config; change keys of it with --set KEY=VALUE"
    is_text = name == "train-char" or (name == "check" and Path(first).suffix in (".txt", ""))
    files = ", ".join([first, *(one for one in extra if one != first)])
    key = "data.text" if is_text else "data.train"
    several = f"to train on all files: {path} {shlex.quote(first)} --set {shlex.quote(f'{key}=[{files}]')}"
    if is_text:
        return several
    return f"development files: {path} {shlex.quote(first)} --dev {shlex.quote(extra[-1])}; {several}"
