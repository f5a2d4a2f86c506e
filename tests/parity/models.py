# SPDX-License-Identifier: MIT
"""models.py PROGRAM NAME     compares a prebuilt model with the one that was published under this name

transformers or torchvision (published.py) writes random weights to a safetensors file, which remat (PROGRAM, see prebuilt.hpp)
loads as it is. Outputs, loss and every gradient are measured as parity.py does. What remat saves goes back to them,
is written again, and loaded and saved by remat again: no bit changes on the way, and nothing is missing or unexpected. Files
of float16, bfloat16 and float64 with all names of PyTorch's module, tied ones twice, are loaded as well.
The exit status is 77, which ctest takes for skipped, where a package is not installed.
"""
import copy
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import torch
except ModuleNotFoundError as error:
    print(f"skipped: {error} in {sys.executable}; apt-get install python3-torch")
    sys.exit(77)

import batches
import parity
import published
import weight_files

os.environ["HF_HUB_OFFLINE"] = "1"


class Model:
    def __init__(self, name, program, folder):
        self.name, self.program, self.folder = name, program, folder
        self.random = torch.Generator().manual_seed(2016)
        torch.manual_seed(2016)
        self.known = published.named(name)
        self.module = self.known.make()
        self.module.train()
        draw = lambda count: self.known.inputs(count, self.random)
        self.inputs = draw(self.known.batch)
        if self.known.kinks == "avoided":
            self.inputs = batches.away_from_kinks(copy.deepcopy(self.module).double(), draw, self.known.batch)
        with torch.no_grad():
            logits = self.known.logits(self.fresh(torch.float64).eval(), self.in_precision(torch.float64))
        self.on_last = logits.dim() != 4
        shape = logits.shape[:-1] if self.on_last else (logits.shape[0], *logits.shape[2:])
        self.targets = torch.randint(0, self.known.classes, shape, generator=self.random)

    def fresh(self, dtype):
        return copy.deepcopy(self.module).to(dtype)

    def in_precision(self, dtype):
        return batches.in_precision(self.inputs, dtype)

    def save(self, module, file):
        """As its package does."""
        if hasattr(module, "save_pretrained"):
            with tempfile.TemporaryDirectory() as folder:
                module.save_pretrained(folder)
                file.write_bytes((pathlib.Path(folder) / "model.safetensors").read_bytes())
        else:
            weight_files.save(file, module.state_dict())

    def load(self, file):
        """A module with the weights of a file, as its package loads them."""
        if not hasattr(self.module, "save_pretrained"):
            made = self.known.make()
            made.load_state_dict(weight_files.load(file))
            return made
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "model.safetensors").write_bytes(file.read_bytes())
            self.module.config.save_pretrained(folder)
            made, told = type(self.module).from_pretrained(folder, output_loading_info=True)
        wrong = {what: names for what, names in told.items() if names}
        parity.require(not wrong, f"transformers says of remat's file: {wrong}")
        return made

    def run(self, what):
        subprocess.run([self.program, what, self.name, self.folder], check=True)

    def run_torch(self, dtype):
        """What remat gives, by PyTorch in this precision."""
        module, inputs = self.fresh(dtype), self.in_precision(dtype)
        found = {}
        with torch.no_grad():
            outputs = self.known.outputs or self.known.logits
            found["outputs"] = outputs(module.eval(), inputs)
        logits = self.known.logits(module.train(), inputs)
        if self.on_last:
            logits = logits.flatten(0, -2)
        found["loss"] = torch.nn.functional.cross_entropy(
            logits, self.targets.flatten() if self.on_last else self.targets)
        names, parameters = zip(*module.named_parameters())
        for name, gradient in zip(names, torch.autograd.grad(found["loss"], parameters)):
            gradient = gradient.T if self.known.is_transposed(name) else gradient
            found[f"gradients/{published.replaced(name, self.known.spelled)}"] = gradient
        found |= {f"states/{name}": state for name, state in module.named_buffers()
                  if name.endswith(("running_mean", "running_var"))}
        return {name: tensor.detach().flatten().double() for name, tensor in found.items()}

    def compare(self):
        for i, tensor in enumerate([*self.inputs, self.targets]):
            parity.write(self.folder / "tensors" / str(i), "f" if tensor.is_floating_point() else "i", tensor)
        self.save(self.module, self.folder / "weights")
        self.run("step")
        found = parity.results(self.folder / "results")
        lines = parity.compare(found, self.run_torch(torch.float32), self.run_torch(torch.float64))
        if self.known.kinks == "met":
            lines = [line for line in lines if not line.name.startswith("gradients/")]
        print(*lines, sep="\n")
        worst = max(lines, key=lambda line: line.error / line.bound)
        print(f"  nearest to its bound: {worst.name}, {worst.error / worst.bound:.3f} of it")
        return all(line.holds for line in lines)

    def round_trip(self):
        first = (self.folder / "saved").read_bytes()
        back = self.load(self.folder / "saved")
        counted = "num_batches_tracked"
        for name, tensor in self.module.state_dict().items():
            parity.require(name.endswith(counted) or torch.equal(tensor, back.state_dict()[name]), f"{name} changed")
        self.save(back, self.folder / "weights")
        self.run("copy")
        parity.require((self.folder / "saved").read_bytes() == first, "the file is another after the way back")
        given, saved = weight_files.load(self.folder / "weights"), weight_files.load(self.folder / "saved")
        names = {name for name in given if not name.endswith(counted)}
        parity.require(names == set(saved), f"names differ: {sorted(names ^ set(saved))}")
        print(f"  {len(saved)} tensors there and back: the same bits, and names")

    def other_types(self):
        for kind in "F16", "BF16", "F64":
            dtype = weight_files.TYPES[kind]
            given = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor
                     for name, tensor in self.module.state_dict().items()}
            weight_files.save(self.folder / "weights", given)
            self.run("copy")
            back = self.load(self.folder / "saved").state_dict()
            for name, tensor in given.items():
                same = not tensor.is_floating_point() or torch.equal(back[name], tensor.float())
                parity.require(same, f"{kind}: {name} changed")
        print("  float16, bfloat16 and float64 are read")


def main(program, name):
    torch.set_num_threads(1)  # other tests run next to this one
    try:
        published.named(name)
    except ModuleNotFoundError as error:
        print(f"skipped: {error} in {sys.executable}; pip install transformers torchvision")
        sys.exit(77)
    print(f"PyTorch {torch.__version__}\n{name}\n  {'':36} {'remat':>9} {'PyTorch':>9} {'bound':>9}")
    with tempfile.TemporaryDirectory() as folder:
        model = Model(name, program, pathlib.Path(folder))
        passed = model.compare()
        model.round_trip()
        model.other_types()
    return passed


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(0 if main(*sys.argv[1:]) else 1)
