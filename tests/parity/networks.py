# SPDX-License-Identifier: MIT
"""The networks of ../networks in PyTorch: the same modules in the same places, so that names of parameters agree."""
import typing

import torch
from torch import nn

from batches import Indices


class Dropout(nn.Module):
    """Dropout with a mask from elsewhere: float, zero where an element is dropped."""

    def __init__(self, p):
        super().__init__()
        self.p = p
        self.mask = None

    def forward(self, x):
        return x * (self.mask != 0).view_as(x) / (1 - self.p) if self.training else x


def add_children(parent, children, first=0):
    """Adds modules and (name, module) and returns their names; one without a name is called by its position."""
    named = [child if isinstance(child, tuple) else (str(i), child) for i, child in enumerate(children, first)]
    for name, module in named:
        parent.add_module(name, module)
    return [name for name, _ in named]


def sequential(*children):
    made = nn.Sequential()
    add_children(made, children)
    return made


class Function(nn.Module):
    """What a layer without parameters does with one tensor or several; a select."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(*x) if isinstance(x, tuple) else self.function(x)


def skip():
    """A tag, and a function that makes the join of an operation."""
    remembered = []

    def remember(x):
        remembered[:] = [x]
        return x

    return Function(remember), lambda operation: Function(lambda x: operation(x, *remembered))


class Parallel(nn.Module):
    """Branches behind one input, and what joins them."""

    def __init__(self, join, *branches):
        super().__init__()
        self.join = join
        self.names = add_children(self, branches)

    def forward(self, x):
        return self.join(*[self.get_submodule(name)(x) for name in self.names])


class Residual(nn.Module):
    """body(x) + shortcut(x), and `last` of it; the modules of the body are children, before the shortcut."""

    def __init__(self, *body, shortcut=None, last=None):
        super().__init__()
        self.body = add_children(self, body)
        self.shortcut = add_children(self, [shortcut] if shortcut else [], len(body))
        self.last = last or nn.Identity()

    def forward(self, x):
        y, skipped = x, x
        for name in self.body:
            y = self.get_submodule(name)(y)
        for name in self.shortcut:
            skipped = self.get_submodule(name)(x)
        return self.last(y + skipped)


def example_01():
    return sequential(
        ("conv1", nn.Conv2d(1, 32, 3)), nn.ReLU(),
        ("conv2", nn.Conv2d(32, 64, 3)), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(),
        ("fc1", nn.Linear(9216, 128)), nn.ReLU(),
        ("fc2", nn.Linear(128, 10)), nn.LogSoftmax(dim=1))


def example_02():
    return sequential(
        ("seq", sequential(nn.Conv2d(1, 20, 5), nn.ReLU(), nn.Conv2d(20, 64, 5), nn.ReLU())),
        nn.LogSoftmax(dim=1))


def layers():
    return sequential(
        nn.Flatten(), nn.Linear(784, 300), nn.ReLU(),
        ("middle", sequential(nn.Linear(300, 100), nn.ReLU())),
        nn.Linear(100, 70), nn.ReLU(), nn.Linear(70, 10), nn.LogSoftmax(dim=1))


def strided():
    return sequential(
        ("stem", nn.Conv2d(3, 16, 3, 2, 1, bias=False)), nn.MaxPool2d(3, 2, 1), nn.ReLU(),
        ("middle", sequential(nn.Conv2d(16, 24, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(3, 2))),
        nn.Conv2d(24, 20, 3, 2, 1), nn.Flatten(), nn.ReLU(),
        ("narrow", nn.Linear(80, 40, bias=False)), nn.ReLU(),
        nn.Linear(40, 7), nn.LogSoftmax(dim=1))


def rows():
    return sequential(
        ("encoder", sequential(
            ("lift", sequential(nn.Linear(12, 20), nn.ReLU())),
            ("mix", sequential(
                nn.Linear(20, 20), nn.ReLU(),
                ("inner", sequential(nn.Linear(20, 20, bias=False), nn.ReLU(), nn.Linear(20, 20), nn.ReLU())),
                nn.Linear(20, 8))),
            nn.ReLU())),
        nn.Flatten(),
        ("head", sequential(nn.Linear(48, 32), nn.ReLU(), nn.Linear(32, 5), nn.LogSoftmax(dim=1))))


def masked():
    return sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), ("drop1", Dropout(1 / 4)), nn.MaxPool2d(2),
        ("middle", sequential(nn.Conv2d(8, 12, 3), ("drop2", Dropout(1 / 10)), nn.ReLU())),
        nn.Flatten(),
        sequential(nn.Linear(240, 50), nn.ReLU(), ("drop3", Dropout(1 / 2))),
        ("drop4", Dropout(1 / 3)), nn.Linear(50, 6), nn.LogSoftmax(dim=1))


def nested():
    def mixing():
        return sequential(nn.Conv2d(8, 8, 3, 1, 1), Dropout(1 / 2), nn.Conv2d(8, 8, 3, 1, 1), nn.ReLU())

    return sequential(
        ("stem", nn.Conv2d(3, 8, 3, 2, 1)), nn.MaxPool2d(3, 2, 1), nn.ReLU(),
        ("middle", sequential(
            ("a", mixing()),
            ("b", sequential(mixing(), Dropout(1 / 2), mixing())),
            ("c", sequential(mixing(), mixing())))),
        nn.Flatten(), nn.Linear(128, 7, bias=False), nn.LogSoftmax(dim=1))


def chain():
    links = [sequential(nn.Linear(9, 9), nn.Tanh()) for _ in range(1000)]
    for linear, _ in links:
        nn.init.orthogonal_(linear.weight)
        nn.init.zeros_(linear.bias)
    return sequential(("chain", sequential(*links)), nn.Linear(9, 5), nn.LogSoftmax(dim=1))


def several():
    def fan():
        return Function(lambda x: (x, 2 * x, x * x))

    def mix():
        return Function(lambda a, b: (a * b, a + b))

    def lean(a, b):
        return a - b / 2

    tag, join = skip()
    return sequential(
        ("stem", nn.Linear(10, 13)), nn.Tanh(), tag,
        ("middle", sequential(
            fan(), Function(lambda a, b, c: (c, a)),
            ("inner", sequential(mix(), mix(), Function(lean), fan(), Function(lambda a, b, c: (a, b)), mix())),
            Function(lean), nn.Linear(13, 13), nn.ReLU())),
        join(lambda a, b: (a * b, a + b)),
        Parallel(
            lean,
            sequential(Function(lambda a, b: b), nn.Linear(13, 13), nn.Tanh()),
            sequential(Function(lambda a, b: a), nn.Linear(13, 13))),
        nn.Linear(13, 6), nn.LogSoftmax(dim=1))


def partly_frozen():
    net = sequential(
        ("stem", sequential(nn.Conv2d(2, 5, 3), nn.ReLU())),
        ("middle", sequential(
            nn.Conv2d(5, 6, 3, 1, 1), nn.ReLU(), nn.Conv2d(6, 5, 3, 1, 1), nn.Tanh(),
            ("late", sequential(nn.Conv2d(5, 4, 3), nn.ReLU())))),
        nn.Flatten(), nn.Linear(60, 20), nn.Tanh(), nn.Linear(20, 6), nn.LogSoftmax(dim=1))
    for frozen in net.stem, net.middle[2], net.middle.late, net[3]:
        frozen.requires_grad_(False)
    return net


def two_inputs():
    return sequential(
        Parallel(
            torch.add,
            ("seen", sequential(
                Function(lambda seen, told: seen), nn.Conv2d(3, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                nn.Linear(36, 12), nn.Tanh())),
            ("told", sequential(
                Function(lambda seen, told: told), nn.Linear(11, 15), nn.Tanh(), nn.Linear(15, 12), nn.ReLU()))),
        ("middle", sequential(nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 9), nn.Tanh())),
        nn.Linear(9, 5), nn.LogSoftmax(dim=1))


def resnet():
    def basic(inputs, outputs, stride=1):
        downsample = sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        return Residual(
            ("conv1", nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)), ("bn1", nn.BatchNorm2d(outputs)), nn.ReLU(),
            ("conv2", nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)), ("bn2", nn.BatchNorm2d(outputs)),
            shortcut=("downsample", downsample) if stride > 1 else None, last=nn.ReLU())

    return sequential(
        ("conv1", nn.Conv2d(3, 6, 3, 1, 1, bias=False)), ("bn1", nn.BatchNorm2d(6)), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
        ("layer1", sequential(basic(6, 6), basic(6, 6))),
        ("layer2", sequential(basic(6, 9, 2), basic(9, 9))),
        nn.Flatten(), ("fc", nn.Linear(108, 7)), nn.LogSoftmax(dim=1))


def stateful():
    def block():
        return sequential(
            nn.Conv2d(5, 5, 3, 1, 1), nn.BatchNorm2d(5, eps=1e-3, momentum=0.3), nn.Tanh(), Dropout(1 / 5))

    return sequential(
        ("stem", nn.Conv2d(2, 5, 3)), nn.ReLU(), ("norm", nn.BatchNorm2d(5)),
        ("h", sequential(*[block() for _ in range(7)])),
        nn.Flatten(), nn.Linear(175, 6), nn.LogSoftmax(dim=1))


class Network(typing.NamedTuple):
    make: typing.Callable
    inputs: list  # shapes of floats, or Indices
    loss: typing.Callable = nn.NLLLoss()
    takes_numbers: bool = False  # the loss; else it takes classes


NETWORKS = {
    "example_01": Network(example_01, [(1, 28, 28)]),
    "example_02": Network(example_02, [(1, 28, 28)]),
    "layers": Network(layers, [(1, 28, 28)]),
    "strided": Network(strided, [(3, 33, 31)]),
    "rows": Network(rows, [(6, 12)]),
    "masked": Network(masked, [(1, 16, 15)]),
    "nested": Network(nested, [(3, 16, 16)]),
    "chain": Network(chain, [(9,)]),
    "several": Network(several, [(10,)]),
    "partly_frozen": Network(partly_frozen, [(2, 9, 7)]),
    "two_inputs": Network(two_inputs, [(3, 9, 7), (11,)]),
    "resnet": Network(resnet, [(3, 13, 11)]),
    "stateful": Network(stateful, [(2, 9, 7)]),
}
