"""Output of `inspect` on a terminal: hidden units, label probabilities, and mistakes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from seqtool.settings.model import CharModel, Feature
from seqtool.settings.model import TaggerModel as TaggerSettings
from seqtool.storage.model_directory import write_model
from tests.support.random_models import character_parts, tagger_parts
from tests.support.shell import in_terminal

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("inspect")
    model = CharModel(hidden_size=12, embedding_dim=4)
    write_model(root / "runs/char/model", *character_parts(model, "\n abcdefgh\x1bAB(<>)"), {"kind": "text"})
    settings = TaggerSettings(features=(Feature(name="form", dim=4),), hidden_size=5, decoder="crf")
    write_model(root / "runs/tagger/model", *tagger_parts(settings), {"kind": "tagger"})
    return root


@pytest.mark.parametrize("color", [True, False], ids=["color", "NO_COLOR"])
@pytest.mark.parametrize("columns", [80, 200])
def test_units_are_colored_rows_within_the_width_of_the_terminal(
    runs: Path, columns: int, color: bool
) -> None:
    text = "abc (def) A<b>\x1bgh " * 12
    arguments = ("inspect", "char", "--text", text, "--find", "brackets", "--units", "c,surprisal")
    result = in_terminal(*arguments, cwd=runs, columns=columns, **({} if color else {"NO_COLOR": "1"}))  # type: ignore[arg-type]
    assert result.code == 0
    assert ("48;2;" in result.stdout or "48;5;" in result.stdout) == color
    assert ("▁" in result.stdout) != color
    lines = ESCAPE.sub("", result.stdout).replace("\r", "").splitlines()
    assert max(map(len, lines)) <= columns and "\x1b" not in "".join(lines) and "␛" in "".join(lines)
    assert any(re.fullmatch(r" +[0-9.]+ bits, [0-9.]+ per symbol", line) for line in lines)
    assert lines[0] == "units that follow brackets, by correlation over 216 symbols" and "  1  c" in lines[1]


@pytest.mark.parametrize("columns", [80, 200])
def test_label_probabilities_fit_the_width_of_the_terminal(runs: Path, columns: int) -> None:
    result = in_terminal(
        "inspect", "tagger", "--text", "The dog ate \x1b[31m the apple", cwd=runs, columns=columns
    )
    lines = ESCAPE.sub("", result.stdout).replace("\r", "").splitlines()
    assert result.code == 0 and "48;" in result.stdout
    strip = lines.index(next(line for line in lines if line.startswith("probability")))
    assert len(lines[strip]) <= columns and lines[strip + 4].startswith("␛[31m")
    assert any(line.startswith("what each label loses") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("char", "--text", "abc", "--units", "q9"), "an lstm has no 'q'"),
        (("char", "--text", "abc", "--find", "qoutes"), "there is no such pattern"),
        (("char", "--units", "h1"), "there is no text"),
        (("tagger", "--text", "a b", "--units", "surprisal"), "are for character models"),
        (("tagger", "--states", "x.npz"), "one sentence, found 0"),
        (("char", "--text", "abc", "--states", "no/where.npz"), "no"),
    ],
)
def test_mistake_ends_with_one_error_and_writes_nothing(
    runs: Path, arguments: tuple[str, ...], part: str
) -> None:
    result = in_terminal("inspect", *arguments, cwd=runs)
    assert result.code == 2 and part in result.stdout and "Traceback" not in result.stdout
    assert [path.name for path in runs.iterdir()] == ["runs"]
