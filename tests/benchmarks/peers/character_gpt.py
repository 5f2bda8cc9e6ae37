"""A small GPT by nanoGPT's recipe for a CPU, as one plain script: python character_gpt.py TEXT [SEED] [STEPS].

The recipe: 4 layers, 4 heads, 128 units, blocks of 64 characters from random places, 12 of them in a step, 2,000 steps
without dropout. AdamW with betas of 0.9 and 0.99 and a weight decay of 0.1 for matrices; the rate rises to 0.001 over
100 steps and falls by a cosine to 0.0001; gradients are clipped at 1. The network is that of GPT-2 without biases, with
one matrix for the embedding and the output. The last tenth of the text is scored in blocks of 64, every character once.
The recipe's scores during training are left out, which saves time. The last line is a JSON object.
"""

import json
import math
import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

LAYERS, HEADS, WIDTH, BLOCK, BATCH = 4, 4, 128, 64, 12
RATE, LOWEST_RATE, WARMUP, CLIP, DECAY, BETAS = 1e-3, 1e-4, 100, 1.0, 0.1, (0.9, 0.99)
THREADS, SCORED_BLOCKS = 2, 128


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.before_attention, self.before_linear = nn.LayerNorm(WIDTH, bias=False), nn.LayerNorm(WIDTH, bias=False)
        self.inward, self.outward = nn.Linear(WIDTH, 3 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH, bias=False), nn.Linear(4 * WIDTH, WIDTH, bias=False)

    def forward(self, x):  # (batch, time, width)
        heads = self.inward(self.before_attention(x)).unflatten(2, (3, HEADS, WIDTH // HEADS)).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(*heads, is_causal=True)
        x = x + self.outward(seen.transpose(1, 2).flatten(2))
        return x + self.down(functional.gelu(self.up(self.before_linear(x))))


class Network(nn.Module):
    def __init__(self, symbols):
        super().__init__()
        self.symbols, self.places = nn.Embedding(symbols, WIDTH), nn.Embedding(BLOCK, WIDTH)
        self.layers, self.last = nn.ModuleList(Layer() for _ in range(LAYERS)), nn.LayerNorm(WIDTH, bias=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                into_the_sum = name.endswith(("outward.weight", "down.weight"))
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * LAYERS) if into_the_sum else 0.02)

    def forward(self, x):  # (batch, time) -> (batch, time, symbols)
        y = self.symbols(x) + self.places.weight[: x.shape[1]]
        for layer in self.layers:
            y = layer(y)
        return functional.linear(self.last(y), self.symbols.weight)


def rate(step, steps):
    if step < WARMUP:
        return RATE * (step + 1) / (WARMUP + 1)
    return LOWEST_RATE + (RATE - LOWEST_RATE) * (1 + math.cos(math.pi * (step - WARMUP) / (steps - WARMUP))) / 2


def train(text, symbols, steps):
    network = Network(symbols)
    matrices = [p for p in network.parameters() if p.dim() >= 2]
    others = [p for p in network.parameters() if p.dim() < 2]
    groups = [{"params": matrices, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=BETAS)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate(step, steps)
        blocks = text[torch.randint(len(text) - BLOCK, (BATCH, 1)) + torch.arange(BLOCK + 1)]
        loss = functional.cross_entropy(network(blocks[:, :-1]).flatten(0, 1), blocks[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimizer.step()
        if (step + 1) % 500 == 0:
            print(f"step {step + 1}  loss {loss.item():.3f}", flush=True)
    return network


@torch.no_grad()
def score(network, text):
    total = 0.0
    for start in range(0, len(text) - 1, BLOCK * SCORED_BLOCKS):
        for piece in whole_blocks(text[start : start + BLOCK * SCORED_BLOCKS + 1]):
            scores = network(piece[:, :-1])
            total += functional.cross_entropy(scores.flatten(0, 1), piece[:, 1:].flatten(), reduction="sum").item()
    return total / (len(text) - 1)


def whole_blocks(text):  # (blocks, 65), and the rest as one shorter block
    whole = (len(text) - 1) // BLOCK * BLOCK
    if whole:
        yield torch.stack([text[start : start + BLOCK + 1] for start in range(0, whole, BLOCK)])
    if whole < len(text) - 1:
        yield text[None, whole:]


began = time.monotonic()
content = Path(sys.argv[1]).read_text(encoding="utf-8")
torch.manual_seed(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
torch.set_num_threads(THREADS)
numbers = {symbol: number for number, symbol in enumerate(sorted(set(content)))}
encoded = torch.tensor([numbers[symbol] for symbol in content])
cut = int(0.9 * len(encoded))
steps = int(sys.argv[3]) if len(sys.argv) > 3 else 2000
network = train(encoded[:cut], len(numbers), steps)
nats = score(network, encoded[cut:])
weights = sum(p.numel() for p in network.parameters())
print(json.dumps({"nats": nats, "steps": steps, "weights": weights, "seconds": time.monotonic() - began}))
