# SPDX-License-Identifier: MIT
"""PyTorch's side of the comparison of layers (benchmarks/run --layers): one layer at a time that answers commands.

    peer_layers.py THREADS

    use LAYOUT NAME   another layer, its images contiguous or channels_last
    time K            one step untimed, then K steps: the mean milliseconds of a step

Layers are those of layers.hpp. A step is the layer's forward pass and its backward pass, with gradients of its inputs
and parameters, from gradients that are set to None.
"""
import sys
import time
import warnings

try:
    import torch
    from torch import nn
    from torch.nn import functional
except ImportError as error:
    sys.exit(f"{sys.executable} cannot import PyTorch ({error}): apt-get install python3-torch for /usr/bin/python3, "
             "or name another interpreter with --python")


def conv(inputs, outputs, k, stride=1, **more):
    return nn.Conv2d(inputs, outputs, k, stride, padding=more.pop("padding", k // 2), bias=False, **more)


def function(f):
    """A function as a layer."""
    layer = nn.Module()
    layer.forward = f
    return layer


class LinearCrossEntropy(nn.Module):
    def __init__(self, inputs, classes):
        super().__init__()
        self.linear = nn.Linear(inputs, classes)

    def forward(self, x, target):
        return functional.cross_entropy(self.linear(x), target)


class RotaryEmbedding(nn.Module):
    """As transformers' Llama has it, whose cosines and sines are computed once for all layers."""

    def __init__(self, width, length, theta):
        super().__init__()
        self.width = width
        angles = torch.outer(torch.arange(length).float(), theta ** (-torch.arange(0, width, 2).float() / width))
        self.cosines, self.sines = (f(torch.cat((angles, angles), -1)) for f in (torch.cos, torch.sin))

    def forward(self, x):
        heads = x.unflatten(-1, (-1, self.width)).transpose(1, 2)
        first, second = heads.chunk(2, -1)
        return heads * self.cosines + torch.cat((-second, first), -1) * self.sines


class PositionalEmbedding(nn.Embedding):
    def forward(self, x):
        return x + super().forward(torch.arange(x.shape[1]))


def attention(heads, width, key_value_heads=None, **options):
    """Of queries, keys and values in one tensor, or in three."""
    groups = key_value_heads or heads

    def forward(*inputs):
        parts = inputs[0].split([heads * width, groups * width, groups * width], -1) if len(inputs) == 1 else inputs
        q, k, v = (part.unflatten(-1, (-1, width)).transpose(1, 2) for part in parts)
        y = functional.scaled_dot_product_attention(q, k, v, enable_gqa=groups != heads, **options)
        return y.transpose(1, 2).flatten(2)

    return lambda: function(forward)


def cross_entropy():
    return function(functional.cross_entropy)


def classes(most, *shape):
    return lambda: torch.randint(most, shape)


# The layer, and its inputs: a shape of normal numbers, or a function that makes integers.
layers = {
    "linear 1024-1024, 256 rows": (lambda: nn.Linear(1024, 1024), (256, 1024)),
    "linear 768-3072, 1024 rows": (lambda: nn.Linear(768, 3072), (8, 128, 768)),
    "linear 3072-768, 1024 rows": (lambda: nn.Linear(3072, 768), (8, 128, 3072)),
    "linear 127-131, 64 rows": (lambda: nn.Linear(127, 131), (64, 127)),
    "conv 3-64 7x7 /2, 4 x 224x224": (lambda: conv(3, 64, 7, 2), (4, 3, 224, 224)),
    "conv 64-64 3x3, 8 x 56x56": (lambda: conv(64, 64, 3), (8, 64, 56, 56)),
    "conv 128-256 3x3 /2, 8 x 28x28": (lambda: conv(128, 256, 3, 2), (8, 128, 28, 28)),
    "conv 64-128 1x1 /2, 8 x 56x56": (lambda: conv(64, 128, 1, 2), (8, 64, 56, 56)),
    "conv 256-1024 1x1, 8 x 14x14": (lambda: conv(256, 1024, 1), (8, 256, 14, 14)),
    "conv 1-32 3x3, 64 x 28x28": (lambda: conv(1, 32, 3, padding=0), (64, 1, 28, 28)),
    "depthwise conv 96 3x3, 8 x 56x56": (lambda: conv(96, 96, 3, groups=96), (8, 96, 56, 56)),
    "conv_transpose 64-32 2x2 /2, 8 x 28x28": (lambda: nn.ConvTranspose2d(64, 32, 2, 2), (8, 64, 28, 28)),
    "conv_transpose 128-64 4x4 /2, 8 x 14x14": (lambda: nn.ConvTranspose2d(128, 64, 4, 2, 1), (8, 128, 14, 14)),
    "batch_norm 64, 16 x 56x56": (lambda: nn.BatchNorm2d(64), (16, 64, 56, 56)),
    "batch_norm 512, 32 x 7x7": (lambda: nn.BatchNorm2d(512), (32, 512, 7, 7)),
    "layer_norm 768, 1024 rows": (lambda: nn.LayerNorm(768), (8, 128, 768)),
    "layer_norm 256, 2048 rows": (lambda: nn.LayerNorm(256), (8, 256, 256)),
    "rms_norm 2048, 512 rows": (lambda: nn.RMSNorm(2048, eps=1e-5), (4, 128, 2048)),
    "rotary_embedding 64, 1024 x 2048": (lambda: RotaryEmbedding(64, 128, 500000.0), (8, 128, 2048)),
    "positional_embedding 1024 x 768, 8 x 1024": (lambda: PositionalEmbedding(1024, 768), (8, 1024, 768)),
    "attention of 4 heads of 64, causal, 8 x 256": (attention(4, 64, is_causal=True), (8, 256, 768)),
    "attention of 12 heads of 64, causal, 4 x 1024": (attention(12, 64, is_causal=True), (4, 1024, 2304)),
    "attention of 8 heads of 64, causal, 1 x 4096": (attention(8, 64, is_causal=True), (1, 4096, 1536)),
    "attention of 32 and 4 heads of 64, causal, 1 x 1024": (attention(32, 64, 4, is_causal=True), (1, 1024, 2048),
                                                            (1, 1024, 256), (1, 1024, 256)),
    "attention of 12 heads of 64, 8 x 197": (attention(12, 64), (8, 197, 2304)),
    "attention of 12 heads of 64, dropout 0.1, 8 x 128": (attention(12, 64, dropout_p=0.1), (8, 128, 2304)),
    "embedding 50257 x 768, 1024 rows": (lambda: nn.Embedding(50257, 768), classes(50257, 8, 128)),
    "embedding 1000 x 64, 4096 rows": (lambda: nn.Embedding(1000, 64), classes(1000, 4096)),
    "relu 64, 16 x 56x56": (nn.ReLU, (16, 64, 56, 56)),
    "gelu, 1024 x 3072": (nn.GELU, (8, 128, 3072)),
    "gelu, 64 x 1024": (nn.GELU, (64, 1024)),
    "gelu_tanh, 1024 x 3072": (lambda: nn.GELU(approximate="tanh"), (8, 128, 3072)),
    "silu, 1024 x 3072": (nn.SiLU, (8, 128, 3072)),
    "swiglu, 1024 x 3072": (lambda: function(lambda gate, up: functional.silu(gate) * up), (8, 128, 3072),
                            (8, 128, 3072)),
    "tanh, 1024 x 1024": (nn.Tanh, (8, 128, 1024)),
    "sigmoid, 1024 x 1024": (nn.Sigmoid, (8, 128, 1024)),
    "softmax 1000, 256 rows": (lambda: nn.Softmax(-1), (256, 1000)),
    "softmax 256, 8192 rows": (lambda: nn.Softmax(-1), (32, 256, 256)),
    "softmax 21, 8 x 64x64": (lambda: nn.Softmax(1), (8, 21, 64, 64)),
    "log_softmax 10, 256 rows": (lambda: nn.LogSoftmax(-1), (256, 10)),
    "log_softmax 1000, 256 rows": (lambda: nn.LogSoftmax(-1), (256, 1000)),
    "log_softmax 21, 8 x 64x64": (lambda: nn.LogSoftmax(1), (8, 21, 64, 64)),
    "dropout 0.5, 1024 x 3072": (nn.Dropout, (8, 128, 3072)),
    "dropout 0.1, 256 x 768": (lambda: nn.Dropout(0.1), (256, 768)),
    "max_pool 3x3 /2, 4 x 64x112x112": (lambda: nn.MaxPool2d(3, 2, 1), (4, 64, 112, 112)),
    "max_pool 2x2, 64 x 64x24x24": (lambda: nn.MaxPool2d(2), (64, 64, 24, 24)),
    "avg_pool 2x2, 16 x 64x56x56": (lambda: nn.AvgPool2d(2), (16, 64, 56, 56)),
    "adaptive_avg_pool 57x57 to 7x7, 4 x 256": (lambda: nn.AdaptiveAvgPool2d(7), (4, 256, 57, 57)),
    "adaptive_avg_pool 7x7 to 1x1, 64 x 512": (lambda: nn.AdaptiveAvgPool2d(1), (64, 512, 7, 7)),
    "upsample_nearest 2, 8 x 64x32x32": (lambda: nn.Upsample(scale_factor=2), (8, 64, 32, 32)),
    "upsample_bilinear 2, 8 x 64x32x32": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), (8, 64, 32, 32)),
    "multiply, 1024 x 3072": (lambda: function(torch.mul), (8, 128, 3072), (8, 128, 3072)),
    "concat 64 and 64, 8 x 56x56": (lambda: function(lambda a, b: torch.cat((a, b), 1)), (8, 64, 56, 56),
                                    (8, 64, 56, 56)),
    "cross_entropy 1000, 256 rows": (cross_entropy, (256, 1000), classes(1000, 256)),
    "cross_entropy 32000, 256 rows": (cross_entropy, (256, 32000), classes(32000, 256)),
    "cross_entropy 21, 8 x 64x64": (cross_entropy, (8, 21, 64, 64), classes(21, 8, 64, 64)),
    "nll_loss 1000, 256 rows": (lambda: function(functional.nll_loss), (256, 1000), classes(1000, 256)),
    "mse_loss, 16 x 64x56x56": (lambda: function(functional.mse_loss), (16, 64, 56, 56), (16, 64, 56, 56)),
    "bce_with_logits, 1024 x 1024": (lambda: function(functional.binary_cross_entropy_with_logits), (1024, 1024),
                                     (1024, 1024)),
    "linear_cross_entropy 768-32000, 256 rows": (lambda: LinearCrossEntropy(768, 32000), (256, 768),
                                                 classes(32000, 256)),
    "linear_cross_entropy 256-1000, 1024 rows": (lambda: LinearCrossEntropy(256, 1000), (1024, 256),
                                                 classes(1000, 1024)),
}
losses_of_values = {"mse_loss, 16 x 64x56x56", "bce_with_logits, 1024 x 1024"}  # whose targets have no gradient


def layouts(name):
    shape = layers[name][1]
    is_image = not callable(shape) and len(shape) == 4
    return ["contiguous", "channels_last"] if is_image else ["contiguous"]


class Subject:
    def __init__(self, layout, name):
        torch.manual_seed(1)
        make, *inputs = layers[name]
        memory_format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
        self.layer = make().to(memory_format=memory_format)
        self.inputs = [each() if callable(each) else self.normal(each, memory_format) for each in inputs]
        if name in losses_of_values:
            self.inputs[-1].requires_grad_(False)
        y = self.layer(*self.inputs)
        self.gradient = torch.ones_like(y) if y.dim() == 0 else torch.randn_like(y)
        self.leaves = [*self.layer.parameters(), *(each for each in self.inputs if each.requires_grad)]

    @staticmethod
    def normal(shape, memory_format):
        is_image = len(shape) == 4
        x = torch.empty(shape, memory_format=memory_format) if is_image else torch.empty(shape)
        return x.normal_().requires_grad_()

    def step(self):
        for leaf in self.leaves:
            leaf.grad = None
        self.layer(*self.inputs).backward(self.gradient)

    def time(self, steps):
        self.step()
        begin = time.perf_counter()
        for _ in range(steps):
            self.step()
        return 1e3 * (time.perf_counter() - begin) / steps


def main(threads):
    warnings.filterwarnings("ignore", category=UserWarning)
    torch.set_num_threads(int(threads))
    subject = None
    for line in sys.stdin:
        command, rest = line.strip().split(" ", 1)
        if command == "use":
            subject = Subject(*rest.split(" ", 1))
            print(0, flush=True)
        else:
            print(subject.time(int(rest)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
