"""`tag` on small files of the kinds that people have: only labels change, or the file is refused."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from seqtool.settings.model import TaggerModel
from tests.support.random_models import tagger_parts
from tests.support.shell import seqtool
from tests.support.stored_models import RICH, store

FOLDER = Path(os.environ.get("SEQTOOL_DATA", "no data")).parent / "cases" / "tagged"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the files are not included")
TYPES = ("PER", "LOC", "ORG", "MISC")
LABELS = ("O", *(f"{prefix}-{name}" for name in TYPES for prefix in "BIES"))
APPENDED = -1
COLUMNS = {  # file: index of the column that is written
    "03_comment_two_words_space.txt": 1,
    "11_leading_tab.txt": 2,
    "12b_zero_mixed_bio.txt": 1,
    "28_utf16.tsv": 1,
    "32b_pos_first.tsv": APPENDED,
    "33_header.tsv": 1,
    "36_index_col.conll": 4,
    "52_cr_only.tsv": 1,
    "53_no_blank.tsv": 1,
    "60_label_trailing_space.tsv": APPENDED,
    "61_mixed_sep.txt": 1,
    "70_ontonotes.conll": APPENDED,
    "four_col.conll": 3,
    "index_token.conll": APPENDED,
    "iob1.conll": 2,
    "iob2.conll": 2,
    "multiconer.conll": 3,
    "stray_small.conll": 1,
    "tb_two.conll": 1,
}
FIELDS = {  # file: field that is written; `ner_tags` of numbers without names is kept
    "40_doccano.jsonl": "label",
    "41_prodigy.jsonl": "spans",
    "42_hf_ints.jsonl": "labels",
    "42b_hf_strings.jsonl": "ner_tags",
    "own_spans.jsonl": "spans",
}
REFUSED = {
    "27_cp1252.tsv": "cp1252",
    "31_missing_label.tsv": "31_missing_label.tsv:3  expected 2 columns",
    "39b_word_tag_line.txt": "expected tags of the model after the words, found DT, NN",
}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cases")
    model = TaggerModel(features=RICH, hidden_size=6, projection=8)
    config, vocab, weights = tagger_parts(model, LABELS, scheme="iob2")
    layout = {"label": "auto", "columns": [], "width": 2, "text_key": "tokens", "label_key": "labels"}
    store(folder / "runs/names", ({**config, "tokenizer": "basic", "layout": layout}, vocab, weights))
    return folder


def tagged(here: Path, name: str) -> tuple[str, str]:
    """Return the content of a file and the output of `tag`."""
    done = seqtool("tag", "--model", "names", "--file", FOLDER / name, cwd=here)
    assert done.code == 0, done.stderr
    encoding = "utf-16" if "utf16" in name else "utf-8"
    output = done.stdout.encode("utf-8", "surrogateescape").decode(encoding)
    return (FOLDER / name).read_bytes().decode(encoding), output


def cells(line: str) -> list[str]:
    """Return cells and the separators between them."""
    return re.split(r"([ \t]+)", line)


def test_every_case_file_is_tested() -> None:
    others = {"26b_kaggle_utf8.csv", "ne_misc.conllu"}
    assert {path.name for path in FOLDER.iterdir()} == {*COLUMNS, *FIELDS, *REFUSED, *others}


@pytest.mark.parametrize("name", COLUMNS)
def test_only_the_label_column_is_written(here: Path, name: str) -> None:
    before, after = tagged(here, name)
    end = "\r" if "cr_only" in name else "\n"
    old, new = before.split(end), after.split(end)
    assert len(old) == len(new)
    changed = 0
    for one, other in zip(old, new, strict=True):
        if one == other:
            continue
        changed += 1
        if COLUMNS[name] == APPENDED:
            assert other.startswith(one) and cells(other[len(one) :])[2] in LABELS
            continue
        kept, written = cells(one), cells(other)
        start = 2 if not kept[0] else 0  # a tab before the first cell
        at = 2 * COLUMNS[name] + start
        assert written[at] in LABELS
        assert kept[:at] + kept[at + 1 :] == written[:at] + written[at + 1 :]
    assert changed


@pytest.mark.parametrize("name", FIELDS)
def test_only_the_label_field_is_written(here: Path, name: str) -> None:
    before, after = tagged(here, name)
    for one, other in zip(before.splitlines(), after.splitlines(), strict=True):
        old, new = json.loads(one), json.loads(other)
        added = {"spans", FIELDS[name]} if FIELDS[name] not in old else {FIELDS[name]}
        assert {key: value for key, value in new.items() if key not in added} == {
            key: value for key, value in old.items() if key not in added
        }


def test_only_the_last_column_of_csv_and_the_key_of_misc_are_written(here: Path) -> None:
    before, after = tagged(here, "26b_kaggle_utf8.csv")
    assert [line.rsplit(",", 1)[0] for line in after.splitlines()[1:]] in (
        [line.rsplit(",", 1)[0] for line in before.splitlines()[1:]],
        before.splitlines()[1:],
    )
    before, after = tagged(here, "ne_misc.conllu")
    without = [re.sub(r"\|?NE=[^|\n]+|_$", "", text, flags=re.MULTILINE) for text in (before, after)]
    assert without[0] == without[1] and after.count("\n") == before.count("\n")


@pytest.mark.parametrize("name", REFUSED)
def test_doubtful_file_is_refused(here: Path, name: str) -> None:
    done = seqtool("tag", "--model", "names", "--file", FOLDER / name, cwd=here)
    assert (done.code, done.stdout.count("\n") <= 2) == (2, True)
    assert REFUSED[name] in done.stderr and "hint:" in done.stderr
