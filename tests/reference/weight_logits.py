#!/usr/bin/python3
"""Computes PyTorch's logits for those tests in tests/suite/weights that do not need PyTorch.

    apt-get install python3-torch python3-torchvision
    RESIDUAL_TEST_DATA=... /usr/bin/python3 tests/reference/weight_logits.py

It rewrites two files in tests/suite/weights/testdata.  formula.safetensors has every
network's logits for two images, with weights by the formula of weight_networks.py.
cifar10.safetensors has the logits of the trained networks in
$RESIDUAL_TEST_DATA/weights for the 500 test images in $RESIDUAL_TEST_DATA/cifar10-exact.
The script was last run with PyTorch 1.13 and torchvision 0.14, on one CPU thread.
"""

import os
import sys

import numpy as np
import torch

import weight_networks as networks

TESTDATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "suite", "weights", "testdata")


def by_formula(name):
    """Returns the logits of the network with weights by the formula."""
    network = networks.build(name)
    state = network.state_dict()
    with torch.no_grad():
        for key, tensor in state.items():
            if not key.endswith("num_batches_tracked"):
                tensor.copy_(networks.formula(key.replace("linear.", "fc."), tensor.shape))
    x = networks.images()
    found = networks.logits(network, x)
    # The logits must depend on the images, or else they would not reveal a wrong layer.
    between = (found[0] - found[1]).abs().max().item() / found.abs().max().item()
    exact = networks.logits(network.double(), x.double())
    gap = ((found - exact).abs().max() / exact.abs().max()).item()
    print("%-18s largest %.3g, images differ by %.2g of it, float64 by %.2g" % (name, found.abs().max(), between, gap))
    if between < 0.05 or gap > 1e-5:
        sys.exit("the formula does not suit " + name)
    return found


def trained(path, records):
    """Returns the logits of the trained network, and how many images it classifies correctly."""
    network = networks.build(os.path.basename(path).split("-")[0])
    checkpoint = torch.load(path, map_location="cpu")
    network.load_state_dict({k[len("module."):]: v for k, v in checkpoint["state_dict"].items()})
    labels = torch.from_numpy(records[:, 0].astype(np.int64))
    pixels = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    found = networks.logits(network, networks.normalised(pixels))
    return found, int((found.argmax(1) == labels).sum())


def main():
    torch.set_num_threads(1)
    data = os.environ.get("RESIDUAL_TEST_DATA")
    if not data:
        sys.exit("RESIDUAL_TEST_DATA is not set: it names a folder with weights/ and cifar10-exact/")
    tensors = {name: by_formula(name) for name in networks.CIFAR + networks.TORCHVISION}
    networks.write_safetensors(os.path.join(TESTDATA, "formula.safetensors"), tensors)

    batch = os.path.join(data, "cifar10-exact", "cifar-10-batches-bin", "test_batch.bin")
    records = np.fromfile(batch, np.uint8).reshape(-1, 3073)
    tensors = {}
    for name in ["resnet20-12fca82f.th", "resnet32-d509ac18.th"]:
        found, right = trained(os.path.join(data, "weights", name), records)
        print("%s: %d of %d correct" % (name, right, len(records)))
        tensors[name] = found
    networks.write_safetensors(os.path.join(TESTDATA, "cifar10.safetensors"), tensors)


if __name__ == "__main__":
    main()
