# SPDX-License-Identifier: MIT
"""The networks of ../networks in PyTorch: the same modules in the same places, so that names of parameters agree."""
import math
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


class LayerNorm2d(nn.LayerNorm):
    """Of the channels of each pixel."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def skip():
    """A tag, and a function that makes the join of an operation."""
    remembered = []

    def remember(x):
        remembered[:] = [x]
        return x

    return Function(remember), lambda operation: Function(lambda x: operation(x, *remembered))


class Parallel(nn.Module):
    """Branches after one input, and what joins them: a function, or a module of several tensors, the last child."""

    def __init__(self, join, *branches):
        super().__init__()
        self.names = add_children(self, branches)
        self.joins_by = str(len(branches))
        self.add_module(self.joins_by, join if isinstance(join, nn.Module) else Function(join))

    def forward(self, x):
        return self.get_submodule(self.joins_by)(tuple(self.get_submodule(name)(x) for name in self.names))


class Residual(nn.Module):
    """body(x) + shortcut(x), and `last` of it; the modules of the body are children, before the shortcut."""

    def __init__(self, *body, shortcut=None, last=None, join=torch.add):
        super().__init__()
        self.body = add_children(self, body)
        self.shortcut = add_children(self, [shortcut] if shortcut else [], len(body))
        self.last, self.join = last or nn.Identity(), join

    def forward(self, x):
        y, skipped = x, x
        for name in self.body:
            y = self.get_submodule(name)(y)
        for name in self.shortcut:
            skipped = self.get_submodule(name)(x)
        return self.last(self.join(y, skipped))


class Attention(Dropout):
    """Of queries, keys and values in one tensor or in three, and a mask of integers after them, if there is one; written
    out, as functional.scaled_dot_product_attention is younger than some PyTorch that this runs with."""

    def __init__(self, heads, key_value_heads=None, causal=False, p=0):
        super().__init__(p)
        self.heads, self.key_value_heads, self.causal = heads, key_value_heads or heads, causal

    def forward(self, inputs):
        inputs = list(inputs) if isinstance(inputs, tuple) else [inputs]
        mask = None if inputs[-1].is_floating_point() else inputs.pop()
        if len(inputs) == 1:
            width = inputs[0].shape[-1] // (self.heads + 2 * self.key_value_heads)
            inputs = inputs[0].split([n * width for n in (self.heads, self.key_value_heads, self.key_value_heads)], -1)
        q, k, v = (x.unflatten(-1, (n, x.shape[-1] // n)).transpose(1, 2)
                   for x, n in zip(inputs, (self.heads, self.key_value_heads, self.key_value_heads)))
        k, v = (x.repeat_interleave(self.heads // self.key_value_heads, 1) for x in (k, v))
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        attended = torch.ones(scores.shape[-2:], dtype=torch.bool)
        if self.causal:
            attended = attended.tril()
        if mask is not None:
            attended = attended & (mask != 0)[:, None, None]
        probabilities = scores.masked_fill(~attended, -math.inf).softmax(-1).masked_fill(~attended.any(-1, True), 0)
        if self.p > 0:
            probabilities = super().forward(probabilities)
        return (probabilities @ v).transpose(1, 2).flatten(2)


class RMSNorm(nn.Module):
    def __init__(self, width, epsilon):
        super().__init__()
        self.weight, self.epsilon = nn.Parameter(torch.ones(width)), epsilon

    def forward(self, x):
        return x * (x.pow(2).mean(-1, keepdim=True) + self.epsilon).rsqrt() * self.weight


class PositionalEmbedding(nn.Embedding):
    def forward(self, x):
        return x + self.weight[:x.shape[1]]


def rotary(width, theta, factor, original_positions, low=1, high=4):
    """As transformers' Llama computes it, angles in float32."""
    frequencies = 1 / theta ** (torch.arange(0, width, 2).float() / width)
    waves = 2 * math.pi / frequencies
    smooth = (original_positions / waves - low) / (high - low)
    between = (1 - smooth) * frequencies / factor + smooth * frequencies
    long = torch.where(waves > original_positions / low, frequencies / factor, between)
    frequencies = torch.where(waves < original_positions / high, frequencies, long)

    def turn(x):
        heads = x.unflatten(-1, (x.shape[-1] // width, width))
        angles = torch.outer(torch.arange(x.shape[1]).float(), frequencies)
        angles = torch.cat((angles, angles), -1)[:, None]
        first, second = heads.chunk(2, -1)
        return (heads * angles.cos().to(x.dtype) + torch.cat((-second, first), -1) * angles.sin().to(x.dtype)).flatten(2)

    return Function(turn)


def concat(*parts):
    """Along dim 1 of images, else along the last."""
    return torch.cat(parts, 1 if parts[0].dim() == 4 else -1)


def softmax():
    return Function(lambda x: x.softmax(1 if x.dim() == 4 else -1))


def multiply(*parts):
    return math.prod(parts[1:], start=parts[0])


class RowsCrossEntropy(nn.Module):
    """Classes along the last extent of (N, C) and (N, T, C)."""

    def forward(self, logits, targets):
        return nn.functional.cross_entropy(logits.flatten(0, -2), targets.flatten())


class RowsNLL(nn.Module):
    """Of log-probabilities; classes along the last extent of (N, T, C)."""

    def forward(self, outputs, targets):
        return nn.functional.nll_loss(outputs.flatten(0, -2), targets.flatten())


class LinearCrossEntropy(nn.Linear):
    def forward(self, x, targets):
        return RowsCrossEntropy()(super().forward(x), targets)


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


def basic_block(inputs, outputs, stride=1):
    downsample = sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
    return Residual(
        ("conv1", nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)), ("bn1", nn.BatchNorm2d(outputs)), nn.ReLU(),
        ("conv2", nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)), ("bn2", nn.BatchNorm2d(outputs)),
        shortcut=("downsample", downsample) if stride > 1 else None, last=nn.ReLU())


def resnet18():
    """Example 05's."""
    def layer(inputs, outputs):
        return sequential(basic_block(inputs, outputs, 2), basic_block(outputs, outputs))

    return sequential(
        ("conv1", nn.Conv2d(1, 64, 3, 1, 1, bias=False)), ("bn1", nn.BatchNorm2d(64)), nn.ReLU(),
        ("layer1", sequential(basic_block(64, 64), basic_block(64, 64))), ("layer2", layer(64, 128)),
        ("layer3", layer(128, 256)), ("layer4", layer(256, 512)),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), ("fc", nn.Linear(512, 10)))


def resnet():
    return sequential(
        ("conv1", nn.Conv2d(3, 6, 3, 1, 1, bias=False)), ("bn1", nn.BatchNorm2d(6)), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
        ("layer1", sequential(basic_block(6, 6), basic_block(6, 6))),
        ("layer2", sequential(basic_block(6, 9, 2), basic_block(9, 9))),
        nn.Flatten(), ("fc", nn.Linear(108, 7)), nn.LogSoftmax(dim=1))


def stateful():
    def block():
        return sequential(
            nn.Conv2d(5, 5, 3, 1, 1), nn.BatchNorm2d(5, eps=1e-3, momentum=0.3), nn.Tanh(), Dropout(1 / 5))

    return sequential(
        ("stem", nn.Conv2d(2, 5, 3)), nn.ReLU(), ("norm", nn.BatchNorm2d(5)),
        ("h", sequential(*[block() for _ in range(7)])),
        nn.Flatten(), nn.Linear(175, 6), nn.LogSoftmax(dim=1))


def gated():
    return sequential(
        ("lift", nn.Linear(13, 21)), nn.Tanh(), ("norm1", nn.LayerNorm(21)),
        ("gate", Residual(("open", nn.Linear(21, 21)), nn.Sigmoid(), join=torch.mul)),
        ("middle", sequential(("up", nn.Linear(21, 35)), nn.GELU(), ("down", nn.Linear(35, 21)))),
        ("norm2", nn.LayerNorm(21)), nn.SiLU(),
        ("three", Parallel(
            concat,
            sequential(nn.Linear(21, 5), nn.GELU(approximate="tanh")), softmax(),
            Parallel(multiply, nn.Linear(21, 7), sequential(nn.Linear(21, 7), nn.Tanh()), nn.Linear(21, 7)))),
        nn.Tanh(), nn.Linear(33, 6))


def channels():
    return sequential(
        ("stem", nn.Conv2d(3, 7, 3, 1, 1)), nn.Tanh(),
        ("wide", Parallel(
            concat,
            sequential(nn.Conv2d(7, 5, 1), nn.Sigmoid()), sequential(nn.Conv2d(7, 4, 3, 1, 1), nn.SiLU()), softmax())),
        ("middle", sequential(nn.GELU(), ("mix", nn.Conv2d(16, 6, 3, 1, 1)), nn.Sigmoid())), nn.Tanh(),
        ("excite", Residual(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, 2, 1), nn.ReLU(), nn.Conv2d(2, 6, 1), nn.Sigmoid(), join=torch.mul)),
        ("norm", LayerNorm2d(6)), ("out", nn.Conv2d(6, 3, 3, 1, 1)))


def pixel_logits():
    return sequential(("stem", nn.Conv2d(3, 9, 3, 2, 1)), softmax(), nn.Conv2d(9, 5, 1))


def tokens():
    return sequential(
        Parallel(multiply, ("left", nn.Embedding(41, 12)), ("right", nn.Embedding(41, 12))),
        ("norm", nn.LayerNorm(12)),
        ("middle", sequential(nn.Linear(12, 24), nn.GELU(), nn.Linear(24, 12))), nn.LayerNorm(12))


def word():
    return sequential(
        ("stem", nn.Embedding(29, 11)), nn.Linear(11, 17), nn.SiLU(), nn.LayerNorm(17), nn.Linear(17, 8))


def labels():
    return sequential(
        ("middle", Parallel(concat, softmax(), sequential(nn.Linear(10, 9), nn.LayerNorm(9), nn.Tanh()))),
        nn.Sigmoid(), nn.Linear(19, 7))


def tied():
    token, head = nn.Embedding(23, 10), nn.Linear(10, 23, bias=False)
    head.weight = token.weight
    mixing = Residual(nn.LayerNorm(10), nn.Linear(10, 14), nn.Tanh(), nn.Linear(14, 10))
    return sequential(("token", token), ("middle", sequential(mixing, nn.SiLU(), mixing, mixing)), ("head", head))


def sequence():
    def block():
        return sequential(
            Residual(nn.LayerNorm(12), nn.Linear(12, 12), nn.GELU(), Dropout(1 / 5)),
            ("mlp", Residual(nn.LayerNorm(12), nn.Linear(12, 48), nn.GELU(approximate="tanh"), nn.Linear(48, 12))))

    return sequential(
        ("stem", nn.Embedding(31, 12)), Dropout(1 / 10),
        ("h", sequential(*[block() for _ in range(5)])),
        ("norm", nn.LayerNorm(12)), nn.Linear(12, 31), nn.LogSoftmax(dim=-1))


def branches():
    def three():
        return Parallel(
            concat, nn.Conv2d(6, 3, 1), sequential(nn.Conv2d(6, 4, 3, 1, 1), nn.ReLU()),
            sequential(nn.Conv2d(6, 3, 1), nn.SiLU(), nn.Conv2d(3, 4, 5, 1, 2)))

    return sequential(
        ("stem", nn.Conv2d(2, 6, 3)), nn.ReLU(),
        ("middle", sequential(
            three(), nn.ReLU(), nn.Conv2d(11, 6, 1), nn.Tanh(),
            three(), nn.ReLU(), nn.Conv2d(11, 6, 1))),
        Parallel(lambda a, b, c: a + b + c,
                 nn.Conv2d(6, 5, 1), sequential(nn.ReLU(), nn.Conv2d(6, 5, 3, 1, 1)), nn.Conv2d(6, 5, 1)),
        nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        Parallel(multiply, nn.Linear(60, 8), sequential(nn.Linear(60, 8), nn.Sigmoid())),
        nn.Linear(8, 5), nn.LogSoftmax(dim=1))


def unet():
    def twice(inputs, outputs):
        return sequential(
            nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1), nn.ReLU())

    (wide, join_wide), (narrow, join_narrow) = skip(), skip()
    return sequential(
        ("down1", twice(3, 5)), wide, nn.MaxPool2d(2),
        ("down2", twice(5, 7)), narrow, nn.MaxPool2d(2),
        ("middle", twice(7, 9)),
        ("up2", nn.ConvTranspose2d(9, 7, 2, 2)), join_narrow(concat),
        ("mix2", twice(14, 7)),
        nn.Upsample(scale_factor=2, mode="bilinear"), ("up1", nn.Conv2d(7, 5, 1)), join_wide(concat),
        ("mix1", twice(10, 5)),
        ("head", nn.Conv2d(5, 4, 1)), nn.LogSoftmax(dim=1))


def normed():
    return sequential(
        ("stem", nn.Conv2d(3, 10, 3, 2, 1, bias=False)), nn.BatchNorm2d(10), nn.ReLU(),
        ("middle", sequential(
            nn.Conv2d(10, 10, 3, 1, 1, groups=10), nn.ReLU(),
            nn.Conv2d(10, 32, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU())),
        ("block", Residual(
            nn.Conv2d(32, 32, 3, 1, 2, dilation=2, groups=4, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32), last=nn.ReLU())),
        ("narrow", Residual(nn.Conv2d(32, 32, 1, bias=False), nn.BatchNorm2d(32))),
        nn.AvgPool2d(3, 2, 1), nn.Conv2d(32, 24, 3, 2, 2, dilation=2, groups=2, bias=False), nn.BatchNorm2d(24),
        ("last", Residual(nn.Conv2d(24, 24, 3, 1, 1))),
        nn.AdaptiveAvgPool2d((2, 1)), nn.Flatten(), nn.Linear(48, 6), nn.LogSoftmax(dim=1))


def scaled():
    return sequential(
        ("stem", nn.ConvTranspose2d(4, 12, 3, 2, 1, 1)), nn.ReLU(),
        ("middle", sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(12, 8, 3, 1, 1), nn.ReLU())),
        nn.AvgPool2d(2, 3),
        nn.ConvTranspose2d(8, 9, 2, 2, bias=False), nn.ReLU(),
        sequential(nn.Upsample(scale_factor=3, mode="nearest"), nn.AdaptiveAvgPool2d((7, 5))),
        nn.ConvTranspose2d(9, 5, 3, 1, 1), nn.LogSoftmax(dim=1))


def grid():
    def turn():
        return Function(lambda x: x.permute(0, 3, 1, 2))

    # PyTorch 1.13's GELU reads memory that nobody wrote where the gradient that it is given is transposed.
    gelu = Function(lambda x: x * (1 + torch.erf(x / math.sqrt(2))) / 2)
    return sequential(
        ("norm", nn.LayerNorm(8)), nn.Linear(8, 5), gelu,
        ("middle", sequential(turn(), nn.Linear(6, 7), nn.Tanh())), turn(),
        ("wide", Parallel(lambda *parts: torch.cat(parts, -1), Function(lambda x: x.softmax(-1)), nn.Linear(4, 5))),
        Residual(nn.LayerNorm(9), nn.Linear(9, 9), nn.Tanh()),
        ("out", nn.Linear(9, 3)))


def uneven():
    return sequential(
        ("stem", nn.Conv2d(4, 12, (1, 3), (2, 1), (0, 2), (1, 2))), nn.ReLU(),
        ("middle", sequential(
            nn.Conv2d(12, 16, (5, 2), 1, (2, 1), groups=2, bias=False), nn.BatchNorm2d(16, eps=1e-3, momentum=0.05),
            nn.ReLU(), nn.MaxPool2d((3, 2), (2, 1), (1, 0), (1, 2)))),
        nn.Conv2d(16, 16, (3, 1), 1, (1, 0)), nn.ReLU(),
        nn.AvgPool2d((1, 2), (1, 2)),
        ("up", nn.ConvTranspose2d(16, 6, (3, 2), (2, 1), output_padding=(1, 0), groups=2, dilation=(1, 2))),
        nn.MaxPool2d((5, 7)), nn.Flatten(),
        nn.Linear(12, 9), ("norm", nn.LayerNorm(9, eps=1e-2)), nn.Linear(9, 6), nn.LogSoftmax(dim=1))


def gpt():
    def block():
        return sequential(
            Residual(("ln_1", nn.LayerNorm(24)), ("attn", sequential(
                ("c_attn", nn.Linear(24, 72)), Attention(3, causal=True), ("c_proj", nn.Linear(24, 24)), Dropout(1 / 5)))),
            Residual(("ln_2", nn.LayerNorm(24)), ("mlp", sequential(
                ("c_fc", nn.Linear(24, 96)), nn.GELU(approximate="tanh"), ("c_proj", nn.Linear(96, 24))))))

    return sequential(
        ("wte", nn.Embedding(61, 24)), ("wpe", PositionalEmbedding(70, 24)), ("drop", Dropout(1 / 10)),
        ("h", sequential(*[block() for _ in range(4)])), ("ln_f", nn.LayerNorm(24)))


def llama():
    def linear(inputs, outputs):
        return nn.Linear(inputs, outputs, bias=False)

    def block():
        return sequential(
            Residual(("input_layernorm", RMSNorm(24, 1e-6)), ("self_attn", sequential(
                Parallel(Attention(4, 2, causal=True),
                         sequential(("q_proj", linear(24, 24)), rotary(6, 500000, 8, 16)),
                         sequential(("k_proj", linear(24, 12)), rotary(6, 500000, 8, 16)),
                         ("v_proj", linear(24, 12))),
                ("o_proj", linear(24, 24))))),
            Residual(("post_attention_layernorm", RMSNorm(24, 1e-6)), ("mlp", sequential(
                Parallel(lambda gate, up: nn.functional.silu(gate) * up,
                         ("gate_proj", linear(24, 40)), ("up_proj", linear(24, 40))),
                ("down_proj", linear(40, 24))))))

    return sequential(
        ("embed_tokens", nn.Embedding(43, 24)), ("layers", sequential(*[block() for _ in range(3)])),
        ("norm", RMSNorm(24, 1e-6)), ("lm_head", linear(24, 43)))


def padded():
    remember, join = skip()

    def pick(i):
        return Function(lambda *inputs: inputs[i])

    def with_mask(module):
        """The module takes what was remembered, too."""
        module.register_forward_pre_hook(lambda _, given: ((given[0], *join(lambda *both: both[1:])(given[0])),))
        return module

    def encoded(attended):
        return sequential(
            attended, nn.LayerNorm(16), Residual(nn.Linear(16, 40), nn.GELU(), nn.Linear(40, 16)), nn.LayerNorm(16))

    def block():
        return encoded(Residual(nn.Linear(16, 48), with_mask(Attention(2, p=0.25)), nn.Linear(16, 16)))

    def block_with_mask():
        attended = Parallel(Attention(2, p=0.25), sequential(pick(0), nn.Linear(16, 48)), pick(1))
        return Parallel(lambda *both: both, encoded(Parallel(torch.add, pick(0), sequential(attended, nn.Linear(16, 16)))),
                        pick(1))

    return sequential(
        Parallel(lambda x, mask: x,
                 sequential(pick(0), ("words", nn.Embedding(3, 16)), PositionalEmbedding(9, 16)),
                 sequential(pick(1), remember)),
        ("h", sequential(*[block() for _ in range(4)])),
        ("pairs", with_mask(sequential(*[block_with_mask() for _ in range(3)]))), pick(0),
        nn.Linear(16, 5))


class Network(typing.NamedTuple):
    make: typing.Callable
    inputs: list  # shapes of floats, or Indices
    loss: typing.Callable = nn.NLLLoss
    classes: typing.Optional[int] = None  # where the loss makes them; 0: the targets are numbers, as many as outputs


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
    "gated": Network(gated, [(5, 13)], RowsCrossEntropy),
    "channels": Network(channels, [(3, 9, 7)], nn.MSELoss, classes=0),
    "pixel_logits": Network(pixel_logits, [(3, 9, 7)], nn.CrossEntropyLoss),
    "tokens": Network(tokens, [Indices((6,), 41)], lambda: LinearCrossEntropy(12, 20011), classes=20011),
    "word": Network(word, [Indices((), 29)], RowsCrossEntropy),
    "labels": Network(labels, [(10,)], nn.BCEWithLogitsLoss, classes=0),
    "tied": Network(tied, [Indices((7,), 23)], RowsCrossEntropy),
    "sequence": Network(sequence, [Indices((9,), 31)], RowsNLL),
    "branches": Network(branches, [(2, 11, 9)]),
    "unet": Network(unet, [(3, 12, 8)]),
    "normed": Network(normed, [(3, 19, 18)]),
    "scaled": Network(scaled, [(4, 7, 6)]),
    "uneven": Network(uneven, [(4, 13, 11)]),
    "grid": Network(grid, [(4, 6, 8)], nn.MSELoss, classes=0),
    "gpt": Network(gpt, [Indices((67,), 61)], lambda: LinearCrossEntropy(24, 61, bias=False), classes=61),
    "llama": Network(llama, [Indices((33,), 43)], RowsCrossEntropy),
    "padded": Network(padded, [Indices((9,), 3), Indices((9,), 3)], RowsCrossEntropy),
}
