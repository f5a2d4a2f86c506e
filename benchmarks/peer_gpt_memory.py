# SPDX-License-Identifier: MIT
"""PyTorch's side of benchmarks/run --memory: what a training step of the GPT of gpt_memory.cpp allocates at its peak.

Every allocation of PyTorch within forward, loss and backward is counted, as its profiler records them. Gradients of
parameters are there before the step, as they are with remat, or are made in it; the lower peak counts. Attention is
scaled_dot_product_attention, and the loss is on logits of a head.
"""
import sys

import torch
from torch.profiler import ProfilerActivity, profile

from peer_step_time import gpt, gpt_checkpointed, token_loss, vocabulary


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


def measured(make):
    torch.manual_seed(1)
    model = make()
    x, y = (torch.randint(vocabulary, (8, 256)) for _ in range(2))

    def step():
        token_loss(model(x), y).backward()

    step()
    with_gradients = peak_of(step)
    model.zero_grad(set_to_none=True)
    return min(with_gradients, peak_of(step))


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    print(f"PyTorch {torch.__version__}")
    for name, make in (("no checkpoint", gpt), ("each block checkpointed", gpt_checkpointed)):
        print(f"{name:34}{measured(make) / 1e6:10.2f} MB")
