"""Small treebanks with raw text in look-alike languages, and models of a tokenizer and a tagger for them.

`clitics` joins words in one token (`dámelo`: `da` `me` `lo`), `spaceless` writes no spaces between words, and
`inner_spaces` writes words of several syllables with spaces.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from seqtool.settings.data import TaggerData, TokenizerData
from seqtool.settings.experiment import TaggerSettings, TokenizerSettings
from seqtool.settings.model import Feature, TaggerModel, TokenizerModel
from seqtool.settings.training import Training
from seqtool.storage.model_directory import StoredModel, read_model, write_model
from tests.support.small_runs import run

LABELS = ("upos", "xpos", "feats", "lemma")
COMMON = Training(batch_size=8, lr=0.01, threads=1, device="cpu", schedule="cosine", clip_norm=1.0)


class Word(NamedTuple):
    """A word with its labels."""

    form: str
    lemma: str
    upos: str
    feats: str = "_"


class Token(NamedTuple):
    """A token with its words, and whether a space follows it."""

    form: str
    words: tuple[Word, ...]
    space: bool = True


PERIOD = Token(".", (Word(".", ".", "PUNCT"),))


def one(form: str, lemma: str, upos: str, feats: str = "_", *, space: bool = True) -> Token:
    """Return a token of one word."""
    return Token(form, (Word(form, lemma, upos, feats),), space)


def _clitics(draw: random.Random) -> list[Token]:
    nouns = [("gato", "Masc"), ("casa", "Fem"), ("libro", "Masc"), ("mesa", "Fem")]
    noun, gender = draw.choice(nouns)
    me = Word("me", "yo", "PRON", "Case=Acc,Dat|Number=Sing|Person=1")
    lo = Word("lo", "él", "PRON", "Gender=Masc|Number=Sing|Person=3")
    verb = draw.choice(
        [
            Token("dámelo", (Word("da", "dar", "VERB", "Mood=Imp"), me, lo)),
            Token("verlo", (Word("ver", "ver", "VERB", "VerbForm=Inf"), lo)),
            one("veo", "ver", "VERB", "Mood=Ind"),
        ]
    )
    article = one("el" if gender == "Masc" else "la", "el", "DET", f"Gender={gender}")
    del_ = Token("del", (Word("de", "de", "ADP"), Word("el", "el", "DET", "Gender=Masc")))
    end = draw.choice([[], [del_, one("libro", "libro", "NOUN", "Gender=Masc")]])
    return [verb, article, one(noun, noun, "NOUN", f"Gender={gender}"), *end]


def _spaceless(draw: random.Random) -> list[Token]:
    subject = draw.choice([("我", "PRON"), ("老师", "NOUN"), ("学生", "NOUN")])
    verb = draw.choice([("看", "VERB"), ("喜欢", "VERB")])
    thing = draw.choice([("书", "NOUN"), ("电影", "NOUN"), ("中文", "PROPN")])
    return [one(form, form, upos, space=False) for form, upos in (subject, verb, thing)]


def _inner_spaces(draw: random.Random) -> list[Token]:
    subject = draw.choice([("tôi", "PRON"), ("sinh viên", "NOUN"), ("nhà nước", "NOUN")])
    verb = draw.choice([("có", "VERB"), ("nghiên cứu", "VERB")])
    thing = draw.choice([("sách", "NOUN"), ("âm nhạc", "NOUN"), ("Việt Nam", "PROPN")])
    return [one(form, form, upos) for form, upos in (subject, verb, thing)]


LANGUAGES = {"clitics": _clitics, "spaceless": _spaceless, "inner_spaces": _inner_spaces}


def sentences(language: str, count: int, seed: int = 1) -> Iterator[list[Token]]:
    """Yield sentences that end with a period."""
    draw = random.Random(seed)
    stop = one("。", "。", "PUNCT", space=False) if language == "spaceless" else PERIOD
    for _ in range(count):
        tokens = LANGUAGES[language](draw)
        yield [*tokens[:-1], tokens[-1]._replace(space=False), stop]


def text_of(tokens: list[Token]) -> str:
    """Return the raw text of sentences."""
    return "".join(token.form + " " * token.space for token in tokens).strip()


def treebank(language: str, count: int, seed: int = 1) -> str:
    """Return sentences in CoNLL-U; a paragraph has four of them."""
    lines = []
    for number, tokens in enumerate(sentences(language, count, seed)):
        lines += ["# newpar"] if number % 4 == 0 else []
        word = 1
        for token in tokens:
            misc = "_" if token.space else "SpaceAfter=No"
            if len(token.words) > 1:
                span = f"{word}-{word + len(token.words) - 1}"
                lines.append("\t".join([span, token.form, *"_" * 7, misc]))
                misc = "_"
            for form, lemma, upos, feats in token.words:
                lines.append("\t".join([str(word), form, lemma, upos, upos[:2], feats, *"___", misc]))
                word += 1
        lines.append("")
    return "\n".join(lines) + "\n"


def train_model(folder: Path, language: str) -> Path:
    """Train a tokenizer and a tagger on a language, and return the directory of the model of both."""
    train, dev = folder / "train.conllu", folder / "dev.conllu"
    train.write_text(treebank(language, 160), encoding="utf-8")
    dev.write_text(treebank(language, 40, 2), encoding="utf-8")
    paths = (str(train),), (str(dev),)
    tokenizer = TokenizerSettings(
        name="tokenizer",
        data=TokenizerData(train=paths[0], split=0),  # kept by the loss, which also falls for words
        model=TokenizerModel(hidden_size=12, embedding_dim=8, class_dim=4, filters=16),
        training=_training(window=60, max_steps=150),
    )
    features = (Feature(name="form", dim=12), Feature(name="suffix", length=2, dim=8))
    tagger = TaggerSettings(
        name="tagger",
        data=TaggerData(train=paths[0], dev=paths[1], labels=LABELS),
        model=TaggerModel(features=features, hidden_size=12, projection=16),
        training=_training(epochs=5),
    )
    for settings in (tokenizer, tagger):
        run(settings, folder / "parts")
    return join(folder / "both", *(folder / "parts" / name / "model" for name in ("tokenizer", "tagger")))


def _training(**more: object) -> Training:
    return Training(**{**vars(COMMON), **more})


def join(folder: Path, *parts: Path) -> Path:
    """Write the parts of a model as one, and return its directory."""
    joined = StoredModel.joined([read_model(part) for part in parts])
    write_model(folder, joined.config, joined.vocab, joined.weights, {"kind": "tagger", "name": folder.name})
    return folder
