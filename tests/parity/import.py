# SPDX-License-Identifier: MIT
"""import.py PROGRAM MPIEXEC     example 09 (PROGRAM) fine-tunes a GPT-2 that this script writes, and transformers reads it

The file is laid out as the published one: names without `transformer.`, matrices (in, out), masks among the weights. On one
rank and on two the saved files are the same. transformers' loss on the held-out tokens must be what the example says,
before and after. The exit status is 77, which ctest takes for skipped, where PyTorch or transformers is not installed; without
the latter everything but what transformers says is checked.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

try:
    import torch
except ModuleNotFoundError as error:
    print(f"skipped: {error} in {sys.executable}; apt-get install python3-torch")
    sys.exit(77)

import weight_files
from parity import require

LENGTH, WIDTH, BLOCKS, STEPS, BATCH = 64, 64, 4, 20, 4


def published(random):
    """Random weights in the layout of the file "gpt2"."""
    def normal(*shape):
        return 0.02 * torch.randn(shape, generator=random)

    def norm(name):
        return {f"{name}.weight": 1 + normal(WIDTH), f"{name}.bias": normal(WIDTH)}

    def conv1d(name, inputs, outputs):
        return {f"{name}.weight": normal(inputs, outputs), f"{name}.bias": normal(outputs)}

    tensors = {"wte.weight": normal(256, WIDTH), "wpe.weight": normal(LENGTH, WIDTH)}
    for block in (f"h.{i}" for i in range(BLOCKS)):
        tensors |= {**norm(f"{block}.ln_1"), **conv1d(f"{block}.attn.c_attn", WIDTH, 3 * WIDTH),
                    **conv1d(f"{block}.attn.c_proj", WIDTH, WIDTH), **norm(f"{block}.ln_2"),
                    **conv1d(f"{block}.mlp.c_fc", WIDTH, 4 * WIDTH), **conv1d(f"{block}.mlp.c_proj", 4 * WIDTH, WIDTH),
                    f"{block}.attn.bias": torch.ones(LENGTH, LENGTH).tril().view(1, 1, LENGTH, LENGTH),
                    f"{block}.attn.masked_bias": torch.tensor(-1e4)}
    return {**tensors, **norm("ln_f")}


def transformers_loss(file, tokens):
    """On windows of the last tenth, as the example cuts them."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import transformers as hf
    hf.logging.set_verbosity_error()
    hf.logging.disable_progress_bar()
    config = hf.GPT2Config(vocab_size=256, n_positions=LENGTH, n_embd=WIDTH, n_head=4, n_layer=BLOCKS, bos_token_id=0,
                           eos_token_id=0)
    with tempfile.TemporaryDirectory() as folder:
        config.save_pretrained(folder)
        (pathlib.Path(folder) / "model.safetensors").write_bytes(file.read_bytes())
        model, told = hf.GPT2LMHeadModel.from_pretrained(folder, output_loading_info=True)
    require(not told["missing_keys"] and not told["mismatched_keys"], f"transformers says of {file.name}: {told}")
    cut = len(tokens) // 10 * 9
    starts = range(cut, len(tokens) - LENGTH, LENGTH)
    windows = torch.tensor([list(tokens[at:at + LENGTH + 1]) for at in starts])
    with torch.no_grad():
        logits = model.eval()(windows[:, :-1]).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten()).item()


def main(program, mpiexec):
    torch.set_num_threads(1)
    text = (pathlib.Path(__file__).parent / "parity.py").read_bytes()
    saved, losses = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "text").write_bytes(text)
        weight_files.save(folder / "published", published(torch.Generator().manual_seed(1)))
        for ranks in 1, 2:
            told = subprocess.run(
                [mpiexec, "-n", str(ranks), program, "--weights", folder / "published", "--tokens", folder / "text",
                 "--steps", str(STEPS), "--batch", str(BATCH), "--learning-rate", "1e-3", "--threads", "1",
                 "--out", folder / f"tuned{ranks}"],
                check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}).stdout
            losses.append([float(loss) for loss in re.findall(r"test_loss=(\S+)", told)])
            saved.append((folder / f"tuned{ranks}").read_bytes())
        require(saved[0] == saved[1] and losses[0] == losses[1], f"two ranks give other bits: {losses}")
        before, after = losses[0]
        require(after < 0.9 * before, f"the loss goes from {before} to {after}")
        print(f"held-out loss from {before:.6f} to {after:.6f}, the same bits on 1 and 2 ranks")
        try:
            theirs = [transformers_loss(folder / file, text) for file in ("published", "tuned1")]
        except ModuleNotFoundError as error:
            print(f"skipped: {error} in {sys.executable}; pip install transformers")
            sys.exit(77)
    for ours, other in zip((before, after), theirs):
        require(abs(ours - other) < 1e-5 * other, f"the example's loss is {ours}, and that of transformers {other}")
    print(f"transformers says {theirs[0]:.6f} and {theirs[1]:.6f}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
