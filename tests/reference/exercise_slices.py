#!/usr/bin/python3
"""Computes PyTorch's values for the exercises on plain slices.

    apt-get install python3-torch python3-torchvision
    /usr/bin/python3 tests/reference/exercise_slices.py

The script writes lesson/exercises/check/testdata/reference.json, which is
embedded in the checks of the exercises convolution, batchnorm, momentum,
gradientnorms, zeroinit, cam, lesion and direction.  It was last run with PyTorch
1.13 and torchvision 0.14 on the CPU; the Go code needs no Python.

Inputs are small integers and halves, so that students can compute the values in
a failure by hand.  Images are [height][width][channel], kernels
[height][width][in][out], batches [batch][height][width][channel].
"""

import json
import os

import torch
import torch.nn.functional as F
import torchvision

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                    "..", "..", "lesson", "exercises", "check", "testdata", "reference.json")


def convolutions(shapes):
    """Returns a case for each shape."""
    cases = []
    for name, height, width, kernel, channels_in, channels_out, stride, padding in shapes:
        x = torch.randint(-3, 6, (height, width, channels_in)).float()
        w = torch.randint(-2, 4, (*kernel, channels_in, channels_out)).float()
        y = F.conv2d(x.permute(2, 0, 1)[None], w.permute(3, 2, 0, 1), stride=stride, padding=padding)
        cases.append({"step": name, "x": x.tolist(), "w": w.tolist(), "stride": stride, "padding": padding,
                      "want": y[0].permute(1, 2, 0).tolist()})
    return cases


# Every case differs in height and width, so that swapping them shows.
CONVOLUTIONS = [
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
]

# What the first cases leave open: sizes that the stride does not divide in either direction, a
# single row, kernels of a single row or column, more padding than the kernel needs.
MORE_CONVOLUTIONS = [
    ("one channel", 1, 4, (1, 2), 1, 1, 1, 0),
    ("one channel", 4, 1, (2, 1), 1, 1, 1, 0),
    ("channels", 2, 3, (2, 2), 3, 4, 1, 0),
    ("stride and padding", 6, 8, (3, 3), 1, 1, 2, 0),
    ("stride and padding", 9, 4, (3, 2), 1, 2, 3, 1),
    ("stride and padding", 4, 9, (1, 3), 2, 1, 4, 2),
    ("stride and padding", 2, 1, (3, 2), 2, 2, 1, 2),
]


def draw(low, high, n):
    """Returns n random numbers, low <= number < high."""
    return torch.randint(low, high, (n,))


def draw_different(low, high, n):
    """Returns the n numbers from low on, in random order."""
    return low + torch.randperm(n)


def batch_norms(layers, draw=draw):
    """Each case is a layer, two batches to train on and one to evaluate."""
    cases = []
    for shape, momentum, epsilon in layers:
        channels = shape[-1]
        norm = torch.nn.BatchNorm2d(channels, eps=epsilon, momentum=momentum).double()
        case = {"momentum": momentum, "epsilon": epsilon}
        with torch.no_grad():
            norm.weight.copy_(draw(1, 6, channels) / 2)
            norm.bias.copy_(draw(-3, 4, channels) / 2)
            norm.running_mean.copy_(draw(-2, 3, channels) / 2)
            norm.running_var.copy_(draw(1, 5, channels) / 2)
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


DESCENTS = [
    ("no momentum", 0, 0, [0.5, 0.5]),
    ("no momentum", 0, 0, [0.1, 0.1, 0.1]),
    ("momentum", 0.5, 0, [0.5, 0.5, 0.5]),
    ("momentum", 0.9, 0, [0.1, 0.1, 0.1, 0.1]),
    ("a learning rate that changes", 0.5, 0, [0.5, 0.5, 0.25, 0.25]),
    ("a learning rate that changes", 0.9, 0, [0.1, 0.1, 0.01, 0.01]),
    ("weight decay", 0, 0.5, [0.5, 0.5]),
    ("weight decay", 0.5, 0.25, [0.5, 0.5, 0.25]),
    ("weight decay", 0.9, 0.0625, [0.1, 0.1, 0.1, 0.01]),
]
# These go on from a velocity, as training does after a break.
MORE_DESCENTS = [
    ("momentum", 0.5, 0, [0.5, 0.5, 0.5]),
    ("weight decay", 0.75, 0.5, [0.25, 0.5, 0.5]),
]


def descents(settings, size=3, start=False):
    """Each case is a few steps of torch.optim.SGD, with the gradients given.

    With start, the optimizer continues from a velocity. PyTorch has none without momentum.
    """
    cases = []
    for name, momentum, decay, rates in settings:
        weights = torch.randint(-4, 5, (size,)).double()
        weights[weights == 0] = 1
        parameter = torch.nn.Parameter(weights.clone())
        optimizer = torch.optim.SGD([parameter], lr=rates[0], momentum=momentum, weight_decay=decay)
        case = {"step": name, "momentum": momentum, "decay": decay, "weights": weights.tolist(), "steps": []}
        if start:
            velocity = torch.randint(-4, 5, (size,)).double()
            optimizer.state[parameter]["momentum_buffer"] = velocity.clone()
            case["velocity"] = velocity.tolist()
        for rate in rates:
            optimizer.param_groups[0]["lr"] = rate
            parameter.grad = torch.randint(-4, 5, (size,)).double()
            gradients = parameter.grad.tolist()
            optimizer.step()
            step = {"rate": rate, "gradients": gradients, "want": parameter.tolist()}
            if momentum:
                step["velocity"] = optimizer.state[parameter]["momentum_buffer"].tolist()
            case["steps"].append(step)
        cases.append(case)
    return cases


def rounded(values):
    """Returns a tensor's values with a few digits, so that they can be read."""
    return [float("%.4g" % v) for v in values.flatten().tolist()]


def ours(tensor):
    """Returns a tensor in GoMLX's layout: kernels [height, width, in, out], linear weights [in, out]."""
    return tensor.permute(2, 3, 1, 0) if tensor.dim() == 4 else tensor.T if tensor.dim() == 2 else tensor


def gradient_norms():
    """The gradients of a small residual network, and their norms by layer."""
    block = torchvision.models.resnet.BasicBlock
    network = torch.nn.Sequential()
    network.add_module("conv1", torch.nn.Conv2d(1, 2, 3, bias=False))
    network.add_module("bn1", torch.nn.BatchNorm2d(2))
    network.add_module("layer1", torch.nn.Sequential(block(2, 2), block(2, 2)))
    network.add_module("pool", torch.nn.AdaptiveAvgPool2d(1))
    network.add_module("flat", torch.nn.Flatten())
    network.add_module("fc", torch.nn.Linear(2, 3))
    F.cross_entropy(network(torch.randn(4, 1, 6, 6)), torch.tensor([0, 1, 2, 1])).backward()
    gradients, layers = [], {}
    for name, parameter in network.named_parameters():
        values = torch.tensor(rounded(ours(parameter.grad)))
        gradients.append({"name": name, "shape": list(ours(parameter).shape), "values": rounded(values)})
        layers.setdefault(name.rpartition(".")[0], []).append(values.double())
    return [{"gradients": gradients,
             "layers": [{"layer": name, "norm": torch.linalg.vector_norm(torch.cat(parts)).item()}
                        for name, parts in layers.items()]}]


def zero_inits():
    """Which weights torchvision sets to 0 with zero_init_residual."""
    cases = []
    for name in ("resnet18", "resnet50"):
        network = getattr(torchvision.models, name)(zero_init_residual=True, num_classes=2)
        state = {key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}
        cases.append({"network": name, "names": list(state), "zeroed": [
            key for key, value in state.items() if key.endswith(".weight") and not value.any()]})
    return cases


def class_maps():
    cases = []
    for height, width, channels, classes in [(2, 3, 2, 2), (3, 2, 4, 3), (3, 4, 5, 4)]:
        features = torch.randint(0, 6, (height, width, channels)).double()
        weight = torch.randint(-3, 4, (channels, classes)).double()
        weight[0] = torch.arange(classes) - 1  # so that no two classes have the same weights
        for c in range(0, classes, 2):
            want = F.conv2d(features.permute(2, 0, 1)[None], weight[:, c].reshape(1, channels, 1, 1))[0, 0]
            # The mean of the map is the class's logit, without the bias.
            assert torch.allclose(want.mean(), (features.mean((0, 1)) @ weight)[c])
            cases.append({"features": features.tolist(), "weight": weight.tolist(), "class": c,
                          "want": want.tolist(), "scaled": ((want - want.min()) / (want.max() - want.min())).tolist()})
    return cases


def lesions():
    """A chain of residual blocks on vectors, whole and without one block."""
    sizes = [(3, 3), (3, 3), (3, 4), (4, 4)]
    every = range(-1, len(sizes))

    def forward(blocks, x, removed):
        for i, block in enumerate(blocks):
            y = x if block["shortcut"] is None else x @ block["shortcut"]
            if i != removed:
                y = y + F.relu(x @ block["first"]) @ block["second"]
            x = F.relu(y)
        return x

    while True:
        blocks = [{"first": torch.randint(-2, 3, (i, 3)).double(), "second": torch.randint(-2, 3, (3, o)).double(),
                   "shortcut": torch.randint(-1, 3, (i, o)).double() if i != o else None} for i, o in sizes]
        # The largest output must be larger than the others, whichever block is removed.
        inputs = torch.randint(-3, 5, (200, 3)).double().unique(dim=0)
        inputs = inputs[torch.randperm(len(inputs))]
        for removed in every:
            highest = forward(blocks, inputs, removed).topk(2).values
            inputs = inputs[highest[:, 0] > highest[:, 1]]
        inputs = inputs[:12]
        if len(inputs) < 12:
            continue
        labels = forward(blocks, inputs, -1).argmax(1)
        labels[::5] = (labels[::5] + 1) % 4  # not everything is right before
        rights = [(forward(blocks, inputs, removed).argmax(1) == labels).double().mean().item() for removed in every]
        if len(labels.unique()) > 2 and len(set(rights)) == len(rights) and max(rights) > rights[0]:
            break
    return [{
        "blocks": [{key: None if value is None else value.tolist() for key, value in block.items()} for block in blocks],
        "inputs": inputs.tolist(), "labels": labels.tolist(),
        "outputs": [forward(blocks, inputs, removed).tolist() for removed in every],
        "drops": [rights[0] - right for right in rights[1:]],
    }]


def directions():
    """Filter-normalised directions, as in the code of Li et al. 2018.

    PyTorch's filters are the first axis, ours the last.
    """
    shapes = {"conv1.weight": (2, 3, 2, 4), "bn1.weight": (4,), "bn1.bias": (4,), "conv2.weight": (1, 1, 4, 2), "fc.weight": (2, 3), "fc.bias": (3,)}
    weights = {name: torch.randint(-3, 4, shape).float() for name, shape in shapes.items()}
    random = {name: torch.randint(-3, 4, shape).float() for name, shape in shapes.items()}
    random["conv2.weight"][..., 0] = 0  # a filter without a direction
    want = {}
    for name, d in random.items():
        ours = d.dim()
        last_first = [ours - 1, *range(ours - 1)]
        d, w = d.permute(last_first).clone(), weights[name].permute(last_first)
        if d.dim() <= 1:
            d.fill_(0)
        else:
            for d_filter, w_filter in zip(d, w):
                d_filter.mul_(w_filter.norm() / (d_filter.norm() + 1e-10))
        want[name] = d.permute([*range(1, ours), 0])

    def parameters(tensors):
        return [{"name": name, "shape": list(tensor.shape), "values": tensor.flatten().tolist()} for name, tensor in tensors.items()]

    return [{"weights": parameters(weights), "random": parameters(random), "want": parameters(want)}]


def main():
    torch.set_num_threads(1)
    torch.manual_seed(1)
    reference = {"convolution": convolutions(CONVOLUTIONS),
                 "batchnorm": batch_norms([((2, 2, 3, 2), 0.1, 1e-5), ((3, 2, 1, 3), 0.25, 0.5)]),
                 "momentum": descents(DESCENTS),
                 "gradientnorms": gradient_norms(), "zeroinit": zero_inits(), "cam": class_maps(),
                 "lesion": lesions(), "direction": directions()}
    torch.manual_seed(2)
    reference["convolution"] += convolutions(MORE_CONVOLUTIONS)
    reference["batchnorm"] += batch_norms([((1, 1, 3, 4), 0.5, 0.25), ((4, 2, 1, 1), 0.125, 1e-3)], draw_different)
    reference["momentum"] += descents(MORE_DESCENTS, size=4, start=True)
    with open(FILE, "w") as file:
        json.dump(reference, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
