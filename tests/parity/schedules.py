# SPDX-License-Identifier: MIT
"""Budgets and revolve of uniform chains next to checkpoint_schedules, a package of PyPI.

    schedules.py <schedules> [long]

A budget runs at most as many steps forward as MixedCheckpointSchedule (Maddison 2024) and HRevolve without a disk, in as many
units of memory; revolve runs exactly as many as Revolve. The package counts slots alone, and so do budgets here. With a disk,
a budget costs at most what HRevolve does whose disk has a slot for each step, or fewer: a step forward costs 1, as one back
does, a write 2 and a read 2, none of them next to another. Skipped where the package is not installed: python3 -m pip install
checkpoint-schedules, and -DREMAT_PYTHON=<that python>.
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


def cost_with_disk(steps, slots, disk_slots):
    """What HRevolve's steps forward, writes and reads cost, by what it does."""
    cost = 0
    for action in published.HRevolve(steps, slots, disk_slots, uf=1, ub=1, wd=2, rd=2):
        if isinstance(action, published.Forward):
            cost += min(action.n1, steps) - action.n0
            cost += 2 * (action.write_ics and action.storage == published.StorageType.DISK)
        elif isinstance(action, (published.Copy, published.Move)):
            cost += 2 * (action.from_storage == published.StorageType.DISK)
        elif isinstance(action, published.EndReverse):
            return cost
    raise RuntimeError("a schedule does not end")


def answers(program, asked, *how):
    """The numbers of the lines that the program prints."""
    given = "".join(f"{n} {s}\n" for n, s in asked)
    answer = subprocess.run([program, *how], input=given, capture_output=True, text=True, check=True).stdout
    found = [tuple(map(int, line.split())) for line in answer.splitlines()]
    assert [each[:2] for each in found] == asked
    return found


def compare_in_memory(program, is_long):
    lengths = [2, 3, 5, 8, 13, 16, 17, 21, 32, 33, 34, 55, 80] + ([120, 200, 201, 300] if is_long else [])
    all_slots = [1, 2, 3, 5, 8, 13, 21] + ([4, 6, 34, 55, 89] if is_long else [])
    worse, fewer = [], 0
    found = answers(program, [(n, s) for n in lengths for s in all_slots if s < n])
    for steps, slots, budget, revolve in found:
        mixed = forward_steps(published.MixedCheckpointSchedule(steps, slots, storage=published.StorageType.RAM), steps)
        binomial = forward_steps(published.HRevolve(steps, slots, 0), steps)
        fewer += budget < min(mixed, binomial)
        if budget > min(mixed, binomial) or revolve != binomial:
            worse.append(f"{steps} steps, {slots} slots: budget {budget}, mixed {mixed}, revolve {revolve}, published {binomial}")
    print(f"{len(found)} chains: budgets run fewer steps than both in {fewer}")
    return worse


def compare_with_disk(program, is_long):
    lengths = list(range(2, 61)) + [100, 250] if is_long else [2, 3, 5, 9, 14, 23, 37, 60]
    worse, less, on_disk = [], 0, 0
    found = answers(program, [(n, s) for n in lengths for s in (range(1, 9) if is_long else [1, 2, 3, 5, 8])], "disk")
    for steps, slots, runs, writes, reads in found:
        budget = runs + 2 * writes + 2 * reads
        least = min(cost_with_disk(steps, slots, d) for d in {1, 2, 4, min(steps, 60), steps})
        less += budget < least
        on_disk += writes > 0
        if budget > least:
            worse.append(f"{steps} steps, {slots} slots: budget {runs} + 2 * ({writes} + {reads}), HRevolve {least}")
    print(f"{len(found)} chains with a disk: budgets cost less than HRevolve in {less}, and use it in {on_disk}")
    if on_disk == 0:
        worse.append("no budget uses the disk")
    return worse


def main():
    program, is_long = sys.argv[1], "long" in sys.argv[2:]
    worse = compare_in_memory(program, is_long) + compare_with_disk(program, is_long)
    print("\n".join(worse))
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
