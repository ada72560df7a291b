"""Writes datasets.json: what numpy and Pillow make of small inputs and of the real data.

    python datasets.py DATA_FOLDER > datasets.json
"""

import csv
import gzip
import io
import json
import pathlib
import sys
import tarfile

import numpy as np
import PIL
from PIL import Image


def pattern(height, width):
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    return ((x * 37 + y * 91 + c * 53 + x * y * 7) % 256).astype(np.uint8)


def resized(height, width, to_height, to_width):
    image = Image.fromarray(pattern(height, width)).resize((to_width, to_height), Image.Resampling.BILINEAR)
    return {"from": [height, width], "to": [to_height, to_width], "pixels": np.asarray(image).ravel().tolist()}


def idx(path):
    raw = gzip.open(path).read()
    dims = raw[3]
    shape = [int.from_bytes(raw[4 + 4 * d : 8 + 4 * d], "big") for d in range(dims)]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dims).reshape(shape)


def mnist(data, part):
    images = idx(data / f"mnist/{part}-images-idx3-ubyte.gz")
    labels = idx(data / f"mnist/{part}-labels-idx1-ubyte.gz")
    return {"shape": list(images.shape), "sum": int(images.sum(dtype=np.int64)), "classes": np.bincount(labels).tolist(),
            "first_labels": labels[:10].tolist()}


def archive(path):
    parts = {}
    with tarfile.open(path) as tar:
        for member in tar:
            if not member.isfile():
                continue
            part, label, _ = member.name.split("/")
            pixels = np.asarray(Image.open(io.BytesIO(tar.extractfile(member).read())).convert("RGB"))
            entry = parts.setdefault(part, {"images": 0, "sums": [0, 0, 0], "classes": {}})
            entry["images"] += 1
            entry["classes"][label] = entry["classes"].get(label, 0) + 1
            entry["sums"] = [int(a + b) for a, b in zip(entry["sums"], pixels.sum(axis=(0, 1), dtype=np.int64))]
    for entry in parts.values():
        counts = set(entry["classes"].values())
        entry["classes"] = len(entry["classes"])
        entry["images_of_each_class"] = counts.pop() if len(counts) == 1 else None
    return parts


def uci(path, target, drop, multiple):
    rows = list(csv.reader(open(path)))
    names, table = rows[0], np.array(rows[1:], dtype=np.float64)
    inputs = [i for i, name in enumerate(names) if name != target and name not in drop]
    order = np.random.RandomState(0).permutation(len(table))
    train, test = np.split(order, [int(0.9 * len(table))])
    train = train[: len(train) - len(train) % multiple]
    x, y = table[train][:, inputs], table[train][:, names.index(target)]
    return {"rows": len(table), "train": len(train), "test": len(test), "target": target, "drop": drop,
            "multiple": multiple, "mean": x.mean(0).tolist(), "deviation": x.std(0).tolist(),
            "target_mean": y.mean(), "target_deviation": y.std(), "first_train_rows": train[:5].tolist(),
            "first_test_row_standardised_target": float((table[test[0], names.index(target)] - y.mean()) / y.std())}


def main():
    data = pathlib.Path(sys.argv[1])
    digits = np.array([list(map(int, row)) for row in list(csv.reader(open(data / "digits/digits.csv")))[1:]])
    json.dump({
        "made_with": {"numpy": np.__version__, "pillow": PIL.__version__},
        "permutations": [{"n": n, "seed": seed, "order": np.random.RandomState(seed).permutation(n).tolist()}
                         for n, seed in [(1, 0), (2, 0), (10, 0), (64, 3), (100, 4294967295)]],
        "resized": [resized(5, 7, 4, 3), resized(5, 7, 9, 11), resized(6, 6, 1, 1), resized(3, 40, 3, 7),
                    resized(1, 1, 4, 4)],
        "digits": {"sum": int(digits[:, :64].sum()), "classes": np.bincount(digits[:, 64]).tolist()},
        "mnist": {part: mnist(data, part) for part in ["train", "t10k"]},
        "cifar10-jpeg.tar.gz": archive(data / "cifar10-jpeg.tar.gz"),
        "cifar100-png-subset.tar": archive(data / "cifar100-png-subset.tar"),
        "uci": {
            "concrete": uci(data / "uci/concrete.csv", "strength_mpa", [], 32),
            "parkinsons": uci(data / "uci/parkinsons.csv", "total_UPDRS", ["subject#", "motor_UPDRS"], 1),
            "wine_quality_red": uci(data / "uci/wine_quality_red.csv", "quality", [], 1),
        },
    }, sys.stdout, separators=(",", ":"))
    print()


main()
