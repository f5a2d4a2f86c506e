# SPDX-License-Identifier: MIT
"""Budgets and revolve of uniform chains next to checkpoint_schedules, a package of PyPI.

    schedules.py <schedules> [long]

A budget runs at most as many steps forward as MixedCheckpointSchedule (Maddison 2024) and HRevolve without a disk, in as many
units of memory; revolve runs exactly as many as Revolve. The package counts slots alone, and so do budgets here. Skipped where
the package is not installed: python3 -m pip install checkpoint-schedules, and -DREMAT_PYTHON=<that python>.
"""
import subprocess
import sys
import warnings

try:
    import checkpoint_schedules as published
except ImportError:
    print("skipped: this Python has no checkpoint_schedules")
    sys.exit(77)

warnings.simplefilter("ignore")  # that it would be faster with numba


def forward_steps(schedule, steps):
    """How many steps a schedule runs forward, by what it does."""
    count = 0
    for action in schedule:
        if isinstance(action, published.Forward):
            count += min(action.n1, steps) - action.n0
        elif isinstance(action, published.EndReverse):
            return count
    raise RuntimeError("a schedule does not end")


def main():
    program, is_long = sys.argv[1], "long" in sys.argv[2:]
    lengths = [2, 3, 5, 8, 13, 16, 17, 21, 32, 33, 34, 55, 80] + ([120, 200, 201, 300] if is_long else [])
    all_slots = [1, 2, 3, 5, 8, 13, 21] + ([4, 6, 34, 55, 89] if is_long else [])
    asked = [(n, s) for n in lengths for s in all_slots if s < n]
    given = "".join(f"{n} {s}\n" for n, s in asked)
    answer = subprocess.run([program], input=given, capture_output=True, text=True, check=True).stdout
    found = [tuple(map(int, line.split())) for line in answer.splitlines()]
    assert [each[:2] for each in found] == asked
    worse, fewer = [], 0
    for steps, slots, budget, revolve in found:
        mixed = forward_steps(published.MixedCheckpointSchedule(steps, slots, storage=published.StorageType.RAM), steps)
        binomial = forward_steps(published.HRevolve(steps, slots, 0), steps)
        fewer += budget < min(mixed, binomial)
        if budget > min(mixed, binomial) or revolve != binomial:
            worse.append(f"{steps} steps, {slots} slots: budget {budget}, mixed {mixed}, revolve {revolve}, published {binomial}")
    print(f"{len(found)} chains: budgets run fewer steps than both in {fewer}")
    print("\n".join(worse))
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
