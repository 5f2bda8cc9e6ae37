"""Models of lines with conditions on the command line: train, sample, score, classify, evaluate."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from seqtool.errors import ModelError
from tests.support.conditional import COUNTS, LETTERS, lines, write_files
from tests.support.shell import Result, copy_examples, in_terminal, seqtool, seqtool_in_process, start


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("languages")
    write_files(folder)
    copy_examples(folder)
    (folder / "plain.yaml").write_text(
        "task: char\nname: plain\ndata: {text: Ana.txt, per_line: true}\n"
        "model: {hidden_size: 5}\ntraining: {epochs: 1, device: cpu}\n"
    )
    return folder


@pytest.fixture(scope="module")
def trained(folder: Path) -> Result:
    assert seqtool_in_process("train-char", "plain.yaml", "--quiet", cwd=folder).code == 0
    return seqtool("train-char", "languages.yaml", cwd=folder)


def run(folder: Path, *arguments: str, text: str | None = None) -> Result:
    model = ["--model", "languages"] if arguments[0] in ("sample", "score") else []
    if text is not None:
        return seqtool(*arguments, *model, cwd=folder, stdin=text)
    return seqtool_in_process(*arguments, *model, cwd=folder)


WITH_MODEL = pytest.mark.usefixtures("trained")


def objects(result: Result) -> list[dict[str, Any]]:
    assert result.code == 0, result.stderr
    return [json.loads(line) for line in result.lines]


def test_training_names_the_conditions_and_samples_under_them(trained: Result) -> None:
    assert trained.code == 0, trained.stderr
    assert "3 conditions (training lines): Ana 48, Kiki 24, Oro 8" in trained.stderr
    assert "condition  3 conditions -> 5" in trained.stderr
    sample = trained.lines[-1].split("\t")[-1]
    assert [part.split(":")[0] for part in sample.split(" · ")] == ["Ana", "Kiki", "Oro"] * 2
    assert "next: seqtool sample" in trained.stderr


@pytest.mark.parametrize("name", LETTERS)
@WITH_MODEL
def test_samples_of_a_condition_have_its_letters(name: str, folder: Path) -> None:
    result = run(folder, "sample", "--condition", name, "--num", "30", "--temperature", "0.7")
    assert result.code == 0 and result.stderr == ""
    letters = Counter("".join(result.lines))
    own = sum(letters[letter] for letter in LETTERS[name] + "e")
    assert len(result.lines) == 30 and own / letters.total() > 0.8


@WITH_MODEL
def test_samples_without_a_condition_draw_one(folder: Path) -> None:
    samples = objects(run(folder, "sample", "--num", "40", "--json"))
    drawn = Counter(sample["condition"] for sample in samples)
    assert set(drawn) == set(LETTERS) and drawn["Ana"] > drawn["Oro"]
    first = samples[0]
    again = run(folder, "sample", "--condition", first["condition"])
    assert again.lines == [first["text"]]
    (best,) = objects(run(folder, "sample", "--prompt", "kit", "--beam", "3", "--json"))
    assert best["condition"] == "Kiki"
    columns = run(folder, "sample", "-t", "0.5,1", "--seed", "3").stdout
    assert "temperature 0.5" in columns and "temperature 1" in columns
    result = run(folder, "sample")
    assert "note: no condition is given: each sample draws one by its probability" in result.stderr


@WITH_MODEL
def test_line_is_scored_under_the_named_condition_or_as_a_mixture(folder: Path) -> None:
    nats = {}
    for name in (*LETTERS, ""):
        options = ["--condition", name] if name else []
        nats[name] = objects(run(folder, "score", "kitki", "--json", *options))[0]["nats_per_char"]
    assert nats["Kiki"] < nats[""] < min(nats["Ana"], nats["Oro"])
    result = run(folder, "score", "--lines", text="kitki\nabna\n")
    assert len(result.lines) == 2 and "scored as a mixture of all conditions" in result.stderr


@WITH_MODEL
def test_classification_prints_the_most_probable_condition_of_each_line(folder: Path) -> None:
    result = run(folder, "score", "--classify", text="kitkit\nabnanb\n\nozror\n")
    assert result.code == 0 and result.stderr == ""
    cells = [line.split("\t") for line in result.lines]
    assert [cell[0] for cell in (cells[0], cells[1], cells[3])] == ["Kiki", "Ana", "Oro"]
    assert [cell[2] for cell in cells] == ["kitkit", "abnanb", "", "ozror"]
    assert cells[2][0] == "Ana"  # an empty line has the most frequent condition
    for value in objects(run(folder, "score", "--classify", "kitkit", "ozror", "--json")):
        assert value["probability"] == max(value["probabilities"].values())
        assert sum(value["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    counts, uniform = (
        objects(run(folder, "score", "--classify", "e", "--json", "--prior", prior))[0]["probabilities"]
        for prior in ("counts", "uniform")
    )
    ratio = {name: counts[name] / uniform[name] for name in LETTERS}
    assert ratio["Ana"] / ratio["Oro"] == pytest.approx(48 / 8, rel=1e-3)
    assert ratio["Ana"] / ratio["Kiki"] == pytest.approx(2, rel=1e-3)


@WITH_MODEL
def test_terminal_shows_aligned_columns(folder: Path) -> None:
    shown = in_terminal("score", "--classify", "kitkit", "--model", "languages", cwd=folder).stdout
    assert "condition  probability  line" in shown and "Kiki" in shown


@WITH_MODEL
def test_evaluation_has_accuracy_macro_f1_and_confusions(folder: Path) -> None:
    (value,) = objects(run(folder, "evaluate", "languages", "--json"))
    scores = value["conditions"]
    assert scores["classified"] == 20 and scores["prior"] == "counts"
    f1 = [label["f1"] for label in scores["labels"].values()]
    assert scores["macro_f1"] == pytest.approx(sum(f1) / 3)
    wrong = sum(confusion["count"] for confusion in scores["confusions"])
    assert scores["accuracy"] == pytest.approx(1 - wrong / 20) and scores["accuracy"] > 0.8
    assert {name: label["support"] for name, label in scores["labels"].items()} == {
        name: count // 5 for name, count in COUNTS.items()
    }
    report = run(folder, "evaluate", "languages").stdout
    for part in ("macro F1", "95 % interval", "prior of the conditions", "condition  precision"):
        assert part in report
    assert "uniform" in run(folder, "evaluate", "languages", "--prior", "uniform").stdout
    stored = json.loads((folder / "runs/languages/evaluation.json").read_text())
    assert stored["val"]["conditions"] == scores


@WITH_MODEL
def test_files_are_evaluated_under_the_conditions_of_their_names(folder: Path) -> None:
    for name, own in lines(seed=5).items():
        (folder / "more").mkdir(exist_ok=True)
        (folder / f"more/{name}.txt").write_text("\r\n".join(own))
    (value,) = objects(run(folder, "evaluate", "languages", "more/Ana.txt", "more/Oro.txt", "--json"))
    assert value["conditions"]["classified"] == 70 and value["conditions"]["accuracy"] > 0.8
    assert list(value["conditions"]["nats"]) == ["Ana", "Oro"]
    (folder / "more/Kika.txt").write_text("ki\n")
    refused = run(folder, "evaluate", "languages", "more/Kika.txt")
    assert refused.code == 2 and "did you mean Kiki?" in refused.stderr
    assert "Kika.txt:1" in refused.stderr


@pytest.mark.parametrize("name", ["table", "prefix"])
def test_model_reads_other_files_like_those_of_training(name: str, folder: Path) -> None:
    assert seqtool_in_process("train-char", f"{name}.yaml", "--quiet", cwd=folder).code == 0
    file = {"table": "table.csv", "prefix": "prefix.tsv"}[name]
    (value,) = objects(run(folder, "evaluate", name, file, "--json"))
    assert value["conditions"]["classified"] == 100 and value["conditions"]["accuracy"] > 0.8


def test_score_on_test_lines_has_a_name_of_its_own(folder: Path) -> None:
    settings = ["--set", "data.test=prefix.tsv", "--set", "training.epochs=1", "--name", "tested"]
    (value,) = objects(seqtool_in_process("train-char", "prefix.yaml", "--json", *settings, cwd=folder))
    stored = json.loads((folder / "runs/tested/evaluation.json").read_text())["test"]["conditions"]
    assert value["scores"]["test_condition_accuracy"] == stored["accuracy"]
    assert "val_accuracy" in value["scores"]  # of the next symbol


def test_check_prints_conditions(folder: Path) -> None:
    result = seqtool_in_process("check", "table.yaml", cwd=folder)
    assert result.code == 0 and "3 conditions (training lines)" in result.stdout


@WITH_MODEL
def test_classes_of_lines_on_a_pipe_are_printed_before_the_next_line_comes(folder: Path) -> None:
    process = start("score", "--classify", "--model", "languages", cwd=folder)
    assert process.stdin is not None and process.stdout is not None
    for line, name in (("kitkit", b"Kiki"), ("ozror", b"Oro")):
        process.stdin.write(f"{line}\n".encode())
        process.stdin.flush()
        assert process.stdout.readline().split(b"\t")[0] == name
    process.stdin.close()
    assert process.wait(60) == 0
    process.stdout.close()
    assert process.stderr is not None
    process.stderr.close()


def test_shipped_config_trains_on_a_few_lines(folder: Path) -> None:
    settings = [
        "data.text=[Ana.txt, Oro.txt]",
        "model.hidden_size=8",
        "training.max_steps=2",
        "training.warmup_steps=0",
        "training.device=cpu",
    ]
    given = [part for setting in settings for part in ("--set", setting)]
    done = seqtool_in_process("train-char", "configs/names_by_language.yaml", *given, cwd=folder)
    assert done.code == 0, done.stderr
    assert "2 conditions (training lines): Ana 5" in done.stderr


def test_data_file_in_place_of_a_config_takes_a_condition(folder: Path) -> None:
    settings = ["data.per_line=true", "data.condition=prefix", "training.max_steps=2", "training.device=cpu"]
    given = [part for setting in settings for part in ("--set", setting)]
    done = seqtool_in_process("train-char", "prefix.tsv", *given, "--name", "of_file", cwd=folder)
    assert done.code == 0, done.stderr
    assert "3 conditions (training lines)" in done.stderr


@pytest.mark.parametrize("name", ["table", "prefix"])
def test_data_file_that_starts_from_a_model_has_its_conditions_in_the_same_place(
    name: str, folder: Path
) -> None:
    assert seqtool_in_process("train-char", f"{name}.yaml", "--quiet", cwd=folder).code == 0
    file = {"table": "more.csv", "prefix": "more.tsv"}[name]
    rows = [("Kiki", "kit"), ("Neo", "nen"), ("Ana", "aba"), ("Neo", "een")] * 30
    table = "word,language\n" + "".join(f"{word},{language}\n" for language, word in rows)
    prefix = "".join(f"{language}\t{word}\n" for language, word in rows)
    (folder / file).write_text(table if name == "table" else prefix)
    more = ["--init-from", name, "--name", f"more_{name}", "--set", "training.max_steps=3"]
    done = seqtool_in_process("train-char", file, *more, cwd=folder)
    assert done.code == 0, done.stderr
    assert "conditions: 3 of the model, 1 new: Neo" in done.stderr
    sampled = seqtool_in_process("sample", "--model", f"more_{name}", "--condition", "Neo", cwd=folder)
    assert sampled.code == 0, sampled.stderr


def test_words_of_lines_can_be_symbols(folder: Path) -> None:
    lines = [f"{name}\tthe {word} is {word}\n" for name, word in (("a", "red"), ("b", "blue"))] * 30
    (folder / "words.tsv").write_text("".join(lines))
    settings = [
        "data.per_line=true",
        "data.condition=prefix",
        "data.unit=word",
        "model.hidden_size=8",
        "training.device=cpu",
        "training.epochs=30",
    ]
    given = [part for setting in settings for part in ("--set", setting)]
    (folder / "words.yaml").write_text("task: char\nname: words\ndata: {text: words.tsv}\n")
    done = seqtool_in_process("train-char", "words.yaml", "--quiet", *given, cwd=folder)
    assert done.code == 0, done.stderr
    result = seqtool(
        "score", "--classify", "--model", "words", cwd=folder, stdin="the blue is blue\nthe red is red\n"
    )
    assert [line.split("\t")[0] for line in result.lines] == ["b", "a"], result.stderr
    (value,) = objects(seqtool_in_process("evaluate", "words", "words.tsv", "--json", cwd=folder))
    assert value["conditions"]["accuracy"] == 1


@WITH_MODEL
def test_inspect_reads_a_text_under_a_condition(folder: Path) -> None:
    walk = run(folder, "inspect", "languages", "--text", "kitkit")
    assert walk.code == 0, walk.stderr
    assert "condition: Kiki (the most probable one; choose another with --condition)" in walk.stderr
    assert "conditions 3: Ana, Kiki, Oro" in walk.stdout
    assert "(batch, time, embedding and condition Kiki)" in walk.stdout
    units = [
        run(folder, "inspect", "languages", "--text", "kitkit", "--units", "h1,surprisal", *more)
        for more in ([], ["--condition", "Kiki"], ["--condition", "Ana"])
    ]
    assert units[0].stdout == units[1].stdout != units[2].stdout and units[1].stderr == ""
    found = run(
        folder, "inspect", "languages", "--find", "regex:k", "--condition", "Kiki", "--text", "kitkitek"
    )
    assert found.code == 0, found.stderr
    states = run(folder, "inspect", "languages", "--states", "states.npz")
    assert states.code == 0 and "condition: Ana" in states.stderr


def test_first_step_in_numbers_has_the_vector_of_the_condition(folder: Path) -> None:
    small = [
        "--set",
        "model.hidden_size=2",
        "--set",
        "model.embedding_dim=3",
        "--set",
        "model.condition_dim=2",
    ]
    command = ["inspect", "languages.yaml", "--text", "kit", "--condition", "Kiki", *small]
    for options in ([], ["--set", "model.input=onehot", "--set", "data.alphabet=abeiknortz"]):
        shown = seqtool_in_process(*command, *options, cwd=folder)
        assert shown.code == 0, shown.stderr
        (line,) = [line for line in shown.lines if line.startswith("  x = ")]
        assert line.partition("]")[0].count(",") == (12 if options else 4)
        gates = [line for line in shown.lines if "W_ih_i x + b_ih_i" in line or "W_hh_i h0" in line]
        numbers = [sum(map(float, part.split("[")[1].split("]")[0].split(","))) for part in gates]
        assert len(numbers) == 2


@WITH_MODEL
def test_report_shows_scores_and_confusions_of_conditions(folder: Path) -> None:
    pytest.importorskip("matplotlib")
    done = run(folder, "report", "languages", "--out", "report.html")
    assert done.code == 0, done.stderr
    page = (folder / "report.html").read_text()
    for part in (
        "lines have the right condition",
        "macro F1 of the conditions",
        "Rows are the right conditions",
        "held-out text, condition Ana",
    ):
        assert part in page


@WITH_MODEL
@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_smaller_copy_keeps_the_conditions(dtype: str, folder: Path) -> None:
    done = run(folder, "export", "languages", "--dtype", dtype, "--json", "--out", f"small-{dtype}")
    (value,) = objects(done)
    assert list(value["scores"]) == ["nats", "accuracy"]
    assert value["scores"]["nats"][1] == pytest.approx(value["scores"]["nats"][0], abs=0.01)
    classified = seqtool_in_process("score", "--classify", "kitkit", "--model", f"small-{dtype}", cwd=folder)
    assert classified.stdout.startswith("Kiki\t")


@WITH_MODEL
def test_python_names_conditions_and_classifies(folder: Path) -> None:
    import seqtool as package

    model = package.load(folder / "runs/languages")
    assert model.conditions == tuple(LETTERS)
    assert [one.name for one in model.classify(["kitkit", "ozror"])] == ["Kiki", "Oro"]
    assert model.score("kit", condition="Kiki").total < model.score("kit").total
    assert model.sample(condition="Oro", seed=1) == "".join(model.stream(condition="Oro", seed=1))
    assert model.beam("ki", width=2)[0].text == model.beam("ki", width=2, condition="Kiki")[0].text
    with pytest.raises(TypeError, match="one string"):
        model.classify("kit")
    plain = package.load(folder / "runs/plain")
    assert plain.conditions == ()
    with pytest.raises(ModelError, match="with conditions"):
        plain.classify(["a"])


def test_names_of_conditions_reach_no_terminal_as_escape_codes(folder: Path) -> None:
    names = ("\x1b[31mred", "\x1b]0;title\x07")
    (folder / "escapes.tsv").write_text("".join(f"{name}\tab\n" for name in names * 4))
    (folder / "escapes.yaml").write_text(
        "task: char\nname: escapes\ndata: {text: escapes.tsv, per_line: true, condition: prefix}\n"
        "model: {hidden_size: 3}\ntraining: {max_steps: 2, device: cpu}\n"
    )
    outputs = [
        seqtool_in_process(*command, cwd=folder)
        for command in (
            ("check", "escapes.yaml"),
            ("train-char", "escapes.yaml"),
            ("evaluate", "escapes", "escapes.tsv"),
            ("inspect", "escapes", "--text", "ab"),
            ("sample", "--model", "escapes", "--condition", "re"),
            ("train-char", "escapes.yaml", "--set", "data.test=prefix.tsv", "--name", "other"),
        )
    ]
    assert [output.code for output in outputs] == [0, 0, 0, 0, 2, 2]
    for output in outputs:
        assert "\x1b" not in output.stderr and "\x07" not in output.stderr
    for output in (*outputs[:1], *outputs[2:]):
        assert "\x1b" not in output.stdout and "\x07" not in output.stdout


REFUSED = {
    "sample --condition Kika --model languages": "did you mean Kiki?",
    "score --condition nothing --model languages a": "the conditions are: Ana, Kiki, Oro",
    "sample --condition Ana --model plain": "this one has none",
    "score --classify --model plain a": "--classify needs a model of lines with conditions",
    "score --classify --lines --model languages a": "--classify does not go with --lines",
    "score --classify --symbols --model languages a": "--classify does not go with --symbols",
    "score --classify --condition Ana --model languages a": "does not go with --condition",
    "score --prior uniform --model languages a": "--prior is for --classify",
    "inspect languages --text a --condition Anna": "did you mean Ana?",
    "inspect plain --text a --condition Ana": "this one has none",
    "inspect configs/toy_tagger.yaml --text a --condition Ana": "--condition is for character models",
    "evaluate plain --prior uniform": "--prior is for models of lines with conditions",
    "score --classify --model languages aß": "symbol 'ß'",
    "train-char languages.yaml --set data.per_line=false": "data.condition: is for lines",
    "train-char languages.yaml --set data.per_line=false --set data.condition=none --set data.unique=true": (
        "data.unique: is for lines"
    ),
    "train-char languages.yaml --set data.separator=;": "no effect without data.condition: prefix",
    "train-char languages.yaml --set data.text_column=1": "no effect without data.condition: column",
    "train-char table.yaml --set data.text_column=language": "is the column of the conditions, too",
    "train-char table.yaml --set data.separator='ab'": "one character between cells",
    "train-char plain.yaml --set model.condition_dim=3": "no effect without data.condition",
    "train-char table.yaml --set data.condition=csv": "did you mean column?",
    "train-char table.yaml --set data.condition=columns": "did you mean column?",
    "train-char configs/hihell.yaml --set data.condition=file": "needs data.text, which is not given",
}


@pytest.mark.parametrize("command", REFUSED)
@WITH_MODEL
def test_wrong_use_is_refused_with_a_hint(command: str, folder: Path) -> None:
    result = seqtool_in_process(*command.split(), cwd=folder)
    assert result.code == 2 and result.stdout == ""
    assert REFUSED[command] in result.stderr, result.stderr
