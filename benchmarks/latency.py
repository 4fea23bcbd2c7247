"""Additivity of measured latency: predicted against measured times of whole networks drawn at random.

    python benchmarks/latency.py                        # both spaces, 50 networks each
    python benchmarks/latency.py --spaces=proxyless --networks=10 --threads=1

Measures the latency table of a space on this machine, then builds random networks and times each as a whole. Printed:
the median error of the prediction, the largest one, and the rank correlation. Run it on an otherwise idle machine.
"""

import statistics

import skeleton
import tracked

SPACES = {
    "proxyless": ({"filters": 16, "num_layers": 3}, (32, 32, 3)),
    "nasbench201": ({"filters": 16, "num_cells": 2}, (32, 32, 3)),
}


def main() -> None:
    arguments = skeleton.arguments(
        __doc__, spaces=skeleton.listed(SPACES), networks=50, batch_size=1, threads=0, seed=0
    )
    skeleton.prepare(arguments.threads)
    import numpy as np

    from kerasnas.cost import LatencyTable, network_latency
    from kerasnas.spaces import SPACES as KNOWN

    header = ["space", "parts", "predicted, ms", "measured, ms", "median error, %", "largest, %", "rank correlation"]
    shown, runs = tracked.Table(header), []
    for name in arguments.spaces.split(","):
        sizes, shape = SPACES[name]
        space = KNOWN[name](**sizes)
        table = LatencyTable.measure(space, shape, 10, batch_size=arguments.batch_size)
        model = table.cost_model(space, shape, 10)
        rng = np.random.default_rng(arguments.seed)
        predicted, measured = [], []
        for _ in range(arguments.networks):
            genotype = space.sample(rng)
            predicted.append(model.cost(genotype))
            network = space.build_network(genotype, shape, 10)
            measured.append(network_latency(network, arguments.batch_size, rounds=3))
        times = {"predicted_ms": np.round(predicted, 4).tolist(), "measured_ms": np.round(measured, 4).tolist()}
        runs.append({"space": name, **times})
        errors = [abs(p - m) / m for p, m in zip(predicted, measured, strict=True)]
        ranges = [f"{min(values):.2f} to {max(values):.2f}" for values in (predicted, measured)]
        found = [f"{100 * statistics.median(errors):.1f}", f"{100 * max(errors):.1f}"]
        shown.add([name, len(table.parts), *ranges, *found, f"{skeleton.spearman(predicted, measured):.2f}"])
    tracked.record(arguments, shown.rows, code=["kerasnas/cost"], runs=runs)


if __name__ == "__main__":
    main()
