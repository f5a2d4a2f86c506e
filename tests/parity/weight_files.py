# SPDX-License-Identifier: MIT
"""Safetensors files, written and read in a few lines, so that the package safetensors is not needed."""
import ctypes
import json
import struct

import torch

TYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64, "I64": torch.int64}


def bytes_of(tensor):
    tensor = tensor.detach().contiguous()
    return ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size()) if tensor.numel() else b""


def save(file, tensors):
    header, pieces, end = {"__metadata__": {"format": "pt"}}, [], 0
    for name, tensor in tensors.items():
        pieces.append(bytes_of(tensor))
        begin, end = end, end + len(pieces[-1])
        kind = next(key for key, value in TYPES.items() if value == tensor.dtype)
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    file.write_bytes(b"".join([struct.pack("<Q", len(text)), text, *pieces]))


def load(file):
    contents = file.read_bytes()
    (length,) = struct.unpack("<Q", contents[:8])
    tensors = {}
    for name, entry in json.loads(contents[8:8 + length]).items():
        if name != "__metadata__":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            piece = torch.frombuffer(bytearray(contents[begin:end]), dtype=TYPES[entry["dtype"]])
            tensors[name] = piece.reshape(entry["shape"])
    return tensors
