"""`sample`: beam search, several prompts and temperatures, the dialog, options that exclude each other."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from seqtool.inference.character import CharacterModel
from seqtool.inference.load import load_character_model
from seqtool.storage.model_directory import read_model
from tests.support.shell import (
    Result,
    in_terminal,
    on_terminal_in_process,
    seqtool,
    seqtool_in_process,
    start,
)
from tests.support.stored_models import store_character_model


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a folder with runs of every kind."""
    folder = tmp_path_factory.mktemp("choices")
    store_character_model(folder / "runs/lines", kind="lines")
    store_character_model(folder / "runs/wide", symbols="\n aあbい")
    store_character_model(folder / "runs/bytes", symbols="".join(map(chr, range(256))), unit="byte")
    store_character_model(folder / "runs/text")
    (folder / "prompts.txt").write_text("ab\n\ncd")
    return folder


def model(here: Path, name: str = "text") -> CharacterModel:
    return load_character_model(read_model(here / "runs" / name / "model"))


def sample(here: Path, *arguments: str | Path, name: str = "text", stdin: str | None = None) -> Result:
    given = ("sample", "--model", name, *arguments)
    return seqtool_in_process(*given, cwd=here) if stdin is None else seqtool(*given, cwd=here, stdin=stdin)


def text_of(here: Path, prompt: str, length: int, name: str = "text", **options: float) -> str:
    return "".join(model(here, name).sample(prompt, length, **options))  # type: ignore[arg-type]


# --- choice of symbols --------------------------------------------------------------------------------------


def test_min_p_and_repetition_penalty_are_those_of_the_model(here: Path) -> None:
    options: dict[str, Any] = {"temperature": 0.9, "min_p": 0.3, "repetition_penalty": 1.7}
    given = ("-t", "0.9", "--min-p", "0.3", "--repetition-penalty", "1.7")
    expected = text_of(here, "a", 50, **options)
    assert expected != text_of(here, "a", 50, temperature=0.9)
    assert sample(here, "-p", "a", "-l", "50", *given).stdout == f"a{expected}\n"


def test_beam_prints_its_best_texts(here: Path) -> None:
    found = model(here).beam("ab", 12, width=4, length_norm=0.6, stop="e")
    given = ("-p", "ab", "-l", "12", "--beam", "4", "--length-norm", "0.6", "--stop", "e", "--num", "3")
    done = sample(here, *given)
    assert done.stdout == "---\n".join(f"ab{one.text}".removesuffix("\n") + "\n" for one in found[:3])
    objects = [json.loads(line) for line in sample(here, *given, "--json").lines]
    for one, value in zip(found, objects, strict=False):
        assert value.keys() == {"version", "prompt", "text", "log_probability", "score", "symbols"}
        assert (value["prompt"], value["text"], value["symbols"]) == ("ab", one.text, one.symbols)
        assert value["score"] == pytest.approx(one.log_probability / one.symbols**0.6, abs=1e-5)
    assert len(objects) == 3


def test_beam_of_a_model_of_lines_ends_at_the_end_of_the_line(here: Path) -> None:
    lines = sample(here, "--beam", "5", "--num", "5", "-l", "30", name="lines").lines
    assert lines == [one.text for one in model(here, "lines").beam("", 30, width=5)]


# --- prompts and temperatures -------------------------------------------------------------------------------


def test_each_line_of_a_prompt_file_gets_its_samples(here: Path) -> None:
    seeds = iter(range(5, 11))
    texts = [
        prompt + text_of(here, prompt, 4, seed=next(seeds)) for prompt in ("ab", "", "cd") for _ in range(2)
    ]
    given = ("--prompts", "prompts.txt", "-l", "4", "-n", "2", "--seed", "5")
    assert sample(here, *given).stdout == "---\n".join(f"{text}".removesuffix("\n") + "\n" for text in texts)
    objects = [json.loads(line) for line in sample(here, *given, "--json").lines]
    assert [one["prompt"] for one in objects] == ["ab", "ab", "", "", "cd", "cd"]
    assert [one["prompt"] + one["text"] for one in objects] == texts
    assert sample(here, "--prompts", "-", "-l", "4", "-n", "2", "--seed", "5", stdin="ab\n\ncd\n").stdout == (
        sample(here, *given).stdout
    )


def test_unknown_symbol_of_a_prompt_file_has_its_line(here: Path) -> None:
    (here / "wrong.txt").write_text("ab\na§\n")
    done = sample(here, "--prompts", "wrong.txt")
    assert (done.code, done.stdout) == (2, "")
    assert "wrong.txt:2:2  symbol '§'" in done.stderr
    assert sample(here, "--prompts", "wrong.txt", "-l", "0", "--unknown", "skip").stdout == "ab\n---\na\n"
    (here / "empty.txt").write_text("")
    assert sample(here, "--prompts", "empty.txt").code == 2
    assert sample(here, "--prompts", "missing.txt").code == 2


@pytest.mark.parametrize("name", ["text", "wide", "bytes"])
@pytest.mark.parametrize("columns", [60, 100])
def test_temperatures_stand_side_by_side(here: Path, name: str, columns: int) -> None:
    temperatures = (0.5, 1.0, 2.0)
    given = ("sample", "-m", name, "-p", "a", "-l", "150", "-t", "0.5,1,2")
    shown = on_terminal_in_process(*given, cwd=here, columns=columns)
    assert shown.code == 0, shown.stderr
    header, *rows = shown.stdout.splitlines()
    assert header.split(" | ")[0].strip() == "temperature 0.5"
    if name == "text":
        cells = [[cell.strip() for cell in (*re.split(r" [|](?: |$)", row), "", "")[:3]] for row in rows]
        for number, temperature in enumerate(temperatures):
            text = "".join(("a" + text_of(here, "a", 150, temperature=temperature)).split())
            assert "".join("".join(row[number] for row in cells).split()) == text
    from seqtool.reports.formatting import cell_width

    assert max(map(cell_width, shown.stdout.splitlines())) <= columns
    if name == "wide":
        assert {row.index("|") for row in map(_cells, rows) if "|" in row} == {(columns - 6) // 3 + 1}


def _cells(row: str) -> str:
    """Return a row with one character for each terminal column."""
    from seqtool.reports.formatting import cell_width

    return "".join(character * cell_width(character) for character in row)


def test_temperatures_as_json_are_one_object_each(here: Path) -> None:
    done = sample(here, "-t", "0.5,2", "-n", "2", "-l", "5", "--json")
    objects = [json.loads(line) for line in done.lines]
    assert [(one["seed"], one["temperature"]) for one in objects] == [(0, 0.5), (0, 2), (1, 0.5), (1, 2)]
    assert objects[3]["text"] == text_of(here, "", 5, temperature=2, seed=1)


def test_columns_end_with_a_closed_pipe(here: Path) -> None:
    process = start("sample", "-m", "text", "-l", "1000000", "-t", "0.5,1", cwd=here)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


def test_too_many_columns_are_refused(here: Path) -> None:
    done = sample(here, "-t", ",".join("1" * 30))
    assert (done.code, done.stdout) == (2, "") and "do not fit" in done.stderr


# --- dialog -------------------------------------------------------------------------------------------------


def candidates(here: Path, prompt: str, first: int, number: int = 3, length: int = 80) -> list[str]:
    return [text_of(here, prompt, length, seed=seed) for seed in range(first, first + number)]


def test_dialog_from_a_pipe_takes_adds_and_undoes(here: Path) -> None:
    done = sample(here, "-i", "-p", "ab", "-l", "6", stdin="2\nc\\nd\n/undo\n\n1\n")
    text = "ab" + candidates(here, "ab", 0, length=6)[1]
    # added, undone (seeds 6 to 8 and 9 to 11), and other candidates (12 to 14)
    text += candidates(here, text, 12, length=6)[0]
    assert done.code == 0
    assert done.stdout == text.removesuffix("\n") + "\n"
    assert "there is" not in done.stderr and "not added" not in done.stderr


def test_dialog_shows_candidates_of_the_model_on_stderr(here: Path) -> None:
    done = sample(here, "-i", "-n", "2", "-l", "5", "--no-echo", "-p", "a", stdin="")
    shown = [line.split("  ", 2)[-1] for line in done.stderr.splitlines() if line[2:3] in ("1", "2")]
    assert shown == [text.replace("\n", "␊") for text in candidates(here, "a", 0, 2, length=5)]
    assert done.stdout == "\n"


def test_dialog_refuses_what_it_does_not_understand(here: Path) -> None:
    done = sample(here, "-i", "-l", "3", stdin="9\n/undo\n/what\n§\n+1\n+b\n+ c\n/help\n/quit\nignored\n")
    assert done.code == 0
    assert done.stdout == "b c\n"
    for said in ("no candidate 9", "nothing to undo", "no command /what", "symbol '§'", "symbol '1'"):
        assert said in done.stderr
    skipped = sample(here, "-i", "-l", "3", "--unknown", "skip", stdin="a§b\n")
    assert skipped.stdout == "ab\n"


def test_dialog_offers_the_texts_of_a_beam(here: Path) -> None:
    done = sample(here, "-i", "--beam", "2", "-l", "4", "-p", "a", stdin="2\n")
    assert done.stdout.rstrip("\n") == ("a" + model(here).beam("a", 4, width=2)[1].text).rstrip("\n")


def test_dialog_works_in_a_terminal(here: Path) -> None:
    done = in_terminal(
        "sample", "-m", "text", "-i", "-l", "8", "-p", "ab", cwd=here, keys="1\nc\n/undo\n/quit\n"
    )
    assert done.code == 0
    text = "ab" + candidates(here, "ab", 0, length=8)[0]
    assert done.stdout.replace("\r\n", "\n").rstrip("\n").endswith("> " + text.rstrip("\n"))
    end = in_terminal("sample", "-m", "text", "-i", "-l", "8", "-p", "ab", cwd=here, keys="\x04")
    assert end.code == 0 and "ab" in end.stdout


# --- options that exclude each other ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--beam", "2", "-t", "0.5"), "--temperature"),
        (("--beam", "2", "--top-k", "3"), "--top-k"),
        (("--beam", "2", "--top-p", "0.3"), "--top-p"),
        (("--beam", "2", "--min-p", "0.3"), "--min-p"),
        (("--beam", "2", "--repetition-penalty", "2"), "--repetition-penalty"),
        (("--beam", "2", "--seed", "0"), "--seed"),
        (("--beam", "2", "--num", "3"), "--num"),
        (("--beam", "2", "--length-norm", "-1"), "length-norm"),
        (("--beam", "0"), "beam"),
        (("--length-norm", "1"), "--beam"),
        (("--prompts", "a", "--prompt", "b"), "--prompts"),
        (("--prompts", "a", "--prompt-file", "b"), "--prompts"),
        (("-i", "--prompts", "prompts.txt"), "--prompts"),
        (("-i", "--json"), "--json"),
        (("-i", "-t", "0.5,1"), "--temperature"),
        (("-i", "--prompt-file", "-"), "--prompt-file"),
        (("-i", "--beam", "2", "-n", "3"), "--num"),
        (("-t", "warm"), "--temperature"),
        (("-t", "0.5,"), "--temperature"),
        (("-t", "0.5,-1"), "temperature"),
        (("--min-p", "0"), "min-p"),
        (("--repetition-penalty", "0"), "repetition-penalty"),
        (("--repetition-penalty", "nan"), "repetition-penalty"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_options_without_effect_or_sense_exit_2(here: Path, arguments: tuple[str, ...], said: str) -> None:
    done = sample(here, *arguments)
    assert (done.code, done.stdout) == (2, "")
    assert said in done.stderr and "Traceback" not in done.stderr
