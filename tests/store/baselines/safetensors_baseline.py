"""Files for tests/store/safetensors_test.cpp; safetensors 0.8.0, numpy 2.4.6.

    python safetensors_baseline.py            writes from_python.safetensors
    python safetensors_baseline.py --check    reads from_modeldiff.safetensors, which our writer wrote, with Python's reader
"""
import pathlib
import sys

import numpy as np
from safetensors import TensorSpec, deserialize, safe_open, serialize

FOLDER = pathlib.Path(__file__).parent
COUNT = 6
BFLOAT16 = [0x0000, 0x3F80, 0xBF80, 0x4000, 0x7F80, 0x3DCD]  # 0, 1, -1, 2, infinity, 0.1

NUMPY = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32,
         "I16": np.int16, "I8": np.int8, "U8": np.uint8, "BOOL": np.bool_}
NAMES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
         "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool"}


def values(dtype):
    """-1.5, -0.5, ... for floats, -2 to 3 for integers, 0 to 5 for bytes, false and true in turn."""
    ramp = np.arange(COUNT)
    if dtype.startswith("F"):
        return (ramp - 1.5).astype(NUMPY[dtype])
    if dtype == "U8":
        return ramp.astype(np.uint8)
    if dtype == "BOOL":
        return ramp % 2 == 1
    return (ramp - 2).astype(NUMPY[dtype])


def content():
    """name -> (dtype, the array whose bytes and shape are stored)"""
    tensors = {f"values.{d.lower()}": (NAMES[d], values(d).reshape(2, 3)) for d in NUMPY}
    tensors["values.bf16"] = ("bfloat16", np.array(BFLOAT16, np.uint16).reshape(2, 3))
    tensors["scalar"] = ("float32", np.array(2.5, np.float32))
    tensors["none"] = ("int64", np.zeros((0, 4), np.int64))
    tensors["größe"] = ("uint8", np.array([7], np.uint8))
    return tensors


def write():
    kept = content()  # the specs hold addresses of these arrays
    specs = {name: TensorSpec(dtype=dtype, shape=a.shape, data_ptr=a.ctypes.data, data_len=a.nbytes)
             for name, (dtype, a) in kept.items()}
    (FOLDER / "from_python.safetensors").write_bytes(serialize(specs, {"made_by": "python", "quote": 'a "b"\n'}))


def check():
    with safe_open(FOLDER / "from_modeldiff.safetensors", framework="numpy") as file:
        assert file.metadata() == {"made_by": "modeldiff", "quote": 'a "b"\n'}, file.metadata()
        names = set(file.keys())
        assert names == set(content()), names
    raw = dict(deserialize((FOLDER / "from_modeldiff.safetensors").read_bytes()))
    for name, (dtype, array) in content().items():
        found = raw[name]
        assert NAMES[found["dtype"]] == dtype, name
        assert list(found["shape"]) == list(array.shape) and bytes(found["data"]) == array.tobytes(), name


if __name__ == "__main__":
    check() if "--check" in sys.argv else write()
