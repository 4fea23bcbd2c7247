"""Cost of distributing a search: steps per second, communication time and efficiency; and an estimate on paper.

    python benchmarks/distribution.py                     # one device, two logical devices, two processes; minutes
    python benchmarks/distribution.py --case=second_order --synchronized --filters=8 --cells=4 --batch=32
    python benchmarks/distribution.py --paper             # bytes and operations of the published setting, no run

Every case is a process of its own (two, for two workers). Each replica gets one thread for its arithmetic, so that two
have twice the cores of one. Bytes are counted when a step is traced; the communication time is that of the same
reductions, in the same order, timed alone. The efficiency is the speed of n replicas at the same global batch, divided
by n times that of one. On a busy machine compare the CPU time of a step, summed over processes.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import skeleton
import tracked

KINDS = {"one device": 1, "two logical devices": 1, "two processes": 2}

MACHINES: dict[str, dict[str, float]] = {
    # Peaks of the makers' data sheets: operations a second of one device, bytes a second that it sends to its
    # neighbor in a ring, and seconds that a reduction takes however small it is (a usual figure, not a data sheet's).
    "8 x V100 (float32, NVLink)": {"flops": 15.7e12, "bytes": 130e9, "latency": 30e-6, "replicas": 8},
    "8 x A100 (TF32, NVLink)": {"flops": 156e12, "bytes": 270e9, "latency": 30e-6, "replicas": 8},
    "TPU v3-8 (bfloat16, 8 cores)": {"flops": 61.5e12, "bytes": 70e9, "latency": 10e-6, "replicas": 8},
}
SHARES = (0.05, 0.25)  # of the peak that the supernet's small kernels reach: from pessimistic to optimistic


def main() -> None:
    arguments = skeleton.arguments(
        __doc__,
        filters=8,
        cells=4,
        nodes=4,
        batch=32,
        steps=10,
        case=skeleton.one_of("first_order", "second_order"),
        synchronized=(False, "batch norm over all replicas"),
        paper=(False, "the estimate for the published setting alone"),
        child=(str, "used by the script itself"),
    )
    skeleton.prepare()
    if arguments.child:
        print(json.dumps(_measure(arguments)))
    elif arguments.paper:
        (about, rows), code = _estimate(), ["kerasnas/diagnostics/step_timing.py"]
        question = "What would several devices cost at the published size, on paper?"
        tracked.record(arguments, rows, code=code, note=about, part="paper", question=question)
    else:
        rows = _report({kind: _in_own_processes(kind, count) for kind, count in KINDS.items()})
        tracked.record(arguments, rows, code=["kerasnas/distribution", "kerasnas/backend", "kerasnas/trainers"])


def _in_own_processes(kind: str, count: int) -> dict[str, float]:
    processes = []
    base = 20000 + os.getpid() % 20000
    addresses = [f"127.0.0.1:{base + index}" for index in range(count)]
    for index in range(count):
        environment = {name: value for name, value in os.environ.items() if name != "TF_CONFIG"}
        if count > 1:
            task = {"type": "worker", "index": index}
            environment["TF_CONFIG"] = json.dumps({"cluster": {"worker": addresses}, "task": task})
        command = [sys.executable, __file__, *sys.argv[1:], f"--child={kind}"]
        processes.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
    records = [json.loads(process.communicate()[0].strip().splitlines()[-1]) for process in processes]
    return {**records[0], "cpu_ms": sum(record["cpu_ms"] for record in records)}


def _search(arguments: Any, strategy: Any) -> Any:
    import kerasnas

    space = kerasnas.DARTSSpace(arguments.filters, arguments.cells, arguments.nodes)
    with strategy.scope():
        supernet = space.build_supernet(input_shape=(32, 32, 3), num_classes=10)
        search = kerasnas.BilevelTrainer(
            supernet,
            hypergradient="unrolled" if arguments.case == "second_order" else "first_order",
            auxiliary_skip=0.0,
            architecture_warmup_epochs=0,
            synchronized_batch_norm=arguments.synchronized,
        )
        search.compile()
    return search


def _measure(arguments: Any) -> dict[str, float]:
    import numpy as np
    import tensorflow as tf

    several = arguments.child == "two logical devices"
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(2 if several else 1)
    from kerasnas.backend import split_cpu, tensorflow_replicas
    from kerasnas.diagnostics.step_timing import measure_step
    from kerasnas.distribution import resolve_strategy

    if several:
        split_cpu(2)
    cluster = os.environ.get("TF_CONFIG")
    strategy = resolve_strategy("multi_worker" if cluster else "cpu", log=None)
    own = json.loads(cluster)["task"]["index"] if cluster else 0  # the first replica of this process
    reductions: list[list[tuple[Any, Any]]] = []
    real = tensorflow_replicas._reduced

    def recorded(how: str, tensors: Any) -> Any:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        if tf.get_static_value(tf.convert_to_tensor(replica)) == own:
            reductions.append([(tensor.shape, tensor.dtype) for tensor in tf.nest.flatten(tensors)])
        return real(how, tensors)

    tensorflow_replicas._reduced = recorded
    samples = max(8 * arguments.batch, 40)
    x = np.random.default_rng(0).random((samples, 32, 32, 3), "float32")
    timing = measure_step(
        lambda: _search(arguments, strategy), x, np.arange(samples) % 10, arguments.batch, arguments.steps
    )
    tensorflow_replicas._reduced = real
    size = sum(shape.num_elements() * dtype.size for own in reductions for shape, dtype in own)
    return {
        "replicas": strategy.num_replicas_in_sync,
        "step_ms": 1e3 * statistics.median(timing.wall_s),
        "cpu_ms": 1e3 * statistics.median(timing.cpu_s),
        "reductions": len(reductions),
        "megabytes": size / 1e6,
        "communication_ms": 1e3 * _alone(strategy, reductions, arguments.steps) if reductions else 0.0,
    }


def _alone(strategy: Any, reductions: list[list[tuple[Any, Any]]], steps: int) -> float:
    """Return the seconds of all reductions of a step, with nothing between them."""
    import tensorflow as tf

    from kerasnas.backend import all_reduce

    @tf.function
    def step() -> Any:
        def reduce() -> Any:
            after = tf.zeros(())
            for own in reductions:
                with tf.control_dependencies([after]):
                    tensors = [tf.zeros(shape, dtype) for shape, dtype in own]
                after = tf.reduce_sum(tf.cast(tf.reshape(all_reduce(tensors)[0], (-1,))[:1], tf.float32))
            return after

        return strategy.run(reduce)

    seconds = []
    for _ in range(steps + 1):  # the first traces
        begin = time.perf_counter()
        for value in strategy.experimental_local_results(step()):
            float(value)
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds[1:])


def _report(records: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    one = records["one device"]
    parts = ("reductions of a step", "MB reduced", "in communication, ms", "share of the step")
    shown = tracked.Table(["on", "steps per second", "CPU time of a step, ms", *parts, "efficiency", "CPU efficiency"])
    for kind, record in records.items():
        efficiency = one["step_ms"] / record["step_ms"] / record["replicas"]
        cells = [f"{1e3 / record['step_ms']:.2f}", f"{record['cpu_ms']:.0f}", f"{record['reductions']:.0f}"]
        cells += [f"{record['megabytes']:.2f}", f"{record['communication_ms']:.1f}"]
        cells.append(f"{record['communication_ms'] / record['step_ms']:.0%}")
        shown.add([kind, *cells, f"{efficiency:.0%}", f"{one['cpu_ms'] / record['cpu_ms']:.0%}"])
    return shown.rows


def _estimate() -> tuple[str, list[dict[str, Any]]]:
    """Estimate the published DARTS search (8 cells, 16 filters, 4 nodes, batches of 64) on 8 replicas, on paper."""
    import numpy as np

    import kerasnas
    from kerasnas.diagnostics.step_timing import step_flops

    space = kerasnas.DARTSSpace(filters=16, num_cells=8, num_nodes=4)
    supernet = space.build_supernet(input_shape=(32, 32, 3), num_classes=10)

    def count(variables: Any) -> int:
        return sum(int(np.prod(variable.shape)) for variable in variables)

    weights, alphas = count(supernet.network_weights), count(supernet.architecture_parameters)
    norms = [layer for layer in supernet._flatten_layers() if hasattr(layer, "moving_variance")]
    statistics_ = sum(2 * int(layer.moving_variance.shape[0]) for layer in norms)
    about = (
        f"{weights:,} weights, {alphas} alphas, {len(norms)} batch norms. A step reduces 4 bytes of each weight, alpha "
        "and moving statistic; of second order the inner gradient and its derivative as well. Synchronized batch norm "
        "adds two moments (a channel each) and a reduction for each batch norm, forward and backward, in each pass."
    )
    print(f"{about}\n")
    counts = ("MB reduced a step", "reductions", "communication, ms", "compute, ms")
    shown = tracked.Table(["on", "form", "batch norm", *counts, "efficiency"])
    for name, machine in MACHINES.items():
        ring = 2 * (machine["replicas"] - 1) / machine["replicas"]
        for form, passes, gradients in (("first_order", 2, 1), ("unrolled", 3, 3)):
            flops = step_flops(supernet, 64, form) or 0
            for synchronized in (False, True):
                values = gradients * weights + alphas + statistics_
                reductions = 3 + (gradients - 1)
                if synchronized:  # forward and backward of each pass; of second order the backward's own backward too
                    times = 2 * passes + (2 if form == "unrolled" else 0)
                    values += times * statistics_
                    reductions += times * len(norms)
                seconds = ring * 4 * values / machine["bytes"] + reductions * machine["latency"]
                compute = [flops / machine["replicas"] / (machine["flops"] * share) for share in SHARES]
                low, high = (c / (c + seconds) for c in reversed(compute))
                norm = "synchronized" if synchronized else "each replica's"
                cells = [f"{4 * values / 1e6:.1f}", reductions, f"{1e3 * seconds:.1f}"]
                cells += [f"{1e3 * compute[1]:.1f} to {1e3 * compute[0]:.1f}", f"{low:.0%} to {high:.0%}"]
                shown.add([name, form, norm, *cells])
    return about, shown.rows


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
