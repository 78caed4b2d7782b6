#!/usr/bin/python3
"""Count the parameters and multiply-adds of GoogLeNet with PyTorch.

    apt-get install python3-torch
    /usr/bin/python3 tests/reference/googlenet.py

The network is that of table 1 in Szegedy et al. 2014, with biases and without
batch norm and auxiliary classifiers.  (torchvision's GoogLeNet has 3×3 for the
5×5 convolutions, and batch norm.)  The test in
lesson/chapter/architecture has the numbers.
"""

import torch
from torch import nn


def convolution(inputs, outputs, kernel, stride=1):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)


def pool():
    return nn.MaxPool2d(3, 2, ceil_mode=True)


class Inception(nn.Module):
    def __init__(self, inputs, conv1, reduce3, conv3, reduce5, conv5, projected):
        super().__init__()
        self.branches = nn.ModuleList([
            convolution(inputs, conv1, 1),
            nn.Sequential(convolution(inputs, reduce3, 1), convolution(reduce3, conv3, 3)),
            nn.Sequential(convolution(inputs, reduce5, 1), convolution(reduce5, conv5, 5)),
            nn.Sequential(nn.MaxPool2d(3, 1, 1), convolution(inputs, projected, 1)),
        ])

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


network = nn.Sequential(
    convolution(3, 64, 7, 2), pool(),
    convolution(64, 64, 1), convolution(64, 192, 3), pool(),
    Inception(192, 64, 96, 128, 16, 32, 32),
    Inception(256, 128, 128, 192, 32, 96, 64), pool(),
    Inception(480, 192, 96, 208, 16, 48, 64),
    Inception(512, 160, 112, 224, 24, 64, 64),
    Inception(512, 128, 128, 256, 24, 64, 64),
    Inception(512, 112, 144, 288, 32, 64, 64),
    Inception(528, 256, 160, 320, 32, 128, 128), pool(),
    Inception(832, 256, 160, 320, 32, 128, 128),
    Inception(832, 384, 192, 384, 48, 128, 128),
    nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, 1000),
)

multiply_adds = 0


def count(layer, _, output):
    global multiply_adds
    places = output.shape[2] * output.shape[3] if output.dim() == 4 else 1
    multiply_adds += layer.weight.numel() * places


for layer in network.modules():
    if isinstance(layer, (nn.Conv2d, nn.Linear)):
        layer.register_forward_hook(count)
network(torch.zeros(1, 3, 224, 224))
print("parameters", sum(p.numel() for p in network.parameters()))
print("multiply-adds", multiply_adds)
