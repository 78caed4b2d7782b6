#!/usr/bin/python3
"""Computes PyTorch's results for the exercises with GoMLX graphs.

    apt-get install python3-torch python3-torchvision
    /usr/bin/python3 tests/reference/exercise_graphs.py

The script writes lesson/exercises/check/testdata/blocks.json.  For every case of
an exercise, the file has the shape of the input, the shapes of the weights by
torchvision's names, the correct output and, for each common mistake, its
output, unless the mistake makes shapes incompatible.  Each output comes with
the output shapes of the convolutions.  The correct output and that of mistakes
that only training shows come with the output in training mode, and with the
running statistics after it.  The script was last run with PyTorch
1.13 and torchvision 0.14, on one CPU thread.

Weights and inputs are not in the file.  They are computed from a variable's
name, by numbers() here and hashed() in lesson/exercises/check.  Shapes and
layouts are GoMLX's: images are [batch, height, width, channels], kernels
[height, width, in, out], linear weights [in, out].
"""

import collections
import itertools
import json
import os

import numpy as np
import torch
import torch.nn.functional as F
import torchvision

FILE = os.path.join(
    os.path.dirname(os.path.abspath(__file__)),
    "../../lesson/exercises/check/testdata/blocks.json",
)


def numbers(name, shape):
    """Returns numbers in [-1, 1) that look random but depend only on the name."""
    seed = 2166136261
    for byte in name.encode():
        seed = (seed ^ byte) * 16777619 & 0xFFFFFFFF
    count = int(np.prod(shape, dtype=np.int64))
    with np.errstate(over="ignore"):
        z = np.uint32(seed) + np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B9)
        z = (z ^ z >> np.uint32(16)) * np.uint32(0x85EBCA6B)
        z = (z ^ z >> np.uint32(13)) * np.uint32(0xC2B2AE35)
        z = z ^ z >> np.uint32(16)
    return ((z >> np.uint32(8)).astype(np.float64) / 2**23 - 1).reshape(shape)


def value(name, shape):
    """Returns the value of the named variable, in GoMLX's layout."""
    u = numbers(name, shape)
    last = name.rsplit(".", 1)[-1]
    if last == "weight" and len(shape) > 1:
        u = u * np.sqrt(6 / np.prod(shape[:-1]))
    elif last in ("weight", "running_var"):
        u = 1 + u / 2
    elif last == "input":
        u = u * 2
    else:
        u = u / 4
    return torch.from_numpy(u.astype(np.float32))


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


class Net:
    """Layers with weights computed from their names; records the shapes of weights and outputs."""

    def __init__(self, training=False):
        self.weights = {}
        self.convolutions = {}
        self.training = training
        self.statistics = {}

    def weight(self, name, *shape):
        self.weights[name] = list(shape)
        return value(name, shape)

    def conv(self, name, x, channels, kernel, stride):
        weight = self.weight(name + ".weight", kernel, kernel, x.shape[1], channels)
        y = F.conv2d(x, weight.permute(3, 2, 0, 1), stride=stride, padding=kernel // 2)
        self.convolutions[name] = list(nhwc(y).shape)
        return y

    def norm(self, name, x):
        channels = x.shape[1]
        gamma = self.weight(name + ".weight", channels)
        beta = self.weight(name + ".bias", channels)
        mean = self.weight(name + ".running_mean", channels)
        variance = self.weight(name + ".running_var", channels)
        self.statistics[name + ".running_mean"] = mean
        self.statistics[name + ".running_var"] = variance
        return F.batch_norm(x, mean, variance, gamma, beta, training=self.training, eps=1e-5)

    def linear(self, name, x, out):
        weight = self.weight(name + ".weight", x.shape[1], out)
        return F.linear(x, weight.T, self.weight(name + ".bias", out))

    def shortcut(self, name, x, channels, stride):
        if stride == 1 and x.shape[1] == channels:
            return x
        y = self.conv(join(name, "0"), x, channels, 1, stride)
        return self.norm(join(name, "1"), y)

    def basic(self, name, x, channels, stride):
        y = self.conv(join(name, "conv1"), x, channels, 3, stride)
        y = F.relu(self.norm(join(name, "bn1"), y))
        y = self.conv(join(name, "conv2"), y, channels, 3, 1)
        y = self.norm(join(name, "bn2"), y)
        return F.relu(y + self.shortcut(join(name, "downsample"), x, channels, stride))


def join(*names):
    return ".".join(name for name in names if name)


def output(function, shape, training=False):
    """Returns the output of function(Net, input), for JSON, and the Net.

    With training, the output has a part for training mode.
    """
    net = Net()
    x = value("input", shape)
    try:
        y = function(net, nchw(x))
    except RuntimeError:  # incompatible shapes
        return {"convolutions": net.convolutions}, net
    if y.dim() == 4:
        y = nhwc(y)
    result = {"shape": list(y.shape), "values": rounded(y), "convolutions": net.convolutions}
    if training:
        train = Net(training=True)
        y = function(train, nchw(x))
        y = nhwc(y) if y.dim() == 4 else y
        statistics = {name: rounded(v) for name, v in train.statistics.items()}
        if statistics:
            result["training"] = {"values": rounded(y), "statistics": statistics}
    return result, net


def rounded(x):
    return [float("%.6g" % v) for v in x.contiguous().flatten().tolist()]


def different(a, b):
    """Reports whether two outputs clearly differ."""
    if a["convolutions"] != b["convolutions"] or a.get("shape") != b.get("shape"):
        return True
    if "values" not in a:
        return False
    return apart(a["values"], b["values"])


def apart(a, b):
    return np.abs(np.array(a) - np.array(b)).max() > 0.01 * np.abs(a).max()


def case(shape, right, mistakes, in_training=()):
    """Returns a case. mistakes are pairs of a name and a function.

    Those in_training compute the correct values in evaluation mode.
    """
    result, net = output(right, shape, training=True)
    wrong = [dict(output(function, shape)[0], mistake=name) for name, function in mistakes]
    for a, b in itertools.combinations([dict(result, mistake="")] + wrong, 2):
        if a["mistake"] != b["mistake"]:
            assert different(a, b), (a["mistake"], b["mistake"])
    late = [dict(output(function, shape, training=True)[0], mistake=name) for name, function in in_training]
    for a, b in itertools.combinations([dict(result, mistake="")] + late, 2):
        if a["mistake"] != b["mistake"]:
            assert not different(a, b), (a["mistake"], b["mistake"])
            assert apart(a["training"]["values"], b["training"]["values"]), (a["mistake"], b["mistake"])
    return {"input": shape, "weights": net.weights, "right": result, "mistakes": wrong + late}


def basicblock():
    def block(between=True, first=True, second=True, branch_relu=False, x_relu=False,
              add=True, last=True, names=("1", "1", "2", "2"), middle=False, early=False):
        def function(net, x):
            y = net.conv("conv" + names[0], x, x.shape[1], 3, 1)
            if first:
                y = net.norm("bn" + names[1], y)
            if between:
                y = F.relu(y)
            if middle:
                x = y
            y = net.conv("conv" + names[2], y, x.shape[1], 3, 1)
            if early:
                y = y + x
            if second:
                y = net.norm("bn" + names[3], y)
            if branch_relu:
                y = F.relu(y)
            if x_relu:
                x = F.relu(x)
            if add and not early:
                y = y + x
            return F.relu(y) if last else y
        return function

    mistakes = [
        ("relu-before-addition", block(branch_relu=True, last=False)),
        ("relu-before-addition", block(branch_relu=True)),
        ("no-addition", block(add=False)),
        ("no-addition", block(add=False, last=False)),
        ("no-last-relu", block(last=False)),
        ("no-relu-between", block(between=False)),
        ("norm-missing", block(first=False)),
        ("norm-missing", block(second=False)),
        ("norm-missing", block(first=False, second=False)),
        ("relu-on-shortcut", block(x_relu=True)),
        ("relu-on-shortcut", block(x_relu=True, last=False)),
        ("same-weights-twice", block(names=("1", "1", "1", "1"))),
        ("same-weights-twice", block(names=("1", "1", "1", "2"))),
        ("same-weights-twice", block(names=("1", "1", "2", "1"))),
        ("shortcut-from-the-middle", block(middle=True)),
        ("addition-before-norm", block(early=True)),
    ]
    # torchvision provides the correct block.
    def right(net, x):
        channels = x.shape[1]
        return torchvision_block(torchvision.models.resnet.BasicBlock(channels, channels), net, x,
                                 net_function=block())
    return [case([2, 5, 4, 3], right, mistakes), case([1, 3, 4, 5], right, [])]


def fill(module, weights, training=False):
    """Sets the weights of torchvision's module to the values of the variables, and its mode."""
    state = {}
    for name, shape in weights.items():
        v = value(name, shape)
        if len(shape) == 4:
            v = v.permute(3, 2, 0, 1)
        elif len(shape) == 2:
            v = v.T
        state[name] = v
    have = {name for name in module.state_dict() if not name.endswith("num_batches_tracked")}
    assert have == set(state), have ^ set(state)
    module.load_state_dict(state, strict=False)
    return module.train(training)


def torchvision_block(module, net, x, net_function):
    """What torchvision's module computes; that the function agrees is asserted."""
    ours = net_function(net, x)
    with torch.no_grad():
        theirs = fill(module, net.weights, net.training)(x)
    assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-4)
    state = module.state_dict()
    for name, v in net.statistics.items():
        assert torch.allclose(v, state[name], rtol=1e-3, atol=1e-4), name
        net.statistics[name] = state[name]
    return theirs


def shortcut():
    def project(norm=True, relu=False, kernel=1, stride=None, pool=False, channels=None):
        def make(to, by):
            def function(net, x):
                if pool:
                    x = F.avg_pool2d(x, by)
                if pool == "only":
                    return x
                y = net.conv("0", x, channels or to, kernel, 1 if pool else stride or by)
                if norm:
                    y = net.norm("1", y)
                return F.relu(y) if relu else y
            return function
        return make

    right = project()
    mistakes = [
        ("shortcut-without-norm", project(norm=False)),
        ("shortcut-without-stride", project(stride=1)),
        ("relu-on-shortcut", project(relu=True)),
        ("relu-on-shortcut", project(relu=True, norm=False)),
        ("three-by-three-kernel", project(kernel=3)),
        ("average-pooling", project(pool=True)),
        ("average-pooling", project(pool="only")),
        ("channels-not-changed", project(channels=4)),
    ]
    return [
        case([2, 6, 4, 4], right(6, 2), [(name, make(6, 2)) for name, make in mistakes]
             + [("never-projecting", lambda net, x: x)]),
        case([1, 3, 4, 4], right(6, 1), [("projects-on-stride-only", lambda net, x: x)]),
        case([1, 4, 6, 4], right(4, 2), [
            ("projects-on-channels-only", lambda net, x: x),
            ("takes-every-other-pixel", lambda net, x: x[:, :, ::2, ::2]),
            ("average-pooling", project(pool=True)(4, 2)),
            ("average-pooling", project(pool="only")(4, 2)),
        ]),
        case([1, 6, 9, 3], right(4, 3), []),
        # Fewer channels than before.
        case([1, 3, 2, 5], right(2, 1), []),
    ]


def bottleneck():
    def block(strides=(1, 2, 1), expansion=4, last_relu=True, branch_relu=False,
              between=(True, True), kernels=(1, 3, 1), add=True, narrow=1, shortcut_by=None,
              project=True):
        def make(planes, stride):
            by = [stride if s == 2 else 1 for s in strides]
            def function(net, x):
                out = planes * expansion
                y = net.conv("conv1", x, planes * narrow, kernels[0], by[0])
                y = net.norm("bn1", y)
                y = F.relu(y) if between[0] else y
                y = net.conv("conv2", y, planes * narrow, kernels[1], by[1])
                y = net.norm("bn2", y)
                y = F.relu(y) if between[1] else y
                y = net.conv("conv3", y, out, kernels[2], by[2])
                y = net.norm("bn3", y)
                y = F.relu(y) if branch_relu else y
                if add:
                    to = planes * shortcut_by if shortcut_by else out
                    y = y + (net.shortcut("downsample", x, to, stride) if project else x)
                return F.relu(y) if last_relu else y
            return function
        return make

    right = block()
    mistakes = [
        ("stride-on-first", block(strides=(2, 1, 1))),
        ("stride-on-both", block(strides=(2, 2, 1))),
        ("stride-on-last", block(strides=(1, 1, 2))),
        ("no-stride", block(strides=(1, 1, 1))),
        ("no-expansion", block(expansion=1)),
        ("no-expansion", block(expansion=1, shortcut_by=4)),
        ("shortcut-not-expanded", block(shortcut_by=1)),
        ("relu-before-addition", block(branch_relu=True)),
        ("relu-before-addition", block(branch_relu=True, last_relu=False)),
        ("no-last-relu", block(last_relu=False)),
        ("no-relu-between", block(between=(False, True))),
        ("no-relu-between", block(between=(True, False))),
        ("no-relu-between", block(between=(False, False))),
        ("no-addition", block(add=False)),
        ("no-reduction", block(narrow=4)),
        ("wrong-kernels", block(kernels=(3, 3, 3))),
        ("wrong-kernels", block(kernels=(3, 1, 1))),
        ("wrong-kernels", block(kernels=(1, 1, 3))),
    ]

    def torchvision_right(planes, stride):
        def function(net, x):
            changes = stride != 1 or x.shape[1] != 4 * planes
            downsample = None
            if changes:
                downsample = torch.nn.Sequential(
                    torch.nn.Conv2d(x.shape[1], 4 * planes, 1, stride, bias=False),
                    torch.nn.BatchNorm2d(4 * planes))
            module = torchvision.models.resnet.Bottleneck(x.shape[1], planes, stride, downsample)
            return torchvision_block(module, net, x, right(planes, stride))
        return function

    return [
        case([2, 6, 4, 5], torchvision_right(3, 2), [(name, make(3, 2)) for name, make in mistakes]
             + [("input-never-projected", block(project=False)(3, 2))]),
        case([1, 3, 4, 8], torchvision_right(2, 1), [("relu-before-addition", block(branch_relu=True)(2, 1))]),
        # The first block of ResNet-50 is like this: more channels at stride 1.
        case([2, 3, 4, 6], torchvision_right(4, 1), [("projects-on-stride-only", block(project=False)(4, 1))]),
        case([1, 7, 5, 8], torchvision_right(2, 3), [("projects-on-channels-only", block(project=False)(2, 3))]),
    ]


def preactivation():
    def block(order="norm relu", second="norm relu", shortcut="activated", first=True, add=True, last=False):
        def make(channels, stride):
            def function(net, x):
                def before(name, y, how):
                    if how == "norm relu":
                        return F.relu(net.norm(name, y))
                    if how == "relu norm":
                        return net.norm(name, F.relu(y))
                    if how == "norm":
                        return net.norm(name, y)
                    return F.relu(y)

                changes = stride != 1 or x.shape[1] != channels
                activated = before("bn1", x, order) if first else x
                y = net.conv("conv1", activated, channels, 3, stride)
                y = before("bn2", y, second)
                y = net.conv("conv2", y, channels, 3, 1)
                z = x
                if shortcut == "activated" and changes or shortcut == "always activated":
                    z = activated
                if add:
                    y = y + net.shortcut("downsample", z, channels, stride)
                return F.relu(y) if last else y
            return function
        return make

    def post(channels, stride):
        return lambda net, x: net.basic("", x, channels, stride)

    def late(channels, stride):  # norm and ReLU after each convolution, and none after the addition
        def function(net, x):
            y = F.relu(net.norm("bn1", net.conv("conv1", x, channels, 3, stride)))
            y = net.norm("bn2", net.conv("conv2", y, channels, 3, 1))
            return y + net.shortcut("downsample", x, channels, stride)
        return function

    same = [
        ("activated-input-added", block(shortcut="always activated")),
        ("relu-after-addition", block(last=True)),
        ("activation-after-convolution", post),
        ("activation-after-convolution", late),
        ("relu-before-norm", block(order="relu norm", second="relu norm")),
        ("relu-before-norm", block(order="relu norm")),
        ("relu-before-norm", block(second="relu norm")),
        ("relu-missing", block(order="norm", second="norm")),
        ("relu-missing", block(order="norm")),
        ("relu-missing", block(second="norm")),
        ("norm-missing", block(order="relu", second="relu")),
        ("norm-missing", block(order="relu")),
        ("norm-missing", block(second="relu")),
        ("first-activation-missing", block(first=False)),
        ("no-addition", block(add=False)),
    ]
    changing = [
        ("input-not-activated", block(shortcut="input")),
        ("relu-after-addition", block(last=True)),
        ("activation-after-convolution", post),
        ("activation-after-convolution", late),
        ("no-addition", block(add=False)),
    ]
    return [
        case([2, 5, 4, 3], block()(3, 1), [(name, make(3, 1)) for name, make in same]),
        case([2, 6, 4, 3], block()(4, 2), [(name, make(4, 2)) for name, make in changing]),
        # One change without the other.
        case([1, 4, 3, 2], block()(5, 1), [("input-not-activated", block(shortcut="input")(5, 1))]),
        case([1, 4, 6, 3], block()(3, 2), [("input-not-activated", block(shortcut="input")(3, 2))]),
        # Fewer channels, not more.
        case([1, 4, 3, 5], block()(3, 1), [("input-not-activated", block(shortcut="input")(3, 1))]),
    ]


def stage():
    def chain(count=lambda n: n, strides=lambda i, n, s: s if i == 0 else 1,
              channels=lambda i, c: c, names=str, fed=lambda x, y: y):
        def make(blocks, to, stride):
            def function(net, x):
                y = x
                n = count(blocks)
                for i in range(n):
                    y = net.basic(names(i), fed(x, y), channels(i, to), strides(i, n, stride))
                return y
            return function
        return make

    def same_channels_until_last(net, x):
        y = net.basic("0", x, x.shape[1], 2)
        y = net.basic("1", y, x.shape[1], 1)
        return net.basic("2", y, 4, 1)

    mistakes = [
        ("stride-in-every-block", chain(strides=lambda i, n, s: s)),
        ("stride-in-the-last-block", chain(strides=lambda i, n, s: s if i == n - 1 else 1)),
        ("stride-in-no-block", chain(strides=lambda i, n, s: 1)),
        ("stride-in-all-but-the-first", chain(strides=lambda i, n, s: 1 if i == 0 else s)),
        ("one-block-too-few", chain(count=lambda n: n - 1)),
        ("one-block-too-few", chain(count=lambda n: n - 1, names=lambda i: str(i + 1))),
        ("one-block-too-many", chain(count=lambda n: n + 1)),
        ("each-block-fed-x", chain(fed=lambda x, y: x)),
        ("channels-in-every-block", chain(channels=lambda i, c: c * 2**i)),
        ("counted-from-one", chain(names=lambda i: str(i + 1))),
    ]
    return [
        case([2, 7, 4, 3], chain()(3, 4, 2), [(name, make(3, 4, 2)) for name, make in mistakes]
             + [("channels-in-the-last-block", same_channels_until_last)]),
        case([1, 4, 3, 4], chain()(2, 4, 1), []),
        # A block that is a convolution alone: its output may be negative.
        case([1, 5, 4, 3], convolutions(3, 4, 2), []),
    ]


def convolutions(blocks, to, stride):
    """A stage of blocks that are convolutions."""
    def function(net, x):
        for i in range(blocks):
            x = net.conv(str(i), x, to, 1, stride if i == 0 else 1)
        return x
    return function


def resnet18():
    width, classes = 4, 5

    def network(stem_norm=True, stem_relu=True, pool=True, first=1, later=2, double=2, blocks=2,
                head="average", kernel=7, stem_stride=2, last_relu=False):
        def function(net, x):
            y = net.conv("conv1", x, width, kernel, stem_stride)
            y = F.max_pool2d(y, 3, 2, 1) if pool == "before norm" else y
            y = net.norm("bn1", y) if stem_norm else y
            y = F.relu(y) if stem_relu else y
            y = F.max_pool2d(y, 3, 2, 1) if pool is True else y
            channels = width
            for s in range(4):
                for i in range(blocks):
                    stride = (first if s == 0 else later) if i == 0 else 1
                    y = net.basic("layer%d.%d" % (s + 1, i), y, channels, stride)
                channels *= double
            if head == "average":
                y = y.mean((2, 3))
            elif head == "max":
                y = y.amax((2, 3))
            else:
                y = nhwc(y).flatten(1)
            y = net.linear("fc", y, classes)
            return F.relu(y) if last_relu else y
        return function

    def right(net, x):
        module = torchvision.models.resnet18(num_classes=classes)
        scaled(module, width)
        return torchvision_block(module, net, x, network())

    mistakes = [
        ("no-max-pool", network(pool=False)),
        ("stride-in-the-first-stage", network(first=2)),
        ("no-stride-in-later-stages", network(later=1)),
        ("flatten", network(head="flatten")),
        ("global-max-pool", network(head="max")),
        ("widths-do-not-double", network(double=1)),
        ("no-stem-relu", network(stem_relu=False)),
        ("no-stem-norm", network(stem_norm=False)),
        ("stem-without-stride", network(stem_stride=1)),
        ("small-stem-kernel", network(kernel=3)),
        ("one-block-a-stage", network(blocks=1)),
        ("relu-on-logits", network(last_relu=True)),
    ]
    return [
        case([2, 64, 96, 3], right, mistakes, [("pool-before-norm", network(pool="before norm"))]),
        # Sizes that no stride divides.
        case([1, 69, 99, 3], right, []),
    ]


def scaled(module, width):
    """Makes torchvision's ResNet-18 that narrow, layer by layer."""
    for name, layer in list(module.named_modules()):
        parent = module
        *path, last = name.split(".") if name else [""]
        for part in path:
            parent = getattr(parent, part)
        if isinstance(layer, torch.nn.Conv2d):
            inputs = layer.in_channels if layer.in_channels == 3 else layer.in_channels * width // 64
            setattr(parent, last, torch.nn.Conv2d(
                inputs, layer.out_channels * width // 64, layer.kernel_size, layer.stride,
                layer.padding, bias=False))
        elif isinstance(layer, torch.nn.BatchNorm2d):
            setattr(parent, last, torch.nn.BatchNorm2d(layer.num_features * width // 64))
        elif isinstance(layer, torch.nn.Linear):
            setattr(parent, last, torch.nn.Linear(layer.in_features * width // 64, layer.out_features))


def trainingloop():
    epochs, batch, examples = 3, 4, 10
    x = value("train.input", (examples, 4))
    labels = x[:, :3].argmax(1)
    test_x = value("test.input", (5, 4))
    test_labels = test_x[:, :3].argmax(1)

    def rate(step):
        return 0.5 / (1 + step)

    def train(shuffle="each", zero="before", test_mode="eval", train_mode="each", drop=False,
              mean="weighted", schedule=lambda epoch, i, step: rate(step), set_rate=True):
        module = torch.nn.Sequential(collections.OrderedDict(
            fc1=torch.nn.Linear(4, 6), bn1=torch.nn.BatchNorm1d(6), relu=torch.nn.ReLU(),
            fc2=torch.nn.Linear(6, 3)))
        fill(module, {name: list(v.shape)[::-1] for name, v in module.state_dict().items()
                      if not name.endswith("num_batches_tracked")})
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        optimizer.zero_grad()
        shuffles = itertools.count(1)

        def order():
            return np.argsort(numbers("order%d" % next(shuffles), (examples,)), kind="stable")

        once = order() if shuffle == "once" else None
        history, step = [], 0
        module.train(train_mode == "once")
        for epoch in range(epochs):
            if train_mode == "each":
                module.train()
            indices = {"each": order, "once": lambda: once, "never": lambda: np.arange(examples)}[shuffle]()
            losses, sizes = [], []
            for i, start in enumerate(range(0, examples, batch)):
                chosen = torch.from_numpy(indices[start:start + batch])
                if drop and len(chosen) < batch:
                    continue
                if set_rate:
                    optimizer.param_groups[0]["lr"] = schedule(epoch, i, step)
                if zero == "before":
                    optimizer.zero_grad(set_to_none=False)
                loss = F.cross_entropy(module(x[chosen]), labels[chosen])
                loss.backward()
                if zero == "after backward":
                    optimizer.zero_grad(set_to_none=False)
                optimizer.step()
                losses.append(loss.item())
                sizes.append(len(chosen))
                step += 1
            if zero == "each epoch":
                optimizer.zero_grad(set_to_none=False)
            if test_mode == "eval":
                module.eval()
            with torch.no_grad():
                test = F.cross_entropy(module(test_x), test_labels).item()
            summed = sum(a * b for a, b in zip(losses, sizes))
            history.append([{
                "weighted": summed / sum(sizes),
                "of all": summed / examples,
                "unweighted": sum(losses) / len(losses),
                "sum": sum(losses),
                "summed": summed,
                "last": losses[-1],
            }[mean], test])
        values = [float("%.6g" % v) for row in history for v in row]
        return {"shape": [epochs, 2], "values": values, "convolutions": {}}

    mistakes = [
        ("no-shuffle", train(shuffle="never")),
        ("shuffled-once", train(shuffle="once")),
        ("gradients-accumulated", train(zero="never")),
        ("gradients-accumulated", train(zero="each epoch")),
        ("gradients-zeroed-too-late", train(zero="after backward")),
        ("tested-in-training-mode", train(test_mode="train")),
        ("training-mode-left-off", train(train_mode="once")),
        ("training-mode-never-on", train(train_mode="never")),
        ("last-batch-dropped", train(drop=True)),
        ("last-batch-dropped", train(drop=True, mean="of all")),
        ("last-batch-dropped", train(drop=True, mean="unweighted")),
        ("loss-not-weighted", train(mean="unweighted")),
        ("loss-not-divided", train(mean="sum")),
        ("loss-not-divided", train(mean="summed")),
        ("loss-of-the-last-batch", train(mean="last")),
        ("schedule-by-epoch", train(schedule=lambda epoch, i, step: rate(epoch))),
        ("schedule-starts-over", train(schedule=lambda epoch, i, step: rate(i))),
        ("schedule-from-one", train(schedule=lambda epoch, i, step: rate(step + 1))),
        ("learning-rate-not-set", train(set_rate=False)),
    ]
    right = train()
    wrong = [dict(output, mistake=name) for name, output in mistakes]
    for a, b in itertools.combinations([dict(right, mistake="")] + wrong, 2):
        if a["mistake"] != b["mistake"]:
            assert different(a, b), (a["mistake"], b["mistake"])
    return [{"input": [examples, 4], "weights": {}, "right": right, "mistakes": wrong}]


def newhead():
    """Trains a new head of zeros on a frozen body, in evaluation mode."""
    body = torch.nn.Sequential(collections.OrderedDict(
        fc1=torch.nn.Linear(4, 6), bn1=torch.nn.BatchNorm1d(6), relu1=torch.nn.ReLU(),
        fc2=torch.nn.Linear(6, 6), bn2=torch.nn.BatchNorm1d(6), relu2=torch.nn.ReLU()))
    fill(body, {name: list(v.shape)[::-1] for name, v in body.state_dict().items()
                if not name.endswith("num_batches_tracked")})
    before = {name: v.clone() for name, v in body.state_dict().items()}
    for parameter in body.parameters():
        parameter.requires_grad = False
    head = torch.nn.Linear(6, 2)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.5)
    x = value("head.input", (8, 4))
    labels = (x[:, 0] > x[:, 1]).long()
    body.eval()
    for _ in range(2):
        for start in (0, 4):
            optimizer.zero_grad()
            F.cross_entropy(head(body(x[start:start + 4])), labels[start:start + 4]).backward()
            optimizer.step()
    assert all(torch.equal(v, before[name]) for name, v in body.state_dict().items())
    with torch.no_grad():
        logits = head(body(value("head.test.input", (8, 4))[:3]))
    values = torch.cat([head.weight.T.flatten(), head.bias, logits.flatten()])
    return [{"input": [8, 4], "weights": {}, "mistakes": [],
             "right": {"shape": [len(values)], "values": [float("%.6g" % v) for v in values.tolist()], "convolutions": {}}}]


def bugblock():
    def block(saved="input", between=True, last=True, add=True, branch_relu=False, twice=False,
              x_relu=False):
        def make(channels, stride):
            def function(net, x):
                at = {"input": x, "input as it is": x}
                y = net.conv("conv1", x, channels, 3, stride)
                at["conv1"] = y
                y = net.norm("bn1", y)
                at["bn1"] = y
                y = F.relu(y) if between else y
                at["middle"] = y
                y = net.conv("conv2", y, channels, 3, 1)
                at["conv2"] = y
                y = net.norm("bn2", y)
                at["branch"] = y
                y = F.relu(y) if branch_relu else y
                if add:
                    by = stride if saved == "input" else 1
                    z = at[saved]
                    if saved != "input as it is":
                        z = net.shortcut("downsample", z, channels, by)
                    y = y + (F.relu(z) if x_relu else z)
                if twice:
                    y = y + at["middle"]
                return F.relu(y) if last else y
            return function
        return make

    mistakes = [
        ("input-overwritten", block(saved="middle")),
        ("input-saved-too-late", block(saved="conv1")),
        ("input-saved-too-late", block(saved="bn1")),
        ("input-saved-too-late", block(saved="conv2")),
        ("branch-added-to-itself", block(saved="branch")),
        ("last-relu-removed", block(saved="middle", last=False)),
        ("last-relu-removed", block(last=False)),
        ("first-relu-removed", block(saved="middle", between=False)),
        ("first-relu-removed", block(between=False)),
        ("addition-removed", block(add=False)),
        ("added-to-both", block(twice=True)),
        ("relu-before-addition", block(branch_relu=True)),
        ("relu-before-addition", block(branch_relu=True, last=False)),
        ("relu-on-shortcut", block(x_relu=True)),
    ]
    return [
        case([2, 5, 4, 3], block()(3, 1), [(name, make(3, 1)) for name, make in mistakes]),
        case([2, 6, 4, 3], block()(4, 2), [(name, make(4, 2)) for name, make in mistakes]
             + [("input-never-projected", block(saved="input as it is")(4, 2))]),
        case([1, 4, 5, 3], block()(5, 1), [("projects-on-stride-only", block(saved="input as it is")(5, 1))]),
        case([1, 7, 5, 4], block()(4, 3), [("projects-on-channels-only", block(saved="input as it is")(4, 3))]),
    ]


def bugnorm():
    def norm(store="both", momentum=0.1, unbiased=True, eval_batch=False, eval_store=False,
             train_running=False, scale=1, epsilon=1e-5):
        def function(_, x):
            channels = 3
            gamma, beta = value("weight", (channels,)), value("bias", (channels,))
            mean, variance = value("running_mean", (channels,)), value("running_var", (channels,))
            outputs = []
            for name, shape in (("batch1", (2, 2, 1, 3)), ("batch2", (2, 2, 1, 3)), ("test", (2, 2, 3, 3))):
                x = value(name + ".input", shape) * scale + 1
                training = name != "test"
                batch_mean, batch_variance = x.mean((0, 1, 2)), x.var((0, 1, 2), unbiased=False)
                used = batch_mean, batch_variance
                if train_running if training else not eval_batch:
                    used = mean, variance
                outputs.append((x - used[0]) / torch.sqrt(used[1] + epsilon) * gamma + beta)
                if training or eval_store:
                    if unbiased:
                        batch_variance = x.var((0, 1, 2), unbiased=True)
                    if store in ("both", "mean"):
                        mean = (1 - momentum) * mean + momentum * batch_mean
                    if store in ("both", "variance"):
                        variance = (1 - momentum) * variance + momentum * batch_variance
            return torch.cat([t.flatten() for t in (outputs[2], mean, variance, outputs[1])])
        return function

    def right(scale=1):
        def function(net, x):
            ours = norm(scale=scale)(net, x)
            module = torch.nn.BatchNorm2d(3)
            fill(module, {name: [3] for name in ("weight", "bias", "running_mean", "running_var")})
            module.train()
            with torch.no_grad():
                module(nchw(value("batch1.input", (2, 2, 1, 3)) * scale + 1))
                trained = nhwc(module(nchw(value("batch2.input", (2, 2, 1, 3)) * scale + 1)))
                module.eval()
                tested = nhwc(module(nchw(value("test.input", (2, 2, 3, 3)) * scale + 1)))
            theirs = torch.cat([t.flatten() for t in (tested, module.running_mean, module.running_var, trained)])
            assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-4)
            return theirs
        return function

    mistakes = [
        ("statistics-not-stored", norm(store="none")),
        ("one-statistic-not-stored", norm(store="mean")),
        ("one-statistic-not-stored", norm(store="variance")),
        ("tested-with-batch-statistics", norm(store="none", eval_batch=True)),
        ("tested-with-batch-statistics", norm(eval_batch=True)),
        ("momentum-the-wrong-way-round", norm(momentum=0.9)),
        ("only-the-last-batch-counts", norm(momentum=1)),
        ("biased-variance", norm(unbiased=False)),
        ("stored-in-evaluation", norm(eval_store=True)),
        ("trained-with-running-statistics", norm(train_running=True)),
    ]
    # With batches of nearly equal values, the result depends on epsilon.
    little = 0.003
    return [
        case([1, 1, 1, 1], right(), mistakes),
        dict(case([1, 1, 1, 1], right(little), [("epsilon-changed", norm(scale=little, epsilon=0))]), scale=little),
    ]


def bughead():
    def head(pool, classes=3):
        def function(net, x):
            return net.linear("fc", pool(nhwc(x)), classes)
        return function

    def flat(x):
        return x.flatten(1)

    mistakes = [
        ("reshaped-not-pooled", head(lambda x: x.reshape(x.shape[0], x.shape[3], -1).mean(2))),
        ("pooled-over-channels", head(lambda x: x.reshape(x.shape[0], -1, x.shape[3]).mean(2))),
        ("flatten", head(flat)),
        ("flatten", head(lambda x: flat(x.permute(0, 3, 1, 2)))),
        ("wrong-axes", head(lambda x: x.mean((2, 3)))),
        ("wrong-axes", head(lambda x: x.mean((1, 3)))),
        ("pooled-over-one-axis", head(lambda x: flat(x.mean(1)))),
        ("pooled-over-one-axis", head(lambda x: flat(x.mean(2)))),
        ("max-pool", head(lambda x: x.amax((1, 2)))),
        ("sum-not-mean", head(lambda x: x.sum((1, 2)))),
        ("one-place-only", head(lambda x: x[:, x.shape[1] // 2, x.shape[2] // 2])),
        ("one-place-only", head(lambda x: x[:, 0, 0])),
    ]
    def mean(x):
        return x.mean((1, 2))

    return [case([2, 3, 4, 5], head(mean), mistakes), case([3, 5, 2, 4], head(mean, 6), [])]


def main():
    torch.set_num_threads(1)
    exercises = [basicblock, shortcut, preactivation, bottleneck, stage, resnet18, trainingloop, newhead, bugblock, bugnorm, bughead]
    with open(FILE, "w") as file:
        file.write("{")
        for i, exercise in enumerate(exercises):
            file.write(("," if i else "") + "\n" + json.dumps(exercise.__name__) + ": [")
            for j, one in enumerate(exercise()):
                file.write(("," if j else "") + "\n" + json.dumps(one, separators=(",", ":")))
            file.write("]")
        file.write("\n}\n")


if __name__ == "__main__":
    main()
