# SPDX-License-Identifier: MIT
"""Weights and batches to compare on.

Where a relu's input is almost 0, or two elements of a pooling's window are almost equal, rounding decides which of two
gradients, both right, comes out. A batch therefore holds no sample that comes so near to such a place in float64 that
float32 might take the other side; `away_from_kinks` draws these samples anew. Exact zeros and ties stay in: there both
sides must choose alike (a relu passes nothing, a window's first maximum gets the gradient).
"""
import math
import typing

import torch
from torch import nn

# Shares of the root mean square of all channels or features at a place. Inputs of relus that are near 0 were seen to be
# off by up to 1.6e-6 of it in float32; sums that are equal but for their order, by less than 1e-15 in float64.
NEAR = 4e-6
EXACT = 1e-12


def noise(count, shape, random):
    return torch.randn((count, *shape), generator=random)


def pictures(count, shape, random):
    """A few bright, grainy blobs on black, in steps of 1/255."""
    channels, height, width = shape
    y = torch.arange(height).view(1, 1, 1, height, 1) / height
    x = torch.arange(width).view(1, 1, 1, 1, width) / width
    at_y, at_x, size, light = torch.rand((4, count, channels, 3, 1, 1), generator=random)
    blobs = light * torch.exp(-((y - at_y) ** 2 + (x - at_x) ** 2) / (0.003 + 0.03 * size))
    grain = 0.5 + torch.rand((count, *shape), generator=random)
    return ((blobs.sum(2) * grain).clamp(0, 1) * 255).round() / 255


def integers(count, shape, random):
    return torch.randint(0, 3, (count, *shape), generator=random).float()


class Indices(typing.NamedTuple):
    """An input of integers from 0 to below `count`."""
    shape: tuple
    count: int


def tensor(wanted, draw, count, random):
    """An input: floats of a shape by `draw`, what is no picture by `noise`; or `Indices`."""
    if isinstance(wanted, Indices):
        return torch.randint(0, wanted.count, (count, *wanted.shape), generator=random)
    return (draw if len(wanted) == 3 else noise)(count, wanted, random)


def apply(net, inputs):
    return net(*inputs) if len(inputs) == 1 else net(tuple(inputs))


def in_precision(tensors, dtype):
    return [tensor.to(dtype) if tensor.is_floating_point() else tensor for tensor in tensors]


def weights(net, kind, random):
    """PyTorch's own; 'large': four times as much; 'integers': the first layer's are -1, 0 and 1."""
    with torch.no_grad():
        for i, parameter in enumerate(net.parameters()):
            if kind == "large":
                parameter *= 4
            elif kind == "integers" and i == 0:
                parameter.copy_(torch.randint(-1, 2, parameter.shape, generator=random).float())


def numbers(outputs, random):
    """Targets of the outputs' shape, from 0 to 1; half of them are 0 or 1."""
    return (2 * torch.rand(outputs.shape, generator=random) - 0.5).clamp(0, 1)


def targets(kind, outputs, classes, random):
    """Classes for the outputs of a net; they are along dim 1, of (N, T, C) along the last, unless the loss makes them.

    random       any
    ignored      any, and -100 for a third of the samples
    balanced     each class equally often, as in real batches: gradients of the samples nearly cancel
    predicted    the likeliest, as if the net were trained: losses are near 0
    """
    dim = 2 if outputs.dim() == 3 else 1
    shape, classes = (*outputs.shape[:dim], *outputs.shape[dim + 1:]), classes or outputs.shape[dim]
    if kind == "predicted":
        return outputs.argmax(dim)
    if kind == "balanced":
        count = math.prod(shape)
        return (torch.randperm(count, generator=random) % classes).view(shape)
    drawn = torch.randint(0, classes, shape, generator=random)
    if kind == "ignored":
        drawn[torch.rand(shape, generator=random) < 1 / 3] = nn.NLLLoss().ignore_index
    return drawn


def near_kinks(net, inputs):
    """Which samples of a batch come too near, in the precision of `net`."""
    near = torch.zeros(len(inputs[0]), dtype=torch.bool)

    def scale(values):
        return values.pow(2).mean(1 if values.dim() == 4 else -1, keepdim=True).sqrt()

    def mark(distances, scales):
        close = (distances > EXACT * scales) & (distances < NEAR * scales)
        near.logical_or_(close.flatten(1).any(1))

    def at_relu(module, arguments, _):
        mark(arguments[0].abs(), scale(arguments[0]))

    def at_pool(module, arguments, maxima):
        def pair(extents):
            return extents if isinstance(extents, tuple) else (extents, extents)

        windows, pad = arguments[0], pair(module.padding)
        windows = nn.functional.pad(windows, (pad[1], pad[1], pad[0], pad[0]), value=-math.inf)
        for i, (size, stride, dilation) in enumerate(zip(*map(pair, (module.kernel_size, module.stride,
                                                                     module.dilation)))):
            windows = windows.unfold(2 + i, dilation * (size - 1) + 1, stride)[..., ::dilation]
        values = arguments[0]
        mark(maxima[..., None, None] - windows, module.forward(scale(values))[..., None, None])

    hooks = [m.register_forward_hook(at_relu) for m in net.modules() if isinstance(m, nn.ReLU)]
    hooks += [m.register_forward_hook(at_pool) for m in net.modules() if isinstance(m, nn.MaxPool2d)]
    with torch.no_grad():
        apply(net, inputs)
    for hook in hooks:
        hook.remove()
    return near


def away_from_kinks(net, draw, count):
    """`count` samples from `draw(n)`; `net` is in float64, in training, with its masks."""
    inputs = draw(count)
    for _ in range(50):
        near = near_kinks(net, in_precision(inputs, torch.float64))
        if not near.any():
            return inputs
        for tensor, fresh in zip(inputs, draw(int(near.sum()))):
            tensor[near] = fresh
    raise SystemExit("no batch stays away from the kinks of this network; is NEAR too large for it?")
