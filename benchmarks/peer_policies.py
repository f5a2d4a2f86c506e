# SPDX-License-Identifier: MIT
"""PyTorch's side of benchmarks/run --policies: what a training step takes, in bytes and in seconds, under its checkpoints.

    peer_policies.py NETWORK THREADS ROUNDS

Prints a row "series,policy,bytes,seconds" for each: nothing checkpointed; each block; checkpoint_sequential in sqrt(n)
segments; and torch.compile under activation_memory_budget 0.1 to 0.9, where there is one (not of the chain of 1,000 links,
which it takes too long to compile). Bytes are the peak of what a step allocates, gradients of parameters there before it or
made in it, whichever is less. Times are medians of steps of forward, loss and backward.
"""
import math
import statistics
import sys
import time

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

from peer_gpt_memory import peak_of
from peer_step_time import networks, of_tokens, vocabulary


def blocks_of(name, model):
    """The sequential that is checkpointed, block by block, and what is after it."""
    if name == "gpt":
        return model.blocks, None
    children = list(model)
    if name in ("mlp", "chain", "unequal"):
        pairs = [nn.Sequential(*children[i:i + 2]) for i in range(0, len(children) - 2, 2)]
        return nn.Sequential(*pairs), nn.Sequential(*children[-2:])
    return model, None


class Checkpointing(nn.Module):
    """Blocks one after the other, each or in segments."""

    def __init__(self, blocks, segments):
        super().__init__()
        self.blocks, self.segments = blocks, segments

    def forward(self, x):
        if self.segments:
            return checkpoint_sequential(self.blocks, self.segments, x, use_reentrant=False, preserve_rng_state=False)
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False, preserve_rng_state=False)
        return x


def with_checkpoints(name, model, segments):
    blocks, rest = blocks_of(name, model)
    for block in blocks:
        if isinstance(block, nn.ReLU):
            block.inplace = False  # it may not write over what a checkpoint keeps
    checkpointed = Checkpointing(blocks, segments)
    if name == "gpt":
        model.blocks = checkpointed
        return model
    return checkpointed if rest is None else nn.Sequential(checkpointed, rest)


def measured(name, rounds, change):
    torch.manual_seed(1)
    make, shape, loss_of, targets_of = networks[name]
    model = make()
    run = change(model)
    x = torch.randint(vocabulary, shape) if name in of_tokens else torch.randn(shape)
    y = targets_of()

    def step():
        loss_of(run(x), y).backward()

    step()
    step()
    with_gradients = peak_of(step)
    seconds = []
    for _ in range(rounds):
        begin = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - begin)
    model.zero_grad(set_to_none=True)
    return min(with_gradients, peak_of(step)), statistics.median(seconds)


def main(name, threads, rounds):
    torch.set_num_threads(int(threads))
    count = len(blocks_of(name, networks[name][0]())[0])
    segments = max(1, round(math.sqrt(count)))
    rows = [("PyTorch", "no checkpoint", lambda model: model),
            ("PyTorch checkpoint", "each block", lambda model: with_checkpoints(name, model, 0)),
            ("PyTorch checkpoint_sequential", f"{segments} segments",
             lambda model: with_checkpoints(name, model, segments))]
    for series, policy, change in rows:
        print(series, policy, *measured(name, int(rounds), change), sep=",", flush=True)
    if not hasattr(torch, "compile") or name == "chain":
        return
    import torch._functorch.config as functorch_config
    for tenths in range(1, 10):
        functorch_config.activation_memory_budget = tenths / 10
        torch._dynamo.reset()
        print("PyTorch compile", f"activation_memory_budget {tenths / 10}", *measured(name, int(rounds), torch.compile),
              sep=",", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
