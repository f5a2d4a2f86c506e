# SPDX-License-Identifier: MIT
"""weights.py PROGRAM     weights of a PyTorch module, through safetensors files, to remat (PROGRAM, see weights.cpp) and back

With weights as float32, float16, bfloat16 and float64, remat must give PyTorch's outputs, and what it saves must be the
same numbers in float32 under the same names. The exit status is 77, which ctest takes for skipped, where PyTorch is not
installed.
"""
import array
import pathlib
import subprocess
import sys
import tempfile
from collections import OrderedDict

try:
    import torch
    from torch import nn
except ModuleNotFoundError as error:
    print(f"skipped: {error} in {sys.executable}; apt-get install python3-torch")
    sys.exit(77)

import weight_files


def require(holds, message):
    if not holds:
        sys.exit(f"FAILED: {message}")


def main(program):
    torch.manual_seed(1)
    module = nn.Sequential(OrderedDict([
        ("conv1", nn.Conv2d(1, 8, 3)), ("1", nn.ReLU()),
        ("block", nn.Sequential(nn.Conv2d(8, 16, 3), nn.ReLU())), ("3", nn.MaxPool2d(2)), ("4", nn.Flatten()),
        ("fc1", nn.Linear(576, 32)), ("6", nn.ReLU()), ("7", nn.Linear(32, 10)), ("8", nn.LogSoftmax(1))]))
    inputs = torch.randn(5, 1, 16, 16)
    for kind in ["F32", "F16", "BF16", "F64"]:
        given = {name: tensor.to(weight_files.TYPES[kind]) for name, tensor in module.state_dict().items()}
        with tempfile.TemporaryDirectory() as folder:
            files = [pathlib.Path(folder) / name for name in ["in", "inputs", "out", "outputs"]]
            weight_files.save(files[0], {**given, "conv1.num_batches_tracked": torch.tensor(3)})
            files[1].write_bytes(weight_files.bytes_of(inputs))
            subprocess.run([program, *files], check=True)
            saved = weight_files.load(files[2])
            outputs = torch.tensor(array.array("f", files[3].read_bytes())).reshape(5, 10)
        require(list(saved) == list(given), f"{kind}: {list(saved)} instead of {list(given)}")
        for name, tensor in given.items():
            require(torch.equal(saved[name], tensor.float()), f"{kind}: {name} changed")
        module.load_state_dict(saved)
        worst = (outputs - module(inputs)).abs().max().item()
        require(worst < 1e-5, f"{kind}: outputs differ by {worst}")
        print(f"{kind}: {len(saved)} tensors there and back; outputs differ by at most {worst:.1e}")


main(sys.argv[1])
