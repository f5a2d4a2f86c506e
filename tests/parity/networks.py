# SPDX-License-Identifier: MIT
"""The networks of networks.hpp in PyTorch: the same modules in the same places, so that names of parameters agree."""
import collections
import typing

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


class Network(typing.NamedTuple):
    make: typing.Callable
    sample: tuple  # the shape of an input


NETWORKS = {
    "images": Network(images, (1, 28, 28)),
    "pixels": Network(pixels, (1, 28, 28)),
    "layers": Network(layers, (1, 28, 28)),
    "strided": Network(strided, (3, 33, 31)),
    "rows": Network(rows, (6, 12)),
    "masked": Network(masked, (1, 16, 15)),
    "normed": Network(normed, (3, 19, 18)),
    "scaled": Network(scaled, (4, 7, 6)),
}
