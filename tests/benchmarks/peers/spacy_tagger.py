"""Train and time spaCy's CPU tagger on two-column files: python spacy_tagger.py TRAIN DEV TEST."""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import spacy
from spacy.tokens import Doc, DocBin


def sentences(path):
    words, labels = [], []
    for line in [*open(path, encoding="utf-8"), "\n"]:
        if line.strip():
            word, label = line.rstrip("\n").split("\t")
            words.append(word)
            labels.append(label)
        elif words:
            yield words, labels
            words, labels = [], []


folder, blank = Path(tempfile.mkdtemp()), spacy.blank("en")
for name, path in zip(("train", "dev"), sys.argv[1:3]):
    DocBin(docs=[Doc(blank.vocab, words=w, tags=t) for w, t in sentences(path)]).to_disk(folder / f"{name}.spacy")
run = [sys.executable, "-m", "spacy"]
subprocess.run(
    [*run, "init", "config", "-l", "en", "-p", "tagger", "-o", "efficiency", str(folder / "c.cfg")], check=True, capture_output=True
)
before = resource.getrusage(resource.RUSAGE_CHILDREN)
start = time.perf_counter()
subprocess.run(
    [
        *run,
        "train",
        str(folder / "c.cfg"),
        "--output",
        str(folder / "out"),
        "--paths.train",
        str(folder / "train.spacy"),
        "--paths.dev",
        str(folder / "dev.spacy"),
    ],
    check=True,
    capture_output=True,
)
after = resource.getrusage(resource.RUSAGE_CHILDREN)
busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
print(f"training {time.perf_counter() - start:.1f} s, processor {busy:.1f} s", flush=True)
nlp, gold = spacy.load(folder / "out" / "model-best"), list(sentences(sys.argv[3]))
docs = [Doc(nlp.vocab, words=w) for w, _ in gold]
start = time.perf_counter()
tagged = list(nlp.pipe(docs, batch_size=256))
seconds, total = time.perf_counter() - start, sum(len(w) for w, _ in gold)
right = sum(token.tag_ == label for doc, (_, labels) in zip(tagged, gold) for token, label in zip(doc, labels))
print(f"test accuracy {right / total:.4f}, {total / seconds:.0f} words/s, model in {folder / 'out' / 'model-best'}")
