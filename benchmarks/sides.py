# SPDX-License-Identifier: MIT
"""The two sides of a comparison with PyTorch: warm processes that take turns, each in its best environment."""
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

pairs = 9     # of samples
pause = 0.02  # seconds, in which the idle side's OpenMP threads go to sleep

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


def take_turns(sides):
    """The times of each side, there and back, so that a drift of the machine's speed falls on all alike."""
    times = {side: [] for side in sides}
    for pair in range(pairs):
        for side in sides if pair % 2 == 0 else reversed(sides):
            time.sleep(pause)
            times[side].append(side.time())
    return times


def ratios_to_best(ours, peers, times):
    """What a table says of our times and those of PyTorch's best layout, `peers` by layout."""
    layout = min(peers, key=lambda each: statistics.median(times[peers[each]]))
    theirs = times[peers[layout]]
    ratios = [a / b for a, b in zip(times[ours], theirs)]
    return {
        "remat_ms": statistics.median(times[ours]),
        "peer_ms": statistics.median(theirs),
        "ratio": statistics.median(ratios),
        "lowest_ratio": min(ratios),
        "highest_ratio": max(ratios),
        "peer_layout": layout,
    }
