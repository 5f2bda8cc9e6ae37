"""The lecture's character RNN, hihell -> ihello, as one plain script."""

import torch
from torch import nn

torch.manual_seed(777)
nn.RNN(4, 2)  # the lecture's demonstration cell: unused, but it draws 16 random numbers
alphabet = "hielo"
source = torch.tensor([[alphabet.index(c) for c in "hihell"]])
target = torch.tensor([alphabet.index(c) for c in "ihello"])
inputs = nn.functional.one_hot(source, 5).float()  # (batch, time, symbols)
rnn, linear = nn.RNN(5, 4, batch_first=True), nn.Linear(4, 5)
optimizer = torch.optim.Adam([*rnn.parameters(), *linear.parameters()], lr=0.1)
for epoch in range(1, 16):
    optimizer.zero_grad()
    scores = linear(rnn(inputs)[0][0])
    loss = nn.functional.cross_entropy(scores, target)
    loss.backward()
    optimizer.step()
    print(f"{epoch:2d} {loss.item():.3f} {''.join(alphabet[i] for i in scores.argmax(1))}")
