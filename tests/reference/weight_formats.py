#!/usr/bin/python3
"""Writes files with PyTorch for the tests of pkg/torchfile and pkg/weights.

    apt-get install python3-torch
    /usr/bin/python3 tests/reference/weight_formats.py

The script rewrites the files in pkg/tensorfile/testdata/formats and, beside them,
expected.json.  For every file that has its format, its floating-point tensors as
PyTorch converts them to float32 (each element as its bits), and its counters; or, for
a file that must be refused, parts of the error.  The script was last run with PyTorch
1.13.  On one machine it writes the same bytes every time.
"""

import argparse
import collections
import datetime
import decimal
import enum
import functools
import json
import os
import pathlib
import pickle
import struct
import unittest.mock
import uuid
import zipfile

import numpy as np
import torch
from torch import nn

FOLDER = os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "../../pkg/tensorfile/testdata/formats"
)

expected = {}


def path(name):
    return os.path.join(FOLDER, name)


def expect(name, format, state):
    """Records what must be read from the file called name."""
    tensors, counters = {}, {}
    for key, tensor in state.items():
        if tensor.is_floating_point():
            array = tensor.detach().to(torch.float32).contiguous().numpy()
            tensors[key] = {
                "shape": list(array.shape),
                "bits": array.reshape(-1).view(np.uint32).tolist(),
            }
        else:
            counters[key] = tensor.item()
    expected[name] = {"format": format, "tensors": tensors, "counters": counters}


def same_keys():
    """Makes torch.save, in the older format, give storages the same keys every time.

    A key can be any text, and the storages are in the order of their keys.  PyTorch
    uses str(address), which differs from run to run.  Here the keys count down, so
    that the storage that comes first in the pickle comes last in the file.
    """
    addresses = []

    class Key(str):
        def __new__(cls, address):
            if address not in addresses:
                addresses.append(address)
            return str(94_000_000_000_000 - 64 * addresses.index(address))

    return unittest.mock.patch.object(torch.serialization, "str", Key, create=True)


def save_old(name, value, **options):
    """Saves value in the older format."""
    # An open file, because torch.save tests whether a path is a str.
    with open(path(name), "wb") as f, same_keys():
        torch.save(value, f, _use_new_zipfile_serialization=False, **options)


def save(name, value, state, **options):
    """Saves value, which contains the tensors of state, in both formats."""
    torch.save(value, path(name + ".pth"), **options)
    expect(name + ".pth", "PyTorch zip", state)
    save_old(name + "-old.pth", value, **options)
    expect(name + "-old.pth", "PyTorch pickle", state)


def refuse(name, *errors):
    expected[name] = {"refused": errors}


def numbers():
    """Returns tensors of all dtypes, in every way that a tensor can lie in its storage."""
    some = [0.0, -0.0, 1.0, -2.5, 1 / 3, 65504.0, 6e-8, 1e-5, float("inf"), float("-inf"), float("nan")]
    more = [1e-40, 3.4e38, 1e39, -1e300, 1 + 2**-24, 1 + 2**-24 + 2**-50]
    grid = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    return collections.OrderedDict(
        [
            ("float32", torch.tensor(some + more[:2], dtype=torch.float32)),
            ("float16", torch.tensor(some, dtype=torch.float16)),
            ("bfloat16", torch.tensor(some + more[:2], dtype=torch.bfloat16)),
            ("float64", torch.tensor(some + more, dtype=torch.float64)),
            ("contiguous", grid),
            ("transposed", grid.permute(2, 0, 1)),
            ("channels last", torch.arange(24.0).reshape(1, 3, 2, 4).to(memory_format=torch.channels_last)),
            ("part", grid[1, 1:, 1::2]),
            ("row", grid[1, 2]),
            ("expanded", torch.tensor([[1.5], [2.5]]).expand(2, 3)),
            ("half transposed", torch.arange(6, dtype=torch.float16).reshape(2, 3).t()),
            ("scalar", torch.tensor(0.1)),
            ("parameter", nn.Parameter(torch.tensor([7.0, 8.0]))),
            ("num_batches_tracked", torch.tensor(2**40 + 1)),
            ("counter32", torch.tensor(-3, dtype=torch.int32)),
            ("queue_ptr", torch.tensor([5])),
        ]
    )


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 2, 2, bias=False)
        self.bn1 = nn.BatchNorm2d(2)
        self.fc = nn.Linear(2, 3)

    def forward(self, x):
        return self.fc(self.bn1(self.conv1(x)).mean((2, 3)))


def checkpoint(net, key):
    """Returns what a training script saves: the state dict under key, and much else."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    net(torch.ones(2, 1, 3, 3)).sum().backward()
    optimizer.step()
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [30, 60])
    return {
        "epoch": 90,
        "arch": "resnet18",
        key: net.state_dict(),
        "best_acc1": torch.tensor(76.1),
        "loss": np.float64(0.25),
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "args": argparse.Namespace(lr=0.1, milestones=[30, 60], seed=None, verbose=False),
        "ids": {1, 2},
    }


class Mode(enum.Enum):
    FAST = 1


class Settings:
    class Inner:
        pass

    def __init__(self):
        self.inner = Settings.Inner()
        self.method = self.run

    def run(self):
        pass


class Dict(dict):
    pass


class Items(list):
    pass


def extras(net):
    """Returns objects of many kinds, as checkpoints have beside the weights."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    return {
        "path": pathlib.PurePosixPath("runs/1"),
        "date": datetime.datetime(2024, 5, 6, 7, 8, tzinfo=datetime.timezone.utc),
        "took": datetime.timedelta(seconds=5),
        "args": argparse.Namespace(lr=0.1, out=pathlib.PurePosixPath("out")),
        "mode": Mode.FAST,
        "settings": Settings(),
        "dict": Dict(a=1),
        "items": Items([1, 2]),
        "partial": functools.partial(max, 1, key=abs),
        "scalar": np.float32(0.5),
        "array": np.arange(3.0),
        "random": np.random.RandomState(1).get_state(),
        "counter": collections.Counter("aab"),
        "default": collections.defaultdict(list, a=[1]),
        "device": torch.device("cpu"),
        "dtype": torch.float16,
        "uuid": uuid.UUID(int=5),
        "decimal": decimal.Decimal("0.1"),
        "complex": 1j,
        "optimizer": optimizer,
        "optimizer class": torch.optim.Adam,
        "sparse": torch.eye(2).to_sparse(),
        "quantized": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.quint8),
        "spectrum": torch.ones(2, dtype=torch.complex64),
    }


def several(net):
    """Writes files with several sets of weights, or with one in an unusual place."""
    first, second = net.state_dict(), Net().state_dict()
    for name, value, state in [
        ("in-net", {"net": first, "acc": 93.1, "epoch": 9}, first),
        ("in-two", {"checkpoint": {"model_state": first, "step": 9}, "mask": {"a": torch.ones(1, 1, 2, 2)}}, first),
        ("in-list", [3, first, {"lr": 0.1}], first),
        ("ema-model", {"model": first, "model_ema": second}, second),
        ("ema-state", {"state_dict": first, "state_dict_ema": second, "epoch": 1}, second),
        ("ema-nested", {"model": first, "model_ema": {"state_dict": second, "decay": 0.9}}, second),
        ("ema-module", {"net": first, "ema": {"module": second, "updates": 3}}, second),
        ("ema-alone", {"model_ema": {"module": second}, "epoch": 1}, second),
        ("ema-none", {"state_dict": first, "state_dict_ema": None}, first),
        ("timm-ema", {"model": first, "ema": second}, first),
        ("copies", {"best": first, "last": dict(first)}, first),
        ("derived", {"state_dict": Dict(first)}, first),
        ("beside-extras", {"net": first, **extras(net)}, first),
    ]:
        save(name, value, state)
    torch.save({"teacher": first, "student": second}, path("teacher.pth"))
    refuse("teacher.pth", "several sets of weights", "teacher, student")


def safetensors(name, state):
    """Writes the format by hand: eight bytes of length, a header in JSON, the data."""
    dtypes = {
        torch.float32: "F32",
        torch.float16: "F16",
        torch.bfloat16: "BF16",
        torch.float64: "F64",
        torch.int64: "I64",
        torch.int32: "I32",
    }
    header, chunks, offset = {"__metadata__": {"format": "pt", "note": "one\ntwo"}}, [], 0
    for key, tensor in state.items():
        tensor = tensor.detach().contiguous()
        if tensor.dtype == torch.bfloat16:
            data = tensor.view(torch.int16).numpy().tobytes()
        else:
            data = tensor.numpy().tobytes()
        header[key] = {
            "dtype": dtypes[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + len(data)],
        }
        chunks.append(data)
        offset += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path(name), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(chunks))
    expect(name, "safetensors", state)


def main():
    torch.manual_seed(1)
    os.makedirs(FOLDER, exist_ok=True)
    state = numbers()
    save("numbers", state, state)
    save("protocol4", state, state, pickle_protocol=4)
    safetensors("numbers.safetensors", state)

    net = Net()
    parallel = nn.DataParallel(net)
    for key, model in [("state_dict", parallel), ("model", net), ("model_state_dict", net)]:
        value = checkpoint(model, key)
        save("checkpoint-" + key, value, value[key])

    torch.save(net, path("whole.pth"))
    refuse("whole.pth", "__main__.Net", "a whole network", "state_dict()")
    save_old("layer-old.pth", nn.Linear(1, 1))
    refuse("layer-old.pth", "torch.nn.modules.linear.Linear", "a whole network", "state_dict()")
    # A layer with one constant, because PyTorch writes several in any order.
    torch.jit.script(nn.PReLU()).save(path("script.pt"))
    refuse("script.pt", "a TorchScript program", "state_dict()")
    torch.save({"a": torch.eye(2).to_sparse()}, path("sparse.pth"))
    refuse("sparse.pth", "sparse tensors")
    torch.save({"a": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.quint8)}, path("quantized.pth"))
    refuse("quantized.pth", "quantized tensors")
    torch.save({"a": torch.ones(2, dtype=torch.uint8)}, path("bytes.pth"))
    refuse("bytes.pth", "a has dtype uint8 and shape [2]")
    torch.save({"a": torch.ones(0, 3)}, path("empty.pth"))
    refuse("empty.pth", "a is empty, of shape [0 3]")
    torch.save({"nets": 2, "epoch": 3}, path("elsewhere.pth"))
    refuse("elsewhere.pth", "no state dict", "nets (int), epoch (int)")
    torch.save({"nets": [net], "epoch": 3}, path("whole-inside.pth"))
    refuse("whole-inside.pth", "an object of the class __main__.Net", "a whole network", "state_dict()")
    several(net)
    torch.save(torch.ones(2), path("tensor.pth"))
    refuse("tensor.pth", "a value of type Tensor instead of a state dict")
    with open(path("dump.pkl"), "wb") as f, same_keys():
        pickle.dump({"a": torch.ones(2)}, f)
    refuse("dump.pkl", "written by pickle.dump")
    with open(path("arrays.pkl"), "wb") as f:
        pickle.dump({"a": 1}, f)
    refuse("arrays.pkl", "not one that torch.save wrote")
    np.savez(path("arrays.npz"), a=np.ones(2))
    refuse("arrays.npz", "NumPy arrays (.npz)")
    # The same archive, compressed.
    with zipfile.ZipFile(path("numbers.pth")) as old, zipfile.ZipFile(path("compressed.pth"), "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.namelist():  # without the time of day
            new.writestr(zipfile.ZipInfo(entry), old.read(entry), zipfile.ZIP_DEFLATED)
    refuse("compressed.pth", "is compressed or encrypted")

    with open(path("expected.json"), "w") as f:
        json.dump(expected, f, indent=1, sort_keys=True)
        f.write("\n")


if __name__ == "__main__":
    main()
