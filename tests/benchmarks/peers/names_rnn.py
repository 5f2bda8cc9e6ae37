"""The classifier of the PyTorch tutorial on names, as one plain script: python names_rnn.py TRAIN TEST SECONDS [uniform].

TRAIN and TEST are folders with a file for each language. As in the tutorial, an RNN of 128 tanh units reads one-hot letters
without accents, and plain SGD with a learning rate of 0.005 learns one random name of a random language at a time. With
`uniform`, each name has the same chance instead, so that frequent languages are seen more often.
"""

import json
import random
import sys
import time
import unicodedata
from pathlib import Path

import torch
from torch import nn

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ .,;'"
RATE, HIDDEN = 0.005, 128


def without_accents(name):
    return "".join(c for c in unicodedata.normalize("NFD", name) if unicodedata.category(c) != "Mn" and c in LETTERS)


def names(folder):
    return {p.stem: [without_accents(line) for line in p.read_text(encoding="utf-8").splitlines()] for p in sorted(Path(folder).glob("*.txt"))}


def one_hot(name):  # (letters, 1, symbols)
    return nn.functional.one_hot(torch.tensor([LETTERS.index(c) for c in name] or [0]), len(LETTERS)).float()[:, None]


train, test, seconds = names(sys.argv[1]), names(sys.argv[2]), float(sys.argv[3])
uniform = sys.argv[4:] == ["uniform"]
languages = list(train)
everything = [(language, name) for language in languages for name in train[language]]
torch.manual_seed(1)
random.seed(1)
torch.set_num_threads(1)
rnn, linear = nn.RNN(len(LETTERS), HIDDEN), nn.Linear(HIDDEN, len(languages))
parameters = [*rnn.parameters(), *linear.parameters()]
start, steps = time.process_time(), 0
while time.process_time() - start < seconds:
    language = random.choice(languages)
    language, name = random.choice(everything) if uniform else (language, random.choice(train[language]))
    scores = linear(rnn(one_hot(name))[0][-1])
    loss = nn.functional.nll_loss(scores.log_softmax(1), torch.tensor([languages.index(language)]))
    loss.backward()
    with torch.no_grad():
        for p in parameters:
            p -= RATE * p.grad
            p.grad = None
    steps += 1
with torch.no_grad():
    pairs = [(gold, languages[linear(rnn(one_hot(name))[0][-1]).argmax().item()]) for gold in test for name in test[gold]]
f1 = []
for language in languages:
    hits = sum(gold == language == found for gold, found in pairs)
    f1.append(2 * hits / max(1, sum((gold == language) + (found == language) for gold, found in pairs)))
accuracy = sum(gold == found for gold, found in pairs) / len(pairs)
print(json.dumps({"accuracy": accuracy, "macro_f1": sum(f1) / len(f1), "steps": steps, "seconds": time.process_time() - start}))
