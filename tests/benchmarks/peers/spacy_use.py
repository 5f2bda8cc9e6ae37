"""spaCy at work: `train TRAIN OUT` makes a tagger of its quickstart size in some hundred steps, `one MODEL` tags a sentence, `pipe MODEL TEST` times."""

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


def train(path, out):
    folder, blank = Path(tempfile.mkdtemp()), spacy.blank("en")
    DocBin(docs=[Doc(blank.vocab, words=w, tags=t) for w, t in sentences(path)]).to_disk(folder / "train.spacy")
    run = [sys.executable, "-m", "spacy"]
    config, data = str(folder / "c.cfg"), str(folder / "train.spacy")
    subprocess.run([*run, "init", "config", "-l", "en", "-p", "tagger", "-o", "efficiency", config], check=True, capture_output=True)
    short = ["--paths.train", data, "--paths.dev", data, "--training.max_steps", STEPS, "--training.eval_frequency", STEPS]
    subprocess.run([*run, "train", config, "--output", str(folder / "out"), *short], check=True, capture_output=True)
    spacy.load(folder / "out" / "model-best").to_disk(out)


if sys.argv[1] == "train":
    train(*sys.argv[2:])
elif sys.argv[1] == "one":
    nlp = spacy.load(sys.argv[2])
    print([(token.text, token.tag_) for token in nlp("The dog ate the apple")])
else:
    nlp = spacy.load(sys.argv[2])
    docs = [Doc(nlp.vocab, words=words) for words, _ in sentences(sys.argv[3])]
    start = time.process_time()
    total = sum(len(doc) for doc in nlp.pipe(docs, batch_size=256))
    print(total / (time.process_time() - start))
