"""A whole training of one network: Keras' `fit`, the package's training stage, and PyTorch with `channels_last`.

    python benchmarks/training_speed.py                                         # both networks, one thread, 3 rounds
    python benchmarks/training_speed.py --networks=cnn --threads=2 --json=runs/training.json
    python benchmarks/training_speed.py --torch_python=/path/to/python          # an interpreter that has PyTorch
    python benchmarks/training_speed.py --networks=tuned --epochs=1 --samples=640   # one that is pretrained; no PyTorch

The network, the data (`fashion_mnist_mini`), the batch size and the recipe (SGD with Nesterov momentum, clipped
gradients, a cosine schedule) are the same for all. PyTorch's network is made from the configuration of the Keras one,
layer by layer; a window of stride 2 may lie one pixel aside, which costs the same. A training is timed from building
the network to the end of its last epoch, tracing included, importing not. Every training is a process of its own, and
those of a round are interleaved; the table holds the medians over the rounds. On a busy machine compare CPU seconds on
one thread. Without PyTorch its rows are left out, with a message.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import skeleton
import tracked

CONTENDERS = ("keras", "kerasnas", "pytorch")
NETWORKS = ("cnn", "darts")
TUNED = "tuned"  # EfficientNet-Lite0 (extra `photos`) for images at 96 pixels, whose batch norms stay as they are
RATE, MOMENTUM, CLIP = 0.1, 0.9, 5.0


def main() -> None:
    arguments = skeleton.arguments(
        __doc__,
        networks=skeleton.listed(NETWORKS),
        threads=1,
        rounds=3,
        epochs=2,
        batch=64,
        samples=(6000, "of the training data"),
        torch_python=(sys.executable, "interpreter with PyTorch"),
        json=(Path, "file for all measurements"),
        one={"choices": (*CONTENDERS, "write"), "help": skeleton.HIDDEN},
        folder={"type": Path, "help": skeleton.HIDDEN},
    )
    networks = skeleton.names(arguments.networks, (*NETWORKS, TUNED))
    if arguments.one:
        measure = with_pytorch if arguments.one == "pytorch" else with_keras
        print(json.dumps(measure(arguments)))
        return
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
    contenders = list(CONTENDERS)
    if subprocess.run([arguments.torch_python, "-c", "import torch"], capture_output=True).returncode:
        print(f"PyTorch is left out: {arguments.torch_python} does not have it. Install the extra `benchmarks`.")
        contenders.remove("pytorch")
    records: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for network in networks:
            own = [contender for contender in contenders if network != TUNED or contender != "pytorch"]
            if "pytorch" in own:
                own_process(arguments, network, "write", folder)
            for _ in range(arguments.rounds):
                for contender in own:
                    found = own_process(arguments, network, contender, folder)
                    records.append({"network": network, "contender": contender, **found})
                    skeleton.log(json.dumps(records[-1]))
                    if arguments.json:
                        arguments.json.write_text(json.dumps(records, indent=1))
    code = ["kerasnas/training/recipe.py", "kerasnas/training/loop.py", "kerasnas/networks"]
    tracked.record(arguments, table(records), code=code, runs=records)


def own_process(arguments: Any, network: str, contender: str, folder: str) -> dict[str, Any]:
    """Run this script for one training; return what it measured."""
    python = arguments.torch_python if contender == "pytorch" else sys.executable
    options = {name: getattr(arguments, name) for name in ("threads", "epochs", "batch", "samples")}
    options |= {"networks": network, "one": contender, "folder": folder}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(arguments.threads))
    words = [f"--{name}={value}" for name, value in options.items()]
    if (found := skeleton.child(__file__, *words, python=python, **threads)) is None:
        raise SystemExit(1)
    return found


def table(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Print medians over the rounds, and how many times the CPU time of the package's training."""
    times = ("CPU s", "wall s", "to the first step, CPU s", "step, CPU ms")
    shown = tracked.Table(["network", "training by", *times, "CPU ratio"])
    for network in dict.fromkeys(record["network"] for record in records):
        medians = {}
        for contender in CONTENDERS:
            own = [r for r in records if (r["network"], r["contender"]) == (network, contender)]
            if own:
                keys = ("cpu_s", "wall_s", "first_step_s", "step_ms")
                medians[contender] = [statistics.median(record[key] for record in own) for key in keys]
        for contender, (cpu, wall, first, step) in medians.items():
            ratio = cpu / medians["kerasnas"][0]
            shown.add([network, contender, f"{cpu:.1f}", f"{wall:.1f}", f"{first:.2f}", f"{step:.1f}", f"{ratio:.2f}"])
    return shown.rows


class Clock:
    """Times since its construction; call `step` after each step."""

    def __init__(self) -> None:
        self.cpu, self.wall = time.process_time(), time.perf_counter()
        self.steps: list[float] = []

    def step(self) -> None:
        self.steps.append(time.process_time() - self.cpu)

    def result(self, loss: float) -> dict[str, float]:
        between = [after - before for before, after in zip(self.steps, self.steps[1:], strict=False)]
        return {
            "cpu_s": time.process_time() - self.cpu,
            "wall_s": time.perf_counter() - self.wall,
            "first_step_s": self.steps[0],
            "step_ms": 1e3 * statistics.median(between),
            "loss": loss,  # of the last epoch, or its last step: finite, and below log(10)
        }


def with_keras(arguments: Any) -> dict[str, float]:
    """Train by Keras alone or by the package; or write data and configuration for PyTorch."""
    skeleton.prepare(arguments.threads)
    import keras
    import numpy as np

    import kerasnas
    from kerasnas import datasets
    from kerasnas.datasets.batches import ArrayBatches
    from kerasnas.networks.fused import fused
    from kerasnas.starts import AdaptationSpace
    from kerasnas.training import loop as training_loop
    from kerasnas.training.recipe import TrainingRecipe

    def cnn() -> keras.Model:
        x = inputs = keras.Input(data.input_shape)
        for index, filters in enumerate((32, 64, 128)):
            x = keras.layers.MaxPooling2D()(x) if index else x
            x = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
            x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
        return keras.Model(inputs, keras.layers.Dense(data.num_classes)(keras.layers.GlobalAveragePooling2D()(x)))

    def darts() -> keras.Model:
        space = kerasnas.DARTSSpace(filters=16, num_cells=3)
        return space.build_network(space.sample(np.random.default_rng(0)), data.input_shape, data.num_classes)

    def tuned() -> keras.Model:
        space = AdaptationSpace(["efficientnet_lite0"])
        genotype = space.network("efficientnet_lite0", 96, (TUNED,) * 5, "last")
        return space.build_network(genotype, data.input_shape, data.num_classes)

    data = datasets.load("fashion_mnist_mini")
    x, y = data.x_train[: arguments.samples], data.y_train[: arguments.samples]
    build = {"cnn": cnn, "darts": darts, TUNED: tuned}[arguments.networks]
    if arguments.one == "write":
        (arguments.folder / "network.json").write_text(json.dumps(build().get_config()))
        np.savez(arguments.folder / "data.npz", x=x, y=y)
        return {}
    clock = Clock()
    timed = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: clock.step())
    model = build()
    if arguments.one == "keras":
        steps = len(x) // arguments.batch * arguments.epochs
        TrainingRecipe(arguments.epochs, arguments.batch, RATE).compile_network(model, steps)
        whole = len(x) // arguments.batch * arguments.batch
        options = {"batch_size": arguments.batch, "epochs": arguments.epochs, "verbose": 0, "callbacks": [timed]}
        history = model.fit(x[:whole], y[:whole], **options)
    else:
        batches = ArrayBatches(x, y, arguments.batch)
        recipe = TrainingRecipe(arguments.epochs, arguments.batch, RATE)
        recipe.compile_network(model, len(batches) * arguments.epochs)
        training_loop.prepare(model, batches)
        history = keras.callbacks.History()
        with fused(model):
            training_loop.fit(model, batches, arguments.epochs, callbacks=[timed, history])
    return clock.result(history.history["loss"][-1])


def with_pytorch(arguments: Any) -> dict[str, float]:
    """Train by PyTorch, with images in the memory layout that is fast on a CPU."""
    import numpy as np
    import torch

    torch.set_num_threads(arguments.threads)
    with np.load(arguments.folder / "data.npz") as arrays:
        x, y = arrays["x"].astype("float32"), arrays["y"].astype("int64")
    x = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    config = json.loads((arguments.folder / "network.json").read_text())
    clock = Clock()
    modules, run = torch_network(config, x.shape[1:])
    modules.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(modules.parameters(), RATE, momentum=MOMENTUM, nesterov=True)
    steps = len(x) // arguments.batch
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps * arguments.epochs)
    correct = 0
    for epoch in range(arguments.epochs):
        order = np.random.default_rng([0, epoch]).permutation(len(x))
        for step in range(steps):
            rows = order[step * arguments.batch : (step + 1) * arguments.batch]
            images = torch.from_numpy(x[rows]).contiguous(memory_format=torch.channels_last)
            labels = torch.from_numpy(y[rows])
            optimizer.zero_grad()
            logits = run(images)
            loss = torch.nn.functional.cross_entropy(logits, labels)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(modules.parameters(), CLIP)
            optimizer.step()
            schedule.step()
            correct += int((logits.argmax(1) == labels).sum())  # the metric that the others keep
            last = float(loss)
            clock.step()
    return clock.result(last)


def torch_network(config: dict[str, Any], shape: tuple[int, ...]) -> tuple[Any, Callable[[Any], Any]]:
    """Return the modules of a functional Keras network of standard layers, and its forward pass.

    Raises:
        ValueError: for a layer that is not known here.
    """
    import torch
    from torch import nn

    def sources(value: Any) -> list[str]:
        if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
            return [value["config"]["keras_history"][0]]
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return [name for part in parts for name in sources(part)]

    def padding(own: dict[str, Any], window: list[int], size: int) -> tuple[int, int]:
        """Before and after an axis of `size`, as Keras has it; symmetric where that gives the same output."""
        if own["padding"] == "valid":
            return 0, 0
        stride, reach = own["strides"][0], (window[0] - 1) * own.get("dilation_rate", [1])[0] + 1
        total = max((-(-size // stride) - 1) * stride + reach - size, 0)
        return (reach // 2, reach // 2) if reach % 2 else (total // 2, total - total // 2)

    def windowed(kind: str, own: dict[str, Any], channels: int, size: int) -> nn.Module:
        window = own["pool_size"] if kind.endswith("Pooling2D") else own["kernel_size"]
        before, after = padding(own, window, size)
        pad, stride = before if before == after else 0, own["strides"][0]
        if kind == "MaxPooling2D":
            layer: nn.Module = nn.MaxPool2d(window[0], stride, pad)
        elif kind == "AveragePooling2D":
            layer = nn.AvgPool2d(window[0], stride, pad, count_include_pad=False)
        else:
            depthwise = kind == "DepthwiseConv2D"
            layer = nn.Conv2d(
                channels,
                channels if depthwise else own["filters"],
                window[0],
                stride,
                pad,
                own["dilation_rate"][0],
                channels if depthwise else own["groups"],
                own["use_bias"],
            )
        return layer if before == after else nn.Sequential(nn.ZeroPad2d((before, after) * 2), layer)

    modules, graph = nn.ModuleDict(), []
    probes = {}  # a tensor without data for each layer, which knows the shapes
    for layer in config["layers"]:
        kind, name, own = layer["class_name"], layer["name"], layer["config"]
        read = list(dict.fromkeys(sources(layer["inbound_nodes"])))
        if kind == "InputLayer":
            probes[name] = torch.zeros(2, *shape)
            first = name
            continue
        channels, size = probes[read[0]].shape[1], probes[read[0]].shape[-1]
        if kind in ("Conv2D", "DepthwiseConv2D", "MaxPooling2D", "AveragePooling2D"):
            module = windowed(kind, own, channels, size)
        elif kind == "BatchNormalization":
            module = nn.BatchNorm2d(channels, own["epsilon"], 1 - own["momentum"], own["scale"] or own["center"])
        elif kind in ("Cropping2D", "ZeroPadding2D"):
            rows, columns = own["cropping" if kind == "Cropping2D" else "padding"]
            sign = -1 if kind == "Cropping2D" else 1
            module = nn.ZeroPad2d(tuple(sign * width for width in (*columns, *rows)))
        elif kind == "Dense":
            module = nn.Linear(channels, own["units"])
        elif kind == "ReLU":
            module = nn.ReLU()
        elif kind in ("Add", "Concatenate", "GlobalAveragePooling2D"):
            module = nn.Identity()
        else:
            raise ValueError(f"No module of PyTorch is known here for a layer of class {kind}.")
        modules[name] = module
        graph.append((kind, name, read))
        with torch.no_grad():
            probes[name] = _apply(kind, module, [probes[one] for one in read])

    def run(images: Any) -> Any:
        values = {first: images}
        for kind, name, read in graph:
            values[name] = _apply(kind, modules[name], [values[one] for one in read])
        return values[name]

    return modules, run


def _apply(kind: str, module: Any, values: list[Any]) -> Any:
    if kind == "Add":
        return sum(values[1:], start=values[0])
    if kind == "Concatenate":
        import torch

        return torch.cat(values, 1)
    return values[0].mean((2, 3)) if kind == "GlobalAveragePooling2D" else module(values[0])


if __name__ == "__main__":
    main()
