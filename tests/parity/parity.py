# SPDX-License-Identifier: MIT
"""parity.py PROGRAM NETWORK           compares remat with PyTorch on one network, in each of its CASES
parity.py PROGRAM --check-measure     changes remat's results by a little, and checks that each change is noticed

The same weights and batch go to PyTorch in float64, to PyTorch in float32, and to remat (PROGRAM, see parity.cpp). For
the loss, the states after the step, the outputs of a prediction and the gradient of every parameter, the error of a
result g is

    ||g - g64|| / max(||g64||, 1e-6 of the norm of all gradients)     (what is no gradient: / ||g64||)

and remat's may be 1e-5, or twice that of PyTorch's float32 in the same run where that is more. The exit status is 77,
which ctest takes for skipped, where PyTorch is not installed.
"""
import array
import dataclasses
import math
import pathlib
import subprocess
import sys
import tempfile
import typing

try:
    import torch
except ModuleNotFoundError as error:
    print(f"skipped: {error} in {sys.executable}; apt-get install python3-torch")
    sys.exit(77)

import batches
from networks import NETWORKS, Dropout

POLICIES = ["tags", "none", "all", "each"]


@dataclasses.dataclass
class Case:
    network: str
    batch: int
    draw: typing.Callable = batches.noise
    weights: str = "default"
    targets: str = "random"
    threads: int = 1

    def __str__(self):
        return (f"{self.network}: batch {self.batch} of {self.draw.__name__}, weights {self.weights}, "
                f"targets {self.targets}, threads {self.threads}")


CASES = [
    Case("images", 64, batches.pictures),
    Case("images", 64, weights="large", threads=2),
    Case("images", 64, batches.pictures, targets="balanced"),
    Case("images", 7, batches.pictures, targets="ignored"),
    Case("images", 1),
    Case("pixels", 4, batches.pictures, targets="ignored"),
    Case("pixels", 4, weights="large", targets="balanced", threads=2),
    Case("pixels", 4, weights="large", targets="predicted"),
    Case("layers", 33, batches.pictures),
    Case("layers", 33, weights="large"),
    Case("layers", 40, batches.pictures, targets="balanced"),
    Case("strided", 5, batches.pictures, targets="ignored"),
    Case("strided", 5, weights="large", threads=2),
    Case("strided", 5, batches.integers, weights="integers"),
    Case("rows", 11),
    Case("rows", 1),
    Case("rows", 64, weights="large", targets="predicted"),
    Case("masked", 9, batches.pictures),
    Case("masked", 9, weights="large"),
    Case("normed", 9, batches.pictures),
    Case("normed", 6, weights="large", threads=2),
    Case("normed", 1),
    Case("scaled", 5, batches.pictures, targets="ignored"),
    Case("scaled", 5, weights="large", threads=2),
    Case("scaled", 1),
    Case("gated", 1),
    Case("gated", 8, weights="large", targets="ignored", threads=2),
    Case("gated", 64, weights="large", targets="predicted"),
    Case("channels", 3),
    Case("channels", 7, weights="large", threads=2),
    Case("pixellogits", 5, targets="ignored"),
    Case("pixellogits", 1, weights="large", threads=2),
    Case("tokens", 1),
    Case("tokens", 50, targets="ignored", threads=2),
    Case("tokens", 40, weights="large", targets="balanced"),
    Case("word", 1),
    Case("word", 33, weights="large", targets="predicted"),
    Case("labels", 1),
    Case("labels", 29, weights="large", threads=2),
]


def require(holds, message):
    if not holds:
        sys.exit(f"FAILED: {message}")


def write(file, tensor):
    code = "f" if tensor.is_floating_point() else "i"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(array.array(code, tensor.flatten().tolist()).tobytes())


def read(file):
    return torch.frombuffer(bytearray(file.read_bytes()), dtype=torch.float32)


def read_folder(folder):
    return {file.name: read(file) for file in sorted(folder.iterdir())}


def results(folder):
    """By name, as remat wrote them."""
    states = read_folder(folder / "states") if (folder / "states").exists() else {}
    return {"loss": read(folder / "loss"), "outputs": read(folder / "outputs"), **states,
            **read_folder(folder / "gradients")}


def states(net):
    """What batch norms remember."""
    return {name: tensor for name, tensor in net.named_buffers() if "running" in name}


class Step:
    """A case with its weights and its batch."""

    def __init__(self, case, program, folder):
        self.case, self.program, self.folder = case, program, folder
        self.network = NETWORKS[case.network]
        random = torch.Generator().manual_seed(2016)
        torch.manual_seed(2016)
        self.net, self.loss = self.network.make(), self.network.loss()
        batches.weights(self.net, case.weights, random)
        self.dropouts = {name: m for name, m in self.net.named_modules() if isinstance(m, Dropout)}

        def draw(count):
            kind = batches.indices(self.network.rows) if self.network.rows else case.draw
            return kind(count, self.network.sample, random)

        if self.dropouts:
            self.inputs = draw(case.batch)
            self.targets = self.draw_targets("random", random)
            self.run_remat()
            self.take_masks()
        self.inputs = batches.away_from_kinks(self.net.double().train(), draw, case.batch)
        self.targets = self.draw_targets(case.targets, random)

    def draw_targets(self, kind, random):
        with torch.no_grad():
            outputs = self.net.double().eval()(batches.in_precision(self.inputs, torch.double))
        if self.network.classes == 0:
            return batches.numbers(outputs, random)
        return batches.targets(kind, outputs, self.network.classes, random)

    def named_parameters(self):
        return [*self.net.named_parameters(), *((f"loss.{name}", p) for name, p in self.loss.named_parameters())]

    def run_remat(self):
        write(self.folder / "inputs", self.inputs)
        write(self.folder / "targets", self.targets)
        for name, parameter in self.named_parameters():
            write(self.folder / "weights" / name, parameter)
        subprocess.run([self.program, self.case.network, self.folder, str(self.case.threads)], check=True)

    def take_masks(self):
        """Masks depend on the shape of the batch alone. Each drops the share that it should, within 5 deviations."""
        masks = read_folder(self.folder / "masks")
        require(masks.keys() == self.dropouts.keys(), f"remat drops in {[*masks]}, PyTorch in {[*self.dropouts]}")
        for name, dropout in self.dropouts.items():
            mask, p = masks[name], dropout.p
            share = (mask == 0).double().mean().item()
            near = 5 * math.sqrt(p * (1 - p) / len(mask))
            require(abs(share - p) < near, f"{name} drops {share:.1%} of its elements, not {p:.1%}")
            scaled = ((mask * (1 - p) - 1).abs() < 1e-6) | (mask == 0)
            require(scaled.all(), f"{name} multiplies by another factor than 0 or 1 / (1 - p)")
            dropout.mask = mask

    def run_torch(self, dtype):
        """What remat gives, by PyTorch in this precision."""
        net, inputs = self.net.to(dtype), batches.in_precision(self.inputs, dtype)
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.reset_running_stats()
        loss = self.loss.to(dtype)(net.train()(inputs), batches.in_precision(self.targets, dtype))
        names, parameters = zip(*self.named_parameters())
        gradients = torch.autograd.grad(loss, parameters)
        found = {"loss": loss, "outputs": net.eval()(inputs), **states(net), **dict(zip(names, gradients))}
        return {name: tensor.clone().detach().flatten().double() for name, tensor in found.items()}


@dataclasses.dataclass
class Line:
    name: str
    error: float
    own: float  # PyTorch's

    @property
    def bound(self):
        return max(1e-5, 2 * self.own)

    @property
    def holds(self):
        return self.error <= self.bound  # false for NaN

    def __str__(self):
        return f"  {self.name:26} {self.error:9.1e} {self.own:9.1e} {self.bound:9.1e}{'' if self.holds else '  FAILED'}"


def compare(found, single, double):
    """A line for each tensor: remat's results and PyTorch's float32 against PyTorch's float64."""
    require(found.keys() == double.keys(), f"remat has {sorted(found)}, PyTorch has {sorted(double)}")

    def is_gradient(name):
        return name not in ("loss", "outputs") and "running" not in name

    floor = 1e-6 * math.sqrt(sum(g.norm().item() ** 2 for name, g in double.items() if is_gradient(name)))

    def error(name, tensor):
        exact = double[name]
        require(tensor.shape == exact.shape, f"{name} has {len(tensor)} elements, and {len(exact)} in PyTorch")
        least = floor if is_gradient(name) else 0
        return (tensor.double() - exact).norm().item() / max(exact.norm().item(), least)

    return [Line(name, error(name, found[name]), error(name, single[name])) for name in double]


def same_bits(a, b):
    return all(torch.equal(a[name].view(torch.int32), b[name].view(torch.int32)) for name in a)


def check(case, program):
    """Whether remat keeps its bounds in this case, and gives the same bits under every policy."""
    with tempfile.TemporaryDirectory() as folder:
        step = Step(case, program, pathlib.Path(folder))
        step.run_remat()
        single, double = step.run_torch(torch.float32), step.run_torch(torch.float64)
        found = {policy: results(step.folder / policy) for policy in POLICIES}
    passed, shown = True, None
    print(f"{case}\n  {'':26} {'remat':>9} {'PyTorch':>9} {'bound':>9}")
    for policy in POLICIES:
        lines = compare(found[policy], single, double)
        passed = passed and all(line.holds for line in lines)
        if shown and same_bits(found[policy], found[shown]):
            print(f"  checkpoints {policy}: the same bits as {shown}")
        elif shown:
            passed = False
            print(f"  checkpoints {policy}: FAILED, other bits than {shown}:", *lines, sep="\n")
        else:
            shown = policy
            print(*lines, sep="\n")
            worst = max(lines, key=lambda line: line.error / line.bound)
            print(f"  nearest to its bound: {worst.name}, {worst.error / worst.bound:.3f} of it")
    print(flush=True)
    return passed


def check_measure(program):
    """Whether a result that is off by three times its bound, in one element or in all, or that is NaN, is noticed."""
    with tempfile.TemporaryDirectory() as folder:
        step = Step(Case("rows", 11), program, pathlib.Path(folder))
        step.run_remat()
        single, double = step.run_torch(torch.float32), step.run_torch(torch.float64)
        found = results(step.folder / "tags")
    passed = True
    for line in compare(found, single, double):
        exact = double[line.name]
        one = torch.zeros_like(exact)
        one[len(one) // 2] = 1
        changes = {"scaled": 3 * line.bound * exact, "one element off": 3 * line.bound * exact.norm() * one,
                   "NaN": one * math.nan}
        for change, difference in changes.items():
            failed = [x.name for x in compare({**found, line.name: exact + difference}, single, double) if not x.holds]
            noticed = failed == [line.name]
            passed = passed and noticed
            print(f"  {line.name:26} {change:16} {'noticed' if noticed else f'FAILED, noticed in {failed}'}")
    return passed


def main(program, wanted):
    torch.set_num_threads(1)  # other tests run beside this one
    if wanted == "--check-measure":
        return check_measure(program)
    cases = [case for case in CASES if case.network == wanted]
    require(cases, f"no case is of a network '{wanted}'")
    print(f"PyTorch {torch.__version__}\n")
    return all([check(case, program) for case in cases])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(0 if main(*sys.argv[1:]) else 1)
