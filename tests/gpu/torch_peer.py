#!/usr/bin/python3
"""Takes training steps of a network in PyTorch, for as long as it is told to.

    torch_peer.py --device cuda '{"peer": "torch-compile", "network": "resnet50",
                                  "size": 224, "batch": 256, "precision": "bfloat16"}'

The Go side of tests/gpu starts this program and reads its output: a line of
JSON after the first steps and, for every number of seconds on standard input,
another one after steps for that long.

The images are on the device, normalised, in channels-last format.  bfloat16 is
autocast, with weights in float32.  SGD is the fused implementation.  Nothing is
copied to the host except the loss, every few steps.
"""

import argparse
import contextlib
import json
import os
import sys
import time

import torch
import torch.nn.functional as F

# torch_step.py lies beside this file in the packed folder, and here in the repository.
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench"))
from torch_step import CLASSES, NETWORKS  # noqa: E402

WARM_UPS = 10
MODES = {
    "torch": None,
    "torch-compile": "default",
    "torch-reduce-overhead": "reduce-overhead",
    "torch-max-autotune": "max-autotune",
}


def prepare(spec, device):
    """Returns a function that takes a training step, and the number of parameters."""
    torch.manual_seed(1)
    model = NETWORKS[spec["network"]]().to(device, memory_format=torch.channels_last).train()
    parameters = sum(p.numel() for p in model.parameters())
    size, batch = spec["size"], spec["batch"]
    images = torch.randn(batch, 3, size, size, device=device).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(CLASSES, (batch,), device=device)
    fused = {"fused": True} if device == "cuda" else {}
    # A small learning rate, so that the weights stay in a range where arithmetic has its usual speed.
    optimizer = torch.optim.SGD(model.parameters(), 1e-3, 0.9, weight_decay=5e-4, **fused)
    mode = MODES[spec["peer"]]
    if mode is not None:
        model = torch.compile(model, mode=mode)

    def step():
        if mode is not None:
            torch.compiler.cudagraph_mark_step_begin()
        optimizer.zero_grad(set_to_none=True)
        mixed = torch.autocast(device, torch.bfloat16) if spec["precision"] == "bfloat16" else contextlib.nullcontext()
        with mixed:
            loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step, parameters


def synchronize(loss):
    value = loss.item()  # waits for the device
    if value != value or abs(value) == float("inf"):
        sys.exit("the loss is not finite")


def take(step, seconds, device):
    """Takes steps for about that many seconds; returns their number and the exact time."""
    steps, began = 0, time.perf_counter()
    # Steps are queued faster than they finish.  Wait for the device now and then, so that
    # only finished steps are counted.
    while time.perf_counter() - began < seconds or steps == 0:
        for _ in range(20):
            loss = step()
            steps += 1
            if device == "cpu" and time.perf_counter() - began >= seconds:
                break
        synchronize(loss)
    return steps, time.perf_counter() - began


def profiled(step, path, device):
    """Writes a table of the time by kernel; returns the time of all kernels, per step."""
    from torch.profiler import ProfilerActivity, profile

    steps = 5
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device == "cuda" else [])
    with profile(activities=activities) as profiler:
        for _ in range(steps):
            loss = step()
        synchronize(loss)
    events = profiler.key_averages()
    # The attribute was renamed when PyTorch added devices other than CUDA.
    own = "self_device_time_total" if hasattr(events[0], "self_device_time_total") else "self_cuda_time_total"
    order = own if device == "cuda" else "self_cpu_time_total"
    with open(path, "w") as file:
        file.write(events.table(sort_by=order, row_limit=40, max_name_column_width=90))
    # Only kernels: the operators that launched them are listed with the same time.
    kernels = [e for e in events if "cuda" in str(getattr(e, "device_type", "")).lower()]
    return sum(getattr(e, own) for e in kernels) / 1e6 / steps


def main():
    parser = argparse.ArgumentParser(description="Take training steps in PyTorch.")
    parser.add_argument("spec", type=json.loads)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--profile", metavar="FILE", help="profile before the first window, and write the times to FILE")
    arguments = parser.parse_args()
    spec, device = arguments.spec, arguments.device

    # TensorFloat-32 for float32 products, the default of cuDNN's convolutions and of XLA.
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True
    step, parameters = prepare(spec, device)
    began = time.perf_counter()
    synchronize(step())
    first = time.perf_counter() - began
    for _ in range(WARM_UPS if device == "cuda" else 1):
        loss = step()
    synchronize(loss)
    print(json.dumps(dict(event="ready", first_step_s=first, parameters=parameters)), flush=True)

    busy = profiled(step, arguments.profile, device) if arguments.profile else 0
    for line in sys.stdin:
        steps, seconds = take(step, float(line), device)
        allocated = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else 0
        print(json.dumps(dict(event="window", steps=steps, seconds=seconds, allocated_mib=allocated,
                              device_s=busy * steps)), flush=True)


if __name__ == "__main__":
    main()
