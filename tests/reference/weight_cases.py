#!/usr/bin/python3
"""Writes checkpoints of small networks with PyTorch for the tests of the commands.

    apt-get install python3-torch
    /usr/bin/python3 tests/reference/weight_cases.py

The script rewrites the files in tests/suite/weights/testdata/cases: a ResNet-8 of width 2
for two classes, and one for three, kept in the ways that training programs keep theirs.
The number of classes tells which of two sets of weights was read.  The script was last run
with PyTorch 1.13.
"""

import os

import torch
from torch import nn

import weight_formats

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../suite/weights/testdata/cases")


class Block(nn.Module):
    def __init__(self, inner, outer):
        super().__init__()
        self.conv1 = nn.Conv2d(inner, outer, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(outer)
        self.conv2 = nn.Conv2d(outer, outer, 3, bias=False)
        self.bn2 = nn.BatchNorm2d(outer)


class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(2)
        self.layer1 = nn.Sequential(Block(2, 2))
        self.layer2 = nn.Sequential(Block(2, 4))
        self.layer3 = nn.Sequential(Block(4, 8))
        self.fc = nn.Linear(8, classes)


def save(name, value):
    with open(os.path.join(FOLDER, name + ".pth"), "wb") as f, weight_formats.same_keys():
        torch.save(value, f, _use_new_zipfile_serialization=False)


def main():
    torch.manual_seed(1)
    os.makedirs(FOLDER, exist_ok=True)
    two, three = Net(2), Net(3)
    first, second = two.state_dict(), three.state_dict()
    save("net", {"net": first, "acc": 93.1, "epoch": 9})
    save("ema-model", {"model": first, "model_ema": second})
    save("ema-state", {"state_dict": first, "state_dict_ema": second})
    save("ema-module", {"net": first, "ema": {"module": second, "updates": 7}})
    save("ema-alone", {"model_ema": {"state_dict": second}})
    save("teacher", {"student": first, "teacher": second})
    save("extras", {"model_state": first, **weight_formats.extras(two)})
    quantized = torch.quantization.quantize_dynamic(two, {nn.Linear}, dtype=torch.qint8)
    save("quantized", quantized.state_dict())


if __name__ == "__main__":
    main()
