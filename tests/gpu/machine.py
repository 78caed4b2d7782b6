#!/usr/bin/python3
"""What there is on this machine to measure with, and what its card can do.

    machine.py --device cuda

Prints lines of JSON for the Go side of tests/gpu: the versions of Python,
PyTorch and JAX, and the rate of a matrix product of 8192x8192x8192 in bfloat16
on random data, which is what the shares in the tables are of.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import platform
import statistics


def fact(name, value):
    print(json.dumps(dict(event="fact", name=name, value=str(value))), flush=True)


def versions():
    for package in importlib.metadata.distributions():
        name = (package.metadata["Name"] or "").lower().replace("_", "-")
        if name in ("jax", "jaxlib", "triton", "numpy") or name.startswith(("jax-cuda", "nvidia-cudnn")):
            fact("package " + name, package.version)


def plugins():
    """Says where the XLA plugins are that JAX brings along."""
    found = importlib.util.find_spec("jax_plugins")
    for folder in sorted(found.submodule_search_locations) if found else []:
        fact("jax_plugins", folder)


def torch_facts():
    try:
        import torch
    except (ImportError, OSError) as error:
        fact("torch", "")
        print("no PyTorch: %s" % error, flush=True)
        return None
    fact("torch", torch.__version__)
    fact("torch.compile", "yes" if hasattr(torch, "compile") else "")
    fact("torch CUDA", torch.version.cuda)
    fact("cuDNN", torch.backends.cudnn.version())
    return torch


def jax_facts():
    try:
        fact("jax", importlib.metadata.version("jax") if importlib.util.find_spec("jaxlib") else "")
    except importlib.metadata.PackageNotFoundError:
        fact("jax", "")


def rate(torch, n, repeats):
    """The median rate of a product, in TFLOP/s, by the device's own clock."""
    a = torch.randn(n, n, device="cuda", dtype=torch.bfloat16)
    b = torch.randn(n, n, device="cuda", dtype=torch.bfloat16)
    c = torch.empty_like(a)
    for _ in range(20):
        torch.matmul(a, b, out=c)
    times = []
    for _ in range(repeats):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        torch.matmul(a, b, out=c)
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) / 1000)
    return 2 * n**3 / statistics.median(times) / 1e12


def main():
    parser = argparse.ArgumentParser(description="Say what there is to measure with.")
    parser.add_argument("--device", default="cuda")
    arguments = parser.parse_args()
    fact("python", platform.python_version())
    fact("system", "%s, %s %s" % (platform.platform(), *platform.libc_ver()))
    versions()
    plugins()
    jax_facts()
    torch = torch_facts()
    if torch is not None and arguments.device == "cuda" and torch.cuda.is_available():
        print(json.dumps(dict(event="rate", tflops=rate(torch, 8192, 50))), flush=True)


if __name__ == "__main__":
    main()
