# SPDX-License-Identifier: MIT
"""PyTorch's side of the comparison (benchmarks/run): one network, kept warm, that answers commands.

    peer_step_time.py NETWORK THREADS LAYOUT DTYPE

    time K   one step untimed, then K steps: the mean milliseconds of a step, and the loss of the last
    peak     the bytes by which the resident set rises within a step, gradients aside; `nan` where Linux does not tell

Networks are those of networks.hpp, steps those of step_time.cpp, written as is fastest here: relu in place, checkpoints
not reentrant, and none that lets go of nothing (example 01's, for which remat's plan recomputes nothing either). LAYOUT
is contiguous or channels_last, and "compiled" after it, as in contiguous+compiled, asks for torch.compile. DTYPE is
float32, or bfloat16 for autocast to it.
"""
import ctypes
import re
import sys
import time
import warnings
from pathlib import Path

try:
    import torch
    from torch import nn
    from torch.utils.checkpoint import checkpoint
except ImportError as error:
    sys.exit(f"{sys.executable} cannot import PyTorch ({error}): apt-get install python3-torch for /usr/bin/python3, "
             "or name another interpreter with --python")


class Checkpointed(nn.Sequential):
    """What remat's checkpoint around a sequential is; without random numbers inside, there is no state to restore."""

    def forward(self, x):
        return checkpoint(super().forward, x, use_reentrant=False, preserve_rng_state=False)


class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


class BasicBlock(nn.Module):
    """torchvision's."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs),
                                  nn.ReLU(True), nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
                                  nn.BatchNorm2d(outputs))
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.body(x)
        y += x if self.downsample is None else self.downsample(x)
        return y.relu_()


def attention(q, k, v):
    """Causal attention of (N, H, T, d); before PyTorch 2 there is none in one call."""
    if hasattr(nn.functional, "scaled_dot_product_attention"):
        return nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    length = q.shape[2]
    allowed = torch.ones(length, length, dtype=torch.bool).tril()
    scores = (q @ k.transpose(2, 3) / q.shape[3] ** 0.5).masked_fill(~allowed, float("-inf"))
    return scores.softmax(3) @ v


class GptBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.c_attn, self.attn_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.c_fc, self.mlp_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        n, t, width = x.shape
        q, k, v = (each.view(n, t, self.heads, -1).transpose(1, 2) for each in self.c_attn(self.ln_1(x)).split(width, 2))
        x = x + self.attn_proj(attention(q, k, v).transpose(1, 2).reshape(n, t, width))
        return x + self.mlp_proj(nn.functional.gelu(self.c_fc(self.ln_2(x))))


class Gpt(nn.Module):
    def __init__(self, block):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocabulary, 256), nn.Embedding(256, 256)
        self.blocks = nn.Sequential(*(block(GptBlock(256, 4)) for _ in range(12)))
        self.ln_f, self.head = nn.LayerNorm(256), nn.Linear(256, vocabulary)

    def forward(self, tokens):
        x = self.wte(tokens) + self.wpe.weight[:tokens.shape[1]]
        return self.head(self.ln_f(self.blocks(x)))


def gpt():
    return Gpt(lambda block: block)


def gpt_checkpointed():
    return Gpt(Checkpointed)


def example01():
    return nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(True), nn.Conv2d(32, 64, 3), nn.ReLU(True), nn.MaxPool2d(2),
                         nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(True), nn.Linear(128, 10), nn.LogSoftmax(1))


def example02():
    return nn.Sequential(Checkpointed(nn.Conv2d(1, 20, 5), nn.ReLU(True), nn.Conv2d(20, 64, 5), nn.ReLU(True)),
                         nn.LogSoftmax(1))


def mlp():
    hidden = [layer for _ in range(32) for layer in (nn.Linear(1024, 1024), nn.ReLU(True))]
    return nn.Sequential(*hidden, nn.Linear(1024, 10), nn.LogSoftmax(1))


def ffn():
    return nn.Sequential(nn.Linear(768, 3072), nn.GELU(), nn.Linear(3072, 768))


@torch.no_grad()
def chain():
    hidden = [layer for _ in range(1000) for layer in (nn.Linear(128, 128), nn.Tanh())]
    model = nn.Sequential(*hidden, nn.Linear(128, 10), nn.LogSoftmax(1))
    for p in model.parameters():  # networks.hpp's keep_variance
        p *= 3 ** 0.5 if p.dim() == 2 else 0
    return model


def unequal():
    widths = [256, 4096, 64, 2048, 256, 1024, 32, 4096, 512, 128, 3072, 64, 2048, 1024, 48, 4096, 256]
    links = [layer for sizes in zip(widths, widths[1:]) for layer in (nn.Linear(*sizes), nn.Tanh())]
    return nn.Sequential(*links, nn.Linear(256, 10), nn.LogSoftmax(1))


def residual_block():
    return Residual(nn.Conv2d(64, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(True))


def residual():
    return nn.Sequential(*(residual_block() for _ in range(16)))


def residual_checkpointed():
    return nn.Sequential(*(Checkpointed(residual_block()) for _ in range(16)))


def residual_every4():  # the last segment is not recomputed: that would save nothing
    segments = (Checkpointed(*(residual_block() for _ in range(4))) for _ in range(3))
    return nn.Sequential(*segments, *(residual_block() for _ in range(4)))


def resnet18():
    widths = [(64, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1), (256, 512, 2),
              (512, 512, 1)]
    return nn.Sequential(nn.Conv2d(1, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(True),
                         *(BasicBlock(*each) for each in widths), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(512, 10), nn.LogSoftmax(1))


vocabulary = 4096


def token_loss(logits, targets):
    return nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


def classes(count, *shape):
    return nn.functional.nll_loss, lambda: torch.randint(count, shape)


def values(*shape):
    return nn.functional.mse_loss, lambda: torch.randn(shape)


# The network, its batch of inputs, its loss and targets. Networks of images are tried in both layouts.
features = (32, 64, 32, 32)
networks = {
    "example01": (example01, (64, 1, 28, 28), *classes(10, 64)),
    "example02": (example02, (64, 1, 28, 28), *classes(64, 64, 20, 20)),
    "mlp": (mlp, (256, 1024), *classes(10, 256)),
    "ffn": (ffn, (1024, 768), *values(1024, 768)),
    "chain": (chain, (64, 128), *classes(10, 64)),
    "unequal": (unequal, (512, 256), *classes(10, 512)),
    "residual": (residual, features, *values(*features)),
    "residual_checkpointed": (residual_checkpointed, features, *values(*features)),
    "residual_every4": (residual_every4, features, *values(*features)),
    "resnet18": (resnet18, (64, 1, 28, 28), *classes(10, 64)),
    "gpt": (gpt, (8, 256), token_loss, lambda: torch.randint(vocabulary, (8, 256))),
    "gpt_checkpointed": (gpt_checkpointed, (8, 256), token_loss, lambda: torch.randint(vocabulary, (8, 256))),
}
of_tokens = {"gpt", "gpt_checkpointed"}


def layouts(name, dtype):
    """What is tried: with autocast torch.compile, too, where there is one (in float32 it was no faster)."""
    found = ["contiguous", "channels_last"] if len(networks[name][1]) == 4 else ["contiguous"]
    if dtype == "bfloat16" and hasattr(torch, "compile"):
        found.append(found[-1] + "+compiled")
    return found


class Training:
    def __init__(self, name, layout, dtype):
        torch.manual_seed(1)
        make, shape, self.loss, targets = networks[name]
        layout, *compiled = layout.split("+")
        memory_format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
        self.rounds = dtype == "bfloat16"
        self.model = make().to(memory_format=memory_format)
        if compiled:
            sys.setrecursionlimit(100_000)  # torch.compile walks the chain of 1,000 links by recursion
        self.run = torch.compile(self.model) if compiled else self.model
        if name in of_tokens:
            self.inputs = torch.randint(vocabulary, shape)
        else:
            self.inputs = torch.empty(shape, memory_format=memory_format).normal_()
        self.targets = targets()
        if self.targets.dim() == 4:
            self.targets = self.targets.to(memory_format=memory_format)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-4)

    def step(self, set_to_none=True):
        self.optimizer.zero_grad(set_to_none=set_to_none)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.rounds):
            loss = self.loss(self.run(self.inputs), self.targets)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def time(self, steps):
        loss = self.step()
        begin = time.perf_counter()
        for _ in range(steps):
            loss = self.step()
        return 1e3 * (time.perf_counter() - begin) / steps, loss.item()

    def peak(self):
        """Gradients stay where they are (set_to_none=False), so that they count before the step as within it."""
        self.step(set_to_none=False)
        try:
            ctypes.CDLL(None).malloc_trim(0)
            before = resident("VmRSS")
            Path("/proc/self/clear_refs").write_text("5")
            self.step(set_to_none=False)
            return (resident("VmHWM") - before,)
        except (OSError, AttributeError):
            return (float("nan"),)


def resident(what):
    return 1024 * int(re.search(rf"{what}:\s*(\d+) kB", Path("/proc/self/status").read_text()).group(1))


def main(name, threads, layout, dtype):
    warnings.filterwarnings("ignore", category=UserWarning)
    torch.set_num_threads(int(threads))
    training = Training(name, layout, dtype)
    for line in sys.stdin:
        command, *arguments = line.split()
        numbers = {"time": training.time, "peak": training.peak}[command](*map(int, arguments))
        print(*numbers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
