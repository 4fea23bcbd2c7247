"""Time and memory of the search step in PyTorch: the DARTS supernet in the layout of its published formulation.

    python benchmarks/pytorch_darts.py                                       # 8 filters, 4 cells, batch 32, 32x32x3
    python benchmarks/pytorch_darts.py --case second_order --threads 1
    python benchmarks/pytorch_darts.py --case partial_channels --filters 16 --cells 8 --batch 64 --channels_last

Nothing of KerasNAS is used. Written from the papers, with the structure that their PyTorch programs share: images
NCHW, one module for each primitive of each edge, `sum(weight * primitive(x))` on each edge, and one `backward` over
weights and alphas alike in both half-steps. Prints one JSON line with the keys of `search_step.py`. Run it in a
process of its own for each case; peak memory is the process's.

References:
    Liu et al., "DARTS: Differentiable Architecture Search", 2019 (arXiv 1806.09055).
    Xu et al., "PC-DARTS: Partial Channel Connections for Memory-Efficient Architecture Search", 2020
    (arXiv 1907.05737): `partial_channels`.
    Dong and Yang, "Searching for a Robust Neural Architecture in Four GPU Hours", 2019 (arXiv 1910.04465): `sampled`.
"""

import json
import resource
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

PRIMITIVES = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
KINDS = ("normal", "reduce")
PADDINGS = ("symmetric", "same")
INPUTS = 2  # a cell reads the outputs of the two cells before it


# Primitives --------------------------------------------------------------------------------------------------
class SamePad(nn.Module):
    """Keras' `padding="same"` for a window of stride 2: at even sizes one more at the bottom and right."""

    def __init__(self, kernel_size, value=0.0):
        super().__init__()
        self.kernel_size, self.value = kernel_size, value

    def forward(self, x):
        pads = []
        for size in (x.shape[3], x.shape[2]):
            total = self.kernel_size - (1 if size % 2 else 2)
            pads += [total // 2, total - total // 2]
        return F.pad(x, pads, value=self.value)


class AveragePoolSame(nn.Module):
    """3x3 average pooling of stride 2 with `SamePad`, the padding left out of the count."""

    def __init__(self):
        super().__init__()
        self.pad = SamePad(3)

    def forward(self, x):
        return F.avg_pool2d(self.pad(x), 3, 2) / F.avg_pool2d(self.pad(torch.ones_like(x[:1, :1])), 3, 2)


class Zero(nn.Module):
    """The primitive `none`, computed as published."""

    def __init__(self, stride):
        super().__init__()
        self.stride = stride

    def forward(self, x):
        return (x if self.stride == 1 else x[:, :, :: self.stride, :: self.stride]).mul(0.0)


class FactorizedReduce(nn.Module):
    """ReLU, two 1x1 convolutions of stride 2 of which one starts a pixel down and right, batch norm."""

    def __init__(self, channels, filters):
        super().__init__()
        self.relu = nn.ReLU()
        self.even = pointwise(channels, filters // 2, stride=2)
        self.odd = pointwise(channels, filters - filters // 2, stride=2)
        self.norm = norm(filters)

    def forward(self, x):
        x = self.relu(x)
        shifted = x[:, :, 1:, 1:]
        if x.shape[2] % 2 or x.shape[3] % 2:
            shifted = F.pad(shifted, (0, x.shape[3] % 2, 0, x.shape[2] % 2))
        parts = [strided(conv, part) for conv, part in ((self.even, x), (self.odd, shifted))]
        return self.norm(torch.cat(parts, dim=1))


def norm(filters):
    """The batch norm of a supernet's cells."""
    return nn.BatchNorm2d(filters, affine=False)


def pointwise(channels, filters, stride=1):
    """1x1 convolution."""
    return nn.Conv2d(channels, filters, 1, stride=stride, bias=False)


def strided(conv, x):
    """A 1x1 convolution of stride 2.

    In `channels_last` with few channels its gradient by the kernel writes outside its memory in oneDNN (seen with
    PyTorch 2.13; uxlfoundation/oneDNN issue 6035: below 8 channels on AVX2, below 16 on AVX-512). There the pixels
    are taken first.
    """
    if x.shape[1] < 16 and x.stride(1) == 1:
        return F.conv2d(x[:, :, ::2, ::2], conv.weight)
    return conv(x)


def depthwise(channels, kernel_size, stride, padding, dilation=1):
    """The modules of a depthwise convolution. A dilated window of stride 2 lies on even pixels in either padding."""
    same = padding == "same" and stride == 2 and dilation == 1
    around = 0 if same else dilation * (kernel_size - 1) // 2
    conv = nn.Conv2d(channels, channels, kernel_size, stride, around, dilation, groups=channels, bias=False)
    return [SamePad(kernel_size), conv] if same else [conv]


def primitive(name, filters, stride, padding):
    """The module of one primitive."""
    if name == "none":
        return Zero(stride)
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else FactorizedReduce(filters, filters)
    if name.endswith("pool_3x3"):
        if padding == "same" and stride == 2:
            max_pool = [SamePad(3, value=-torch.inf), nn.MaxPool2d(3, stride=2)]
            pool = max_pool if name.startswith("max") else [AveragePoolSame()]
        elif name.startswith("max"):
            pool = [nn.MaxPool2d(3, stride=stride, padding=1)]
        else:
            pool = [nn.AvgPool2d(3, stride=stride, padding=1, count_include_pad=False)]
        return nn.Sequential(*pool, norm(filters))
    kernel_size = int(name[-1])
    dilation = 2 if name.startswith("dil_conv") else 1
    layers = []
    for step in (stride,) if dilation == 2 else (stride, 1):
        window = depthwise(filters, kernel_size, step, padding, dilation)
        layers += [nn.ReLU(), *window, pointwise(filters, filters), norm(filters)]
    return nn.Sequential(*layers)


# Supernet ----------------------------------------------------------------------------------------------------
class MixedOp(nn.Module):
    """All primitives of one edge: their weighted sum, or the chosen one alone.

    With `partial_channels=k` the first `1 / k` of the channels goes through the primitives, and the others bypass them.
    """

    def __init__(self, filters, stride, padding, partial_channels=1):
        super().__init__()
        self.stride, self.partial_channels = stride, partial_channels
        self.mixed_filters = filters // partial_channels
        self.primitives = nn.ModuleList(primitive(name, self.mixed_filters, stride, padding) for name in PRIMITIVES)

    def forward(self, x, weights, chosen=None):
        if self.partial_channels == 1:
            return self.mix(x, weights, chosen)
        mixed = self.mix(x[:, : self.mixed_filters], weights, chosen)
        rest = x[:, self.mixed_filters :]
        if self.stride == 2:
            rest = F.max_pool2d(rest, 2, stride=2, ceil_mode=True)
        return shuffle(torch.cat([mixed, rest], dim=1), self.partial_channels)

    def mix(self, x, weights, chosen):
        if chosen is not None:
            return weights[chosen] * self.primitives[chosen](x)
        return sum(weight * one(x) for weight, one in zip(weights, self.primitives, strict=True))


def shuffle(x, groups):
    """Channel shuffle: channel `i` of each group in turn."""
    batch, channels, height, width = x.shape
    x = x.view(batch, groups, channels // groups, height, width).transpose(1, 2)
    return x.reshape(batch, channels, height, width)


class Cell(nn.Module):
    """A cell with a `MixedOp` on every edge, edges by target."""

    def __init__(self, before, last, filters, nodes, reduction, reduction_previous, padding, partial_channels):
        super().__init__()
        self.kind, self.nodes = KINDS[reduction], nodes
        self.preprocess = nn.ModuleList(
            [
                FactorizedReduce(before, filters) if reduction_previous else relu_conv_bn(before, filters),
                relu_conv_bn(last, filters),
            ]
        )
        self.edges = nn.ModuleList(
            MixedOp(filters, 2 if reduction and source < INPUTS else 1, padding, partial_channels)
            for target in range(INPUTS, INPUTS + nodes)
            for source in range(target)
        )

    def forward(self, before, last, weights, chosen, strengths):
        states = [module(x) for module, x in zip(self.preprocess, (before, last), strict=True)]
        row = 0
        for _ in range(self.nodes):
            terms = []
            for state in states:
                term = self.edges[row](state, weights[row], None if chosen is None else chosen[row])
                terms.append(term if strengths is None else strengths[row] * term)
                row += 1
            states.append(sum(terms))
        return torch.cat(states[INPUTS:], dim=1)


def relu_conv_bn(channels, filters):
    """ReLU, 1x1 convolution, batch norm."""
    return nn.Sequential(nn.ReLU(), pointwise(channels, filters), norm(filters))


class Supernet(nn.Module):
    """The supernet. Its architecture parameters are plain tensors, so `parameters()` are the network weights.

    Args:
        filters: channels of each node in the first cells.
        cells: number of cells; those at one and two thirds of the depth halve the image and double the filters.
        nodes: intermediate nodes of a cell.
        classes: number of classes.
        channels: channels of an image.
        padding: `"symmetric"`, as published, or `"same"`: where Keras puts windows of stride 2.
        partial_channels: 4 for PC-DARTS: a quarter of the channels is mixed, and edges are normalized.
        sampled: whether one primitive is drawn for each edge and computed alone, as in GDAS.
        temperature: of the Gumbel softmax that it is drawn from.
        channels_last: memory format of the kernels; the images should have the same.

    Call arguments:
        x: images `(batch, channels, height, width)`.

    Returns:
        Logits `(batch, classes)`.
    """

    def __init__(
        self,
        filters,
        cells,
        nodes=4,
        classes=10,
        channels=3,
        padding="symmetric",
        partial_channels=1,
        sampled=False,
        temperature=1.0,
        channels_last=False,
    ):
        super().__init__()
        if padding not in PADDINGS:
            raise ValueError(
                f"Invalid value received for argument `padding`. Expected one of {PADDINGS}. Received: {padding!r}"
            )
        if filters % partial_channels:
            raise ValueError(
                f"Invalid value received for argument `partial_channels`. Expected a divisor of filters={filters}. "
                f"Received: {partial_channels}"
            )
        self.config = {
            "filters": filters,
            "cells": cells,
            "nodes": nodes,
            "classes": classes,
            "channels": channels,
            "padding": padding,
            "partial_channels": partial_channels,
            "sampled": sampled,
            "temperature": temperature,
            "channels_last": channels_last,
        }
        self.nodes, self.sampled, self.temperature = nodes, sampled, temperature
        stem = 3 * filters
        self.stem = nn.Sequential(nn.Conv2d(channels, stem, 3, padding=1, bias=False), nn.BatchNorm2d(stem))
        self.cells = nn.ModuleList()
        before, last, reduction_previous = stem, stem, False
        for index in range(cells):
            reduction = index in (cells // 3, 2 * cells // 3)
            filters = 2 * filters if reduction else filters
            cell = Cell(before, last, filters, nodes, reduction, reduction_previous, padding, partial_channels)
            self.cells.append(cell)
            before, last, reduction_previous = last, nodes * filters, reduction
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(last, classes)
        edges = sum(range(INPUTS, INPUTS + nodes))

        def draw(*shape):
            return (1e-3 * torch.randn(shape)).requires_grad_()

        self.alphas = {kind: draw(edges, len(PRIMITIVES)) for kind in KINDS}
        self.betas = {kind: draw(edges) for kind in KINDS} if partial_channels > 1 else {}
        if channels_last:
            self.to(memory_format=torch.channels_last)

    def architecture_parameters(self):
        """Alphas, and betas where edges are normalized."""
        return [*self.alphas.values(), *self.betas.values()]

    def mixing(self, kind):
        """Of one kind of cell: mixing weights, chosen primitives (or None), strengths of the edges (or None)."""
        alphas, chosen, strengths = self.alphas[kind], None, None
        if self.sampled:
            gumbel = -torch.empty_like(alphas).exponential_().log()
            soft = torch.softmax((torch.log_softmax(alphas, dim=-1) + gumbel) / self.temperature, dim=-1)
            index = soft.argmax(dim=-1, keepdim=True)
            hard = torch.zeros_like(soft).scatter_(-1, index, 1.0)
            weights = hard - soft.detach() + soft  # straight-through
            chosen = index.flatten().tolist()
        else:
            weights = torch.softmax(alphas, dim=-1)
        if self.betas:
            incoming = self.betas[kind].split(list(range(INPUTS, INPUTS + self.nodes)))
            strengths = torch.cat([torch.softmax(part, dim=0) for part in incoming])
        return weights, chosen, strengths

    def forward(self, x):
        mixing = {kind: self.mixing(kind) for kind in KINDS}
        before = last = self.stem(x)
        for cell in self.cells:
            before, last = last, cell(before, last, *mixing[cell.kind])
        return self.classifier(self.pool(last).flatten(1))


# Search steps ------------------------------------------------------------------------------------------------
def optimizers(model):
    """The two optimizers of the DARTS paper: (of the network weights, of the architecture parameters)."""
    return (
        torch.optim.SGD(model.parameters(), lr=0.025, momentum=0.9, weight_decay=3e-4),
        torch.optim.Adam(model.architecture_parameters(), lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3),
    )


def loss_of(model, batch):
    """Cross-entropy on a batch."""
    x, y = batch
    return F.cross_entropy(model(x), y)


def weight_step(model, optimizer, training):
    """Network weights down the training loss. The gradient with respect to the alphas is computed too, and not used."""
    optimizer.zero_grad()
    loss = loss_of(model, training)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimizer.step()
    return loss.detach()


def first_order_step(model, optimizer, architecture_optimizer, training, validation):
    """Alphas down the validation loss at the current weights, then the weights. Returns the training loss.

    `backward` computes the gradient by the weights too, which the architecture step does not use.
    """
    architecture_optimizer.zero_grad()
    loss_of(model, validation).backward()
    architecture_optimizer.step()
    return weight_step(model, optimizer, training)


def second_order_step(model, optimizer, architecture_optimizer, training, validation, unrolled=None):
    """Alphas down the validation loss at the weights after one training step, then the weights.

    `grad_a L_val(w', a) - lr * (grad_a L_train(w + R v, a) - grad_a L_train(w - R v, a)) / (2 R)` with
    `v = grad_w' L_val(w', a)` and `R = 0.01 / ||v||`.

    Args:
        unrolled: a second network to hold the unrolled weights. Defaults to None: one is built at every step, as
            published.
    """
    architecture_optimizer.zero_grad()
    learning_rate = optimizer.param_groups[0]["lr"]
    unrolled = unroll(model, optimizer, training, unrolled)
    loss_of(unrolled, validation).backward()
    vector = [parameter.grad for parameter in unrolled.parameters()]
    products = hessian_vector_product(model, training, vector)
    for own, other, product in zip(
        model.architecture_parameters(), unrolled.architecture_parameters(), products, strict=True
    ):
        own.grad = other.grad - learning_rate * product
    architecture_optimizer.step()
    return weight_step(model, optimizer, training)


def unroll(model, optimizer, training, unrolled=None):
    """A network whose weights are those of `model` one training step (with momentum and decay) later."""
    group = optimizer.param_groups[0]
    names, parameters = zip(*model.named_parameters(), strict=True)
    gradients = torch.autograd.grad(loss_of(model, training), parameters)
    moved = {}
    with torch.no_grad():
        for name, parameter, gradient in zip(names, parameters, gradients, strict=True):
            update = gradient + group["weight_decay"] * parameter
            buffer = optimizer.state[parameter].get("momentum_buffer")
            if buffer is not None:
                update = update + group["momentum"] * buffer
            moved[name] = parameter - group["lr"] * update
    if unrolled is None:
        unrolled = Supernet(**model.config).to(parameters[0].dtype)
    unrolled.zero_grad()
    unrolled.load_state_dict({**model.state_dict(), **moved})
    pairs = zip(unrolled.architecture_parameters(), model.architecture_parameters(), strict=True)
    for own, other in pairs:
        own.grad, own.data = None, other.detach().clone()
    return unrolled


def hessian_vector_product(model, training, vector):
    """`d/da (v . grad_w L_train)` by a central difference along `v`."""
    radius = 0.01 / float(torch.cat([part.flatten() for part in vector]).norm())

    def move(distance):
        with torch.no_grad():
            for parameter, part in zip(model.parameters(), vector, strict=True):
                parameter.add_(part, alpha=distance)

    def gradients():
        return torch.autograd.grad(loss_of(model, training), model.architecture_parameters())

    move(radius)
    above = gradients()
    move(-2 * radius)
    below = gradients()
    move(radius)
    return [(first - second) / (2 * radius) for first, second in zip(above, below, strict=True)]


CASES = {
    "first_order": (first_order_step, {}),
    "second_order": (second_order_step, {}),
    "partial_channels": (first_order_step, {"partial_channels": 4}),
    "sampled": (first_order_step, {"sampled": True}),
}


def main() -> None:
    import skeleton  # here: the golden's script takes the network alone
    import tracked
    from search_step import case_options

    more = {
        "channels_last": (False, "NHWC in memory"),
        "keep_unrolled": (False, "second order: do not build a network each step"),
        "device": ("cpu", "cpu or cuda"),
    }
    arguments = skeleton.arguments(__doc__, **case_options(CASES, **more))
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.set_default_device(arguments.device)
    torch.manual_seed(0)

    begin = time.perf_counter()
    step, options = CASES[arguments.case]
    options = {**options, "nodes": arguments.nodes, "channels_last": arguments.channels_last}
    model = Supernet(arguments.filters, arguments.cells, **options)
    both = optimizers(model)
    extra = {}
    if arguments.case == "second_order" and arguments.keep_unrolled:
        extra["unrolled"] = Supernet(**model.config)
    rng = np.random.default_rng(0)
    memory_format = torch.channels_last if arguments.channels_last else torch.contiguous_format

    def batch() -> tuple:
        images = torch.as_tensor(rng.random((arguments.batch, 3, 32, 32), "float32"), device=arguments.device)
        labels = torch.as_tensor(rng.integers(10, size=arguments.batch), device=arguments.device)
        return images.contiguous(memory_format=memory_format), labels

    training, validation = batch(), batch()
    built = time.perf_counter()
    float(step(model, *both, training, validation, **extra))
    first = time.perf_counter()

    wall, cpu = [], []
    for _ in range(arguments.steps):
        before = time.perf_counter(), time.process_time()
        float(step(model, *both, training, validation, **extra))
        wall.append(time.perf_counter() - before[0])
        cpu.append(time.process_time() - before[1])
    on_gpu = arguments.device != "cpu"
    memory = round(torch.cuda.max_memory_allocated() / 2**30, 2) if on_gpu else None
    found = {
        "framework": "pytorch",
        **tracked.settings(arguments),
        "build_s": round(built - begin, 2),
        "first_step_s": round(first - built, 2),
        "step_wall_ms": round(1e3 * float(np.median(wall)), 1),
        "step_cpu_ms": round(1e3 * float(np.median(cpu)), 1),
        "peak_memory_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "device_memory_gib": memory,
    }
    print(json.dumps(found))
    tracked.record(arguments, [found])


if __name__ == "__main__":
    main()
