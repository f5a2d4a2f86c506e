#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""seeds.py <folder>: writes files that are right, for each fuzzer to begin with."""
import gzip
import json
import pathlib
import struct
import sys

folder = pathlib.Path(sys.argv[1])


def seed(target, name, data):
    (folder / target).mkdir(parents=True, exist_ok=True)
    (folder / target / name).write_bytes(data)


def safetensors(header, data):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def npy(descr, shape, data, version=1):
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + data


seed("safetensors", "one", safetensors({"x": entry("F32", [2], 0, 8)}, bytes(8)))
seed("safetensors", "types", safetensors(
    {"__metadata__": {"format": "pt"}, "a": entry("F16", [1, 3], 0, 6), "b": entry("BF16", [], 6, 8),
     "c": entry("F64", [1], 8, 16), "d": entry("I64", [0, 2], 16, 16), "e": entry("F4", [2], 16, 17)}, bytes(range(17))))
seed("tensor_index", "two", json.dumps(
    {"metadata": {"total_size": 8}, "weight_map": {"a": "model-00001-of-00002.safetensors", "b": "x/y", "c": ".."}}).encode())
for descr, size in ("|b1", 1), ("|u1", 1), ("<u2", 2), ("<i8", 8), ("<f2", 2), ("<f4", 4), ("<f8", 8):
    seed("npy", descr[1:], npy(descr, (2, 3), bytes(6 * size)))
seed("npy", "version2", npy("<i4", (), bytes(4), 2))
idx = bytes([0, 0, 8, 2]) + struct.pack(">II", 2, 3) + bytes(6)
seed("idx", "plain", idx)
seed("idx", "gzip", gzip.compress(idx, mtime=0))
seed("partition", "map", json.dumps({"features": 0, "classifier.fc2": 2, "a": 1000000}).encode())
