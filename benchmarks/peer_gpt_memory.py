# SPDX-License-Identifier: MIT
"""PyTorch's side of benchmarks/run --memory: what a training step of the GPT of gpt_memory.cpp allocates at its peak.

Every allocation of PyTorch within forward, loss and backward is counted, as its profiler records them. Gradients of
parameters are there before the step, as they are with remat, or are made in it; the lower peak counts. Attention is
scaled_dot_product_attention, and the loss is on logits of a head.
"""
import sys

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.checkpoint import checkpoint

WIDTH, HEADS, BLOCKS, VOCABULARY = 256, 4, 12, 4096


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.c_attn, self.c_proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU("tanh"), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x):
        n, t, d = x.shape
        q, k, v = (each.view(n, t, HEADS, d // HEADS).transpose(1, 2)
                   for each in self.c_attn(self.ln_1(x)).split(WIDTH, 2))
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.c_proj(y.transpose(1, 2).reshape(n, t, d))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self, length, checkpoints):
        super().__init__()
        self.checkpoints = checkpoints
        self.wte, self.wpe = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(length, WIDTH)
        self.h = nn.ModuleList(Block() for _ in range(BLOCKS))
        self.ln_f, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY, bias=False)

    def forward(self, tokens):
        x = self.wte(tokens) + self.wpe.weight
        for block in self.h:
            x = checkpoint(block, x, use_reentrant=False, preserve_rng_state=False) if self.checkpoints else block(x)
        return self.head(self.ln_f(x))


def peak_of(step):
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        step()
    bytes_now = highest = 0
    changes = [e for e in recorded.profiler.kineto_results.events() if e.name() == "[memory]"]
    if not changes:
        sys.exit("this PyTorch's profiler records no allocations; take 2.0 or later")
    for change in sorted(changes, key=lambda e: e.start_ns()):
        bytes_now += change.nbytes()
        highest = max(highest, bytes_now)
    return highest


def measured(batch, length, checkpoints):
    torch.manual_seed(1)
    model = GPT(length, checkpoints)
    x, y = (torch.randint(VOCABULARY, (batch, length)) for _ in range(2))

    def step():
        nn.functional.cross_entropy(model(x).flatten(0, 1), y.flatten()).backward()

    step()
    with_gradients = peak_of(step)
    model.zero_grad(set_to_none=True)
    return min(with_gradients, peak_of(step))


torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
print(f"PyTorch {torch.__version__}")
for name, checkpoints in (("no checkpoint", False), ("each block checkpointed", True)):
    print(f"{name:34}{measured(8, 256, checkpoints) / 1e6:10.2f} MB")
