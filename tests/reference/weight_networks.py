"""What the other weight_*.py scripts share: networks, weights by formula, files.

The formula computes each element of a tensor from the tensor's name and the element's
position, with integers, so that Go (formula_test.go) makes the same weights without a
file.
"""

import json
import struct

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

# TORCHVISION are the torchvision models that package resnet has.
TORCHVISION = [
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152",
    "resnext50_32x4d", "resnext101_32x8d", "wide_resnet50_2", "wide_resnet101_2",
]

# CIFAR are networks of He et al. 2015, section 4.2, with option A shortcuts.
CIFAR = ["resnet20", "resnet32", "resnet56"]

MEAN = [0.485, 0.456, 0.406]
STD = [0.229, 0.224, 0.225]


class CIFARBlock(nn.Module):
    """Two 3×3 convolutions, and a shortcut that subsamples and pads with zeros."""

    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.stride, self.more = stride, cout - cin

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        before = self.more // 2
        shortcut = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, before, self.more - before))
        return F.relu(y + shortcut)


class CIFARNet(nn.Module):
    """The network of depth 6n+2, with the names of github.com/akamaster/pytorch_resnet_cifar10."""

    def __init__(self, depth):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        cin = 16
        for stage, cout in enumerate([16, 32, 64]):
            blocks = []
            for i in range((depth - 2) // 6):
                blocks.append(CIFARBlock(cin, cout, 2 if stage > 0 and i == 0 else 1))
                cin = cout
            setattr(self, "layer%d" % (stage + 1), nn.Sequential(*blocks))
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


def build(name, classes=1000):
    """Returns the network of that name, in evaluation mode."""
    if name in CIFAR:
        return CIFARNet(int(name[len("resnet"):])).eval()
    return getattr(torchvision.models, name)(weights=None, num_classes=classes).eval()


def uniform(name, count):
    """Returns count numbers in [-1, 1) that depend only on the name and their positions.

    They come from SplitMix64, seeded with the FNV-1a hash of the name.  All are
    multiples of 2^-23, and so exact in float32.
    """
    start = 0xCBF29CE484222325
    for byte in name.encode():
        start = ((start ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    x = np.uint64(start) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return (x >> np.uint64(40)).astype(np.float64) / 2**23 - 1


def formula(name, shape):
    """Returns the weights of the layer by the formula, under torchvision's name."""
    shape = list(shape)
    u = uniform(name, int(np.prod(shape)))
    if len(shape) == 4:
        u = u * np.sqrt(6 / (shape[1] * shape[2] * shape[3]))
    elif len(shape) == 2:
        u = u * np.sqrt(3 / shape[1])
    elif name.endswith(".running_var"):
        u = 1 + 0.5 * u
    elif name.endswith(".weight"):  # less than 1, so that a deep network does not overflow
        u = 0.75 + 0.25 * u
    else:
        u = 0.3 * u
    return torch.from_numpy(u.astype(np.float32).reshape(shape))


def images():
    """Returns two images of 64×64 pixels, the second darker, as the network's input."""
    pixels = np.floor((uniform("images", 2 * 64 * 64 * 3) + 1) * 128).reshape(2, 64, 64, 3)
    pixels[1] //= 4
    return normalised(pixels)


def normalised(pixels):
    """Normalises pixels, bytes [batch, height, width, 3], as torchvision's transforms do."""
    x = torch.from_numpy(np.ascontiguousarray(pixels)).float().permute(0, 3, 1, 2) / 255
    mean, std = torch.tensor(MEAN).view(1, 3, 1, 1), torch.tensor(STD).view(1, 3, 1, 1)
    return ((x - mean) / std).contiguous()


def logits(network, x):
    """Returns the network's logits for x."""
    with torch.no_grad():
        return network(x)


def write_safetensors(path, tensors):
    """Writes a dictionary of float32 tensors as a safetensors file."""
    header, chunks, offset = {}, [], 0
    for key in sorted(tensors):
        raw = tensors[key].detach().numpy().astype("<f4").tobytes()
        header[key] = {"dtype": "F32", "shape": list(tensors[key].shape), "data_offsets": [offset, offset + len(raw)]}
        chunks.append(raw)
        offset += len(raw)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)))
        f.write(text)
        f.writelines(chunks)


def read_safetensors(path):
    """Reads a safetensors file of float32 tensors."""
    with open(path, "rb") as f:
        (length,) = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(length))
        content = f.read()
    header.pop("__metadata__", None)
    tensors = {}
    for key, entry in header.items():
        if entry["dtype"] != "F32":
            raise ValueError(key + " has dtype " + entry["dtype"])
        begin, end = entry["data_offsets"]
        array = np.frombuffer(content, "<f4", (end - begin) // 4, begin).reshape(entry["shape"])
        tensors[key] = torch.from_numpy(array.copy())
    return tensors
