"""`sample`: prompts, options, output and errors."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest

from seqtool.api.model import Model
from seqtool.inference.character import LENGTH, CharacterModel
from seqtool.inference.load import load_character_model
from seqtool.storage import ownership
from seqtool.storage.model_directory import read_model
from tests.support.shell import Result, in_terminal, seqtool, seqtool_in_process, start
from tests.support.stored_models import store_character_model, store_tagger


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a folder with runs of every kind."""
    folder = tmp_path_factory.mktemp("sample")
    store_character_model(folder / "runs/lines", kind="lines")
    store_character_model(folder / "runs/pairs", kind="pairs")
    store_character_model(folder / "runs/bytes", symbols="".join(map(chr, range(256))), unit="byte")
    store_tagger(folder / "runs/tagger")
    store_character_model(folder / "runs/text")
    return folder


def model(here: Path, name: str = "text") -> CharacterModel:
    return load_character_model(read_model(here / "runs" / name / "model"))


def sample(here: Path, *arguments: str | Path, name: str = "text", stdin: str | None = None) -> Result:
    given = ("sample", "--model", name, *arguments)
    return seqtool_in_process(*given, cwd=here) if stdin is None else seqtool(*given, cwd=here, stdin=stdin)


def test_sample_prints_prompt_and_text_of_the_model(here: Path) -> None:
    expected = "".join(model(here).sample("abc", 40, temperature=0.7, top_k=5, top_p=0.9, seed=3))
    given = ("--length", "40", "--temperature", "0.7", "--top-k", "5", "--top-p", "0.9", "--seed", "3")
    assert sample(here, "--prompt", "abc", *given).stdout == f"abc{expected}\n"
    assert sample(here, "--prompt", "abc", "--no-echo", *given).stdout == f"{expected}\n"


def test_newest_text_model_is_used_and_named(here: Path) -> None:
    done = seqtool_in_process("sample", "--length", "5", cwd=here)
    assert done.code == 0
    assert done.stderr == "model: runs/text (the newest)\n"
    assert done.stdout.removesuffix("\n") == "".join(model(here).sample("", 5)).removesuffix("\n")


def test_prompt_of_a_file_or_pipe_is_read_whole(here: Path) -> None:
    (here / "prompt.txt").write_text("ab\ncd\n")
    expected = "ab\ncd\n" + "".join(model(here).sample("ab\ncd\n", 8)) + "\n"
    assert sample(here, "--prompt-file", here / "prompt.txt", "--length", "8").stdout == expected
    assert sample(here, "--prompt-file", "-", "--length", "8", stdin="ab\ncd\n").stdout == expected
    (here / "line.txt").write_text("ab\n")
    assert sample(here, "--prompt-file", here / "line.txt", name="lines").stdout.startswith("ab")


def test_several_samples_are_separated_and_reproducible(here: Path) -> None:
    texts = ["".join(model(here).sample("a", 6, seed=seed)) for seed in (7, 8, 9)]
    several = sample(here, "--prompt", "a", "--length", "6", "--seed", "7", "--num", "3").stdout
    assert several == "---\n".join(f"a{text}".removesuffix("\n") + "\n" for text in texts)
    lines = sample(here, "--num", "3", name="lines").lines
    assert len(lines) == 3


def test_json_contains_prompt_text_seed_and_log_probability(here: Path) -> None:
    done = sample(here, "--prompt", "ab", "--length", "9", "--num", "2", "--json")
    objects = [json.loads(line) for line in done.lines]
    assert [one["seed"] for one in objects] == [0, 1]
    for one in objects:
        assert one.keys() == {"version", "prompt", "text", "seed", "temperature", "log_probability"}
        assert one["prompt"] == "ab"
        assert one["log_probability"] == pytest.approx(-model(here).score(one["text"], "ab").total, abs=1e-4)


def test_stop_ends_the_text_before_it(here: Path) -> None:
    free = sample(here, "--prompt", "a", "--no-echo", "--length", "200").stdout
    stop = free[10:12]
    assert (
        sample(here, "--prompt", "a", "--no-echo", "--length", "200", "--stop", stop).stdout
        == free[: free.index(stop)] + "\n"
    )


def test_unknown_symbol_of_a_prompt_is_named_or_skipped(here: Path) -> None:
    wrong = sample(here, "--prompt", "ab\nc§d", "--length", "4")
    assert (wrong.code, wrong.stdout) == (2, "")
    assert "--prompt:2:2  symbol '§' (U+00A7) is not in the alphabet" in wrong.stderr
    assert "--unknown skip" in wrong.stderr
    skipped = sample(here, "--prompt", "ab\nc§d", "--length", "4", "--unknown", "skip")
    assert skipped.code == 0
    assert skipped.stdout == "ab\ncd" + "".join(model(here).sample("ab\ncd", 4)).removesuffix("\n") + "\n"
    assert "§" in skipped.stderr


def test_byte_model_prints_text(here: Path) -> None:
    expected = "".join(model(here, "bytes").sample("é", 60))
    expected = expected.encode("utf-8", "surrogateescape").decode("utf-8", "replace")  # as the helper
    assert sample(here, "--prompt", "é", "--length", "60", "--no-echo", name="bytes").stdout.rstrip(
        "\n"
    ) == expected.rstrip("\n")


def test_other_models_are_refused_with_their_commands(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aligned = sample(here, name="pairs")
    assert aligned.code == 2 and "seqtool predict" in aligned.stderr
    tagger = sample(here, name="tagger")
    assert tagger.code == 2 and "seqtool tag" in tagger.stderr
    monkeypatch.setattr(ownership, "PRETRAINED", tmp_path / "nothing")
    store_character_model(tmp_path / "runs/only", kind="pairs")
    none = seqtool_in_process("sample", cwd=tmp_path)
    assert none.code == 2 and "train-char" in none.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--temperature", "-1"), "temperature"),
        (("--top-p", "1.5"), "top-p"),
        (("--top-k", "0"), "top-k"),
        (("--length", "-1"), "length"),
        (("--prompt", "a", "--prompt-file", "x"), "--prompt-file"),
        (("--prompt-file", "missing.txt"), "missing.txt"),
        (("--promt", "a"), "--prompt"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_wrong_arguments_exit_2_and_are_named(here: Path, arguments: tuple[str, ...], said: str) -> None:
    done = sample(here, *arguments)
    assert (done.code, done.stdout) == (2, "")
    assert said in done.stderr and "Traceback" not in done.stderr


def test_terminal_gets_text_immediately_without_control_characters(tmp_path: Path) -> None:
    store_character_model(tmp_path / "runs/escape", symbols="a\n\x1b")
    done = in_terminal("sample", "--prompt", "a", "--length", "60", cwd=tmp_path)
    assert done.code == 0
    assert "\x1b" not in done.stdout and "␛" in done.stdout


def test_closed_pipe_ends_sample_silently(here: Path) -> None:
    process = start("sample", "--model", "text", "--length", "1000000", cwd=here)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


def test_command_and_api_have_the_same_default_length() -> None:
    from seqtool.cli import sample_options

    assert sample_options.LENGTH == LENGTH == inspect.signature(Model.sample).parameters["length"].default
