# SPDX-License-Identifier: MIT
"""PyTorch's side of the comparison (benchmarks/run): one network, kept warm, that answers commands.

    peer_step_time.py NETWORK THREADS LAYOUT

    time K   one step untimed, then K steps: the mean milliseconds of a step, and the loss of the last
    peak     the bytes by which the resident set rises within a step, gradients aside; `nan` where Linux does not tell

Networks and steps are step_time.cpp's, written as is fastest here: relu in place, and no checkpoint that lets go of
nothing (example 01's, for which remat's plan recomputes nothing either). LAYOUT is contiguous or channels_last.
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


def example01():
    return nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(True), nn.Conv2d(32, 64, 3), nn.ReLU(True), nn.MaxPool2d(2),
                         nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(True), nn.Linear(128, 10), nn.LogSoftmax(1))


def example02():
    return nn.Sequential(Checkpointed(nn.Conv2d(1, 20, 5), nn.ReLU(True), nn.Conv2d(20, 64, 5), nn.ReLU(True)),
                         nn.LogSoftmax(1))


def mlp():
    hidden = [layer for _ in range(32) for layer in (nn.Linear(1024, 1024), nn.ReLU(True))]
    return nn.Sequential(*hidden, nn.Linear(1024, 10), nn.LogSoftmax(1))


# The network, its batch of inputs, and its targets' classes and shape. Those of images are tried in both layouts.
networks = {
    "example01": (example01, (64, 1, 28, 28), 10, (64,)),
    "example02": (example02, (64, 1, 28, 28), 64, (64, 20, 20)),
    "mlp": (mlp, (256, 1024), 10, (256,)),
}


def layouts(name):
    return ["contiguous", "channels_last"] if len(networks[name][1]) == 4 else ["contiguous"]


class Training:
    def __init__(self, name, layout):
        torch.manual_seed(1)
        make, shape, classes, target_shape = networks[name]
        memory_format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
        self.model = make().to(memory_format=memory_format)
        self.inputs = torch.empty(shape, memory_format=memory_format).normal_()
        self.targets = torch.randint(classes, target_shape)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01)

    def step(self, set_to_none=True):
        self.optimizer.zero_grad(set_to_none=set_to_none)
        loss = nn.functional.nll_loss(self.model(self.inputs), self.targets)
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


def main(name, threads, layout):
    warnings.filterwarnings("ignore", category=UserWarning)
    torch.set_num_threads(int(threads))
    training = Training(name, layout)
    for line in sys.stdin:
        command, *arguments = line.split()
        numbers = {"time": training.time, "peak": training.peak}[command](*map(int, arguments))
        print(*numbers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
