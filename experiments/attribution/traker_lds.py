#!/usr/bin/env python3
"""The linear datamodeling score of the authors' TRAK (traker) on models and retrained models that are in a store.

    ./modeldiff run experiments/attribution/mnist_lds.yaml
    experiments/attribution/traker_lds.py experiments/attribution/mnist_lds.yaml [--algorithm A] [--store .modeldiff]

Needs torch, traker, safetensors, numpy and scipy. The same weights, queries, subsets and retrained answers as the
evaluation `lds`; float32, normal numbers, one projection matrix for each checkpoint. Prints one JSON line.
"""

import argparse
import json
import logging
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from scipy.stats import rankdata

logging.disable(logging.WARNING)
from trak import TRAKer  # noqa: E402
from trak.projectors import BasicSingleBlockProjector, ProjectionType  # noqa: E402


def mlp(flat, inputs, hidden, outputs):
    """The `mlp` model: linear layers with ReLU between, weight then bias of each in a flat vector."""
    widths = [inputs, *hidden, outputs]
    layers = [torch.nn.Flatten()]
    at = 0
    for fan_in, fan_out in zip(widths, widths[1:]):
        layer = torch.nn.Linear(fan_in, fan_out)
        layer.weight.data = flat[at:at + fan_in * fan_out].view(fan_out, fan_in).clone()
        at += fan_in * fan_out
        layer.bias.data = flat[at:at + fan_out].clone()
        at += fan_out
        layers += [layer, torch.nn.ReLU()]
    assert at == flat.numel()
    return torch.nn.Sequential(*layers[:-1]).eval()


def spearman_rows(a, b):
    """Of each row of a and b [N, subsets]."""
    def standard(x):
        ranks = rankdata(x, axis=1)
        ranks -= ranks.mean(axis=1, keepdims=True)
        return ranks / np.linalg.norm(ranks, axis=1, keepdims=True)
    return (standard(a) * standard(b)).sum(axis=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", type=Path)
    parser.add_argument("--algorithm", default="A")
    parser.add_argument("--store", type=Path, default=Path(".modeldiff"))
    parser.add_argument("--program", default="./modeldiff")
    parser.add_argument("--batch", type=int, default=500)
    arguments = parser.parse_args()
    plan = json.loads(subprocess.run([arguments.program, "plan", "--json", arguments.experiment], check=True,
                                     capture_output=True, text=True).stdout)
    plan = plan[0] if isinstance(plan, list) else plan

    def artifacts(kind, label=""):
        return [arguments.store / "objects" / cell["key"][:2] / cell["key"] for cell in plan["cells"]
                if cell["kind"] == kind and label in cell["label"]]

    data_folder = artifacts("dataset")[0]
    facts = json.loads((data_folder / "facts.json").read_text())
    data = load_file(data_folder / "data.safetensors")
    rows = load_file(artifacts("split")[0] / "split.safetensors")["queries"]
    shape = (1, -1, 1, 1)
    mean, deviation = (torch.tensor(facts[name]).view(shape) for name in ("mean", "deviation"))
    seen = lambda images: (images.float() / 255 - mean) / deviation
    x, y = seen(data["train.inputs"]), data["train.targets"].long()
    u, v = seen(data["test.inputs"][rows]), data["test.targets"][rows].long()

    description = json.loads(subprocess.run([arguments.program, "check", "--json", arguments.experiment], check=True,
                                            capture_output=True, text=True).stdout)
    description = (description[0] if isinstance(description, list) else description)["description"]
    hidden = description["algorithms"][arguments.algorithm]["model"]["hidden"]
    attribute = description["attribute"]
    runs = artifacts("run", f"algorithm {arguments.algorithm}, attribute run")
    models = [mlp(load_file(run / "weights.safetensors")["parameters"], x[0].numel(), hidden, facts["outputs"])
              for run in runs]
    parameters = sum(p.numel() for p in models[0].parameters())

    began = time.time()
    with tempfile.TemporaryDirectory() as folder:
        projector = BasicSingleBlockProjector(parameters, attribute["projection"], 0, ProjectionType.normal, "cpu",
                                              dtype=torch.float32)
        projector.free_memory = lambda: None  # else it is dropped between featurising and scoring
        traker = TRAKer(model=models[0], task="image_classification", train_set_size=len(x), save_dir=folder,
                        device="cpu", projector=projector, proj_dim=attribute["projection"],
                        use_half_precision=False, logging_level=logging.ERROR)
        for i, model in enumerate(models):
            traker.load_checkpoint(model.state_dict(), model_id=i)
            for begin in range(0, len(x), arguments.batch):
                batch = [x[begin:begin + arguments.batch], y[begin:begin + arguments.batch]]
                traker.featurize(batch=batch, num_samples=len(batch[0]))
        traker.finalize_features()
        for i, model in enumerate(models):
            traker.start_scoring_checkpoint("e", model.state_dict(), i, len(u))
            for begin in range(0, len(u), arguments.batch):
                batch = [u[begin:begin + arguments.batch], v[begin:begin + arguments.batch]]
                traker.score(batch=batch, num_samples=len(batch[0]))
        scores = np.asarray(traker.finalize_scores("e")).astype(np.float64)  # [n, N]
    seconds = time.time() - began

    judged = [load_file(folder / "measurements.safetensors")
              for folder in artifacts("measurements", f"algorithm {arguments.algorithm} ")]
    answers = torch.cat([part["measurements"] for part in judged]).double().numpy()  # [runs, N]
    masks = torch.cat([part["masks"] for part in judged]).double().numpy()  # [runs, n]
    replicates = next(e for e in description["evaluate"] if e["plugin"] == "lds")["replicates"]
    answers = answers.reshape(-1, replicates, answers.shape[1]).mean(axis=1)
    masks = masks[::replicates]
    lds = spearman_rows((masks @ scores).T, answers.T)
    draws = np.random.default_rng(0).choice(lds, (2000, len(lds))).mean(axis=1)
    print(json.dumps({"peer": "traker", "runs": len(runs), "projection": attribute["projection"], "lds": lds.mean(),
                      "lower": np.quantile(draws, .025), "upper": np.quantile(draws, .975), "queries": len(lds),
                      "subsets": len(masks), "seconds": round(seconds, 1)}))


if __name__ == "__main__":
    sys.exit(main())
