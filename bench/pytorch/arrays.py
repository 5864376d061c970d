"""Safetensors files as PyTorch's tensors, and the comparison of what two sides computed."""

import json
import struct
from pathlib import Path

import torch

DTYPES = {"F32": torch.float32, "I32": torch.int32}
TOLERANCE = 1e-4
"""Of a result's largest number. Both sum in float32 in orders of their own; a mistake is orders of magnitude larger."""


def read_arrays(path):
    data = bytearray(Path(path).stat().st_size)
    with open(path, "rb") as file:
        file.readinto(data)  # no second copy, so that peaks of memory tell about models
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    arrays = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        flat = torch.frombuffer(data, dtype=DTYPES[entry["dtype"]], count=(end - begin) // 4, offset=8 + length + begin)
        arrays[name] = flat.reshape(entry["shape"])
    return arrays


def write_arrays(path, arrays):
    header, parts, position = {}, [], 0
    for name, tensor in arrays.items():
        part = tensor.detach().float().contiguous().numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [position, position + len(part)]}
        parts.append(part)
        position += len(part)
    text = json.dumps(header).encode()
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))


def part_of(arrays, prefix):
    """The arrays whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}


def compare(name, ours, theirs):
    """An error when two results are further apart than rounding takes them."""
    error = ((theirs - ours).abs().max() / ours.abs().max()).item()
    if not error <= TOLERANCE:
        raise ValueError(f"{name}: PyTorch's are off by {error:.1e} of our largest number")
    return error
