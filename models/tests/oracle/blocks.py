"""Writes the fixture of block formats: bytes of each type that weights are stored in, and their values.

    python blocks.py ../fixtures/blocks.json

256 values a type. Bytes are random; the half floats that scale a block are set to sensible numbers, because random ones
would be infinite or no numbers now and then. Values are those of gguf's own Python, as the bits of 32-bit floats.
"""

import json
import sys
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

VALUES = 256
# Where the half floats of a block lie, in bytes.
HALVES = {Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2], Type.Q8_0: [0], Type.Q4_K: [0, 2],
          Type.Q5_K: [0, 2], Type.Q6_K: [208]}


def block_type(random, kind):
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    stored = random.integers(0, 256, (VALUES // elements, size), dtype=np.uint8)
    for at in HALVES[kind]:
        scales = random.uniform(-0.2, 0.2, len(stored)).astype("<f2")
        stored[:, at:at + 2] = scales.view(np.uint8).reshape(-1, 2)
    return stored, gguf.quants.dequantize(stored, kind)


def float_type(random, kind):
    values = random.normal(size=VALUES).astype("<f4")
    if kind == Type.F32:
        return values.view(np.uint8), values
    if kind == Type.F16:
        halves = values.astype("<f2")
        return halves.view(np.uint8), halves.astype("<f4")
    bits = (values.view("<u4") >> 16).astype("<u2")
    return bits.view(np.uint8), (bits.astype("<u4") << 16).view("<f4")


random = np.random.default_rng(7)
fixture = {}
for kind in [Type.F32, Type.F16, Type.BF16, *HALVES]:
    stored, values = (block_type if kind in HALVES else float_type)(random, kind)
    assert np.isfinite(values).all()
    fixture[kind.name] = {"bytes": stored.tobytes().hex(), "values": values.astype("<f4").tobytes().hex()}
Path(sys.argv[1]).write_text(json.dumps(fixture, indent=1) + "\n")
