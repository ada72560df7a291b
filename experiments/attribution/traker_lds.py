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


class Cursor:
    """Takes tensors off the front of a flat vector."""

    def __init__(self, flat):
        self.flat, self.at = flat, 0

    def take(self, *shape):
        count = int(np.prod(shape))
        assert self.at + count <= self.flat.numel()
        self.at += count
        return self.flat[self.at - count:self.at].view(shape).clone()


def mlp(parameters, _, inputs, outputs, config):
    """The `mlp` model: linear layers with ReLU between, weight then bias of each."""
    widths = [inputs.numel(), *config["hidden"], outputs]
    layers = [torch.nn.Flatten()]
    for fan_in, fan_out in zip(widths, widths[1:]):
        layer = torch.nn.Linear(fan_in, fan_out)
        layer.weight.data, layer.bias.data = parameters.take(fan_out, fan_in), parameters.take(fan_out)
        layers += [layer, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


class Residual(torch.nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


class Scaled(torch.nn.Linear):
    """A linear layer without bias whose outputs are multiplied by a constant."""

    def __init__(self, fan_in, fan_out, scale):
        super().__init__(fan_in, fan_out, bias=False)
        self.scale = scale

    def forward(self, x):
        return self.scale * super().forward(x)


def resnet9(parameters, buffers, inputs, outputs, config):
    """The `resnet9` model with batch norm: of each block the convolution, weight and bias of its norm."""
    a, b, c, d = (max(1, round(channels * config["width"])) for channels in (64, 128, 256, 128))

    def block(fan_in, fan_out, kernel=3, stride=1, padding=1):
        conv = torch.nn.Conv2d(fan_in, fan_out, kernel, stride, padding, bias=False)
        norm = torch.nn.BatchNorm2d(fan_out)
        conv.weight.data = parameters.take(fan_out, fan_in, kernel, kernel)
        norm.weight.data, norm.bias.data = parameters.take(fan_out), parameters.take(fan_out)
        norm.running_mean, norm.running_var = buffers.take(fan_out), buffers.take(fan_out)
        return torch.nn.Sequential(conv, norm, torch.nn.ReLU())

    layers = [block(inputs.shape[0], a), block(a, b, 5, 2, 2), Residual(block(b, b), block(b, b)), block(b, c),
              torch.nn.MaxPool2d(2), Residual(block(c, c), block(c, c)), block(c, d, padding=0),
              torch.nn.AdaptiveMaxPool2d(1), torch.nn.Flatten()]
    head = Scaled(d, outputs, config["output_scale"])
    head.weight.data = parameters.take(outputs, d)
    return torch.nn.Sequential(*layers, head)


MODELS = {"mlp": mlp, "resnet9": resnet9}


def model_of(run, inputs, outputs, config):
    weights = load_file(run / "weights.safetensors")
    parameters = Cursor(weights["parameters"])
    model = MODELS[config["plugin"]](parameters, Cursor(weights.get("buffers", torch.zeros(0))), inputs, outputs, config)
    assert parameters.at == parameters.flat.numel()
    return model.eval()


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
    config = description["algorithms"][arguments.algorithm]["model"]
    attribute = description["attribute"]
    runs = artifacts("run", f"algorithm {arguments.algorithm}, attribute run")
    models = [model_of(run, x[0], facts["outputs"], config) for run in runs]
    with torch.no_grad():
        accuracy = np.mean([(model(u).argmax(1) == v).float().mean().item() for model in models])
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
    print(json.dumps({"peer": "traker", "runs": len(runs), "projection": attribute["projection"],
                      "accuracy_on_queries": round(float(accuracy), 4), "lds": lds.mean(),
                      "lower": np.quantile(draws, .025), "upper": np.quantile(draws, .975), "queries": len(lds),
                      "subsets": len(masks), "seconds": round(seconds, 1)}))


if __name__ == "__main__":
    sys.exit(main())
