"""Train and time CRFsuite with hand-made features on two-column files: python crfsuite_tagger.py TRAIN DEV TEST [ap|lbfgs]."""

import sys
import tempfile
import time
from pathlib import Path

import pycrfsuite


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


def features(words, i):
    word = words[i]
    found = ["w=" + word.lower(), *(f"p{n}={word[:n]}" for n in (1, 2, 3)), *(f"s{n}={word[-n:]}" for n in (1, 2, 3, 4))]
    found += [
        f"upper={word.isupper()}",
        f"title={word.istitle()}",
        f"digits={word.isdigit()}",
        f"digit={any(c.isdigit() for c in word)}",
        f"hyphen={'-' in word}",
    ]
    for d in (-2, -1, 1, 2):
        inside = 0 <= i + d < len(words)
        found += (
            [f"{d}:w={words[i + d].lower()}", f"{d}:s3={words[i + d][-3:].lower()}", f"{d}:title={words[i + d].istitle()}"]
            if inside
            else [f"{d}:edge"]
        )
    return found


def spans(labels):
    found, start = set(), None
    for i, label in enumerate([*labels, "O"]):
        if start and (label[:1] != "I" or label[2:] != start[1]):
            found.add((start[0], i, start[1]))
            start = None
        if label[:2] in ("B-", "I-") and (label[0] == "B" or not start):
            start = (i, label[2:])
    return found


train, dev, test = (list(sentences(p)) for p in sys.argv[1:4])
algorithm, model = (sys.argv[4:] or ["ap"])[0], str(Path(tempfile.mkdtemp()) / "model")
start, busy = time.perf_counter(), time.process_time()
trainer = pycrfsuite.Trainer(verbose=False)
for words, labels in train:
    trainer.append([features(words, i) for i in range(len(words))], labels)
trainer.select(algorithm)
trainer.set_params({"max_iterations": 15} if algorithm == "ap" else {"c1": 0.1, "c2": 0.01, "max_iterations": 100})
trainer.train(model)
print(f"training {time.perf_counter() - start:.1f} s, processor {time.process_time() - busy:.1f} s")
tagger = pycrfsuite.Tagger()
tagger.open(model)
for name, part in (("dev", dev), ("test", test)):
    start = time.perf_counter()
    predicted = [tagger.tag([features(w, i) for i in range(len(w))]) for w, _ in part]
    seconds, total = time.perf_counter() - start, sum(len(w) for w, _ in part)
    right = sum(a == b for p, (_, g) in zip(predicted, part) for a, b in zip(p, g))
    both = [(spans(p), spans(g)) for p, (_, g) in zip(predicted, part)]
    hit, said, there = sum(len(p & g) for p, g in both), sum(len(p) for p, _ in both), sum(len(g) for _, g in both)
    print(f"{name} accuracy {right / total:.4f}, span F1 {2 * hit / max(1, said + there):.4f}, {total / seconds:.0f} words/s")
