#!/usr/bin/python3
"""Times the training or inference step of a network in PyTorch.

    apt-get install python3-torch
    /usr/bin/python3 tests/bench/torch_step.py resnet20 --batch 64 --threads 2
    /usr/bin/python3 tests/bench/torch_step.py resnet50 --eval

The Go side of tests/bench runs this program and checks that both have networks
with the same number of parameters.  The output is one line of JSON.

A training step is forward, cross-entropy, backward and SGD with momentum 0.9;
an inference step is a forward pass in evaluation mode, without gradients.
Everything is float32, on random images of 32x32 that are in memory before the
timing starts.  PyTorch uses its default memory layout unless --channels-last is
given, and runs the network operation by operation unless --compile is given.
"""

import argparse
import json
import resource
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

CLASSES = 10
SIZE = 32
WARM_UPS = 2
MOMENTUM = 0.9
# So small that the weights stay in a range where arithmetic has its usual speed.
LEARNING_RATE = 1e-3


def convolution(inputs, outputs, kernel, stride=1):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


class Block(nn.Module):
    """A residual block: convolutions with batch norm, and a shortcut that is a
    1x1 convolution with batch norm where the shape changes (option B)."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def branch(self, x):
        raise NotImplementedError

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        return F.relu(self.branch(x).add_(shortcut), inplace=True)


class Basic(Block):
    """Two 3x3 convolutions."""

    expansion = 1

    def __init__(self, inputs, planes, stride):
        super().__init__(inputs, planes, stride)
        self.conv1 = convolution(inputs, planes, 3, stride)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = convolution(planes, planes, 3)
        self.bn2 = nn.BatchNorm2d(planes)

    def branch(self, x):
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return self.bn2(self.conv2(x))


class Bottleneck(Block):
    """A 1x1 convolution, a 3x3 one with the stride, and a 1x1 one to four times
    the channels."""

    expansion = 4

    def __init__(self, inputs, planes, stride):
        super().__init__(inputs, planes * self.expansion, stride)
        self.conv1 = convolution(inputs, planes, 1)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = convolution(planes, planes, 3, stride)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = convolution(planes, planes * self.expansion, 1)
        self.bn3 = nn.BatchNorm2d(planes * self.expansion)

    def branch(self, x):
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        return self.bn3(self.conv3(x))


class ResNet(nn.Module):
    def __init__(self, block, blocks, width, cifar_stem):
        super().__init__()
        if cifar_stem:
            stem = [convolution(3, width, 3), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        else:
            stem = [convolution(3, width, 7, 2), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
                    nn.MaxPool2d(3, 2, 1)]
        self.stem = nn.Sequential(*stem)
        stages = []
        channels = width
        for stage, count in enumerate(blocks):
            planes = width << stage
            for i in range(count):
                stride = 2 if stage > 0 and i == 0 else 1
                stages.append(block(channels, planes, stride))
                channels = planes * block.expansion
        self.stages = nn.Sequential(*stages)
        self.fc = nn.Linear(channels, CLASSES)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x):
        x = self.stages(self.stem(x))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


def cifar(depth):
    """The networks of He et al. 2015, section 4.2, with shortcut B."""
    n = (depth - 2) // 6
    return ResNet(Basic, [n, n, n], 16, cifar_stem=True)


NETWORKS = {
    "resnet20": lambda: cifar(20),
    "resnet32": lambda: cifar(32),
    "resnet44": lambda: cifar(44),
    "resnet56": lambda: cifar(56),
    "resnet110": lambda: cifar(110),
    "resnet18-cifar": lambda: ResNet(Basic, [2, 2, 2, 2], 64, cifar_stem=True),
    "resnet18": lambda: ResNet(Basic, [2, 2, 2, 2], 64, cifar_stem=False),
    "resnet50": lambda: ResNet(Bottleneck, [3, 4, 6, 3], 64, cifar_stem=False),
}


def training_step(model, images, labels):
    optimizer = torch.optim.SGD(model.parameters(), LEARNING_RATE, MOMENTUM)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def inference_step(model, images):
    def step():
        with torch.inference_mode():
            return model(images).sum().item()

    return step


def measure(step, steps, seconds):
    """Times at least that many steps, for at least that many seconds; returns their times."""
    for _ in range(WARM_UPS):
        step()
    times = []
    began = time.perf_counter()
    while len(times) < steps or time.perf_counter() - began < seconds:
        start = time.perf_counter()
        value = step()
        times.append(time.perf_counter() - start)
    if value != value or abs(value) == float("inf"):
        sys.exit("the result of the step is not finite")
    return times


def peak_mib():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def main():
    parser = argparse.ArgumentParser(description="Time one network's step in PyTorch.")
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--batch", type=int, default=64, help="images per step")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5, help="minimum number of steps to time, after %d to warm up" % WARM_UPS)
    parser.add_argument("--seconds", type=float, default=0, help="minimum time to take steps for")
    parser.add_argument("--eval", action="store_true", help="inference instead of training")
    parser.add_argument("--channels-last", action="store_true", help="images and weights in NHWC layout")
    parser.add_argument("--compile", action="store_true", help="compile the network with torch.compile, before timing starts")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    layout = torch.channels_last if arguments.channels_last else torch.contiguous_format
    model = NETWORKS[arguments.network]().to(memory_format=layout)
    model.train(not arguments.eval)
    images = torch.randn(arguments.batch, 3, SIZE, SIZE).contiguous(memory_format=layout)
    labels = torch.randint(CLASSES, (arguments.batch,))
    parameters = sum(p.numel() for p in model.parameters())
    if arguments.compile:
        model = torch.compile(model)
    step = inference_step(model, images) if arguments.eval else training_step(model, images, labels)
    times = measure(step, arguments.steps, arguments.seconds)
    seconds = statistics.median(times)
    print(json.dumps({
        "backend": "torch",
        "version": torch.__version__,
        "network": arguments.network,
        "mode": "eval" if arguments.eval else "train",
        "batch": arguments.batch,
        "threads": torch.get_num_threads(),
        "steps": len(times),
        "seconds": seconds,
        "images_per_second": arguments.batch / seconds,
        "peak_mib": peak_mib(),
        "parameters": parameters,
    }))


if __name__ == "__main__":
    main()
