"""The lecture's LSTM tagger, two sentences, as one plain script."""

import torch
from torch import nn

torch.manual_seed(777)
corpus = [("The dog ate the apple".split(), "DET NN V DET NN".split()), ("Everybody read that book".split(), "NN V DET NN".split())]
labels = ["DET", "NN", "V"]
words = {w: i for i, w in enumerate(dict.fromkeys(w for sentence, _ in corpus for w in sentence))}
embedding, lstm, linear = nn.Embedding(len(words), 6), nn.LSTM(6, 6), nn.Linear(6, 3)
optimizer = torch.optim.SGD([*embedding.parameters(), *lstm.parameters(), *linear.parameters()], lr=0.1)


def scores(sentence):  # (time, labels)
    ids = torch.tensor([words[w] for w in sentence])
    states, _ = lstm(embedding(ids)[:, None], (torch.rand(1, 1, 6), torch.rand(1, 1, 6)))
    return linear(states[:, 0])


for epoch in range(300):
    for sentence, tags in corpus:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(scores(sentence), torch.tensor([labels.index(t) for t in tags]))
        loss.backward()
        optimizer.step()
print(f"{loss.item():.4f}", [labels[i] for i in scores(corpus[0][0]).argmax(1)])
