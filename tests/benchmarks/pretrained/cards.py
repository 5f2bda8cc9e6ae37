"""Texts of the shipped models: `README.md` with the measured scores, and `LICENSE`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from seqtool.reports.formatting import format_size
from seqtool.storage.model_directory import StoredModel

Scores = Mapping[str, float]
Card = Callable[[Scores, Scores, StoredModel, StoredModel], str]

SHAKESPEARE = """\
# shakespeare

A character model of English plays: one LSTM layer of {hidden}, {parameters:,} weights. It generates text
in the style of its training text, scores texts, and shows what the units of a recurrent network do.

```sh
seqtool sample --model shakespeare --prompt "ROMEO:"
seqtool inspect shakespeare --text "To be, or not to be" --units surprisal
```

Training data: tiny-shakespeare, 1,115,394 characters of plays by William Shakespeare, which are in the public
domain. The first nine tenths are for training, the last tenth is for validation.

| | size | nats per character, carried | blocks of 64 |
|---|---|---|---|
| as trained, float32 | {before_size} | {before[val_loss]:.4f} | {before[val_loss_blocks]:.4f} |
| this model, int8 | {after_size} | {after[val_loss]:.4f} | {after[val_loss_blocks]:.4f} |

Command: `SEQTOOL_DATA=FOLDER python -m tests.benchmarks.pretrained shakespeare` in a clone of seqtool.
It trains with `configs/shakespeare.yaml` and rounds the weights. With `--run`, it uses a finished
run; the same run gives the same bytes.

Limits: the model knows 65 characters and no others. Its texts have no meaning. They repeat names and
phrases of the plays.

License: MIT, like seqtool.
"""


ENGLISH = """\
# english

A tokenizer and a tagger of English web text: sentences, tokens, words, parts of speech (UPOS and XPOS),
morphological features and lemmas. The tagger is one bidirectional LSTM layer over words, affixes and shapes,
the tokenizer is one over characters; {parameters:,} weights.

```sh
seqtool tag --model english "The dog ate the apple"
seqtool tokenize --model english "Hello! It's me."
```

Training data: UD English EWT 2.16 (blogs, newsgroups, e-mails, reviews, answers), 12,544 sentences. The
development data selected the epoch and the settings.

| test data of the treebank | as trained, float32, {before_size} | this model, int8, {after_size} |
|---|---|---|
{rows}

The vocabulary lists only what occurs at least {forms_min_count} times in the training data. What can be
personal data is left out, too: e-mail addresses, URLs and tokens of more than four digits. A word that is
not listed is tagged by its affixes, its shape and its context.

Command: `SEQTOOL_DATA=FOLDER python -m tests.benchmarks.pretrained english` in a clone of seqtool. With
`--run`, it shrinks finished runs; the same runs give the same bytes.

Limits: trained on English web text alone. No named entities, no syntax. UPOS of given words in other public
treebanks: 96.9 % of the first 88 sentences of UD English PUD (news; 1,919 words), and 96.1 % of 121 sentences
from five documents of the test data of UD English GUM (academic, biography, conversation, court, fiction;
2,078 words). `seqtool evaluate english TREEBANK` measures it on others.

License: CC BY-SA 4.0, because of the treebank; `LICENSE` names its authors.
"""
MEASURES = {
    "UPOS, given tokens": "test_accuracy",
    "XPOS, given tokens": "test_xpos",
    "FEATS, given tokens": "test_feats",
    "lemmas, given tokens": "test_lemma",
    "tokens F1, raw text": "test_raw_tokens",
    "sentences F1, raw text": "test_raw_sentences",
    "words F1, raw text": "test_raw_words",
    "UPOS F1, raw text": "test_raw_upos",
    "XPOS F1, raw text": "test_raw_xpos",
    "UFeats F1, raw text": "test_raw_ufeats",
    "AllTags F1, raw text": "test_raw_alltags",
    "lemmas F1, raw text": "test_raw_lemmas",
}


def english_card(before: Scores, after: Scores, model: StoredModel, original: StoredModel) -> str:
    """Return the description of the tagger of English."""
    rows = (
        f"| {measure} | {100 * before[name]:.2f} | {100 * after[name]:.2f} |"
        for measure, name in MEASURES.items()
    )
    return ENGLISH.format(
        parameters=model.manifest.parameters,
        rows="\n".join(rows),
        forms_min_count=model.manifest.forms_min_count,
        before_size=format_size(original.manifest.size),
        after_size=format_size(model.manifest.size),
    )


def shakespeare_card(before: Scores, after: Scores, model: StoredModel, original: StoredModel) -> str:
    """Return the description of the text model."""
    return SHAKESPEARE.format(
        hidden=model.config["model"]["hidden_size"],
        parameters=model.manifest.parameters,
        before=before,
        after=after,
        before_size=format_size(original.manifest.size),
        after_size=format_size(model.manifest.size),
    )


CARDS: Mapping[str, Card] = {"english": english_card, "shakespeare": shakespeare_card}


# --- licenses -----------------------------------------------------------------------------------------------

ENGLISH_LICENSE = """\
The model `english` is licensed under the Creative Commons Attribution-ShareAlike 4.0 International License
(CC BY-SA 4.0), whose text follows.

It is trained on UD English EWT 2.16 (https://universaldependencies.org), which is licensed under
CC BY-SA 4.0. Attribution: Natalia Silveira, Timothy Dozat, Marie-Catherine de Marneffe, Samuel Bowman, Miriam
Connor, John Bauer and Christopher D. Manning (2014): A Gold Standard Dependency Corpus for English.
LREC 2014.
The texts are from the English Web Treebank (LDC2012T13), collected by the Linguistic Data Consortium.

Changes: the treebank was used to estimate the weights of a recurrent network. The vocabulary of the model
lists words, parts of words and their frequencies in the training part.

"""


def license_text(name: str, project: Path, data: Path) -> str:
    """Return the license of a model."""
    if name != "english":
        return (project / "LICENSE").read_text(encoding="utf-8")
    treebank = data / "ud_english_ewt/LICENSE.txt"
    return ENGLISH_LICENSE + treebank.read_text(encoding="utf-8")
