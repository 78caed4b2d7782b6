#!/usr/bin/python3
"""Exchanges files of weights between PyTorch and the Go tests.

It reads lines of three words from standard input and answers each with a line of JSON
on standard output: the network's logits for the two images of weight_networks.py.

    save NAME FOLDER   makes a network with random weights and running statistics, and
                       writes it as FOLDER/NAME.pth, in torch.save's current format,
                       and as FOLDER/NAME.th, in the format before PyTorch 1.6
    load NAME PATH     loads the safetensors file with strict=True

The CIFAR networks are written as in github.com/akamaster/pytorch_resnet_cifar10: in a
checkpoint, under DataParallel's names.
"""

import json
import os
import sys

import torch
from torch import nn

import weight_networks as networks


def at_random(name):
    """Returns the network of that name with random weights and running statistics."""
    network = networks.build(name)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1)
                module.bias.normal_(0, 0.3)
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 1.5)
                module.num_batches_tracked.fill_(7)
    return network


def save(name, folder):
    network = at_random(name)
    content = network.state_dict()
    if name in networks.CIFAR:
        content = {"state_dict": nn.DataParallel(network).state_dict(), "best_prec1": 92.6}
    torch.save(content, os.path.join(folder, name + ".pth"))
    torch.save(content, os.path.join(folder, name + ".th"), _use_new_zipfile_serialization=False)
    return network


def load(name, path):
    state = networks.read_safetensors(path)
    network = networks.build(name, classes=len(state["fc.bias"]))
    network.load_state_dict(state, strict=True)
    return network


def main():
    torch.manual_seed(1)
    x = networks.images()
    for line in sys.stdin:
        word, name, path = line.rstrip("\n").split(" ", 2)
        network = {"save": save, "load": load}[word](name, path)
        print(json.dumps(networks.logits(network, x).flatten().tolist()), flush=True)


if __name__ == "__main__":
    main()
