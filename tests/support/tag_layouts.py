"""Random files to be tagged, in all formats, with the bytes that `tag` must write for given labels."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import StringIO
from random import Random

WORDS = ("the", "a", "cat", "dog", "ate", "reads", "naïve", "1990", "3.5", "it's", "x-ray", "book", "that")
SYMBOLS = [".", "!", "(", "…"]
LABELS = ("DET", "NN", "V")
Labels = Sequence[Sequence[str]]


@dataclass(frozen=True)
class TagFile:
    """A file to be tagged.

    Attributes:
        name: file name, whose ending may say the format.
        sentences: tokens of each sentence.
        old: labels in the file, or None if it has no label column.
        render: function that returns the file with labels; None stands for no label column.
        kind: description for messages.
    """

    name: str
    sentences: list[list[str]]
    old: list[list[str]] | None
    render: Callable[[Labels | None], str]
    kind: str

    @property
    def content(self) -> bytes:
        return self.render(self.old).encode()

    def expected(self, labels: Labels) -> bytes:
        return self.render(labels).encode()


def random_tag_file(seed: int) -> TagFile:
    """Return the file of a seed."""
    random = Random(seed)
    sentences = [
        [random.choice(SYMBOLS if random.random() < 0.15 else WORDS) for _ in range(random.randint(2, 7))]
        for _ in range(random.randint(4, 9))
    ]
    make = random.choice((_columns, _columns, _columns, _csv, _conllu, _json, _json, _word_tag))
    return make(random, sentences)


def _old_labels(random: Random, sentences: list[list[str]]) -> list[list[str]] | None:
    choice = random.random()
    if choice < 0.15:
        return None
    if choice < 0.3:
        return [["_"] * len(sentence) for sentence in sentences]
    return [[random.choice(LABELS) for _ in sentence] for sentence in sentences]


def _ends(random: Random) -> str:
    return random.choice(["\n", "\n", "\n", "\r\n", "\r"])


def _mark(random: Random) -> str:
    return "\ufeff" if random.random() < 0.2 else ""


# --- columns ------------------------------------------------------------------------------------------------


def _other_cells(kind: str, sentence: int, tokens: Sequence[str]) -> list[str]:
    columns = {
        "counter": [str(number) for number in range(1, len(tokens) + 1)],
        "constant": ["corpus/x"] * len(tokens),
        "lemma": [token.lower() for token in tokens],
        "chunk": ["B-NP" if number % 2 else "O" for number in range(len(tokens))],
        "tag": ["JJ" if len(token) % 2 else "NNP" for token in tokens],
        "id": [f"s{sentence}-{number}" for number in range(len(tokens))],
    }
    return columns[kind]


def _table(
    sentences: list[list[str]], kinds: Sequence[str]
) -> Callable[[int, int, Labels | None], list[str]]:
    """Return the function that gives the cells of a token; the label is where `kinds` has it, else last."""
    others = [
        [
            tokens if kind == "token" else _other_cells(kind, number, tokens)
            for kind in kinds
            if kind != "label"
        ]
        for number, tokens in enumerate(sentences)
    ]

    def cells(sentence: int, token: int, labels: Labels | None) -> list[str]:
        rest = iter([column[token] for column in others[sentence]])
        row = [
            (labels[sentence][token] if labels is not None else None) if kind == "label" else next(rest)
            for kind in kinds
        ]
        return [cell for cell in row if cell is not None]

    return cells


def _kinds(random: Random) -> list[str]:
    before = random.sample(["counter", "constant", "id"], random.randint(0, 2))
    after = random.sample(["lemma", "chunk", "tag", "constant"], random.randint(0, 3))
    if "constant" in before and "constant" in after:
        after.remove("constant")
    after.insert(random.randint(0, len(after)), "label")
    return [*before, "token", *after]


def _columns(random: Random, sentences: list[list[str]]) -> TagFile:
    """Return a file of columns with comments, a header, and any blank lines."""
    old = _old_labels(random, sentences)
    kinds = _kinds(random)
    if old is None:
        kinds = [*(kind for kind in kinds if kind != "label"), "label"]  # labels are appended
    separator = random.choice(["\t", "\t", " ", "  ", ",", ";", "|"])
    end, mark, blanks = _ends(random), _mark(random), [random.randint(1, 3) for _ in sentences]
    comments = [
        random.choice(["", "", "# doc {}", "# sent_id = {}", "# a b c d e f g h {}"]) for _ in sentences
    ]
    has_header, has_document = random.random() < 0.25, random.random() < 0.2
    last_end = random.random() < 0.8
    cells = _table(sentences, kinds)
    joint = " " if separator == "  " else separator
    if len([kind for kind in kinds if kind != "label"]) == 1 and old is None:
        separator, joint = "\t", "\t"

    def render(labels: Labels | None) -> str:
        appended = old is None and labels is not None
        lines = []
        if has_document:
            lines += ["-DOCSTART- -X- O", ""]
        if has_header and old is not None:
            names = {"token": "word", "label": "label", "counter": "id", "constant": "file", "id": "sent_id"}
            lines.append(separator.join(names.get(kind, kind) for kind in kinds))
        for number, tokens in enumerate(sentences):
            comment = comments[number].format(number)
            lines += [comment] if comment else []
            for place in range(len(tokens)):
                row = cells(number, place, labels)
                text = separator.join(row[:-1] if appended else row)
                lines.append(text + joint + row[-1] if appended else text)
            lines += [""] * blanks[number]
        while not lines[-1] and not last_end:
            lines.pop()
        return mark + end.join(lines) + (end if last_end else "")

    name = random.choice(["f.conll", "f.tsv", "f.txt", "f.data"]) if old is not None else "f.conll"
    return TagFile(name, sentences, old, render, f"columns {kinds} {separator!r} {end!r}")


def _csv(random: Random, sentences: list[list[str]]) -> TagFile:
    """Return a CSV file with quoted cells and ids of sentences."""
    sentences = [[*sentence[:-1], random.choice(['say "x"', "a,b", ","])] for sentence in sentences]
    old = _old_labels(random, sentences) or [["DET"] * len(sentence) for sentence in sentences]
    kinds = ["token", *random.sample(["lemma", "tag"], random.randint(0, 2)), "label"]
    first_only, end, mark = random.random() < 0.5, random.choice(["\n", "\r\n"]), _mark(random)
    quoting = random.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    cells = _table(sentences, kinds)

    def render(labels: Labels | None) -> str:
        text = StringIO()
        writer = csv.writer(text, lineterminator=end, quoting=quoting)  # type: ignore[arg-type]
        writer.writerow(["Sentence #", *(kind.title() for kind in kinds)])
        for number, tokens in enumerate(sentences):
            for place in range(len(tokens)):
                first = f"Sentence: {number}" if place == 0 or not first_only else ""
                writer.writerow([first, *cells(number, place, labels)])
        return mark + text.getvalue()

    return TagFile("f.csv", sentences, old, render, f"csv {kinds} {end!r}")


# --- other formats ------------------------------------------------------------------------------------------


def _conllu(random: Random, sentences: list[list[str]]) -> TagFile:
    """Return a CoNLL-U file whose labels are in the column of a name."""
    old = _old_labels(random, sentences) or [["_"] * len(sentence) for sentence in sentences]
    end = random.choice(["\n", "\r\n"])

    def render(labels: Labels | None) -> str:
        lines = []
        for number, tokens in enumerate(sentences):
            lines += [f"# sent_id = {number}", f"# text = {' '.join(tokens)}"]
            for place, token in enumerate(tokens):
                label = (labels or old)[number][place]
                lines.append(f"{place + 1}\t{token}\t{token}\t{label}\tJJ\tA=b\t0\troot\t_\tSpaceAfter=No")
            lines.append("")
        return end.join(lines) + end

    return TagFile("f.conllu", sentences, old, render, f"conllu {end!r}")


def _json(random: Random, sentences: list[list[str]]) -> TagFile:
    """Return JSON lines or an array, with other fields of the user."""
    old = _old_labels(random, sentences)
    field = random.choice(["labels", "tags", "pos_tags"]) if old is not None else "labels"
    end, is_array = random.choice(["\n", "\r\n"]), random.random() < 0.3
    extra = random.choice(['"offsets": "x", ', '"spans" : [],', '"meta": {"labels": [ ]}, ', '"n": 1.50,  '])
    if old is None:
        extra = '"n": 1.50,  '
    last = random.choice(["", ', "z": null'])
    blank = "" if is_array or random.random() < 0.7 else end

    def render(labels: Labels | None) -> str:
        objects = []
        for number, tokens in enumerate(sentences):
            inner = json.dumps(tokens, ensure_ascii=False)
            text = f'{{"id": {number}, {extra}"tokens": {inner}'
            if labels is not None and old is not None:
                text += f', "{field}": {json.dumps(labels[number])}'
            text += last
            if labels is not None and old is None:
                text += f', "{field}": {json.dumps(labels[number])}'
            objects.append(text + "}")
        if is_array:
            return "[" + end + f",{end}".join(objects) + end + "]" + end
        return "".join(line + end + blank for line in objects)

    name = "f.json" if is_array else random.choice(["f.jsonl", "f.data"])
    return TagFile(name, sentences, old, render, f"json {field} array={is_array}")


def _word_tag(random: Random, sentences: list[list[str]]) -> TagFile:
    """Return lines of words with their tags."""
    old = [[random.choice(LABELS) for _ in sentence] for sentence in sentences]
    separator, gap, end = random.choice("/_"), random.choice([" ", "\t"]), random.choice(["\n", "\r\n"])

    def render(labels: Labels | None) -> str:
        return "".join(
            gap.join(f"{token}{separator}{label}" for token, label in zip(tokens, row, strict=True)) + end
            for tokens, row in zip(sentences, labels or old, strict=True)
        )

    return TagFile("f.txt", sentences, old, render, f"word_tag {separator!r}")
