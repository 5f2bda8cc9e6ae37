"""A trained model with a tokenizer and a tagger: evaluation of raw text and of gold tokens."""

from __future__ import annotations

import html
import json
import shutil
from pathlib import Path

import pytest

from seqtool.data.tokenization.corpus import read_raw_text
from seqtool.evaluation.raw_text import COLUMNS, Token
from seqtool.inference.load import load_tagger, load_tokenizer
from seqtool.storage.model_directory import read_model
from tests.support.joint_models import write_joint_model
from tests.support.shell import Result, seqtool_in_process
from tests.support.small_treebank import LABELS
from tests.support.udtools import to_conllu, udtools_scores

NAMES = ("Tokens", "Sentences", "Words", "UPOS", "XPOS", "UFeats", "AllTags", "Lemmas")
TOKENIZER_NAMES = NAMES[:3]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write `tokenizer`, `tagger` and `both`, models of a small treebank."""
    folder = tmp_path_factory.mktemp("joint")
    write_joint_model(folder)
    return folder


def evaluate(here: Path, *arguments: str) -> Result:
    return seqtool_in_process("evaluate", *arguments, cwd=here)


def system_text(here: Path) -> str:
    """Return the tokens and labels of the model for the raw text of `test.conllu` in CoNLL-U."""
    stored = read_model(here / "both")
    tokenizer, tagger = load_tokenizer(stored), load_tagger(stored.parts["tagger"])
    texts = [paragraph.text for paragraph in read_raw_text(here / "test.conllu")]
    sentences = []
    for sentence in (one for paragraph in tokenizer.tokenize(texts) for one in paragraph):
        forms = [word for token in sentence for word in token.words or (token.form,)]
        by_name = dict(zip(tagger.columns, tagger.tag_columns([forms])[0], strict=True))
        labels = zip(*(by_name[name] for name in COLUMNS), strict=True)
        sentences.append(
            [
                Token(
                    token.form,
                    [(word, next(labels)) for word in token.words or (token.form,)],
                    bool(token.words),
                )
                for token in sentence
            ]
        )
    return to_conllu(sentences)


def test_raw_text_has_the_scores_of_udtools(here: Path) -> None:
    expected = udtools_scores((here / "test.conllu").read_text(), system_text(here))
    found = json.loads(evaluate(here, "both", "test.conllu", "--raw", "--json").stdout)
    assert {
        name: [found[name.lower()][key] for key in ("hits", "predicted", "support")] for name in NAMES
    } == {name: list(expected[name]) for name in NAMES}
    assert found["tokens"]["hits"] < found["tokens"]["support"]
    shown = evaluate(here, "both", "test.conllu", "--raw").stdout
    for name in NAMES:
        hits, predicted, gold = expected[name]
        assert f"  {name:<10} F1 {100 * 2 * hits / (predicted + gold):.2f} " in shown
    worst = found["errors"][0]
    assert f"{worst['gold']} -> {worst['system']}" in shown
    assert f"{worst['before']} [{worst['gold']}] {worst['after']}" in shown


def test_gold_tokens_have_a_score_for_each_label(here: Path) -> None:
    columns = json.loads(evaluate(here, "both", "test.conllu", "--json").stdout)["columns"]
    assert list(columns) == [*LABELS, "AllTags"]
    assert all({"known", "unknown"} < values.keys() for values in columns.values())
    alone, both = (evaluate(here, name, "test.conllu").lines[1:] for name in ("tagger", "both"))
    assert alone == both


def test_a_tokenizer_alone_is_scored_without_labels(here: Path) -> None:
    found, without = (
        json.loads(evaluate(here, "tokenizer", "test.conllu", "--json", *option).stdout)
        for option in (["--raw"], [])
    )
    assert found == without
    assert [name for name in found if name not in ("model", "version", "data", "errors")] == [
        name.lower() for name in TOKENIZER_NAMES
    ]


def test_inspect_shows_the_network_and_the_vocabulary_of_both_parts(here: Path) -> None:
    shown = seqtool_in_process("inspect", "both", cwd=here).stdout
    cutter, labeler = (
        seqtool_in_process("inspect", name, cwd=here).stdout.splitlines() for name in ("tokenizer", "tagger")
    )
    for line in [*cutter[1:10], *labeler[1:13]]:
        assert line in shown
    assert "bidirectional LSTM tokenizer, " in shown
    assert "lstm 8 -> 6 x 2 directions" in shown
    stored = read_model(here / "both")
    assert f"on disk, {sum(array.size for array in stored.weights.values()):,} parameters" in shown
    value = json.loads(seqtool_in_process("inspect", "both", "--json", cwd=here).stdout)
    assert value["config"] == stored.config
    assert value["weights"].keys() == stored.weights.keys()


def test_inspect_cuts_a_text_with_the_tokenizer(here: Path) -> None:
    text = "The dogs isn't. Anna is."
    shown = seqtool_in_process("inspect", "both", "--text", text, cwd=here).stdout
    sentences = load_tokenizer(read_model(here / "both")).tokenize([text])[0]
    assert shown.count("what each label loses") == len(sentences) > 1
    for sentence in sentences:
        words = [word for token in sentence for word in token.words or (token.form,)]
        assert f"{len(words)} tokens, with the numbers of their features" in shown
    refused = seqtool_in_process("inspect", "both", "--text", text, "--states", "a.npz", cwd=here)
    assert refused.code == 2
    assert f"needs one sentence, found {len(sentences)}" in refused.stderr
    done = seqtool_in_process("inspect", "both", "--text", "Anna is.", "--states", "a.npz", cwd=here)
    assert done.code == 0, done.stderr


@pytest.fixture(scope="module")
def joint_run(here: Path) -> str:
    """Write the run `joint` of both parts from the files of the two runs."""
    folder = here / "runs/joint"
    shutil.copytree(here / "both", folder / "model")
    names = {"tokenizer": here / "runs/cutter", "tagger": here / "runs/labeler"}
    for log in ("metrics.jsonl", "samples.jsonl"):
        rows = [(run / log).read_text().replace("{", f'{{"part":"{part}",') for part, run in names.items()]
        (folder / log).write_text("".join(rows))
    reports = {part: json.loads((run / "evaluation.json").read_text()) for part, run in names.items()}
    (folder / "evaluation.json").write_text(json.dumps(reports))
    return "joint"


@pytest.mark.usefixtures("joint_run")
def test_inspect_draws_the_curves_of_both_parts(here: Path) -> None:
    shown = seqtool_in_process("inspect", "joint", cwd=here).lines
    titles = [line for line in shown if line.endswith(" over epochs")]
    assert titles == [
        "tokenizer: train_loss and val_loss over epochs",
        "tokenizer: val_token_f1 and val_word_f1 and val_sentence_f1 over epochs",
        "tagger: train_loss and val_loss over epochs",
        "tagger: val_accuracy over epochs",
    ]


def test_a_report_has_the_curves_and_scores_of_both_parts(here: Path, joint_run: str) -> None:
    pytest.importorskip("matplotlib")
    done = seqtool_in_process("report", joint_run, "--text", "Anna is. The dogs is.", cwd=here)
    assert done.code == 0, done.stderr
    page = (here / "runs/joint/report.html").read_text().replace("&#39;", "'")
    for title in ("Loss", "Scores on development data", "Loss: tokenizer"):
        assert f"<figcaption>{title}</figcaption>" in page
    assert "On the development data</h2>" in page
    assert "On the development data: tokenizer</h2>" in page
    assert "F1 of tokens" in page
    assert "damaged" not in page
    (worst, *_) = json.loads((here / "runs/cutter/evaluation.json").read_text())["dev"]["errors"]
    assert f"<td>{html.escape(worst['system'], quote=False)}</td>" in page
    for part in ("tokenizer", "tagger"):
        assert f'<tr><th scope="row">{part}</th>' in page
    assert "“Anna is .”" in page
    assert "“The dogs is .”" in page


def test_a_report_of_a_tokenizer_has_its_scores_and_command(here: Path) -> None:
    pytest.importorskip("matplotlib")
    done = seqtool_in_process("report", "cutter", cwd=here)
    assert done.code == 0, done.stderr
    page = (here / "runs/cutter/report.html").read_text()
    assert "F1 of sentences" in page
    assert "damaged" not in page
    assert "seqtool train-tagger runs/cutter/config.yaml" in page
    assert "<figcaption>Scores on development data</figcaption>" in page


@pytest.mark.usefixtures("joint_run")
def test_the_list_of_runs_names_both_parts(here: Path) -> None:
    lines = seqtool_in_process("runs", cwd=here).lines
    (row,) = [line for line in lines if line.startswith("joint ")]
    assert row.split()[1:5] == ["tokenizer", "+", "tagger", "accuracy"]
    (row,) = [line for line in lines if line.startswith("cutter ")]
    assert row.split()[1] == "tokenizer"


def test_float16_scores_both_parts(here: Path) -> None:
    arguments = ("export", "both", "--dtype", "float16", "--data", "test.conllu", "--out", "half", "--json")
    value = json.loads(seqtool_in_process(*arguments, cwd=here).stdout)
    assert {"tokens_f1", "sentences_f1", "words_f1", "accuracy", "accuracy_lemma"} < value["scores"].keys()
    assert value["data"] == "test.conllu"
    (here / "plain.conllu").write_text((here / "test.conllu").read_text().replace("SpaceAfter=No", "_"))
    shown = seqtool_in_process(*arguments[:5], "plain.conllu", *arguments[6:8], cwd=here).stdout
    assert "accuracy_lemma" in shown
    assert "tokens_f1" not in shown
    assert "plain.conllu; tokenizer not scored: plain.conllu: expected the raw text" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["tagger", "test.conllu", "--raw"], "needs a model with a tokenizer", id="tagger alone"),
        pytest.param(["both", "test.conllu", "--raw", "--strict"], "are for gold tokens", id="strict"),
        pytest.param(["both", "test.conllu", "--raw", "--block", "3"], "for character models", id="block"),
        pytest.param(["both", "gone.conllu", "--raw"], "there is no such file", id="no file"),
        pytest.param(["tokenizer", "gone.conllu"], "there is no such file", id="no file of a tokenizer"),
        pytest.param(["both", "--raw"], "not part of a run", id="no data"),
        pytest.param(["both", "plain.conllu", "--raw"], "expected the raw text", id="no raw text"),
        pytest.param(["both", "test.conllu", "--raw", "--encoding", "utf-16"], "utf-16", id="encoding"),
    ],
)
def test_mistakes_are_errors_with_a_hint(here: Path, arguments: list[str], message: str) -> None:
    text = (here / "test.conllu").read_text().replace("SpaceAfter=No", "_")
    (here / "plain.conllu").write_text(text)
    refused = evaluate(here, *arguments)
    assert (refused.code, refused.stdout) == (2, "")
    assert message in refused.stderr
    assert "hint: " in refused.stderr
