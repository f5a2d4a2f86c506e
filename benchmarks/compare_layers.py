# SPDX-License-Identifier: MIT
"""Times remat's and PyTorch's layers alternately, each alone; started by benchmarks/run --layers, which says how."""
import json
import math
import sys

import peer_layers as peer
from sides import Side, environment, keep_memory, pairs, peer_environment, ratios_to_best, take_turns

sample_ms = 40  # a sample is the mean of as many steps as take this long


class Subject:
    """A side that runs one layer."""

    def __init__(self, side, use):
        self.side = side
        side.ask(f"use {use}")
        self.steps = 2
        self.steps = max(1, math.ceil(sample_ms / self.time()))

    def time(self):
        [milliseconds] = self.side.ask(f"time {self.steps}")
        if not (math.isfinite(milliseconds) and milliseconds > 0):
            sys.exit(f"{self.side.label}: not a time: {milliseconds} ms a step")
        return milliseconds


def compare(name, threads, remat, peers):
    ours = Subject(remat, name)
    theirs = {layout: Subject(peers[layout], f"{layout} {name}") for layout in peer.layouts(name)}
    times = take_turns([ours, *theirs.values()])
    return {"name": name, "threads": threads, **ratios_to_best(ours, theirs, times)}


columns = "{:<42}{:>8}{:>12}{:>12}{:>8}{:>19}  {}"
header = columns.format("layer", "threads", "remat ms", "PyTorch ms", "ratio", "lowest to highest", "PyTorch's layout")


def row(r):
    return columns.format(r["name"], r["threads"], f"{r['remat_ms']:.4f}", f"{r['peer_ms']:.4f}", f"{r['ratio']:.3f}",
                          f"{r['lowest_ratio']:.2f} to {r['highest_ratio']:.2f}", r["peer_layout"])


def main(layer_time, names, threads, json_file):
    """Prints a table, the worst rows first, and how many are slower than PyTorch by 5 % and by 30 %."""
    print(f"PyTorch {peer.torch.__version__}; ratio = remat / PyTorch, median of {pairs} pairs", flush=True)
    results = []
    for count in threads:
        remat = Side(f"threads {count}, remat", [layer_time, str(count)], environment(count))
        command = [sys.executable, peer.__file__, str(count)]
        peers = {layout: Side(f"threads {count}, PyTorch", command, peer_environment(count, keep_memory))
                 for layout in ("contiguous", "channels_last")}
        for name in names:
            results.append(compare(name, count, remat, peers))
            if sys.stderr.isatty():
                print(row(results[-1]), file=sys.stderr, flush=True)
        for side in (remat, *peers.values()):
            side.close()
    print(header)
    for result in sorted(results, key=lambda each: -each["ratio"]):
        print(row(result))
    slower = [sum(each["ratio"] > limit for each in results) for limit in (1.05, 1.3)]
    print(f"{len(results)} rows, {slower[0]} above 1.05, {slower[1]} above 1.3")
    if json_file:
        json_file.write_text(json.dumps(results, indent=2, allow_nan=False) + "\n")
