# SPDX-License-Identifier: MIT
"""training.py PROGRAM first     20 steps of ../../examples/05_resnet.cpp (PROGRAM) next to PyTorch's
training.py PROGRAM last      1,000 steps

The network, its initial weights, the batches, the optimizer and its schedule are the same: PyTorch draws the weights,
which go to a safetensors file, and the batches, which go to a folder of images in their order. Compared are losses:

    first   each of remat's differs from PyTorch's by at most 1e-3 of it
    last    the mean over steps 901 to 1,000. PyTorch trains three times: with 1 thread, with 2, and with batches in
            another order. remat's mean is as near to the mean of the three as the three are to each other.

From PyTorch's default weights and at once at the example's learning rate, this network multiplies a difference by about
ten a step: two runs of PyTorch, with 1 thread and with 2, are 1e-3 apart at the second loss and 1e-1 at the tenth. So
the weights are those of He et al. 2015, residuals count for less at first, and the rate takes 300 steps to rise. Then
two runs of PyTorch are up to 3e-4 apart in the first 20 losses, and a momentum of 0.89 instead of 0.9 moves them by
5e-3. Batches are of 32 images in `first`, and of 16 in `last`, so that no image comes twice. The exit status is
77, which ctest takes for skipped, where PyTorch is not installed.
"""
import gzip
import math
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

try:
    import torch
except ModuleNotFoundError as error:
    print(f"skipped: {error} in {sys.executable}; apt-get install python3-torch")
    sys.exit(77)
from torch import nn

import weight_files
from networks import resnet18

DATA = pathlib.Path("/usr/share/datasets/fashion-mnist")
WARM_UP = 300
NAMES = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def read_idx(name):
    contents = gzip.decompress((DATA / f"{name}.gz").read_bytes())
    rank = contents[3]
    shape = struct.unpack(f">{rank}I", contents[4:4 + 4 * rank])
    return torch.frombuffer(bytearray(contents[4 + 4 * rank:]), dtype=torch.uint8).view(shape)


def write_idx(file, tensor):
    header = struct.pack(f">BBBB{tensor.dim()}I", 0, 0, 8, tensor.dim(), *tensor.shape)
    file.write_bytes(header + weight_files.bytes_of(tensor))


def rate_factor(step, steps):
    """remat::learning_rate's linear, then its cosine."""
    if step < WARM_UP:
        return step / WARM_UP
    return (1 + math.cos(math.pi * (step - WARM_UP) / (steps - WARM_UP))) / 2


def initial_weights():
    torch.manual_seed(2016)
    net = resnet18()
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif name.endswith("bn2"):
            nn.init.constant_(module.weight, 0.2)
    return net.state_dict()


class Training:
    """N steps from the same weights, each on the next images of an order."""

    def __init__(self, steps, batch):
        self.steps, self.batch = steps, batch
        self.weights = initial_weights()
        self.all = [read_idx(name) for name in NAMES]

    def samples(self, order):
        chosen = torch.randperm(len(self.all[0]), generator=torch.Generator().manual_seed(order))
        return [tensor[chosen[:self.steps * self.batch]] for tensor in self.all]

    def run_torch(self, threads, order=1):
        torch.set_num_threads(threads)
        net = resnet18()
        net.load_state_dict(self.weights)
        net = net.to(memory_format=torch.channels_last)
        groups = [{"params": [p for p in net.parameters() if p.dim() > 1], "weight_decay": 5e-4},
                  {"params": [p for p in net.parameters() if p.dim() <= 1]}]
        optimizer = torch.optim.SGD(groups, lr=0.05, momentum=0.9)
        rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_factor(step, self.steps))
        losses = []
        for images, labels in zip(*[tensor.split(self.batch) for tensor in self.samples(order)]):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(images.unsqueeze(1) / 255), labels.long())
            loss.backward()
            optimizer.step()
            rate.step()
            losses.append(loss.item())
        return losses

    def run_remat(self, program, threads, order=1):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            for name, tensor in zip(NAMES, self.samples(order)):
                write_idx(folder / name, tensor)
                write_idx(folder / name.replace("train", "t10k"), tensor[:self.batch])
            weight_files.save(folder / "weights", self.weights)
            subprocess.run(
                [program, "--data", folder, "--steps", str(self.steps), "--batch", str(self.batch), "--stored-order",
                 "--warm-up", str(WARM_UP), "--weights", folder / "weights", "--losses", folder / "losses"],
                check=True, env={**os.environ, "OMP_NUM_THREADS": str(threads)})
            return [float(line) for line in (folder / "losses").read_text().split()]


def first(program):
    training = Training(steps=20, batch=32)
    found, wanted = training.run_remat(program, 2), training.run_torch(2)
    print(f"{'step':>4} {'remat':>10} {'PyTorch':>10} {'difference':>10}")
    passed = len(found) == training.steps
    for step, (r, p) in enumerate(zip(found, wanted), 1):
        holds = abs(r - p) <= 1e-3 * p  # false for NaN
        passed = passed and holds
        print(f"{step:4} {r:10.6f} {p:10.6f} {(r - p) / p:10.1e}{'' if holds else '  FAILED'}")
    return passed


def last(program):
    training = Training(steps=1000, batch=16)

    def mean(name, losses):
        found = sum(losses[900:]) / 100
        print(f"{name:26} {found:.4f}", flush=True)
        return found if len(losses) == training.steps else float("nan")

    print("mean loss of steps 901 to 1,000")
    remat = mean("remat, 2 threads", training.run_remat(program, 2))
    others = [mean("PyTorch, 1 thread", training.run_torch(1)), mean("PyTorch, 2 threads", training.run_torch(2)),
              mean("PyTorch, other batches", training.run_torch(2, order=2))]
    distance, spread = abs(remat - sum(others) / 3), max(others) - min(others)
    print(f"remat is {distance:.4f} from the mean of PyTorch's, whose spread is {spread:.4f}")
    return distance <= spread  # false for NaN


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[2] not in ("first", "last"):
        sys.exit(__doc__)
    sys.exit(0 if {"first": first, "last": last}[sys.argv[2]](sys.argv[1]) else 1)
