# SPDX-License-Identifier: MIT
"""Times remat's and PyTorch's training steps alternately; started by benchmarks/run, which says how."""
import argparse
import json
import math
import os
import statistics
import sys
import time
from pathlib import Path

import compare_layers
import peer_layers
import peer_step_time as peer
from sides import Side, environment, keep_memory, pairs, peer_environment, ratios_to_best, return_memory, take_turns

sample_ms = 150  # a sample is the mean of as many steps as take this long
of_matrix_products = {"mlp"}  # whose forward and backward are compared with their matrix products alone


class StepSide(Side):
    """A side that times training steps."""

    def warm_up(self):
        self.time(3)
        self.steps = max(1, math.ceil(sample_ms / self.time(1)))

    def time(self, steps=None, command="time"):
        milliseconds, loss = self.ask(f"{command} {steps or self.steps}")
        if not (math.isfinite(milliseconds) and milliseconds > 0 and math.isfinite(loss)):
            sys.exit(f"{self.label}: not finite: {milliseconds} ms a step, loss {loss}")
        return milliseconds


def peer_side(name, threads, layout, dtype, memory):
    command = [sys.executable, peer.__file__, name, str(threads), layout, dtype]
    return StepSide(f"{name}, threads {threads}, PyTorch {layout}", command, peer_environment(threads, memory))


def time_within_by_apart(remat):
    """A step that updates parameters by a step and the optimizer's after it, in turn."""
    ratios = []
    for pair in range(pairs):
        order = ("time", "apart") if pair % 2 == 0 else ("apart", "time")
        times = {command: remat.time(command=command) for command in order}
        ratios.append(times["time"] / times["apart"])
    return statistics.median(ratios)


def compare(step_time, name, threads, dtype):
    remat = StepSide(f"{name}, threads {threads}, remat", [step_time, name, str(threads), dtype], environment(threads))
    peers = {layout: peer_side(name, threads, layout, dtype, keep_memory) for layout in peer.layouts(name, dtype)}
    sides = [*peers.values()]
    sides.insert(1, remat)  # between the layouts, next to both
    for side in sides:
        side.warm_up()
    times = take_turns(sides)
    planned, reserved, gradients = remat.ask("peak")
    share = within_by_apart = None
    if name in of_matrix_products and dtype == "float32":
        within_by_apart = time_within_by_apart(remat)
        whole, products = remat.ask(f"products {pairs}")
        share = products / whole
    for side in sides:
        side.close()

    result = ratios_to_best(remat, peers, times)
    alone = peer_side(name, 1, result["peer_layout"], dtype, return_memory)
    [peer_peak] = alone.ask("peak")
    alone.close()
    return {
        "name": name,
        "threads": threads,
        "dtype": dtype,
        **result,
        "remat_peak_bytes": int(planned),
        "peer_peak_bytes": int(peer_peak) if math.isfinite(peer_peak) else None,
        "remat_reserved_bytes": int(reserved),
        "remat_gradient_bytes": int(gradients),
        "share_of_products": share,
        "within_by_apart": within_by_apart,
    }


def megabytes(count):
    return f"{count / 1e6:.2f}" if count is not None else "-"


columns = "{:<22}{:>8}{:>10}{:>12}{:>8}{:>19}{:>10}{:>10}{:>12}  {}"
header = columns.format("network", "threads", "remat ms", "PyTorch ms", "ratio", "lowest to highest", "peak MB",
                        "arena MB", "PyTorch MB", "PyTorch's layout")


def row(r):
    return columns.format(
        r["name"], r["threads"], f"{r['remat_ms']:.2f}", f"{r['peer_ms']:.2f}", f"{r['ratio']:.3f}",
        f"{r['lowest_ratio']:.2f} to {r['highest_ratio']:.2f}", megabytes(r["remat_peak_bytes"]),
        megabytes(r["remat_reserved_bytes"]), megabytes(r["peer_peak_bytes"]), r["peer_layout"])


def busy_cores():
    """How many cores' worth of time was in use in the last second."""
    def used():  # user, nice and system
        return sum(int(ticks) for ticks in Path("/proc/stat").read_text().split()[1:4]) / os.sysconf("SC_CLK_TCK")

    before = used()
    time.sleep(1)
    return used() - before


def main():
    parser = argparse.ArgumentParser(prog="benchmarks/run", add_help=False, allow_abbrev=False,
                                     usage="benchmarks/run [--layers] [--dtype TYPE] [--only NAME]... [--json FILE] [--python PATH]")
    parser.add_argument("--layers", action="store_true")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--only", action="append")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--programs", type=Path)  # without their folder, arguments are checked and no more
    arguments = parser.parse_args()
    known, what = (peer_layers.layers, "layer") if arguments.layers else (peer.networks, "network")
    for name in arguments.only or []:
        if name not in known:
            parser.error(f"there is no {what} '{name}'; there are {'; '.join(known)}")
    if arguments.json and not arguments.json.absolute().parent.is_dir():
        parser.error(f"--json: there is no folder {arguments.json.absolute().parent}")
    if arguments.layers and arguments.dtype != "float32":
        parser.error("--layers compares float32 alone; --dtype bfloat16 is for networks")
    if not arguments.programs:
        return
    cores = len(os.sched_getaffinity(0))
    if (busy := busy_cores()) > 0.1:
        print(f"Other programs keep {busy:.1f} cores busy: times will be noisy.", file=sys.stderr)
    if arguments.layers:
        threads = [count for count in (1, 2) if count <= cores]
        compare_layers.main(arguments.programs / "layer_time", arguments.only or list(known), threads, arguments.json)
        return
    autocast = " with autocast" if arguments.dtype == "bfloat16" else ""
    print(f"PyTorch {peer.torch.__version__}{autocast}, {arguments.dtype}, {cores} cores; ratio = remat / PyTorch, median of {pairs} pairs")
    print(header, flush=True)
    results = []
    for name in arguments.only or peer.networks:
        for threads in (1, 2):
            if threads > cores:
                print(f"{name}: there is one core, no row with {threads} threads", file=sys.stderr)
                continue
            results.append(compare(arguments.programs / "step_time", name, threads, arguments.dtype))
            print(row(results[-1]), flush=True)
            if (share := results[-1]["share_of_products"]) is not None:
                print(f"  forward and backward reach {share:.3f} of the rate of their matrix products", flush=True)
            if (ratio := results[-1]["within_by_apart"]) is not None:
                print(f"  a step that updates takes {ratio:.3f} of a step and the optimizer's after it", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
