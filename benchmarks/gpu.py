"""The search step and a short search on one GPU under JAX, and the same step in PyTorch.

With `pip install "jax[cuda12]" torch` in addition to KerasNAS (KERAS_BACKEND is set here):

    python benchmarks/gpu.py                            # 16 filters, 8 cells, batch 64, 32x32x3, first order
    python benchmarks/gpu.py --policy=mixed_bfloat16
    python benchmarks/gpu.py --device=cpu --tiny        # a check that it runs; its results mean nothing

Prints a Markdown table. Images are those of both halves. The share of the peak is the step's arithmetic (as `kerasnas
time` counts it) relative to float32 matrix products on the same device and backend. Both frameworks use TF32
in float32 convolutions where the GPU has it. PyTorch's step is `pytorch_darts.py`, in float32, in both memory layouts.
"""

import json
import os
import statistics
import sys
import time
from typing import Any

import skeleton
import tracked
from search_step import STEP_CODE, case_options, in_own_process, timed, trainer

CASES = ("first_order", "second_order", "sampled")
TINY = {"filters": 2, "cells": 1, "nodes": 1, "batch": 4, "steps": 2}
SIZES = tuple(TINY)


def main() -> None:
    sizes = {"filters": 16, "cells": 8, "batch": 64}
    arguments = skeleton.arguments(
        __doc__,
        **(case_options(CASES) | sizes),
        device=skeleton.one_of("gpu", "cpu"),
        policy=skeleton.one_of("float32", "mixed_bfloat16"),
        epochs=(10, "of the short search"),
        tiny=(False, "the smallest sizes"),
        one={"choices": ("step", "search"), "help": "measure one thing in this process, print JSON"},
    )
    if arguments.tiny:
        vars(arguments).update(TINY, epochs=1)
    if arguments.one:
        import keras

        keras.config.set_dtype_policy(arguments.policy)
        print(json.dumps({"step": measure_one_step, "search": measure_search}[arguments.one](arguments)))
        return
    os.environ |= {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cuda" if arguments.device == "gpu" else "cpu"}
    if arguments.device == "gpu":  # PyTorch and the operating system need some of the memory too
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    sizes = {name: getattr(arguments, name) for name in SIZES}
    own = {**sizes, "case": arguments.case, "device": arguments.device, "policy": arguments.policy}
    step = in_own_process("gpu.py", one="step", **own)
    if step is None:
        sys.exit(f"Nothing was measured: JAX could not use the {arguments.device}, or the step failed; see above.")
    peers = {
        layout: in_own_process(
            "pytorch_darts.py",
            case=arguments.case,
            device="cuda" if arguments.device == "gpu" else "cpu",
            channels_last=layout == "channels_last",
            **sizes,
        )
        for layout in ("as published", "channels_last")
    }
    rows = [_row(f"KerasNAS on JAX, {arguments.policy}", step, arguments.batch)]
    rows += [_row(f"PyTorch, {layout}", record, arguments.batch) for layout, record in peers.items()]
    header = ["", "step, ms", "images a second", "share of the matmul peak", "first step, s", "device memory, GiB"]
    shown = tracked.Table(header)
    for row in rows:
        shown.add(row)
    search = in_own_process("gpu.py", one="search", epochs=arguments.epochs, tiny=arguments.tiny, **own)
    note = f"Measured on {step['on']}, {arguments.case}, {', '.join(f'{n}={v}' for n, v in sizes.items())}."
    if search is not None:
        note += (
            f" A search of {search['epochs']} epochs on {search['images']} images of {search['dataset']} took "
            f"{search['seconds']:.0f} s, compilation included; validation accuracy {search['val_accuracy']:.3f}."
        )
    print(f"\n{note}")
    tracked.record(arguments, shown.rows, code=["benchmarks/pytorch_darts.py", *STEP_CODE], note=note)


def _row(name: str, record: dict[str, Any] | None, batch: int) -> list[str]:
    if record is None:
        return [name, *["-"] * 5]
    milliseconds, share, memory = record["step_wall_ms"], record.get("peak_share"), record.get("device_memory_gib")
    return [
        name,
        f"{milliseconds:.4g}",
        f"{2 * batch / milliseconds * 1e3:.0f}",
        "-" if share is None else f"{share:.1%}",
        f"{record['first_step_s']:.1f}",
        "-" if memory is None else f"{memory:.2f}",
    ]


def measure_one_step(arguments: Any) -> dict[str, Any]:
    """Measure the time of the step, its share of the peak, and its memory."""
    import jax

    from kerasnas.backend import devices
    from kerasnas.diagnostics.step_timing import matmul_peak, step_flops

    search, timing = timed(arguments)
    seconds = statistics.median(timing.wall_s)
    flops = step_flops(search.supernet, arguments.batch, search.hypergradient)
    memory = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")  # a CPU does not say
    return {
        "framework": "kerasnas on jax",
        "on": devices(),
        "build_s": round(timing.build_s, 2),
        "first_step_s": round(timing.first_step_s, 2),
        "step_wall_ms": round(1e3 * seconds, 3),
        "peak_share": None if flops is None else flops / seconds / matmul_peak(),
        "device_memory_gib": memory and memory / 2**30,
    }


def measure_search(arguments: Any) -> dict[str, Any]:
    """Run a whole search on bundled images, compilation included."""
    import kerasnas

    data = kerasnas.datasets.load("fashion_mnist_mini")
    size = 8 * arguments.batch if arguments.tiny else len(data.x_train)
    begin = time.perf_counter()
    search = trainer(arguments, data.input_shape, data.num_classes)
    history = search.fit(
        data.x_train[:size], data.y_train[:size], batch_size=arguments.batch, epochs=arguments.epochs, verbose=0
    ).history
    return {
        "dataset": data.name,
        "images": size,
        "epochs": arguments.epochs,
        "seconds": time.perf_counter() - begin,
        "val_accuracy": history["val_accuracy"][-1],
        "genotype": search.derive().to_json(),
    }


if __name__ == "__main__":
    main()
