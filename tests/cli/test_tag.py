"""`tag`: input and output formats, errors, processes, pipes, terminals and scripts."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from seqtool.inference.load import load_tagger
from seqtool.inference.tagger import TaggerModel
from seqtool.storage.model_directory import read_model
from tests.support.shell import SEQTOOL, Result, environment, in_terminal, seqtool, seqtool_in_process, start
from tests.support.stored_models import store_tagger

CONLLU = """\
# sent_id = 1
# text = The dog ate it all.
1\tThe\tthe\tDET\tDT\tA=b\t2\tdet\t_\t_
2\tdog\tdog\tX\tNN\t_\t3\tnsubj\t_\tSpaceAfter=No
3-4\tate it\t_\t_\t_\t_\t_\t_\t_\t_
3\tate\teat\t_\tVB\t_\t0\troot\t_\t_
3.1\tgone\tgo\tVERB\t_\t_\t_\t_\t3:x\t_
4\tit\tit\tPRON\tPRP\t_\t3\tobj\t_\t_

# the last one has no line end
1\t_\t_\t_\t_\t_\t0\troot\t_\tX=y"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a folder with a tagger of each kind."""
    folder = tmp_path_factory.mktemp("tag")
    store_tagger(folder / "runs/spans", decoder="viterbi", spans=True)
    store_tagger(folder / "runs/crf", decoder="crf", spans=True)
    store_tagger(folder / "runs/scriptless", tokenizer=None)
    store_tagger(folder / "runs/spaced", tokenizer="whitespace")
    store_tagger(folder / "runs/words")
    return folder


def model(here: Path, name: str = "words") -> TaggerModel:
    return load_tagger(read_model(here / "runs" / name / "model"))


def tag(here: Path, *arguments: str | Path, name: str = "words", stdin: str | bytes | None = None) -> Result:
    given = ("tag", "--model", name, *arguments)
    return seqtool_in_process(*given, cwd=here) if stdin is None else seqtool(*given, cwd=here, stdin=stdin)


def bash(here: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command line with pipes and redirections in bash."""
    return subprocess.run(
        ["bash", "-c", command],
        cwd=here,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
        check=False,
    )


def write(here: Path, name: str, text: str | bytes) -> Path:
    path = here / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def labels(here: Path, *tokens: str, name: str = "words") -> list[str]:
    return model(here, name).tag([tokens])[0]


# --- formats ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_conllu_output_changes_only_the_labels(here: Path, end: str) -> None:
    given = CONLLU.replace("\n", end)
    path = here / "in.conllu"
    path.write_bytes(given.encode())
    before, after = given.split(end), tag(here, "--file", path).stdout.split(end)
    assert len(before) == len(after)
    expected = [*labels(here, "The", "dog", "ate", "it"), *labels(here, "_")]
    for old, new in zip(before, after, strict=True):
        cells = old.split("\t")
        if cells[0].isdecimal():
            cells[3] = expected.pop(0)
        assert new == "\t".join(cells)
    assert not expected


def test_conll_output_fills_or_appends_the_label_column(here: Path) -> None:
    found = labels(here, "The", "dog")
    path = write(here, "in.conll", "-DOCSTART- X\n\nThe X\ndog  V\n\n")
    assert tag(here, "--file", path).stdout == f"-DOCSTART- X\n\nThe {found[0]}\ndog  {found[1]}\n\n"
    alone = tag(here, "--input-format", "conll", stdin="The\ndog")
    assert alone.stdout == f"The\t{found[0]}\ndog\t{found[1]}"


def test_label_column_of_conllu_training_has_a_place_in_conll(here: Path, tmp_path: Path) -> None:
    """In a format other than that of training, the name of a column has no meaning."""
    layout: dict[str, object] = {
        "label": "upos",
        "columns": [],
        "width": None,
        "text_key": "tokens",
        "label_key": "labels",
    }
    store_tagger(tmp_path / "runs/upos", layout=layout)
    path = write(tmp_path, "in.conll", "The\tX\ndog\tX\n")
    first, second = labels(here, "The", "dog")
    assert seqtool_in_process("tag", "--file", path, cwd=tmp_path).stdout == f"The\t{first}\ndog\t{second}\n"
    store_tagger(tmp_path / "runs/named", layout={**layout, "label": "ner", "columns": ["form", "ner"]})
    path = write(tmp_path, "in.conllu", "1\tThe\t_\t_\t_\t_\t_\t_\t_\t_\n\n")
    assert (
        seqtool_in_process("tag", "--model", "named", "--file", path, cwd=tmp_path).lines[0].split("\t")[3]
        == labels(here, "The")[0]
    )


def test_jsonl_output_changes_only_the_labels(here: Path) -> None:
    given = (
        '{"id": 1.50, "tokens": ["The", "dog"],  "x": {"labels": [ ]}}\n\n{"text": "Dogs read.", "z": null}\n'
    )
    lines = tag(here, "--file", write(here, "in.jsonl", given)).lines
    assert [bool(line) for line in lines] == [True, False, True]
    assert lines[0].startswith('{"id": 1.50, "tokens": ["The", "dog"],  "x": {"labels": [ ]}, "labels": ')
    assert json.loads(lines[0])["labels"] == labels(here, "The", "dog")
    raw = json.loads(lines[2])
    assert raw["tokens"] == ["Dogs", "read", "."]
    assert raw["offsets"] == [[0, 4], [5, 9], [9, 10]]
    assert raw["labels"] == labels(here, "Dogs", "read", ".")


def test_text_key_names_the_field_of_the_text(here: Path) -> None:
    path = write(here, "keys.jsonl", '{"tokens": "no", "said": "The dog"}\n')
    stopped = tag(here, "--file", path, "--text-key", "said")
    assert stopped.code == 2 and "'tokens'" in stopped.stderr and "--replace-fields" in stopped.stderr
    found = json.loads(tag(here, "--file", path, "--text-key", "said", "--replace-fields").stdout)
    assert found["labels"] == labels(here, "The", "dog")
    wrong = tag(here, "--file", path, "--text-key", "sayd")
    assert wrong.code == 2 and "'sayd'" in wrong.stderr


@pytest.mark.parametrize("name", ["spans", "crf"])
def test_spans_have_positions_types_and_text(here: Path, name: str) -> None:
    text = "The dog, ate the naïve apple!"
    found = json.loads(tag(here, text, "--format", "jsonl", name=name).stdout)
    assert found["spans"], "the test's model finds none"
    for span in found["spans"]:
        start, end = found["offsets"][span["start"]][0], found["offsets"][span["end"] - 1][1]
        assert span["text"] == text[start:end]
        assert span["type"] in ("x", "y")
        assert found["labels"][span["start"]] == f"B-{span['type']}"
    inline = tag(here, text, "--format", "inline", name=name).stdout
    assert inline.count("](") == len(found["spans"])


@pytest.mark.parametrize("output", ["table", "tsv", "conll", "conllu", "jsonl", "inline"])
@pytest.mark.parametrize("given", ["in.txt", "in.conllu", "in.conll", "in.jsonl"])
def test_every_input_format_gives_every_output_format(here: Path, given: str, output: str) -> None:
    texts = {
        "in.txt": "The dog\n",
        "in.conllu": "1\tThe\t_\t_\t_\t_\t_\t_\t_\t_\n2\tdog\t_\t_\t_\t_\t_\t_\t_\t_\n\n",
        "in.conll": "The\tX\ndog\tX\n\n",
        "in.jsonl": '{"tokens": ["The", "dog"]}\n',
    }
    done = tag(here, "--file", write(here, f"each-{given}", texts[given]), "--format", output)
    assert (done.code, done.stderr) == (0, "")
    first, second = labels(here, "The", "dog")
    expected = {
        "table": rf"token  label\nThe    {first}\ndog    {second}\n\n",
        "tsv": rf"The\t{first}\ndog\t{second}\n\n",
        "conll": rf"The\t{first}\ndog\t{second}\n\n",
        "conllu": rf"(# text = The dog\n)?1\tThe\t_\t{first}(\t_){{6}}\n2\tdog\t_\t{second}(\t_){{6}}\n\n",
        "jsonl": rf'{{"tokens": \["The", "dog"\], "labels": \["{first}", "{second}"\](, "offsets": .*)?}}\n',
        "inline": rf"The/{first} dog/{second}\n",
    }
    assert re.fullmatch(expected[output], done.stdout)


@pytest.mark.parametrize("name", ["words", "spans", "crf"])
def test_probabilities_and_n_best_lists_equal_those_of_the_model(here: Path, name: str) -> None:
    tokens = ["The", "dog", "ate"]
    ((best, chosen),) = model(here, name).tag_with_probabilities([tokens])
    rows = [line.split("\t") for line in tag(here, " ".join(tokens), "--probs", name=name).lines[:3]]
    assert rows == [
        [token, label, f"{p:.4f}"] for token, label, p in zip(tokens, best, chosen.tolist(), strict=True)
    ]
    paths = model(here, name).nbest(tokens, 3)
    found = json.loads(tag(here, " ".join(tokens), "--nbest", "3", "--format", "jsonl", name=name).stdout)
    assert [one["labels"] for one in found["nbest"]] == [path for path, _ in paths]
    assert [one["log_probability"] for one in found["nbest"]] == pytest.approx(
        [score for _, score in paths], abs=1e-5
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--probs", "--nbest", "2", "x"), "--nbest"),
        (("--probs", "--format", "conllu", "x"), "--format conllu"),
        (("--json", "--format", "tsv", "x"), "--json is short for --format jsonl"),
        (("x", "--file", "y"), "--file"),
        (("--file", "missing.txt"), "missing.txt"),
        (("--model", "gone", "x"), "gone"),
    ],
    ids=["two kinds", "no place", "two formats", "text and file", "no file", "no model"],
)
def test_usage_errors_exit_2_with_one_message(here: Path, arguments: tuple[str, ...], said: str) -> None:
    done = seqtool_in_process("tag", *arguments, cwd=here)
    assert (done.code, done.stdout) == (2, "")
    assert said in done.stderr and "Traceback" not in done.stderr


# --- mistakes in the input ----------------------------------------------------------------------------------


def test_kept_errors_are_written_in_order_and_counted(here: Path) -> None:
    path = write(
        here, "bad.jsonl", b'{"tokens": ["The"]}\nnonsense\n{"tokens": ["dog"]}\n{"tokens": ["\xff"]}\n'
    )
    kept = tag(here, "--file", path, "--errors", "keep")
    found = [json.loads(line) for line in kept.lines]
    assert kept.code == 2
    assert [sorted(one) for one in found] == [
        ["labels", "tokens"],
        ["error"],
        ["labels", "tokens"],
        ["error"],
    ]
    assert "bad.jsonl:2:1" in found[1]["error"] and "bad.jsonl:4" in found[3]["error"]
    assert "2 sentences could not be read" in kept.stderr
    path.write_bytes(path.read_bytes().replace(b"\xff", b"y"))
    stopped = tag(here, "--file", path)
    assert stopped.code == 2
    assert [json.loads(line)["tokens"] for line in stopped.lines] == [["The"]]
    assert "bad.jsonl:2:1" in stopped.stderr


def test_line_that_is_not_utf8_is_kept_as_a_comment(here: Path) -> None:
    kept = tag(here, "--errors", "keep", stdin=b"The\nd\xffg\napple\n")
    assert kept.code == 2
    assert kept.lines[2] == "# error: standard input:2  expected UTF-8, found byte 0xff at column 2"
    assert [line.split("\t")[0] for line in kept.lines if "\t" in line] == ["The", "apple"]


# --- raw text and scripts -----------------------------------------------------------------------------------


def test_script_without_spaces_needs_tokens(here: Path) -> None:
    done = tag(here, "我爱你", name="scriptless")
    assert done.code == 2 and "expected tokens, found raw text" in done.stderr
    assert tag(here, "我 爱", "--tokenizer", "whitespace", name="scriptless").code == 0
    assert tag(here, "--file", write(here, "zh.conll", "我\n爱\n\n"), name="scriptless").code == 0


def test_unusual_word_endings_give_one_warning(here: Path) -> None:
    done = tag(here, "The dog.", "that book.", name="spaced")
    assert done.code == 0
    assert done.stderr.count("ends in punctuation, unlike every word of the training data") == 1


def test_word_is_looked_up_in_nfc_and_printed_unchanged(here: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "naïve dog") for form in ("NFC", "NFD"))
    first, second = (tag(here, text).stdout for text in (composed, decomposed))
    assert decomposed.split()[0] in second and composed != decomposed
    assert [line.split("\t")[1:] for line in first.splitlines()] == [
        line.split("\t")[1:] for line in second.splitlines()
    ]


@pytest.mark.parametrize("text", ["می\u200cروم", "क्\u200dष", "e\u0301a\u0308"], ids=["ZWNJ", "ZWJ", "marks"])
@pytest.mark.parametrize("tokenizer", ["basic", "whitespace"])
def test_tokenizer_keeps_joiners_and_marks_in_words(here: Path, text: str, tokenizer: str) -> None:
    rows = tag(here, f"{text} dog", "--tokenizer", tokenizer).lines
    assert [row.split("\t")[0] for row in rows if row] == [text, "dog"]


def test_table_aligns_wide_and_right_to_left_words(here: Path) -> None:
    from rich.cells import cell_len

    rows = tag(here, "日本語 dog کتاب e\u0301", "--format", "table").lines[1:5]
    starts = []
    for row in rows:
        token, label = row.rstrip().rsplit(" ", 1)
        starts.append(cell_len(token.replace("\u200e", "")) + 1)
        assert label in ("DET", "NN", "V")
    assert len(set(starts)) == 1
    assert "\u200e" in rows[2] and "\u200e" not in rows[0] + rows[1] + rows[3]


def test_labels_of_surface_tokens_are_written_to_their_words(tmp_path: Path) -> None:
    store_tagger(tmp_path / "runs/fr", words={"normalize": "nfc", "tokens": "surface"})
    given = (
        "1-2\tdu\t_\t_\t_\t_\t_\t_\t_\t_\n1\tde\t_\t_\t_\t_\t_\t_\t_\t_\n2\tle\t_\t_\t_\t_\t_\t_\t_\t_\n\n"
    )
    found = seqtool_in_process(
        "tag", "--file", write(tmp_path, "fr.conllu", given), "--format", "tsv", cwd=tmp_path
    )
    assert found.lines[0].split("\t")[0] == "du"
    back = seqtool_in_process("tag", "--file", tmp_path / "fr.conllu", cwd=tmp_path).lines
    # A label that does not join two labels is in the `n-m` line.
    assert back[0].split("\t")[3] == found.lines[0].split("\t")[1]


# --- processes, pipes, terminals ----------------------------------------------------------------------------


def test_several_processes_give_the_same_output(here: Path) -> None:
    text = "".join(f"The dog{number} ate {'x ' * (number % 50)}\n" for number in range(700))
    path = write(here, "many.txt", text)
    one, two = (tag(here, "--file", path, "--jobs", jobs, stdin="") for jobs in ("1", "2"))
    assert one.code == two.code == 0
    assert one.stdout == two.stdout
    assert len(one.lines) == sum(len(line.split()) + 1 for line in text.splitlines())


@pytest.mark.parametrize(
    ("arguments", "line", "count"),
    [
        ((), b"The dog\n", 3),
        (("--input-format", "jsonl"), b'{"tokens": ["dog"]}\n', 1),
        (("--input-format", "conll"), b"dog\tX\n\n", 2),
    ],
    ids=["text", "jsonl", "conll"],
)
def test_each_line_of_a_pipe_is_answered_immediately(
    here: Path, arguments: tuple[str, ...], line: bytes, count: int
) -> None:
    process = start("tag", "--model", "words", *arguments, cwd=here)
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    for _ in range(3):
        process.stdin.write(line)
        process.stdin.flush()
        answer = [process.stdout.readline() for _ in range(count)]
        assert b"dog" in b"".join(answer)
    process.stdin.close()
    assert process.stdout.read() == b""
    assert process.wait(timeout=60) == 0
    process.stdout.close()
    process.stderr.close()


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_closed_pipe_ends_an_endless_stream_silently(here: Path, jobs: str) -> None:
    command = f"yes 'The dog ate' | {' '.join(SEQTOOL)} tag --model words --jobs {jobs} - | head -1"
    done = bash(here, f"{command}; echo ${{PIPESTATUS[@]}}")
    assert done.stdout.splitlines()[0].split("\t")[0] == "The"
    assert done.stdout.splitlines()[-1].split()[1:] == ["0", "0"]
    assert done.stderr.strip() in ("", "yes: standard output: Broken pipe")


def test_closed_streams_end_silently(here: Path) -> None:
    for closing in ("'The dog' >&-", "<&-"):
        done = bash(here, f"{' '.join(SEQTOOL)} tag --model words {closing}")
        assert done.returncode == 0
        assert done.stderr == ""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_ends_with_130_and_no_traceback(here: Path) -> None:
    process = start("tag", "--model", "words", cwd=here)
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    process.stdin.write(b"The dog\n")
    process.stdin.flush()
    process.stdout.readline()
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(timeout=60) == 130
    assert b"Traceback" not in process.stderr.read()
    for stream in (process.stdin, process.stdout, process.stderr):
        stream.close()


def test_control_characters_reach_a_pipe_but_not_a_terminal(here: Path) -> None:
    text = "The \x1b[31mdog"
    assert "\x1b[31mdog" in tag(here, text, "--tokenizer", "whitespace").stdout
    shown = in_terminal(
        "tag", "--model", "words", "--tokenizer", "whitespace", text, cwd=here, NO_COLOR="1"
    ).stdout
    assert "\x1b" not in shown and "␛[31mdog" in shown


def test_tokenizer_of_the_model_is_the_default(here: Path) -> None:
    assert [row.split("\t")[0] for row in tag(here, "Don't.").lines if row] == ["Do", "n't", "."]
    assert [row.split("\t")[0] for row in tag(here, "Don't.", name="spaced").lines if row] == ["Don't."]
