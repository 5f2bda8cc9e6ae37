"""`tag` on raw text with a tokenizer and a tagger: paragraphs, formats, options, any characters."""

from __future__ import annotations

import json
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtool.data.formats.blocks import split_blocks
from tests.support.raw_languages import LABELS, LANGUAGES, join, sentences, text_of, train_model
from tests.support.shell import Result, seqtool, seqtool_in_process, start
from tests.support.stored_models import store_tagger, store_tokenizer

TEXT = "Verlo el gato.  dámelo la casa del libro. veo"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("raw")


@pytest.fixture(scope="module")
def model_of(folder: Path) -> Any:
    """Return a function that trains the model of a language once."""

    @cache
    def trained(language: str) -> Path:
        (folder / language).mkdir()
        return train_model(folder / language, language)

    return trained


@pytest.fixture(scope="module")
def here(model_of: Any) -> Path:
    path: Path = model_of("clitics").parent
    return path


def tag(here: Path, *arguments: str, stdin: str | bytes | None = None) -> Result:
    if stdin is None:
        return seqtool_in_process("tag", "--model", "both", *arguments, cwd=here)
    return seqtool("tag", "--model", "both", *arguments, cwd=here, stdin=stdin)


def records(done: Result) -> list[dict[str, Any]]:
    assert done.code == 0, done.stderr
    return [json.loads(line) for line in done.stdout.split("\n")[:-1]]


# --- CoNLL-U ------------------------------------------------------------------------------------------------


def paragraphs(conllu: str) -> list[str]:
    """Check the structure of CoNLL-U, and return the text of each paragraph from its tokens."""
    texts: list[str] = []
    for number, (_, block) in enumerate(split_blocks(conllu.splitlines(keepends=True)), 1):
        comments = [line.rstrip("\n") for line in block if line.startswith("#")]
        rows = [line.rstrip("\n").split("\t") for line in block[len(comments) : -1]]
        if comments[0] == "# newpar":
            texts.append("")
        assert comments[-2] == f"# sent_id = {number}"
        sentence, skipped = "", 0
        for cells in rows:
            assert len(cells) == 10 and all(cells)
            assert cells[6:9] == ["_", "_", "_"]
            if skipped:
                skipped -= 1
                continue
            if "-" in cells[0]:
                first, last = map(int, cells[0].split("-"))
                skipped = last - first + 1
                assert cells[2:9] == ["_"] * 7
            sentence += cells[1] + ("" if cells[9] == "SpaceAfter=No" else " ")
        assert comments[-1] == f"# text = {sentence.rstrip(' ')}"
        texts[-1] += sentence
    return [text.rstrip(" ") for text in texts]


def check_valid(path: Path, content: str) -> None:
    """Check CoNLL-U with the validator of Universal Dependencies."""
    validator = pytest.importorskip("udtools", reason="udtools is not installed")
    path.write_text(content, encoding="utf-8", newline="")
    state = validator.Validator(level=1).validate_files([str(path)])
    assert state.passed(), state


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_is_tagged_from_its_text(model_of: Any, language: str) -> None:
    here = model_of(language).parent
    gold = list(sentences(language, 40, 9))
    texts = [text_of([token for tokens in gold[at : at + 4] for token in tokens]) for at in range(0, 40, 4)]
    (here / "in.txt").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    done = tag(here, "--file", "in.txt", "--input-format", "lines", "--format", "conllu")
    assert done.code == 0, done.stderr
    assert paragraphs(done.stdout) == texts
    check_valid(here / "out.conllu", done.stdout)
    found = [
        line.split("\t") for line in done.stdout.splitlines() if line[:1].isdigit() and "-" not in line[:5]
    ]
    expected = [
        [word.form, word.lemma, word.upos, word.feats]
        for tokens in gold
        for token in tokens
        for word in token.words
    ]
    assert [row[1] for row in found] == [row[0] for row in expected]
    equal = sum(row[1:4] == want[:3] for row, want in zip(found, expected, strict=True))
    assert equal > 0.9 * len(expected)


ALPHABET = st.characters(codec="utf-8", exclude_characters="\n\ufffd") | st.sampled_from("  \t\r..abdelmoró'")
RAW = (  # the text - is standard input
    st.text(ALPHABET, max_size=60)
    .map(lambda text: unicodedata.normalize("NFC", text))
    .filter(lambda text: text != "-")
)


@settings(max_examples=60)
@given(texts=st.lists(RAW, min_size=1, max_size=4))
@pytest.mark.parametrize("language", ["clitics", "inner_spaces"])
def test_conllu_of_any_text_is_valid_and_gives_it_back(
    model_of: Any, language: str, texts: list[str]
) -> None:
    here = model_of(language).parent
    done = tag(here, "--format", "conllu", "--", *texts)
    assert done.code == 0, done.stderr
    plain = [" ".join(text.split()) for text in texts]
    assert paragraphs(done.stdout) == [text for text in plain if text]
    check_valid(here / "any.conllu", done.stdout)


def test_features_are_sorted_and_labels_of_other_names_go_to_misc(here: Path) -> None:
    from seqtool.reports.tagged_conllu import sorted_features

    assert sorted_features("b=2|A=1|Number[psor]=Sing") == "A=1|b=2|Number[psor]=Sing"
    assert sorted_features("_") == "_"
    store_tagger(here / "spans", spans=True)
    join(here / "named", here / "parts/tokenizer/model", here / "spans/model")
    text = "veo el gato. dámelo la casa."
    rows = tag(here, "--model", "named", "--format", "conllu", text).stdout.splitlines()
    (fields,) = records(tag(here, "--model", "named", "--json", text))
    words = [row.split("\t") for row in rows if row[:1].isdigit() and row.split("\t")[0].isdigit()]
    assert [row[3] for row in words] == fields["labels"]
    for span in fields["spans"]:
        start, end = fields["offsets"][span["start"]][0], fields["offsets"][span["end"] - 1][1]
        assert span["text"] == text[start:end]
        assert any(first <= span["start"] < span["end"] <= last for first, last in fields["sentences"])


# --- one line for each input line ---------------------------------------------------------------------------


@settings(max_examples=60)
@given(texts=st.lists(RAW, min_size=1, max_size=4))
def test_each_text_gives_one_line_with_positions(model_of: Any, texts: list[str]) -> None:
    here = model_of("clitics").parent
    found = records(tag(here, "--json", "--", *texts))
    assert len(found) == len(texts)
    for text, fields in zip(texts, found, strict=True):
        check_record(text, fields)
    inline = tag(here, "--format", "inline", "--", *texts).stdout
    assert len(inline.split("\n")) == len(texts) + 1
    for line, fields in zip(inline.split("\n"), found, strict=False):
        pairs = zip(fields["tokens"], fields["upos"], strict=True)
        assert line == " ".join(f"{token}/{label}" for token, label in pairs)


def check_record(text: str, fields: dict[str, Any]) -> None:
    """Check that positions, sentences and multiword tokens of a record agree with the text."""
    count = len(fields["tokens"])
    assert [len(fields[name]) for name in ("labels", "offsets", *LABELS)] == [count] * (2 + len(LABELS))
    assert fields["labels"] == fields["upos"]
    assert [border for start, _ in fields["sentences"] for border in [start]] == [
        end for _, end in [(0, 0), *fields["sentences"]][: len(fields["sentences"])]
    ]
    assert (fields["sentences"][-1][1] if fields["sentences"] else 0) == count
    parts = {range_["start"]: range_ for range_ in fields["multiword"]}
    at = number = 0
    while number < count:
        start, end = fields["offsets"][number]
        assert not text[at:start].strip()
        size = 1
        if number in parts:
            assert parts[number]["text"] == text[start:end]
            size = parts[number]["end"] - number
            assert size > 1
            assert fields["offsets"][number : number + size] == [[start, end]] * size
        else:
            assert fields["tokens"][number] == text[start:end]
        number, at = number + size, end
    assert not text[at:].strip()


def test_lines_of_a_pipe_are_paragraphs(here: Path) -> None:
    lines = [TEXT, "", "  \t ", "veo\x0bel\u2028gato\x85.", "a\x00b \x1b[31m", "\ufeffveo", "x" * 3000]
    done = tag(here, "--json", stdin="".join(f"{line}\n" for line in lines))
    found = records(done)
    assert len(found) == len(lines)
    for line, fields in zip(lines, found, strict=True):
        check_record(line, fields)
    assert len(found[0]["sentences"]) == 3
    together = tag(here, "--json", "--jobs", "2", stdin="".join(f"{line}\n" for line in lines))
    assert together.stdout == done.stdout


def test_a_long_paragraph_is_one_line(here: Path) -> None:
    text = " ".join([f"{TEXT}."] * 400)
    (fields,) = records(tag(here, "--json", text))
    check_record(text, fields)
    assert len(fields["sentences"]) == 3 * 400


# --- formats ------------------------------------------------------------------------------------------------


def test_tsv_ends_a_sentence_with_a_blank_line_and_a_paragraph_with_two(here: Path) -> None:
    (fields,) = records(tag(here, "--json", TEXT))
    done = tag(here, "--format", "tsv", TEXT, "", "veo")
    first, second, rest = done.stdout.split("\n\n\n")[:3]
    assert second == "\nveo" + second.removeprefix("\nveo") and rest == ""
    parts = [[line.split("\t") for line in part.split("\n")] for part in first.split("\n\n")]
    assert len(parts) == len(fields["sentences"])
    rows = [row for part in parts for row in part]
    assert rows == [
        list(row) for row in zip(fields["tokens"], *(fields[name] for name in LABELS), strict=True)
    ]
    table = tag(here, "--format", "table", TEXT).stdout
    assert table.count("token") == len(parts)
    assert tag(here, "--format", "conll", TEXT).stdout == tag(here, "--format", "tsv", TEXT).stdout
    assert len(tag(here, "--format", "word_tag", TEXT).stdout.splitlines()) == len(parts)


def test_columns_select_labels(here: Path) -> None:
    (fields,) = records(tag(here, "--json", "--columns", "lemma", TEXT))
    assert [name for name in LABELS if name in fields] == ["lemma"]
    rows = tag(here, "--format", "conllu", "--columns", "lemma", TEXT).stdout.splitlines()
    cells = [row.split("\t") for row in rows if row[:1].isdigit()]
    assert {row[3] for row in cells} == {"_"} and {row[2] for row in cells} > {"gato"}
    wrong = tag(here, "--columns", "upos,lema", stdin="")
    assert (wrong.code, wrong.stdout) == (2, "")
    assert "no label 'lema'" in wrong.stderr and "upos, xpos, feats, lemma" in wrong.stderr


def test_probabilities_and_best_sequences_are_those_of_the_sentences(here: Path) -> None:
    (fields,) = records(tag(here, "--json", "--probs", TEXT))
    parts = [TEXT[fields["offsets"][a][0] : fields["offsets"][b - 1][1]] for a, b in fields["sentences"]]
    alone = records(tag(here, "--json", "--probs", "--one-sentence", *parts))
    joined = [value for record in alone for value in record["probabilities"]]
    assert fields["probabilities"] == pytest.approx(joined, abs=2e-6)
    (best,) = records(tag(here, "--json", "--nbest", "7", TEXT))
    assert len(best["nbest"]) == 7
    assert best["nbest"][0]["labels"] == fields["labels"]
    scores = [sequence["log_probability"] for sequence in best["nbest"]]
    assert scores == sorted(scores, reverse=True)
    rows = [row for row in tag(here, "--format", "tsv", "--nbest", "2", TEXT).stdout.split("\n") if row]
    assert [row.split("\t")[1] for row in rows] == fields["labels"]


def test_fields_of_the_user_are_kept_or_refused(here: Path) -> None:
    (here / "in.jsonl").write_text(
        '{"text": "veo el gato. veo", "id": 1}\n{"text": ""}\n{"tokens": ["veo"]}\n'
    )
    found = records(tag(here, "--file", "in.jsonl"))
    assert found[0]["id"] == 1 and len(found[0]["sentences"]) == 2
    assert found[1]["tokens"] == [] and "sentences" not in found[2]
    (here / "mine.jsonl").write_text('{"text": "veo", "sentences": 1}\n')
    refused = tag(here, "--file", "mine.jsonl")
    assert refused.code == 2 and "expected no field 'sentences'" in refused.stderr
    (fields,) = records(tag(here, "--file", "mine.jsonl", "--replace-fields"))
    assert fields["sentences"] == [[0, 1]]


def test_text_in_a_column_gets_one_cell(here: Path) -> None:
    (here / "in.csv").write_text("id,text\n1,veo el gato. veo\n2,veo\n")
    done = tag(here, "--file", "in.csv", "--column", "text")
    assert done.code == 0, done.stderr
    assert [line.count("/") for line in done.lines] == [0, 5, 1]


# --- paragraphs ---------------------------------------------------------------------------------------------


def test_blank_lines_separate_paragraphs_of_a_text(here: Path, model_of: Any) -> None:
    text = "\ufeffveo el\ngato. veo\r\n \n\n\nveo la\ncasa."
    (here / "in.txt").write_text(text, newline="")
    for done in (
        tag(here, "--input-format", "text", "--format", "conllu", "--file", "in.txt"),
        tag(here, "--input-format", "text", "--format", "conllu", stdin=text),
    ):
        assert done.code == 0, done.stderr
        assert paragraphs(done.stdout) == ["veo el gato. veo", "veo la casa."]
    chinese = model_of("spaceless").parent
    done = tag(chinese, "--input-format", "text", "--format", "conllu", stdin="我看\n书。\n我喜\n欢书。\n")
    assert paragraphs(done.stdout) == ["我看书。我喜欢书。"]


def test_one_sentence_keeps_a_paragraph_together(here: Path) -> None:
    split, whole = (records(tag(here, "--json", *option, TEXT))[0] for option in ([], ["--one-sentence"]))
    assert whole["tokens"] == split["tokens"]
    assert len(split["sentences"]) == 3
    assert whole["sentences"] == [[0, len(whole["tokens"])]]
    assert records(tag(here, "--json", "--one-sentence", ""))[0]["sentences"] == []


def test_pretokenized_lines_and_formats_skip_the_tokenizer(here: Path) -> None:
    tokens = ["veo.", "el", "gato"]
    (fields,) = records(tag(here, "--json", "--pretokenized", " ".join(tokens)))
    assert fields["tokens"] == tokens and "sentences" not in fields
    (here / "lines.txt").write_text("a 1\nb 2\nc 3\n")
    done = tag(here, "--json", "--pretokenized", "--file", "lines.txt")
    assert [record["tokens"] for record in records(done)] == [["a", "1"], ["b", "2"], ["c", "3"]]
    gold = (here / "dev.conllu").read_text(encoding="utf-8")
    bare = "".join(
        line
        if line.startswith("#") or len(cells := line.split("\t")) < 10 or "-" in cells[0]
        else "\t".join([*cells[:2], *"____", *cells[6:]])
        for line in gold.splitlines(keepends=True)
    )
    (here / "bare.conllu").write_text(bare, encoding="utf-8")
    filled = tag(here, "--file", "bare.conllu")
    assert filled.code == 0, filled.stderr
    kept = [
        line if line.startswith("#") else line.split("\t")[:2] + line.split("\t")[6:]
        for line in bare.split("\n")
    ]
    assert kept == [
        line if line.startswith("#") else line.split("\t")[:2] + line.split("\t")[6:]
        for line in filled.stdout.split("\n")
    ]
    assert filled.stdout != bare


def test_each_paragraph_of_a_pipe_is_answered_immediately(here: Path) -> None:
    for arguments, line in (
        (("--json",), "veo. veo\n"),
        (("--json", "--input-format", "text"), "veo.\nveo\n\n"),
    ):
        process = start("tag", "--model", "both", *arguments, cwd=here)
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        for _ in range(2):
            process.stdin.write(line.encode())
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["tokens"] == ["veo", ".", "veo"]
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait(timeout=60) == 0
        process.stdout.close()
        process.stderr.close()


def test_several_processes_give_the_same_bytes(here: Path) -> None:
    text = "".join(
        text_of(tokens) + " " + TEXT * (number % 5) + "\n"
        for number, tokens in enumerate(sentences("clitics", 900))
    )
    (here / "many.txt").write_text(text, encoding="utf-8")
    for output in ("conllu", "jsonl"):
        arguments = ("--file", "many.txt", "--input-format", "lines", "--format", output)
        one, two = (tag(here, *arguments, "--jobs", jobs, stdin="") for jobs in "12")
        assert one.code == two.code == 0, two.stderr
        assert one.stdout == two.stdout


# --- errors and lookup --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--pretokenized", "--one-sentence"), "--one-sentence: with --pretokenized, each line is one"),
        (("--tokenizer", "basic", "--one-sentence"), "--one-sentence: with --tokenizer"),
        (("--tokenizer", "basic", "--pretokenized"), "--pretokenized and --tokenizer exclude each other"),
        (("--input-format", "text", "--pretokenized"), "--pretokenized and --input-format text exclude"),
        (("--input-format", "conllu", "--one-sentence"), "the input format conllu has sentences"),
        (("--file", "dev.conllu", "--one-sentence"), "the input format conllu has sentences"),
        (("--format", "conllu", "--probs"), "no place for probabilities"),
        (("--model", "parts/tokenizer"), "expected a tagger, found a tokenizer"),
    ],
)
def test_options_that_do_not_fit_are_one_error(here: Path, arguments: tuple[str, ...], said: str) -> None:
    text = () if "--file" in arguments else ("veo",)
    done = tag(here, *arguments, *text)
    assert (done.code, done.stdout) == (2, "")
    assert said in done.stderr and done.stderr.count("error:") == 1


def test_kept_errors_have_their_place(here: Path) -> None:
    for extra, lines in (((), 3), (("--input-format", "text"), 2)):
        done = tag(here, "--json", "--errors", "keep", *extra, stdin=b"veo\n\xff\n\nveo.\n")
        assert done.code == 2
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert ["error" in fields for fields in found].count(True) == 1
        assert len(found) == lines + (not extra)


def test_the_newest_model_that_can_do_a_task_is_found(tmp_path: Path, here: Path) -> None:
    runs = tmp_path / "runs"
    join(runs / "joint/model", here / "parts/tokenizer/model", here / "parts/tagger/model")
    store_tokenizer(runs / "tok")
    store_tagger(runs / "old")
    for name, command in (("old", "tag"), ("tok", "tokenize")):
        done = seqtool_in_process(command, "veo", cwd=tmp_path)
        assert f"model: runs/{name} (the newest)" in done.stderr
    join(runs / "joint2/model", here / "parts/tokenizer/model", here / "parts/tagger/model")
    for command in ("tag", "tokenize"):
        done = seqtool_in_process(command, "--format", "conllu", TEXT, cwd=tmp_path)
        assert "model: runs/joint2 (the newest)" in done.stderr
        assert paragraphs(done.stdout) == [" ".join(TEXT.split())]
