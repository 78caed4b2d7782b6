"""Steps of torch.optim.Muon for pkg/optim/testdata/muon.json. It needs PyTorch 2.9 or newer.

PyTorch orthogonalises in bfloat16. Here its code computes in float32, as Residual does.
"""

import json
import pathlib

import torch

torch.bfloat16 = torch.float32  # torch/optim/_muon.py looks the name up when it runs

torch.manual_seed(1)
cases = []
# Kernels [outputs, inputs, height, width]: wide, with as many rows as columns, tall, and two of one size.
shapes = [[4, 3, 3, 3], [4, 4, 1, 1], [6, 2, 1, 1], [4, 3, 3, 3]]
for nesterov in (True, False):
    kernels = [torch.randn(shape) for shape in shapes]
    steps = [[torch.randn(shape) for shape in shapes] for _ in range(3)]
    matrices = [torch.nn.Parameter(kernel.flatten(1).clone()) for kernel in kernels]
    optimizer = torch.optim.Muon(matrices, lr=0.1, momentum=0.9, weight_decay=0, nesterov=nesterov)
    for gradients in steps:
        for matrix, gradient in zip(matrices, gradients):
            matrix.grad = gradient.flatten(1).clone()
        optimizer.step()
    cases.append({
        "nesterov": nesterov,
        "shapes": shapes,
        "kernels": [kernel.flatten().tolist() for kernel in kernels],
        "gradients": [[gradient.flatten().tolist() for gradient in gradients] for gradients in steps],
        "after": [matrix.detach().flatten().tolist() for matrix in matrices],
    })

path = pathlib.Path(__file__).parents[2] / "pkg/optim/testdata/muon.json"
path.parent.mkdir(exist_ok=True)
text = json.dumps({"torch": torch.__version__.split("+")[0], "learning_rate": 0.1, "momentum": 0.9, "cases": cases}, separators=(",", ":"))
path.write_text(text + "\n")
