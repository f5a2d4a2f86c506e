# SPDX-License-Identifier: MIT
"""parity.py PROGRAM NETWORK[,NETWORK]... compares remat with PyTorch on networks, in each of their CASES
parity.py PROGRAM NETWORK bfloat16     the same of one where both compute with it
parity.py PROGRAM --check-measure      changes remat's results by a little, and checks that each change is noticed

The same weights and batch go to PyTorch in float64, to PyTorch in float32, and to remat (PROGRAM, see parity.cpp). For
the loss, the outputs of a prediction, the gradient of every parameter and every running statistic after the step, the
error of a result g is

    ||g - g64|| / max(||g64||, 1e-6 of the norm of all gradients)     (what is no gradient: / ||g64||)

A model that computes with bfloat16, where the CPU can, is measured in the same way in a network's first case: its error may
be 1.5 times that of PyTorch's autocast to bfloat16 in the same run, both as root mean squares over six draws of weights and
batch, of each tensor. In networks with kinks, as relu has, rounding decides in some draws on which side of one a number is,
by remat or by PyTorch, and the gradient is then another: there it is the geometric mean over the draws, which one of them
does not decide, of all gradients together and of outputs.

A gradient that is zero but for rounding, as of a bias before a batch norm, is measured against the norm of all. The error
of remat's may be 1e-5, or twice that of PyTorch's float32 in the same run where that is more. Errors are of sums in some
order, and vary from draw to draw: where one is more in the first draw of weights and batch, the root mean squares over six
draws count, of both. The exit status is 77, which ctest takes for skipped, where PyTorch is not installed.
"""
import array
import copy
import dataclasses
import math
import pathlib
import statistics
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
    Case("example_01", 24, batches.pictures),
    Case("example_01", 24, weights="large", threads=2),
    Case("example_01", 24, batches.pictures, targets="balanced"),
    Case("example_01", 7, batches.pictures, targets="ignored"),
    Case("example_01", 1),
    Case("example_02", 4, batches.pictures, targets="ignored"),
    Case("example_02", 4, weights="large", targets="balanced", threads=2),
    Case("example_02", 4, weights="large", targets="predicted"),
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
    Case("nested", 6),
    Case("chain", 5),
    Case("several", 7),
    Case("several", 7, weights="large", threads=2),
    Case("partly_frozen", 5),
    Case("two_inputs", 5),
    Case("two_inputs", 9, weights="large", threads=2),
    Case("resnet", 9, batches.pictures),
    Case("resnet", 8, weights="large", threads=2),
    Case("stateful", 6),
    Case("gated", 1),
    Case("gated", 8, weights="large", targets="ignored", threads=2),
    Case("gated", 64, weights="large", targets="predicted"),
    Case("channels", 3),
    Case("channels", 7, weights="large", threads=2),
    Case("pixel_logits", 5, targets="ignored"),
    Case("pixel_logits", 1, weights="large", threads=2),
    Case("tokens", 1),
    Case("tokens", 50, targets="ignored", threads=2),
    Case("tokens", 40, weights="large", targets="balanced"),
    Case("word", 1),
    Case("word", 33, weights="large", targets="predicted"),
    Case("labels", 1),
    Case("labels", 29, weights="large", threads=2),
    Case("tied", 6),
    Case("tied", 17, weights="large", targets="ignored", threads=2),
    Case("sequence", 5),
    Case("sequence", 13, weights="large", targets="ignored", threads=2),
    Case("branches", 7),
    Case("branches", 7, weights="large", threads=2),
    Case("unet", 3, batches.pictures, targets="ignored"),
    Case("unet", 4, weights="large", threads=2),
    Case("normed", 9, batches.pictures),
    Case("normed", 6, weights="large", threads=2),
    Case("normed", 1),
    Case("scaled", 5, batches.pictures, targets="ignored"),
    Case("scaled", 5, weights="large", threads=2),
    Case("scaled", 1),
    Case("uneven", 5, batches.pictures, targets="ignored"),
    Case("uneven", 9, weights="large", threads=2),
    Case("uneven", 1),
    Case("grid", 5),
    Case("grid", 7, weights="large", threads=2),
    Case("grid", 1),
    Case("gpt", 3),
    Case("gpt", 2, targets="ignored", threads=2),
    Case("llama", 3),
    Case("llama", 4, targets="balanced", threads=2),
    Case("padded", 5),
    Case("padded", 17, targets="ignored", threads=2),
]


def require(holds, message):
    if not holds:
        sys.exit(f"FAILED: {message}")


def write(file, code, tensor):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(array.array(code, tensor.flatten().tolist()).tobytes())


def read(file):
    return torch.frombuffer(bytearray(file.read_bytes()), dtype=torch.float32)


def read_folder(folder):
    return {file.name: read(file) for file in sorted(folder.iterdir())} if folder.exists() else {}


def results(folder):
    """By name, as remat wrote them."""
    found = {"loss": read(folder / "loss"), "outputs": read(folder / "outputs")}
    for kind in "gradients", "states":
        found |= {f"{kind}/{name}": tensor for name, tensor in read_folder(folder / kind).items()}
    return found


class Step:
    """A case with its weights and its batch."""

    def __init__(self, case, program, folder, dtype="float32", seed=2016):
        self.case, self.program, self.folder, self.dtype = case, program, folder, dtype
        self.network = NETWORKS[case.network]
        random = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        self.net, self.loss = self.network.make(), self.network.loss()
        batches.weights(self.net, case.weights, random)
        self.dropouts = {name: m for name, m in self.net.named_modules() if isinstance(m, Dropout) and m.p > 0}

        def draw(count):
            return [batches.tensor(wanted, case.draw, count, random) for wanted in self.network.inputs]

        def draw_targets(kind):
            outputs, classes = self.predict(), self.network.classes
            return batches.numbers(outputs, random) if classes == 0 else batches.targets(kind, outputs, classes, random)

        if self.dropouts:
            self.inputs = draw(case.batch)
            self.targets = draw_targets("random")
            self.run_remat()
            self.take_masks()
        self.inputs = batches.away_from_kinks(self.fresh(torch.float64).train(), draw, case.batch)
        self.targets = draw_targets(case.targets)

    def fresh(self, dtype):
        """The net before its first step."""
        return copy.deepcopy(self.net).to(dtype)

    def named_parameters(self, net, loss):
        return [*net.named_parameters(), *((f"loss.{name}", p) for name, p in loss.named_parameters())]

    def predict(self):
        with torch.no_grad():
            return batches.apply(self.fresh(torch.float64).eval(), batches.in_precision(self.inputs, torch.float64))

    def run_remat(self):
        for i, tensor in enumerate([*self.inputs, self.targets]):
            write(self.folder / "tensors" / str(i), "f" if tensor.is_floating_point() else "i", tensor)
        for name, parameter in self.named_parameters(self.net, self.loss):
            write(self.folder / "weights" / name, "f", parameter)
        subprocess.run([self.program, self.case.network, self.folder, str(self.case.threads), self.dtype], check=True)

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

    def run_torch(self, dtype, rounds=False):
        """What remat gives, by PyTorch in this precision, or with autocast to bfloat16 up to the loss."""
        net, loss = self.fresh(dtype), copy.deepcopy(self.loss).to(dtype)
        *inputs, targets = batches.in_precision([*self.inputs, self.targets], dtype)
        with torch.autocast("cpu", torch.bfloat16, enabled=rounds):
            found = {"loss": loss(batches.apply(net.train(), inputs), targets)}
        names, parameters = zip(*[(name, p) for name, p in self.named_parameters(net, loss) if p.requires_grad])
        gradients = torch.autograd.grad(found["loss"], parameters)
        found |= {f"gradients/{name}": gradient for name, gradient in zip(names, gradients)}
        found |= {f"states/{name}": state for name, state in net.named_buffers() if state.is_floating_point()}
        with torch.autocast("cpu", torch.bfloat16, enabled=rounds):
            found["outputs"] = batches.apply(net.eval(), inputs)
        return {name: tensor.detach().flatten().double() for name, tensor in found.items()}


@dataclasses.dataclass
class Line:
    name: str
    error: float
    own: float  # PyTorch's
    factor: float = 2

    @property
    def bound(self):
        return max(1e-5, self.factor * self.own)

    @property
    def holds(self):
        # False for NaN. Where PyTorch is off by all there is, it is wrong, and says nothing about a bound.
        return self.error <= self.bound and self.own < 1

    def __str__(self):
        return f"  {self.name:36} {self.error:9.1e} {self.own:9.1e} {self.bound:9.1e}{'' if self.holds else '  FAILED'}"


def compare(found, single, double, factor=2):
    """A line for each tensor: remat's results and PyTorch's float32 against PyTorch's float64."""
    require(found.keys() == double.keys(), f"remat has {sorted(found)}, PyTorch has {sorted(double)}")
    norms = {name: tensor.norm().item() for name, tensor in double.items()}
    whole = math.hypot(*[norm for name, norm in norms.items() if name.startswith("gradients/")])

    def error(name, tensor):
        exact = double[name]
        require(tensor.shape == exact.shape, f"{name} has {len(tensor)} elements, and {len(exact)} in PyTorch")
        least = 0
        if name.startswith("gradients/"):
            least = (1e-6 if norms[name] > 1e-12 * whole else 1) * whole
        return (tensor.double() - exact).norm().item() / max(norms[name], least)

    return [Line(name, error(name, found[name]), error(name, single[name]), factor) for name in double]


def same_bits(a, b):
    return all(torch.equal(a[name].view(torch.int32), b[name].view(torch.int32)) for name in a)


def results_of_policies(folder):
    return {policy.name: results(policy) for policy in sorted(folder.iterdir())} if folder.exists() else {}


def lines_of_draw(case, program, seed=2016):
    """A line for each tensor, and what remat gave under each policy."""
    with tempfile.TemporaryDirectory() as folder:
        step = Step(case, program, pathlib.Path(folder), seed=seed)
        step.run_remat()
        single, double = step.run_torch(torch.float32), step.run_torch(torch.float64)
        found = results_of_policies(step.folder / "results")
    return compare(found["none"], single, double), found


def root_mean_square(errors):
    return math.sqrt(sum(error ** 2 for error in errors) / len(errors))


def mean_lines(draws):
    """Of the lines of several draws, the root mean squares."""
    return [Line(lines[0].name, root_mean_square([line.error for line in lines]),
                 root_mean_square([line.own for line in lines])) for lines in zip(*draws)]


def check(case, program, draws=6):
    """Whether remat keeps its bounds in this case, and gives the same bits under every policy."""
    lines, found = lines_of_draw(case, program)
    which = ""
    if not all(line.holds for line in lines):
        which = f", {draws} draws"
        lines = mean_lines([lines, *(lines_of_draw(case, program, 2016 + draw)[0] for draw in range(1, draws))])
    print(f"{case}{which}\n  {'':36} {'remat':>9} {'PyTorch':>9} {'bound':>9}")
    print(*lines, sep="\n")
    worst = max(lines, key=lambda line: line.error / line.bound)
    print(f"  nearest to its bound: {worst.name}, {worst.error / worst.bound:.3f} of it")
    passed = all(line.holds for line in lines) and have_same_bits(found)
    print(flush=True)
    return passed


def check_rounded(case, program, draws=6):
    """Whether a model that computes with bfloat16 is about as exact as PyTorch's autocast."""
    errors_of = {}  # name -> those of the draws, of both
    for draw in range(draws):
        with tempfile.TemporaryDirectory() as folder:
            step = Step(case, program, pathlib.Path(folder), "bfloat16", 2016 + draw)
            step.run_remat()
            found = results_of_policies(step.folder / "results")
            if not found:
                print("skipped: this CPU has no instructions for bfloat16")
                sys.exit(77)
            double = step.run_torch(torch.float64)
            try:
                own = step.run_torch(torch.float32, rounds=True)
            except RuntimeError as error:
                if int(torch.__version__.split(".")[0]) >= 2:
                    raise
                print(f"skipped: PyTorch's autocast does not run {case.network}: {error}")
                sys.exit(77)
        if not have_same_bits(found):
            return False
        for name, errors in {**{line.name: (line.error, line.own) for line in compare(found["none"], own, double)},
                             "all gradients": [error_of_all(each, double) for each in (found["none"], own)]}.items():
            errors_of.setdefault(name, []).append(errors)
    has_kinks = any(isinstance(m, KINKED) for m in step.net.modules())
    of_draws = statistics.geometric_mean if has_kinks else root_mean_square
    lines = [Line(name, *map(of_draws, zip(*errors)), 1.5) for name, errors in errors_of.items()
             if name != "loss" and (name in ("outputs", "all gradients") or not has_kinks)]
    print(f"{case}, with bfloat16, {draws} draws\n  {'':36} {'remat':>9} {'PyTorch':>9} {'bound':>9}")
    print(*lines, sep="\n", flush=True)
    return all(line.holds for line in lines)


KINKED = (torch.nn.ReLU, torch.nn.MaxPool2d)


def error_of_all(found, double):
    gradients = [name for name in double if name.startswith("gradients/")]
    apart = math.hypot(*[(found[name].double() - double[name]).norm().item() for name in gradients])
    return apart / math.hypot(*[double[name].norm().item() for name in gradients])


def have_same_bits(found):
    passed = True
    for policy in found.keys() - {"none"}:
        same = found[policy].keys() == found["none"].keys() and same_bits(found[policy], found["none"])
        passed = passed and same
        print(f"  checkpoints: {policy}: {'the same bits' if same else 'FAILED, other bits'}")
    return passed


def check_measure(program):
    """Whether a result that is off by three times its bound, in one element or in all, or that is NaN, is noticed."""
    with tempfile.TemporaryDirectory() as folder:
        step = Step(Case("rows", 11), program, pathlib.Path(folder))
        step.run_remat()
        single, double = step.run_torch(torch.float32), step.run_torch(torch.float64)
        found = results(step.folder / "results" / "none")
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
            print(f"  {line.name:36} {change:16} {'noticed' if noticed else f'FAILED, noticed in {failed}'}")
    return passed


def main(program, wanted, dtype="float32"):
    torch.set_num_threads(1)  # other tests run next to this one
    if wanted == "--check-measure":
        return check_measure(program)
    cases = []
    for network in wanted.split(","):
        found = [case for case in CASES if case.network == network]
        require(found, f"no case is of a network '{network}'")
        cases += found
    print(f"PyTorch {torch.__version__}\n")
    return check_rounded(cases[0], program) if dtype == "bfloat16" else all([check(case, program) for case in cases])


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    sys.exit(0 if main(*sys.argv[1:]) else 1)
