#!/usr/bin/python3
"""Takes training steps of a network in JAX, for as long as it is told to.

    jax_peer.py --device cuda '{"network": "resnet50", "size": 224, "batch": 256,
                                "precision": "bfloat16"}'

The Go side of tests/gpu starts this program and reads its output, as with
torch_peer.py.  JAX uses the same compiler, XLA, as the Go side, so differences
between the two come from the programs that they compile.

Images are NHWC and weights HWIO.  With bfloat16, activations have that type, and
weights are converted to it where they are used; stored weights, statistics and
the loss are float32.  The step is a single program to which parameters,
momentum and statistics are donated.
"""

import argparse
import functools
import json
import os
import sys
import time

# Allocate memory only as needed, as the Go side does, so that the need can be measured.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
from jax import lax  # noqa: E402

CLASSES = 10
WARM_UPS = 10
RATE, MOMENTUM, DECAY = 1e-3, 0.9, 5e-4
# The number of blocks in each stage, the width of the first, whether the blocks are bottlenecks,
# and whether the stem is the one for 32x32 images.
NETWORKS = {
    "resnet20": ((3, 3, 3), 16, False, True),
    "resnet56": ((9, 9, 9), 16, False, True),
    "resnet18": ((2, 2, 2, 2), 64, False, False),
    "resnet18-cifar": ((2, 2, 2, 2), 64, False, True),
    "resnet50": ((3, 4, 6, 3), 64, True, False),
}


class Declare:
    """Creates parameters and running statistics as a forward pass asks for them."""

    def __init__(self, key):
        self.key, self.parameters, self.statistics = key, {}, {}

    def weight(self, name, shape):
        self.key, key = jax.random.split(self.key)
        fan_out = shape[-1] * (shape[0] * shape[1] if len(shape) == 4 else 1)
        self.parameters[name] = jax.random.normal(key, shape) * (2 / fan_out) ** 0.5
        return self.parameters[name]

    def constant(self, name, shape, value):
        self.parameters[name] = jnp.full(shape, value, jnp.float32)
        return self.parameters[name]

    def normalise(self, name, count, mean, variance):
        self.statistics[name] = (jnp.zeros_like(mean), jnp.ones_like(variance))


class Use:
    """Returns existing parameters and collects the new running statistics."""

    def __init__(self, parameters, statistics):
        self.parameters, self.before, self.statistics = parameters, statistics, {}

    def weight(self, name, shape):
        return self.parameters[name]

    def constant(self, name, shape, value):
        return self.parameters[name]

    def normalise(self, name, count, mean, variance):
        old_mean, old_variance = self.before[name]
        unbiased = variance * (count / (count - 1))
        self.statistics[name] = (0.9 * old_mean + 0.1 * mean, 0.9 * old_variance + 0.1 * unbiased)


def convolution(scope, name, x, channels, kernel, stride=1):
    weight = scope.weight(name, (kernel, kernel, x.shape[-1], channels)).astype(x.dtype)
    pad = kernel // 2
    return lax.conv_general_dilated(x, weight, (stride, stride), ((pad, pad), (pad, pad)),
                                    dimension_numbers=("NHWC", "HWIO", "NHWC"))


def norm(scope, name, x):
    gamma = scope.constant(name + ".gamma", x.shape[-1:], 1)
    beta = scope.constant(name + ".beta", x.shape[-1:], 0)
    wide = x.astype(jnp.float32)
    mean = wide.mean((0, 1, 2))
    variance = jnp.square(wide).mean((0, 1, 2)) - jnp.square(mean)
    scope.normalise(name, x.size // x.shape[-1], lax.stop_gradient(mean), lax.stop_gradient(variance))
    return ((wide - mean) * (gamma * lax.rsqrt(variance + 1e-5)) + beta).astype(x.dtype)


def block(scope, name, x, planes, stride, bottleneck):
    y, last = x, planes * (4 if bottleneck else 1)
    if bottleneck:
        layers = ((planes, 1, 1), (planes, 3, stride), (last, 1, 1))
    else:
        layers = ((planes, 3, stride), (planes, 3, 1))
    for i, (channels, kernel, by) in enumerate(layers, 1):
        y = norm(scope, f"{name}.bn{i}", convolution(scope, f"{name}.conv{i}", y, channels, kernel, by))
        if i < len(layers):
            y = jax.nn.relu(y)
    if stride != 1 or x.shape[-1] != last:
        x = norm(scope, name + ".downsample.bn", convolution(scope, name + ".downsample", x, last, 1, stride))
    return jax.nn.relu(x + y)


def forward(scope, network, x):
    blocks, width, bottleneck, small = NETWORKS[network]
    x = convolution(scope, "stem", x, width, 3 if small else 7, 1 if small else 2)
    x = jax.nn.relu(norm(scope, "stem.bn", x))
    if not small:
        x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1),
                              ((0, 0), (1, 1), (1, 1), (0, 0)))
    for stage, count in enumerate(blocks):
        for i in range(count):
            stride = 2 if stage > 0 and i == 0 else 1
            x = block(scope, f"layer{stage + 1}.{i}", x, width << stage, stride, bottleneck)
    x = x.astype(jnp.float32).mean((1, 2))
    weight = scope.weight("fc", (x.shape[-1], CLASSES))
    return x @ weight + scope.constant("fc.bias", (CLASSES,), 0)


def initial(network, size):
    """Returns parameters and statistics, created by a single program."""

    def declare(key):
        scope = Declare(key)
        forward(scope, network, jnp.zeros((1, size, size, 3)))
        return scope.parameters, scope.statistics

    return jax.jit(declare)(jax.random.key(1))


@functools.partial(jax.jit, static_argnums=0, donate_argnums=(1, 2, 3))
def train_step(network, parameters, momentum, statistics, images, labels):
    def loss(parameters):
        scope = Use(parameters, statistics)
        logits = forward(scope, network, images)
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1)
        return -chosen.mean(), scope.statistics

    (value, statistics), gradients = jax.value_and_grad(loss, has_aux=True)(parameters)
    momentum = jax.tree_util.tree_map(lambda m, g, p: MOMENTUM * m + g + DECAY * p, momentum, gradients, parameters)
    parameters = jax.tree_util.tree_map(lambda p, m: p - RATE * m, parameters, momentum)
    return parameters, momentum, statistics, value


def synchronize(loss):
    value = float(loss)  # waits for the device
    if value != value or abs(value) == float("inf"):
        sys.exit("the loss is not finite")


def main():
    parser = argparse.ArgumentParser(description="Take training steps in JAX.")
    parser.add_argument("spec", type=json.loads)
    parser.add_argument("--device", default="cuda")
    arguments = parser.parse_args()
    spec = arguments.spec
    if arguments.device == "cuda" and jax.default_backend() != "gpu":
        sys.exit("JAX finds no GPU, only " + jax.default_backend())

    network, size, batch = spec["network"], spec["size"], spec["batch"]
    dtype = jnp.bfloat16 if spec["precision"] == "bfloat16" else jnp.float32
    images_key, labels_key = jax.random.split(jax.random.key(2))
    images = jax.random.normal(images_key, (batch, size, size, 3), dtype)
    labels = jax.random.randint(labels_key, (batch,), 0, CLASSES)
    parameters, statistics = initial(network, size)
    momentum = jax.tree_util.tree_map(jnp.zeros_like, parameters)
    count = sum(p.size for p in jax.tree_util.tree_leaves(parameters))
    state = [parameters, momentum, statistics]
    jax.block_until_ready((state, images, labels))

    def step():
        *state[:], loss = train_step(network, *state, images, labels)
        return loss

    began = time.perf_counter()
    synchronize(step())
    first = time.perf_counter() - began
    for _ in range(WARM_UPS if arguments.device == "cuda" else 1):
        loss = step()
    synchronize(loss)
    print(json.dumps(dict(event="ready", first_step_s=first, parameters=count)), flush=True)

    for line in sys.stdin:
        seconds, steps, began = float(line), 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            for _ in range(20 if arguments.device == "cuda" else 1):
                loss = step()
                steps += 1
            synchronize(loss)
        took = time.perf_counter() - began
        memory = jax.local_devices()[0].memory_stats() or {}
        print(json.dumps(dict(event="window", steps=steps, seconds=took,
                              allocated_mib=memory.get("peak_bytes_in_use", 0) / 2**20)), flush=True)


if __name__ == "__main__":
    main()
