# SPDX-License-Identifier: MIT
"""The networks of networks.hpp in PyTorch: the same modules in the same places, so that names of parameters agree."""
import collections
import math
import typing

import torch
from torch import nn


class Dropout(nn.Module):
    """Dropout with a mask from elsewhere: float, zero where an element is dropped."""

    def __init__(self, p):
        super().__init__()
        self.p = p
        self.mask = None

    def forward(self, x):
        return x * (self.mask != 0).view_as(x) / (1 - self.p) if self.training else x


class Residual(nn.Sequential):
    """x + body(x), with a relu behind it or without; the parts of the body are its children."""

    def __init__(self, *body, relu=False):
        super().__init__(*body)
        self.after = nn.ReLU() if relu else nn.Identity()

    def forward(self, x):
        y = x
        for child in list(self)[:-1]:
            y = child(y)
        return self.after(x + y)


class Concat(nn.Module):
    """What several modules make of x, side by side along dim 1 of images, else along the last."""

    def __init__(self, *branches):
        super().__init__()
        for name, branch in sequential(*branches).named_children():
            self.add_module(name, branch)

    def join(self, parts):
        return torch.cat(parts, 1 if parts[0].dim() == 4 else -1)

    def forward(self, x):
        return self.join([branch(x) for branch in self.children()])


class Multiply(Concat):
    def join(self, parts):
        return math.prod(parts[1:], start=parts[0])


class Softmax(nn.Module):
    def forward(self, x):
        return x.softmax(1 if x.dim() == 4 else -1)


class Gate(nn.Sequential):
    def forward(self, x):
        return super().forward(x) * x


class RowsCrossEntropy(nn.Module):
    """Classes along the last extent of (N, C) and (N, T, C)."""

    def forward(self, logits, targets):
        return nn.functional.cross_entropy(logits.flatten(0, -2), targets.flatten())


class LinearCrossEntropy(nn.Linear):
    def forward(self, x, targets):
        return RowsCrossEntropy()(super().forward(x), targets)


def sequential(*children):
    """nn.Sequential of modules and of (name, module); one without a name is called by its position."""
    named = [child if isinstance(child, tuple) else (str(i), child) for i, child in enumerate(children)]
    return nn.Sequential(collections.OrderedDict(named))


def images():
    return sequential(
        ("conv1", nn.Conv2d(1, 32, 3)), nn.ReLU(),
        ("conv2", nn.Conv2d(32, 64, 3)), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(),
        ("fc1", nn.Linear(9216, 128)), nn.ReLU(),
        ("fc2", nn.Linear(128, 10)), nn.LogSoftmax(dim=1))


def pixels():
    return sequential(
        ("seq", sequential(nn.Conv2d(1, 20, 5), nn.ReLU(), nn.Conv2d(20, 64, 5), nn.ReLU())),
        nn.LogSoftmax(dim=1))


def layers():
    return sequential(
        nn.Flatten(), nn.Linear(784, 300), nn.ReLU(), sequential(nn.Linear(300, 100), nn.ReLU()),
        nn.Linear(100, 10), nn.LogSoftmax(dim=1))


def strided():
    return sequential(
        ("stem", nn.Conv2d(3, 16, 3, 2, 1, bias=False)), nn.MaxPool2d(3, 2, 1), nn.ReLU(),
        sequential(nn.Conv2d(16, 24, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        nn.Conv2d(24, 20, 3, 2, 1), nn.Flatten(), nn.ReLU(),
        ("narrow", nn.Linear(80, 40, bias=False)), nn.ReLU(),
        nn.Linear(40, 7), nn.LogSoftmax(dim=1))


def rows():
    return sequential(
        ("encoder", sequential(
            ("lift", sequential(nn.Linear(12, 20), nn.ReLU())),
            ("mix", sequential(
                nn.Linear(20, 20), nn.ReLU(),
                ("inner", sequential(nn.Linear(20, 20, bias=False), nn.ReLU())),
                nn.Linear(20, 8))),
            nn.ReLU())),
        nn.Flatten(),
        ("head", sequential(nn.Linear(48, 32), nn.ReLU(), nn.Linear(32, 5), nn.LogSoftmax(dim=1))))


def masked():
    return sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), ("drop1", Dropout(1 / 4)), nn.MaxPool2d(2),
        sequential(nn.Conv2d(8, 12, 3), ("drop2", Dropout(1 / 10)), nn.ReLU()),
        nn.Flatten(),
        sequential(nn.Linear(240, 50), nn.ReLU(), ("drop3", Dropout(1 / 2))),
        ("drop4", Dropout(1 / 3)), nn.Linear(50, 6), nn.LogSoftmax(dim=1))


def normed():
    return sequential(
        ("stem", nn.Conv2d(3, 10, 3, 2, 1, bias=False)), nn.BatchNorm2d(10), nn.ReLU(),
        sequential(
            nn.Conv2d(10, 10, 3, 1, 1, groups=10), nn.ReLU(),
            nn.Conv2d(10, 32, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU()),
        ("block", Residual(
            nn.Conv2d(32, 32, 3, 1, 2, dilation=2, groups=4, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32), relu=True)),
        ("narrow", Residual(nn.Conv2d(32, 32, 1, bias=False), nn.BatchNorm2d(32))),
        nn.AvgPool2d(3, 2, 1), nn.Conv2d(32, 24, 3, 2, 2, dilation=2, groups=2, bias=False), nn.BatchNorm2d(24),
        ("last", Residual(nn.Conv2d(24, 24, 3, 1, 1))),
        nn.AdaptiveAvgPool2d((2, 1)), nn.Flatten(), nn.Linear(48, 6), nn.LogSoftmax(dim=1))


def scaled():
    return sequential(
        ("up", nn.ConvTranspose2d(4, 12, 3, 2, 1, 1)), nn.ReLU(),
        sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(12, 8, 3, 1, 1), nn.ReLU()),
        nn.AvgPool2d(2, 3),
        nn.ConvTranspose2d(8, 9, 2, 2, bias=False), nn.ReLU(),
        sequential(nn.Upsample(scale_factor=3, mode="nearest"), nn.AdaptiveAvgPool2d((7, 5))),
        nn.ConvTranspose2d(9, 5, 3, 1, 1), nn.LogSoftmax(dim=1))


def gated():
    return sequential(
        ("lift", nn.Linear(13, 21)), nn.Tanh(), ("norm1", nn.LayerNorm(21)),
        ("gate", Gate(collections.OrderedDict(open=nn.Linear(21, 21), act=nn.Sigmoid()))),
        sequential(("up", nn.Linear(21, 35)), nn.GELU(), ("down", nn.Linear(35, 21))),
        ("norm2", nn.LayerNorm(21)), nn.SiLU(),
        ("three", Concat(
            sequential(nn.Linear(21, 5), nn.GELU(approximate="tanh")), Softmax(),
            Multiply(nn.Linear(21, 7), sequential(nn.Linear(21, 7), nn.Tanh()), nn.Linear(21, 7)))),
        nn.Tanh(), nn.Linear(33, 6))


def channels():
    return sequential(
        ("stem", nn.Conv2d(3, 7, 3, 1, 1)), nn.Tanh(),
        ("wide", Concat(
            sequential(nn.Conv2d(7, 5, 1), nn.Sigmoid()), sequential(nn.Conv2d(7, 4, 3, 1, 1), nn.SiLU()), Softmax())),
        sequential(nn.GELU(), ("mix", nn.Conv2d(16, 6, 3, 1, 1)), nn.Sigmoid()), nn.Tanh(),
        ("out", nn.Conv2d(6, 3, 3, 1, 1)))


def pixel_logits():
    return sequential(nn.Conv2d(3, 9, 3, 2, 1), Softmax(), nn.Conv2d(9, 5, 1))


def tokens():
    return sequential(
        Multiply(("left", nn.Embedding(41, 12)), ("right", nn.Embedding(41, 12))),
        ("norm", nn.LayerNorm(12)), sequential(nn.Linear(12, 24), nn.GELU(), nn.Linear(24, 12)), nn.LayerNorm(12))


def word():
    return sequential(nn.Embedding(29, 11), nn.Linear(11, 17), nn.SiLU(), nn.LayerNorm(17), nn.Linear(17, 8))


def labels():
    return sequential(
        Concat(Softmax(), sequential(nn.Linear(10, 9), nn.LayerNorm(9), nn.Tanh())),
        nn.Sigmoid(), nn.Linear(19, 7))


class Network(typing.NamedTuple):
    make: typing.Callable
    sample: tuple  # the shape of an input
    loss: typing.Callable = nn.NLLLoss
    rows: int = 0  # where inputs are indices: from 0 to rows - 1
    classes: typing.Optional[int] = None  # where the loss makes them; 0: the targets are numbers, as many as outputs


NETWORKS = {
    "images": Network(images, (1, 28, 28)),
    "pixels": Network(pixels, (1, 28, 28)),
    "layers": Network(layers, (1, 28, 28)),
    "strided": Network(strided, (3, 33, 31)),
    "rows": Network(rows, (6, 12)),
    "masked": Network(masked, (1, 16, 15)),
    "normed": Network(normed, (3, 19, 18)),
    "scaled": Network(scaled, (4, 7, 6)),
    "gated": Network(gated, (5, 13), RowsCrossEntropy),
    "channels": Network(channels, (3, 9, 7), nn.MSELoss, classes=0),
    "pixellogits": Network(pixel_logits, (3, 9, 7), nn.CrossEntropyLoss),
    "tokens": Network(tokens, (6,), lambda: LinearCrossEntropy(12, 20011), rows=41, classes=20011),
    "word": Network(word, (), RowsCrossEntropy, rows=29),
    "labels": Network(labels, (10,), nn.BCEWithLogitsLoss, classes=0),
}
