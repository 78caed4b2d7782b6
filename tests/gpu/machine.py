#!/usr/bin/python3
"""Prints the versions of Python, PyTorch and JAX, and the speed of the card.

    machine.py --device cuda

The output is lines of JSON for the Go side of tests/gpu.  The speed is that of
an 8192x8192x8192 matrix product in bfloat16 on random data; the tables give
the speed of training as a share of it.
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
    """Prints the folders of JAX's XLA plugins."""
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
    """Returns the median rate of a matrix product in TFLOP/s, by the device's clock."""
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
    parser = argparse.ArgumentParser(description="Print the versions of Python, PyTorch and JAX, and the speed of the card.")
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
