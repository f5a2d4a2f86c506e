# SPDX-License-Identifier: MIT
"""Times remat's and PyTorch's training steps alternately; started by benchmarks/run, which says how."""
import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import peer_step_time as peer

pairs = 9
sample_ms = 150  # a sample is the mean of as many steps as take this long
of_matrix_products = {"mlp"}  # whose forward and backward are compared with their matrix products alone
pause = 0.02     # seconds, in which the idle side's OpenMP threads go to sleep

# glibc keeps what PyTorch frees; otherwise every step's large tensors are new pages from the system.
keep_memory = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000", "MALLOC_TOP_PAD_": "268435456"}
# The opposite, for the resident set: what is freed is gone.
return_memory = {"MALLOC_MMAP_THRESHOLD_": "65536"}


def environment(threads, **more):
    """This process's, with nothing in it that steers threads or memory but what we set."""
    steering = ("OMP_", "GOMP_", "KMP_", "OPENBLAS_", "MKL_", "DNNL_", "ONEDNN_", "ATEN_", "MALLOC_", "GLIBC_TUNABLES")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(steering)}
    return {**kept, "OMP_NUM_THREADS": str(threads), **more}


def peer_environment(threads, memory):
    best = dict(memory)
    # Debian's default OpenBLAS has threads of its own, which fight with OpenMP's for the cores.
    blas = [str(directory) for directory in Path("/usr/lib").glob("*/openblas-openmp")]
    best["LD_LIBRARY_PATH"] = ":".join(filter(None, [*blas, os.environ.get("LD_LIBRARY_PATH")]))
    cpu = Path("/proc/cpuinfo")
    flags = set(cpu.read_text().split()) if cpu.exists() else set()
    if {"avx512f", "avx512vl", "avx512bw", "avx512dq"} <= flags:
        best["ATEN_CPU_CAPABILITY"] = "avx512"
    return environment(threads, **best)


class Side:
    """A warm process that answers a command, one line, with numbers, one line."""

    def __init__(self, label, command, environment):
        self.label = label
        self.process = subprocess.Popen(command, env=environment, text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def ask(self, command):
        try:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        answer = self.process.stdout.readline().split()
        if not answer:
            sys.exit(f"{self.label}: the process ended (status {self.process.wait()}) when asked for '{command}'")
        return [float(number) for number in answer]

    def warm_up(self):
        self.time(3)
        self.steps = max(1, math.ceil(sample_ms / self.time(1)))

    def time(self, steps=None):
        milliseconds, loss = self.ask(f"time {steps or self.steps}")
        if not (math.isfinite(milliseconds) and milliseconds > 0 and math.isfinite(loss)):
            sys.exit(f"{self.label}: not finite: {milliseconds} ms a step, loss {loss}")
        return milliseconds


def peer_side(name, threads, layout, memory):
    command = [sys.executable, peer.__file__, name, str(threads), layout]
    return Side(f"{name}, threads {threads}, PyTorch {layout}", command, peer_environment(threads, memory))


def compare(step_time, name, threads):
    remat = Side(f"{name}, threads {threads}, remat", [step_time, name, str(threads)], environment(threads))
    peers = {layout: peer_side(name, threads, layout, keep_memory) for layout in peer.layouts(name)}
    sides = [*peers.values()]
    sides.insert(1, remat)  # between the layouts, next to both
    for side in sides:
        side.warm_up()
    times = {side: [] for side in sides}
    for pair in range(pairs):  # there and back, so that a drift of the machine's speed falls on all alike
        for side in sides if pair % 2 == 0 else reversed(sides):
            time.sleep(pause)
            times[side].append(side.time())
    planned, reserved = remat.ask("peak")
    share = None
    if name in of_matrix_products:
        whole, products = remat.ask(f"products {pairs}")
        share = products / whole
    for side in sides:
        side.close()

    layout = min(peers, key=lambda each: statistics.median(times[peers[each]]))
    ratios = [ours / theirs for ours, theirs in zip(times[remat], times[peers[layout]])]
    alone = peer_side(name, 1, layout, return_memory)
    [peer_peak] = alone.ask("peak")
    alone.close()
    return {
        "name": name,
        "threads": threads,
        "remat_ms": statistics.median(times[remat]),
        "peer_ms": statistics.median(times[peers[layout]]),
        "ratio": statistics.median(ratios),
        "remat_peak_bytes": int(planned),
        "peer_peak_bytes": int(peer_peak) if math.isfinite(peer_peak) else None,
        "lowest_ratio": min(ratios),
        "highest_ratio": max(ratios),
        "remat_reserved_bytes": int(reserved),
        "peer_layout": layout,
        "share_of_products": share,
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
                                     usage="benchmarks/run [--only NAME]... [--json FILE] [--python PATH]")
    parser.add_argument("--only", action="append")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--step-time")  # without it, arguments are checked and no more
    arguments = parser.parse_args()
    for name in arguments.only or []:
        if name not in peer.networks:
            parser.error(f"there is no network '{name}'; there are {', '.join(peer.networks)}")
    if arguments.json and not arguments.json.absolute().parent.is_dir():
        parser.error(f"--json: there is no folder {arguments.json.absolute().parent}")
    if not arguments.step_time:
        return
    cores = len(os.sched_getaffinity(0))
    if (busy := busy_cores()) > 0.1:
        print(f"Other programs keep {busy:.1f} cores busy: times will be noisy.", file=sys.stderr)
    print(f"PyTorch {peer.torch.__version__}, {cores} cores; ratio = remat / PyTorch, median of {pairs} pairs")
    print(header, flush=True)
    results = []
    for name in arguments.only or peer.networks:
        for threads in (1, 2):
            if threads > cores:
                print(f"{name}: there is one core, no row with {threads} threads", file=sys.stderr)
                continue
            results.append(compare(arguments.step_time, name, threads))
            print(row(results[-1]), flush=True)
            if (share := results[-1]["share_of_products"]) is not None:
                print(f"  forward and backward reach {share:.3f} of the rate of their matrix products", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
