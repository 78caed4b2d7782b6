#!/usr/bin/python3
"""Computes reference values with PyTorch for the parity tests.

    apt-get install python3-torch python3-torchvision
    /usr/bin/python3 tests/reference/parity.py

The script writes all files in tests/suite/parity/testdata.  It was last run with
PyTorch 1.13 and torchvision 0.14, on one CPU thread.  On the same machine it
writes the same bytes every time.  The Go tests only read the files; they need
no Python.

There are four kinds of file:

  net-*.safetensors      a small residual network: its weights, a batch, and the
                         results of a forward and backward pass and of five
                         steps of SGD
  layer-*.safetensors    single layers: batch norm, convolutions and pooling
                         with padding, the option A shortcut, the loss
  sgd-*.safetensors      the trajectory of torch.optim.SGD on a linear model
  schedules.json         learning rates from torch.optim.lr_scheduler

Tensors have PyTorch's layout (convolution kernels [out, in, height, width],
linear weights [out, in]), except images and the inputs and outputs of single
layers, which are [batch, height, width, channels].  The images of a network are
bytes; its input is (byte - 128) / 64, which is exact in float32.  The settings
of a case are JSON under the key "case" of the file's metadata.

PyTorch's float32 results define what is correct here.  A network is not a
smooth function, though.  Where the input of a ReLU, or the difference of the two
largest inputs of a maximum, is close to zero, rounding decides which way the
gradient flows, and after a few steps two correct implementations diverge.  So
the script also runs every network in float64, and draws new random numbers for
a case until no step comes close to such a kink and float32 and float64 agree.
"""

import collections
import copy
import json
import os
import struct
import sys
import warnings

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

TESTDATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "suite", "parity", "testdata")

# STEPS is the number of SGD steps recorded for each network.
STEPS = 5

# CONDITION is the largest gap between float32 and float64 that a network may
# show within PyTorch, relative to the largest element of each tensor.
CONDITION = 1e-5

# MARGIN is the least distance that a network must keep from every kink.  Rounding
# moves an activation, which is of order 1, by some 1e-6.
MARGIN = 1e-5


# --- Files ---------------------------------------------------------------


DTYPES = {"float32": "F32", "int32": "I32", "uint8": "U8"}


def write_safetensors(name, tensors, case):
    """Writes tensors, a dictionary of arrays, as testdata/<name>.safetensors.

    The format is the length of the header in eight little-endian bytes, the
    header in JSON, and the raw data.  The case goes into the metadata.
    """
    header = {"__metadata__": {"case": json.dumps(case, sort_keys=True)}}
    chunks, offset = [], 0
    for key in sorted(tensors):
        value = tensors[key]
        if isinstance(value, torch.Tensor):
            value = value.detach().numpy()
        array = np.asarray(value, order="C")
        raw = array.astype(array.dtype.newbyteorder("<")).tobytes()
        header[key] = {
            "dtype": DTYPES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + len(raw)],
        }
        chunks.append(raw)
        offset += len(raw)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(TESTDATA, name + ".safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)))
        f.write(text)
        f.writelines(chunks)


def channels_last(x):
    """Reorders batch, channels, height, width to batch, height, width, channels."""
    return x.detach().permute(0, 2, 3, 1).contiguous()


def channels_first(x):
    """Is the inverse of channels_last."""
    return x.permute(0, 3, 1, 2).contiguous()


# --- Networks ------------------------------------------------------------


def conv(cin, cout, kernel, stride=1, groups=1):
    """A convolution without bias that halves the image at stride 2."""
    return nn.Conv2d(cin, cout, kernel, stride, padding=kernel // 2, groups=groups, bias=False)


class TooClose(Exception):
    """Reports that a network came too close to a kink."""


class Margin:
    """The required distance from every kink, and the smallest distance seen."""

    required = 0.0
    least = float("inf")

    @classmethod
    def require(cls, distance):
        cls.required, cls.least = distance, float("inf")

    @classmethod
    def note(cls, distances):
        if distances.numel():
            cls.least = min(cls.least, distances.detach().min().item())
        if cls.least < cls.required:
            raise TooClose


def relu(x):
    """F.relu; records how close x comes to zero."""
    Margin.note(x.abs())
    return F.relu(x)


def max_pool(x):
    """The pool of the ImageNet stem; records how close the runner-up comes to the maximum.

    Equal values do not count: they are zeros of a ReLU, whose gradient is zero
    whichever of them is chosen.
    """
    n, c, h, w = x.shape
    padded = F.pad(x.detach(), (1, 1, 1, 1), value=-1e9).reshape(n * c, 1, h + 2, w + 2)
    first, second = F.unfold(padded, 3, stride=2).topk(2, dim=1).values.unbind(1)
    Margin.note((first - second)[first > second])
    return F.max_pool2d(x, 3, 2, 1)


class PadShortcut(nn.Module):
    """The option A shortcut: subsampling, and zeros for the new channels.

    Half of the zeros are before the old channels, or none with at_end.
    """

    def __init__(self, cin, cout, stride, at_end):
        super().__init__()
        self.before = 0 if at_end else (cout - cin) // 2
        self.after = cout - cin - self.before
        self.stride = stride

    def forward(self, x):
        x = x[:, :, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, self.before, self.after))


class Block(nn.Module):
    """A residual block, basic or bottleneck, with either order of operations.

    Its modules have torchvision's names.
    """

    def __init__(self, case, cin, planes, stride):
        super().__init__()
        self.pre = case["pre_activation"]
        self.plain = case["plain"]
        if case["block"] == "basic":
            cout = planes
            self.conv1 = conv(cin, planes, 3, stride)
            self.conv2 = conv(planes, planes, 3)
            widths = [planes, planes]
        else:
            cout = 4 * planes
            width = int(planes * (case["width_per_group"] / 64.0)) * case["groups"]
            first, second = (stride, 1) if case.get("stride_first") else (1, stride)
            self.conv1 = conv(cin, width, 1, first)
            self.conv2 = conv(width, width, 3, second, case["groups"])
            self.conv3 = conv(width, cout, 1)
            widths = [width, width, cout]
        if self.pre:
            widths = [cin] + widths[:-1]
        for i, width in enumerate(widths):
            setattr(self, "bn%d" % (i + 1), nn.BatchNorm2d(width))
        self.convs = len(widths)
        self.cout = cout

        self.downsample = None
        changes = stride != 1 or cin != cout
        if self.plain or not (changes or case["shortcut"] == "C"):
            return
        if case["shortcut"] in ("A", "pad-end"):
            self.downsample = PadShortcut(cin, cout, stride, case["shortcut"] == "pad-end")
        elif self.pre:
            self.downsample = nn.Sequential(conv(cin, cout, 1, stride))
        else:
            self.downsample = nn.Sequential(conv(cin, cout, 1, stride), nn.BatchNorm2d(cout))

    def forward(self, x):
        bn = [getattr(self, "bn%d" % (i + 1)) for i in range(self.convs)]
        cv = [getattr(self, "conv%d" % (i + 1)) for i in range(self.convs)]
        if self.pre:
            y = relu(bn[0](x))
            shortcut = x if self.downsample is None else self.downsample(y)
            y = cv[0](y)
            for i in range(1, self.convs):
                y = cv[i](relu(bn[i](y)))
            return y if self.plain else y + shortcut
        y = x
        for i in range(self.convs - 1):
            y = relu(bn[i](cv[i](y)))
        y = bn[-1](cv[-1](y))
        if not self.plain:
            y = y + (x if self.downsample is None else self.downsample(x))
        return relu(y)


class ResNet(nn.Module):
    """The networks of the library, with torchvision's names."""

    def __init__(self, case):
        super().__init__()
        self.pre = case["pre_activation"]
        self.pool = case["stem"] != "cifar"
        cin = case["width"]
        self.conv1 = conv(3, cin, 7, 2) if case["stem"] == "imagenet" else conv(3, cin, 3)
        if not self.pre:
            self.bn1 = nn.BatchNorm2d(cin)
        self.stages = len(case["blocks"])
        for s, count in enumerate(case["blocks"]):
            blocks = []
            for b in range(count):
                stride = 2 if s > 0 and b == 0 else 1
                blocks.append(Block(case, cin, case["width"] << s, stride))
                cin = blocks[-1].cout
            setattr(self, "layer%d" % (s + 1), nn.Sequential(*blocks))
        if self.pre:
            self.norm = nn.BatchNorm2d(cin)
        self.fc = nn.Linear(cin, case["classes"])

    def forward(self, x):
        x = self.conv1(x)
        if not self.pre:
            x = relu(self.bn1(x))
        if self.pool:
            x = max_pool(x)
        for s in range(self.stages):
            x = getattr(self, "layer%d" % (s + 1))(x)
        if self.pre:
            x = relu(self.norm(x))
        return self.fc(x.mean((2, 3)))


def check_against_torchvision():
    """Checks that ResNet equals the corresponding models of torchvision."""
    for name, block, blocks, groups, width_per_group, stem, stride_first in [
        ("resnet18", "basic", [2, 2, 2, 2], 1, 64, "imagenet", False),
        ("resnet18", "basic", [2, 2, 2, 2], 1, 64, "cifar-pool", False),
        ("resnet50", "bottleneck", [3, 4, 6, 3], 1, 64, "imagenet", False),
        ("resnet50", "bottleneck", [3, 4, 6, 3], 1, 64, "imagenet", True),
        ("resnext50_32x4d", "bottleneck", [3, 4, 6, 3], 32, 4, "imagenet", False),
        ("wide_resnet50_2", "bottleneck", [3, 4, 6, 3], 1, 128, "imagenet", False),
    ]:
        theirs = getattr(torchvision.models, name)(weights=None, num_classes=10)
        if stem == "cifar-pool":
            theirs.conv1 = conv(3, 64, 3)
        if stride_first:
            for m in theirs.modules():
                if isinstance(m, torchvision.models.resnet.Bottleneck):
                    m.conv1.stride, m.conv2.stride = m.conv2.stride, m.conv1.stride
        case = dict(stem=stem, block=block, blocks=blocks, groups=groups, width=64,
                    width_per_group=width_per_group, classes=10, shortcut="B",
                    plain=False, pre_activation=False, stride_first=stride_first)
        ours = ResNet(case)
        ours.load_state_dict(theirs.state_dict())
        x = torch.randn(1, 3, 64, 64)
        with torch.no_grad():
            if not torch.allclose(ours.eval()(x), theirs.eval()(x), rtol=1e-4, atol=1e-5):
                sys.exit("ResNet differs from torchvision's " + name)


def randomise(model, gen):
    """Draws every parameter and running statistic of the model.

    The convolutions preserve the scale of the signal.  The norms differ from the
    identity, so that leaving out any of their tensors is noticed.
    """
    def normal(t, mean, std):
        t.copy_(torch.randn(t.shape, generator=gen) * std + mean)

    def uniform(t, low, high):
        t.copy_(torch.rand(t.shape, generator=gen) * (high - low) + low)

    with torch.no_grad():
        for m in model.modules():
            if isinstance(m, nn.Conv2d):
                normal(m.weight, 0, (2 / m.weight[0].numel()) ** 0.5)
            elif isinstance(m, nn.BatchNorm2d):
                uniform(m.weight, 0.5, 1.5)
                normal(m.bias, 0, 0.3)
                normal(m.running_mean, 0, 0.3)
                uniform(m.running_var, 0.5, 1.5)
            elif isinstance(m, nn.Linear):
                normal(m.weight, 0, (1 / m.weight.shape[1]) ** 0.5)
                normal(m.bias, 0, 0.3)


def make_sgd(model, spec):
    """Builds torch.optim.SGD; spare_norms decays only tensors of two dimensions or more.

    multiples are learning rates by the names of parameters, each as a multiple of lr.
    """
    groups = model.parameters()
    if "multiples" in spec:
        groups = [{"params": [p], "lr": spec["lr"] * spec["multiples"].get(k, 1)}
                  for k, p in model.named_parameters()]
    if spec["spare_norms"]:
        params = list(model.parameters())
        groups = [
            {"params": [p for p in params if p.dim() > 1]},
            {"params": [p for p in params if p.dim() <= 1], "weight_decay": 0},
        ]
    return torch.optim.SGD(groups, lr=spec["lr"], momentum=spec["momentum"],
                           nesterov=spec["nesterov"], weight_decay=spec["weight_decay"])


def state(model):
    """Returns a copy of the state dictionary, without the batch counters."""
    return collections.OrderedDict(
        (k, v.clone()) for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked"))


def freeze(model, case):
    """Freezes the model up to a part, and the statistics of all norms if freeze_norms is set."""
    parts = ["stem"] + ["layer%d" % (s + 1) for s in range(model.stages)] + ["body"]
    frozen = parts[:parts.index(case["freeze"]) + 1] if case["freeze"] else []
    for name, module in model.named_children():
        part = {"conv1": "stem", "bn1": "stem", "norm": "body"}.get(name, name)
        for m in module.modules():
            if part in frozen:
                m.requires_grad_(False)
            if isinstance(m, nn.BatchNorm2d) and (part in frozen or case["freeze_norms"]):
                m.eval()


def measure(model, case, images, labels):
    """Runs the model forward and backward once, and takes STEPS steps of SGD.

    The first step starts from the same weights, on the same batch.
    """
    out = {}
    for k, v in state(model).items():
        out["init/" + k] = v
    with torch.no_grad():
        out["logits_eval"] = model.eval()(images)
    model.train()
    if "freeze" in case:
        freeze(model, case)
    optimizer = make_sgd(model, case["sgd"])
    losses = []
    for step in range(STEPS):
        optimizer.zero_grad()
        logits = model(images)
        loss = F.cross_entropy(logits, labels[step], label_smoothing=case["label_smoothing"])
        loss.backward()
        losses.append(loss.detach())
        if step == 0:
            out["logits_train"] = logits.detach().clone()
            for k, p in model.named_parameters():
                if p.requires_grad:
                    out["grad/" + k] = p.grad.clone()
            for k, v in state(model).items():
                if "running_" in k:
                    out["stats/" + k] = v
        optimizer.step()
    out["losses"] = torch.stack(losses)
    for k, v in state(model).items():
        out["final/" + k] = v
    return out


def gap(a, b):
    """Returns the largest difference of two tensors relative to the largest element."""
    a, b = a.double(), b.double()
    return ((a - b).abs().max() / b.abs().max()).item()


NESTEROV = dict(lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4, spare_norms=False)
MOMENTUM = dict(NESTEROV, nesterov=False)
SPARING = dict(NESTEROV, spare_norms=True, weight_decay=0.05)  # strong enough to show which parameters are spared


def network(name, stem, block, mode, shortcut, blocks, width=4, size=(12, 12), groups=1,
            width_per_group=64, sgd=NESTEROV, label_smoothing=0.0, **more):
    """Describes one network; mode is residual, plain, pre or preplain, more is freeze's and stride_first."""
    return dict(name=name, stem=stem, block=block, plain=mode.endswith("plain"),
                pre_activation=mode.startswith("pre"), shortcut=shortcut, blocks=blocks,
                width=width, size=size, groups=groups, width_per_group=width_per_group,
                classes=10, batch=8, sgd=sgd, label_smoothing=label_smoothing, **more)


# NETWORKS pairs every block with every mode and every shortcut, on both stems.
NETWORKS = [
    network("cifar-basic-a", "cifar", "basic", "residual", "A", [2, 2, 2]),
    network("cifar-basic-b", "cifar", "basic", "residual", "B", [1, 2, 1], label_smoothing=0.1),
    network("cifar-basic-c", "cifar", "basic", "residual", "C", [2, 1, 1], sgd=MOMENTUM),
    network("cifar-basic-plain", "cifar", "basic", "plain", "A", [1, 2, 1], sgd=SPARING),
    network("cifar-basic-pre-b", "cifar", "basic", "pre", "B", [1, 2, 1], size=(11, 13)),
    network("cifar-basic-preplain", "cifar", "basic", "preplain", "B", [1, 1, 1]),
    network("cifar-bottleneck-a", "cifar", "bottleneck", "residual", "A", [1, 2, 1]),
    network("cifar-bottleneck-pre-c", "cifar", "bottleneck", "pre", "C", [1, 2, 1], sgd=SPARING),
    network("cifar-bottleneck-preplain", "cifar", "bottleneck", "preplain", "A", [1, 1, 1]),
    network("imagenet-basic-b", "imagenet", "basic", "residual", "B", [1, 1, 2, 1], size=(48, 48)),
    network("imagenet-basic-pre-a", "imagenet", "basic", "pre", "A", [1, 2, 1], size=(33, 31)),
    network("imagenet-bottleneck-b", "imagenet", "bottleneck", "residual", "B", [1, 2, 1],
            size=(33, 31), sgd=MOMENTUM),
    network("imagenet-bottleneck-grouped", "imagenet", "bottleneck", "residual", "B", [1, 1, 1],
            groups=4, width_per_group=32, size=(40, 40), label_smoothing=0.1),
    network("imagenet-bottleneck-wide", "imagenet", "bottleneck", "residual", "C", [2, 1],
            width_per_group=128, size=(40, 40)),
    network("imagenet-bottleneck-plain", "imagenet", "bottleneck", "plain", "B", [1, 1, 1],
            size=(40, 40)),
    network("imagenet-bottleneck-pre-b", "imagenet", "bottleneck", "pre", "B", [1, 1, 1, 1],
            size=(48, 48)),
    network("frozen-layer1", "cifar", "basic", "residual", "B", [1, 1, 1], freeze="layer1", freeze_norms=False),
    network("frozen-stem-norms", "imagenet", "bottleneck", "residual", "B", [1, 1], size=(33, 31),
            freeze="stem", freeze_norms=True),
    network("frozen-norms", "cifar", "basic", "residual", "A", [1, 1, 1], freeze="", freeze_norms=True),
    network("frozen-body", "cifar", "basic", "pre", "B", [1, 1], freeze="body", freeze_norms=False),
    # What the shapes of the weights do not tell. New networks go last: a network's place is its seed.
    network("cifar-basic-pad-end", "cifar", "basic", "residual", "pad-end", [2, 1, 1]),
    network("cifar-pool-basic-b", "cifar-pool", "basic", "residual", "B", [1, 2, 1], size=(17, 16)),
    network("imagenet-bottleneck-stride-first", "imagenet", "bottleneck", "residual", "B", [1, 2, 1],
            stride_first=True, size=(33, 31)),
    network("cifar-pool-bottleneck-pre-pad-end", "cifar-pool", "bottleneck", "pre", "pad-end", [1, 2],
            stride_first=True, groups=2, size=(17, 16)),
]


def draw(case, seed):
    """Draws a model, images and labels; the images are bytes, channels last."""
    gen = torch.Generator().manual_seed(seed)
    model = ResNet(case)
    randomise(model, gen)
    images = torch.randn((case["batch"], *case["size"], 3), generator=gen) * 60 + 128
    labels = torch.randint(case["classes"], (STEPS, case["batch"]), generator=gen)
    return model, images.round().clamp(0, 255).to(torch.uint8), labels


def write_networks():
    print("                                            float32 against float64")
    print("%-28s %5s %8s %8s %8s %8s" % ("network", "seed", "margin", "logits", "grads", "final"))
    for i, case in enumerate(NETWORKS):
        for seed in range(1000 * i, 1000 * (i + 1)):
            model, raw, labels = draw(case, seed)
            images = channels_first((raw.float() - 128) / 64)
            Margin.require(MARGIN)
            try:
                want = measure(copy.deepcopy(model).double(), case, images.double(), labels)
            except TooClose:
                continue
            margin = Margin.least
            Margin.require(0)
            got = measure(model, case, images, labels)
            worst = {
                kind: max(gap(got[k], want[k]) for k in got if k.startswith(kind))
                for kind in ("logits", "grad", "final")
            }
            if max(worst.values()) < CONDITION:
                break
        else:
            sys.exit(case["name"] + ": no seed is well conditioned")
        print("%-28s %5d %8.1e %8.1e %8.1e %8.1e" % (case["name"], seed, margin, *worst.values()), flush=True)

        got["images"] = raw
        got["labels"] = labels.to(torch.int32)
        write_safetensors("net-" + case["name"], got, case)


# --- Single layers -------------------------------------------------------


def write_batch_norm():
    """Three training batches through one batch norm, then one in evaluation mode."""
    gen = torch.Generator().manual_seed(1)
    n, h, w, c, steps = 3, 2, 3, 4, 3
    bn = nn.BatchNorm2d(c)
    randomise(bn, gen)
    out = {"init/" + k: v for k, v in state(bn).items()}
    scale = torch.tensor([1.0, 3.0, 0.1, 10.0])
    offset = torch.tensor([0.0, -2.0, 5.0, 1.0])
    x = torch.randn((steps, n, h, w, c), generator=gen) * scale + offset
    upstream = torch.randn((steps, n, h, w, c), generator=gen)
    record = collections.defaultdict(list)
    for step in range(steps):
        xs = channels_first(x[step]).requires_grad_()
        bn.zero_grad()
        y = bn(xs)
        y.backward(channels_first(upstream[step]))
        record["y"].append(channels_last(y))
        record["grad_x"].append(channels_last(xs.grad))
        record["grad_weight"].append(bn.weight.grad.clone())
        record["grad_bias"].append(bn.bias.grad.clone())
        record["running_mean"].append(bn.running_mean.clone())
        record["running_var"].append(bn.running_var.clone())
    out.update({k: torch.stack(v) for k, v in record.items()})
    out["x"], out["upstream"] = x, upstream
    bn.eval()
    out["y_eval"] = channels_last(bn(channels_first(x[0])))
    write_safetensors("layer-batchnorm", out, dict(eps=bn.eps, momentum=bn.momentum))


def write_spatial():
    """Layers that pad: their outputs and gradients on even and odd images.

    The gradient of a padded layer is where implementations of padding differ,
    most of all when the stride leaves rows of the image or of the padding
    unused.  The operation "pad" takes every stride-th pixel and then pads rows,
    columns and channels; a negative padding cuts.
    """
    gen = torch.Generator().manual_seed(2)
    layers = []
    for size in [(8, 8), (9, 7), (8, 9)]:
        for kernel, stride in [(7, 2), (3, 2), (3, 1), (1, 2), (1, 1)]:
            layers.append(dict(op="conv", size=size, kernel=kernel, stride=stride, groups=1))
        layers.append(dict(op="conv", size=size, kernel=3, stride=2, groups=2))
        layers.append(dict(op="maxpool", size=size, kernel=3, stride=2))
        for stride in (1, 2):  # option A, with an odd number of new channels
            layers.append(dict(op="pad", size=size, stride=stride, fill=0.0, pads=[[0, 0], [0, 0], [2, 3]]))
    layers.append(dict(op="pad", size=(5, 4), stride=1, fill=1.5, pads=[[1, 2], [0, 3], [0, 0]]))
    layers.append(dict(op="pad", size=(5, 4), stride=1, fill=1.5, pads=[[-1, 2], [1, -2], [0, -1]]))
    out = {}
    cin = 4
    for i, layer in enumerate(layers):
        # Shifted below zero: a pool that pads with zeros would let them win.
        shift = -3.0 if layer["op"] == "maxpool" else 0.0
        x = (torch.randn((2, cin, *layer["size"]), generator=gen) + shift).requires_grad_()
        weight = None
        if layer["op"] == "conv":
            k, g = layer["kernel"], layer["groups"]
            weight = torch.randn((6, cin // g, k, k), generator=gen).requires_grad_()
            y = F.conv2d(x, weight, stride=layer["stride"], padding=k // 2, groups=g)
        elif layer["op"] == "maxpool":
            y = F.max_pool2d(x, layer["kernel"], layer["stride"], layer["kernel"] // 2)
        else:
            k = layer["stride"]
            rows, columns, channels = layer["pads"]
            y = F.pad(x[:, :, ::k, ::k], (*columns, *rows, *channels), value=layer["fill"])
        upstream = torch.randn(y.shape, generator=gen)
        y.backward(upstream)
        layer["name"] = "%02d" % i
        prefix = layer["name"] + "/"
        out[prefix + "x"] = channels_last(x)
        out[prefix + "y"] = channels_last(y)
        out[prefix + "upstream"] = channels_last(upstream)
        out[prefix + "grad_x"] = channels_last(x.grad)
        if weight is not None:
            out[prefix + "weight"] = weight
            out[prefix + "grad_weight"] = weight.grad
    write_safetensors("layer-spatial", out, layers)


def write_cross_entropy():
    """The loss and its gradient with and without label smoothing."""
    gen = torch.Generator().manual_seed(3)
    logits = torch.randn((7, 10), generator=gen) * 3
    logits[5] *= 30  # a logit far above the others: exp overflows float32
    logits[6] += 200
    labels = torch.randint(10, (7,), generator=gen)
    smoothings = [0.0, 0.1, 0.3]
    losses, rows, grads = [], [], []
    for eps in smoothings:
        z = logits.clone().requires_grad_()
        loss = F.cross_entropy(z, labels, label_smoothing=eps)
        loss.backward()
        losses.append(loss.detach())
        rows.append(F.cross_entropy(z, labels, label_smoothing=eps, reduction="none").detach())
        grads.append(z.grad)
    out = dict(logits=logits, labels=labels.to(torch.int32), losses=torch.stack(losses),
               rows=torch.stack(rows), grads=torch.stack(grads))
    write_safetensors("layer-crossentropy", out, dict(label_smoothing=smoothings))


# --- Optimisation --------------------------------------------------------


def write_sgd():
    """Trajectories of SGD on a linear regression with a norm-like scale.

    The prediction is (x @ kernel + bias) * weight.  The learning rate changes
    half-way, which tells PyTorch's momentum (a sum of gradients) from one that
    sums gradients already multiplied by the learning rate.  It changes by a
    scheduler, which changes the rates of all groups in proportion.  Parameters
    in frozen take no gradient.
    """
    variants = {
        "plain": dict(momentum=0.0, nesterov=False, weight_decay=0.0, spare_norms=False),
        "momentum": dict(momentum=0.9, nesterov=False, weight_decay=0.0, spare_norms=False),
        "nesterov": dict(momentum=0.9, nesterov=True, weight_decay=0.0, spare_norms=False),
        "decay": dict(momentum=0.0, nesterov=False, weight_decay=0.05, spare_norms=False),
        "momentum-decay": dict(momentum=0.9, nesterov=False, weight_decay=0.05, spare_norms=False),
        "nesterov-decay": dict(momentum=0.9, nesterov=True, weight_decay=0.05, spare_norms=False),
        "nesterov-spare": dict(momentum=0.9, nesterov=True, weight_decay=0.05, spare_norms=True),
        "groups": dict(momentum=0.9, nesterov=False, weight_decay=0.05, spare_norms=False,
                       multiples={"weight": 0.1, "bias": 2}),
        "groups-nesterov-frozen": dict(momentum=0.9, nesterov=True, weight_decay=0.05, spare_norms=False,
                                       multiples={"weight": 0.1}, frozen=["kernel"]),
    }
    rates = [0.1] * 5 + [0.02] * 5
    gen = torch.Generator().manual_seed(4)
    x = torch.randn((len(rates), 6, 5), generator=gen)
    y = torch.randn((len(rates), 6, 3), generator=gen)
    start = {
        "kernel": torch.randn((5, 3), generator=gen) * 0.5,
        "bias": torch.randn((3,), generator=gen),
        "weight": torch.rand((3,), generator=gen) + 0.5,
    }
    for name, spec in variants.items():
        model = nn.Module()
        for k, v in start.items():
            setattr(model, k, nn.Parameter(v.clone(), requires_grad=k not in spec.get("frozen", [])))
        spec = dict(spec, lr=rates[0])
        optimizer = make_sgd(model, spec)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (rates + rates[-1:])[step] / rates[0])
        path = {k: [] for k in start}
        for step in range(len(rates)):
            optimizer.zero_grad()
            loss = (((x[step] @ model.kernel + model.bias) * model.weight - y[step]) ** 2).mean()
            loss.backward()
            optimizer.step()
            scheduler.step()
            for k in start:
                path[k].append(getattr(model, k).detach().clone())
        out = {"x": x, "y": y}
        out.update({"init/" + k: v for k, v in start.items()})
        out.update({"path/" + k: torch.stack(v) for k, v in path.items()})
        write_safetensors("sgd-" + name, out, dict(spec, name=name, rates=rates))


def write_schedules():
    """Learning rates of whole runs; entry i of "rates" is the rate of step i, counted from 0."""
    sched = torch.optim.lr_scheduler
    base = 0.4

    def rates(build, steps):
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=base)
        scheduler = build(optimizer)
        values = [optimizer.param_groups[0]["lr"]]
        for _ in range(steps - 1):
            optimizer.step()
            scheduler.step()
            values.append(optimizer.param_groups[0]["lr"])
        return values

    # SequentialLR of this PyTorch uses an argument that this PyTorch deprecates.
    warnings.filterwarnings("ignore", message="The epoch parameter", category=UserWarning)
    cases = []

    def add(name, kind, params, build, steps):
        cases.append(dict(name=name, kind=kind, params=params, rates=rates(build, steps)))

    add("step", "step", dict(base=base, step_size=7, gamma=0.1),
        lambda o: sched.StepLR(o, step_size=7, gamma=0.1), 30)
    add("multistep", "multistep", dict(base=base, milestones=[5, 12, 13], gamma=0.2),
        lambda o: sched.MultiStepLR(o, milestones=[5, 12, 13], gamma=0.2), 20)
    add("cosine", "cosine", dict(base=base, steps=25, min=0.0),
        lambda o: sched.CosineAnnealingLR(o, T_max=25), 25)
    add("cosine-min", "cosine", dict(base=base, steps=25, min=0.004),
        lambda o: sched.CosineAnnealingLR(o, T_max=25, eta_min=0.004), 25)
    for steps in (40, 37):  # 37: the peak falls between two steps
        add("onecycle-%d" % steps, "onecycle",
            dict(max=base, steps=steps, pct_start=0.3, div_factor=25.0, final_div_factor=1e4),
            lambda o: sched.OneCycleLR(o, max_lr=base, total_steps=steps, anneal_strategy="linear",
                                       pct_start=0.3, div_factor=25.0, final_div_factor=1e4,
                                       cycle_momentum=False), steps)
    add("warmup", "warmup", dict(base=base, start_factor=0.1, steps=5),
        lambda o: sched.LinearLR(o, start_factor=0.1, total_iters=5), 12)
    add("warmup-cosine", "warmup-cosine", dict(base=base, start_factor=0.1, warmup=5, steps=25, min=0.0),
        lambda o: sched.SequentialLR(o, [
            sched.LinearLR(o, start_factor=0.1, total_iters=5),
            sched.CosineAnnealingLR(o, T_max=20)], milestones=[5]), 25)
    add("warmup-multistep", "warmup-multistep",
        dict(base=base, start_factor=0.1, warmup=5, milestones=[12, 18], gamma=0.1),
        lambda o: sched.SequentialLR(o, [
            sched.LinearLR(o, start_factor=0.1, total_iters=5),
            sched.MultiStepLR(o, milestones=[7, 13], gamma=0.1)], milestones=[5]), 24)
    with open(os.path.join(TESTDATA, "schedules.json"), "w") as f:
        json.dump(cases, f, indent=1)
        f.write("\n")


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(0)
    os.makedirs(TESTDATA, exist_ok=True)
    check_against_torchvision()
    write_networks()
    write_batch_norm()
    write_spatial()
    write_cross_entropy()
    write_sgd()
    write_schedules()


if __name__ == "__main__":
    main()
