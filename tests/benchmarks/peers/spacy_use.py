"""spaCy at work.

`train TRAIN OUT` makes a tagger of its quickstart size in some hundred steps. `pipeline TRAIN OUT` makes one that
splits sentences, tags, and finds features and lemmas. `one MODEL` tags a sentence. `pipe MODEL TEST` times.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import spacy
from spacy.tokens import Doc, DocBin


STEPS = "400"  # enough for the size that counts here, tables and strings of all training words; not for the best accuracy


def sentences(path):
    words, labels = [], []
    for line in [*open(path, encoding="utf-8"), "\n"]:
        cells = line.rstrip("\n").split("\t")
        if len(cells) == 10 and cells[0].isdecimal():
            words.append(cells[1])
            labels.append(cells[3])
        elif words and not line.strip():
            yield words, labels
            words, labels = [], []


PARTS = "senter,tagger,morphologizer,trainable_lemmatizer"


def train(path, out):
    folder, blank = Path(tempfile.mkdtemp()), spacy.blank("en")
    DocBin(docs=[Doc(blank.vocab, words=w, tags=t) for w, t in sentences(path)]).to_disk(folder / "train.spacy")
    short_training(folder, folder / "train.spacy", "tagger", out)


def train_pipeline(path, out):
    folder = Path(tempfile.mkdtemp())
    run = [sys.executable, "-m", "spacy", "convert", path, str(folder), "-c", "conllu", "-n", "10"]
    subprocess.run(run, check=True, capture_output=True)
    short_training(folder, folder / f"{Path(path).stem}.spacy", PARTS, out)


def short_training(folder, data, parts, out):
    run = [sys.executable, "-m", "spacy"]
    config, data = str(folder / "c.cfg"), str(data)
    subprocess.run([*run, "init", "config", "-l", "en", "-p", parts, "-o", "efficiency", config], check=True, capture_output=True)
    short = ["--paths.train", data, "--paths.dev", data, "--training.max_steps", STEPS, "--training.eval_frequency", STEPS]
    subprocess.run([*run, "train", config, "--output", str(folder / "out"), *short], check=True, capture_output=True)
    spacy.load(folder / "out" / "model-best").to_disk(out)


if sys.argv[1] == "train":
    train(*sys.argv[2:])
elif sys.argv[1] == "pipeline":
    train_pipeline(*sys.argv[2:])
elif sys.argv[1] == "one":
    nlp = spacy.load(sys.argv[2])
    doc = nlp("The dog ate the apple")
    print([(token.text, token.tag_, token.pos_, str(token.morph), token.lemma_) for token in doc])
else:
    nlp = spacy.load(sys.argv[2])
    docs = [Doc(nlp.vocab, words=words) for words, _ in sentences(sys.argv[3])]
    start = time.process_time()
    total = sum(len(doc) for doc in nlp.pipe(docs, batch_size=256))
    print(total / (time.process_time() - start))
