#!/usr/bin/python3
"""Computes PyTorch's values for the exercises on plain slices.

    apt-get install python3-torch
    /usr/bin/python3 tests/reference/exercise_slices.py

The script writes lesson/exercises/check/testdata/reference.json, which is
embedded in the checks of the exercises convolution, batchnorm and momentum.  It
was last run with PyTorch 1.13 on the CPU; the Go code needs no Python.

Inputs are small integers and halves, so that students can compute the values in
a failure by hand.  Images are [height][width][channel], kernels
[height][width][in][out], batches [batch][height][width][channel].
"""

import json
import os

import torch
import torch.nn.functional as F

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                    "..", "..", "lesson", "exercises", "check", "testdata", "reference.json")


def convolutions():
    """Every case differs in height and width, so that swapping them shows."""
    cases = []
    for name, height, width, kernel, channels_in, channels_out, stride, padding in [
            ("one channel", 3, 4, (2, 2), 1, 1, 1, 0),
            ("one channel", 4, 5, (3, 3), 1, 1, 1, 0),
            ("one channel", 5, 6, (2, 3), 1, 1, 1, 0),
            ("channels", 3, 4, (2, 2), 2, 1, 1, 0),
            ("channels", 4, 5, (3, 3), 3, 2, 1, 0),
            ("channels", 3, 5, (1, 1), 2, 3, 1, 0),
            ("stride and padding", 3, 4, (3, 3), 1, 1, 1, 1),
            ("stride and padding", 5, 7, (3, 3), 1, 1, 2, 0),
            ("stride and padding", 6, 5, (3, 3), 2, 2, 2, 1),
            ("stride and padding", 7, 8, (5, 3), 1, 2, 3, 2),
    ]:
        x = torch.randint(-3, 6, (height, width, channels_in)).float()
        w = torch.randint(-2, 4, (*kernel, channels_in, channels_out)).float()
        y = F.conv2d(x.permute(2, 0, 1)[None], w.permute(3, 2, 0, 1), stride=stride, padding=padding)
        cases.append({"step": name, "x": x.tolist(), "w": w.tolist(), "stride": stride, "padding": padding,
                      "want": y[0].permute(1, 2, 0).tolist()})
    return cases


def batch_norms():
    """Each case is a layer, two batches to train on and one to evaluate."""
    cases = []
    for shape, momentum, epsilon in [((2, 2, 3, 2), 0.1, 1e-5), ((3, 2, 1, 3), 0.25, 0.5)]:
        channels = shape[-1]
        norm = torch.nn.BatchNorm2d(channels, eps=epsilon, momentum=momentum).double()
        case = {"momentum": momentum, "epsilon": epsilon}
        with torch.no_grad():
            norm.weight.copy_(torch.randint(1, 6, (channels,)) / 2)
            norm.bias.copy_(torch.randint(-3, 4, (channels,)) / 2)
            norm.running_mean.copy_(torch.randint(-2, 3, (channels,)) / 2)
            norm.running_var.copy_(torch.randint(1, 5, (channels,)) / 2)
            for key, value in [("gamma", norm.weight), ("beta", norm.bias),
                               ("mean", norm.running_mean), ("variance", norm.running_var)]:
                case[key] = value.tolist()
            case["batches"] = []
            for training in (True, True, False):
                # Every channel and every image has its own offset and scale, so that
                # statistics over the wrong axes differ.
                x = torch.randint(-4, 5, shape).double()
                x = x * torch.arange(1, channels + 1) + 3 * torch.arange(channels) + 2 * torch.arange(shape[0])[:, None, None, None]
                norm.train(training)
                y = norm(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
                case["batches"].append({"x": x.tolist(), "training": training, "want": y.tolist(),
                                        "mean": norm.running_mean.tolist(), "variance": norm.running_var.tolist()})
        cases.append(case)
    return cases


def descents():
    """Each case is a few steps of torch.optim.SGD, with the gradients given."""
    cases = []
    for name, momentum, decay, rates in [
            ("no momentum", 0, 0, [0.5, 0.5]),
            ("no momentum", 0, 0, [0.1, 0.1, 0.1]),
            ("momentum", 0.5, 0, [0.5, 0.5, 0.5]),
            ("momentum", 0.9, 0, [0.1, 0.1, 0.1, 0.1]),
            ("a learning rate that changes", 0.5, 0, [0.5, 0.5, 0.25, 0.25]),
            ("a learning rate that changes", 0.9, 0, [0.1, 0.1, 0.01, 0.01]),
            ("weight decay", 0, 0.5, [0.5, 0.5]),
            ("weight decay", 0.5, 0.25, [0.5, 0.5, 0.25]),
            ("weight decay", 0.9, 0.0625, [0.1, 0.1, 0.1, 0.01]),
    ]:
        weights = torch.randint(-4, 5, (3,)).double()
        weights[weights == 0] = 1
        parameter = torch.nn.Parameter(weights.clone())
        optimizer = torch.optim.SGD([parameter], lr=rates[0], momentum=momentum, weight_decay=decay)
        case = {"step": name, "momentum": momentum, "decay": decay, "weights": weights.tolist(), "steps": []}
        for rate in rates:
            optimizer.param_groups[0]["lr"] = rate
            parameter.grad = torch.randint(-4, 5, (3,)).double()
            gradients = parameter.grad.tolist()
            optimizer.step()
            case["steps"].append({"rate": rate, "gradients": gradients, "want": parameter.tolist()})
        cases.append(case)
    return cases


def main():
    torch.set_num_threads(1)
    torch.manual_seed(1)
    reference = {"convolution": convolutions(), "batchnorm": batch_norms(), "momentum": descents()}
    with open(FILE, "w") as file:
        json.dump(reference, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
