#!/usr/bin/env python3
"""Logits of torchvision's residual nets, for tests/plugins/models: writes resnet.json beside this file.

    pip install torch torchvision && python resnet.py

Weights and images are given by formulas, so that they need not be stored: the number i of a tensor (row by row) is
scale * sin(.37 i + shift), its shift the number of the tensor.
"""

import json
from pathlib import Path

import torch
import torchvision


def drawn(shape, shift, scale):
    count = int(torch.Size(shape).numel())
    return (scale * torch.sin(0.37 * torch.arange(count, dtype=torch.float64) + shift)).float().view(shape)


def fill(model):
    """Weights as 1.5 / sqrt(fan-in), scales of batch norm around 1, running means small, variances around 1."""
    for number, (name, tensor) in enumerate(model.named_parameters()):
        if tensor.dim() == 1:
            tensor.data = drawn(tensor.shape, number, 0.2) + (1 if name.endswith("weight") else 0)
        else:
            tensor.data = drawn(tensor.shape, number, 1.5 / (tensor[0].numel() ** 0.5))
    for number, (name, tensor) in enumerate(model.named_buffers()):
        if name.endswith("running_mean"):
            tensor.data = drawn(tensor.shape, number, 0.2)
        elif name.endswith("running_var"):
            tensor.data = 1 + drawn(tensor.shape, number, 0.3)


out = {"versions": {"torch": torch.__version__, "torchvision": torchvision.__version__}, "models": []}
images = drawn((2, 3, 37, 45), 0, 1)
for name, params in [("resnet18", {}), ("resnet50", {"blocks": [3, 4, 6, 3], "bottleneck": True})]:
    model = getattr(torchvision.models, name)(num_classes=5).eval()
    fill(model)
    with torch.no_grad():
        logits = model(images)
    thousand = sum(p.numel() for p in getattr(torchvision.models, name)().parameters())
    out["models"].append({"name": name, "params": params, "parameters_of_a_thousand_classes": thousand,
                          "logits": logits.double().tolist()})
Path(__file__).with_name("resnet.json").write_text(json.dumps(out, indent=1) + "\n")
