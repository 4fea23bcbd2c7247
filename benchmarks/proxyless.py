"""ProxylessNAS: memory against the number of candidates; accuracy and latency along lambda, beside random networks.

    python benchmarks/proxyless.py memory                    # peak memory of a search with 2 and with 7 candidates
    python benchmarks/proxyless.py front --plot=front.png    # three searches on Fashion-MNIST, three weights of latency

Memory: a search step in a process of its own, with two sampled paths per layer, for either number of candidates; the
candidates have the same expansion, so that their activations are of one size. Front: a chain is searched with the
expected latency in the loss, three times; each derived network is trained from scratch and timed as a whole. Beside it
stands its control, the random network of the space that is nearest to it in predicted latency, trained alike.
"""

import json
import resource
import time
from typing import Any

import skeleton
import tracked

from kerasnas.reporting.costs import CostPoint, plot_front

CANDIDATES = {
    "2": ["mbconv_3x3_e6", "mbconv_7x7_e6"],
    "7": [f"mbconv_{size}x{size}_e{expansion}" for size in (3, 5, 7) for expansion in (3, 6)],
}


OF = ("found", "random")
MEASURED = ("predicted, ms", "measured, ms", "accuracy")
DRAWN = 1000  # random networks, among which the control of each derived one is chosen by latency

CODE = ("kerasnas/cost", "kerasnas/spaces/proxyless.py", "kerasnas/trainers", "kerasnas/relaxations")


def main() -> None:
    actions = {"memory": _memory, "front": _front, "step": _step}
    arguments = skeleton.arguments(
        __doc__,
        "what",
        what={"choices": tuple(actions)},
        batches=("64,256", "batch sizes of the memory measurement, comma-separated"),
        candidates=("7", "of a step"),
        filters=16,
        weights=("0,0.1,0.4", "lambdas in loss per ms, comma-separated"),
        epochs=12,
        seed=0,
        plot=(str, "file to draw the front in"),
    )
    skeleton.prepare()
    actions[arguments.what](arguments)


def _memory(arguments: Any) -> None:
    shown = tracked.Table(["batch", "2 candidates, MiB", "7 candidates, MiB", "ratio"])
    for batch in arguments.batches.split(","):
        options = ("step", f"--batches={batch}", f"--filters={arguments.filters}")
        two, seven = (skeleton.child(__file__, *options, f"--candidates={number}")["peak_mib"] for number in CANDIDATES)
        shown.add([batch, f"{two:.0f}", f"{seven:.0f}", f"{seven / two:.2f}"])
    tracked.record(arguments, shown.rows, code=CODE, part="memory", runs=shown.rows)


def _step(arguments: Any) -> None:
    """Three search steps; prints the peak memory of the process."""
    import numpy as np

    import kerasnas

    batch = int(arguments.batches)
    space = kerasnas.spaces.ProxylessSpace(arguments.filters, 2, primitives=CANDIDATES[arguments.candidates])
    search = kerasnas.BilevelTrainer(space.build_supernet((32, 32, 3), 10), architecture_warmup_epochs=0)
    search.compile()
    x = np.random.default_rng(0).random((6 * batch, 32, 32, 3), "float32")
    search.fit(x, np.arange(len(x)) % 10, batch_size=batch, epochs=1, verbose=0)
    print(json.dumps({"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def _front(arguments: Any) -> None:
    import keras
    import numpy as np

    import kerasnas
    from kerasnas.cost import LatencyTable

    data = kerasnas.datasets.load("fashion_mnist_mini")
    shape, classes = data.input_shape, data.num_classes
    space = kerasnas.spaces.ProxylessSpace(filters=8, num_layers=2)
    cost = LatencyTable.measure(space, shape, classes).cost_model(space, shape, classes)
    drawn = [space.sample(generator) for generator in [np.random.default_rng(arguments.seed)] for _ in range(DRAWN)]
    points = []
    shown = tracked.Table(
        ["lambda, per ms", "expected at the end, ms", *(f"{of}: {what}" for of in OF for what in MEASURED), "minutes"]
    )
    for weight in map(float, arguments.weights.split(",")):
        begin = time.perf_counter()
        objective = kerasnas.search.CostObjective(cost, weight=weight)
        search = kerasnas.BilevelTrainer(space.build_supernet(shape, classes, seed=arguments.seed), objective=objective)
        search.compile(learning_rate=0.05, architecture_optimizer=keras.optimizers.Adam(0.02, beta_1=0.5))
        options = {"batch_size": 64, "epochs": arguments.epochs, "verbose": 0, "seed": arguments.seed}
        search.fit(data.x_train, data.y_train, validation_split=0.5, **options)
        found = search.derive()
        nearest = min(drawn, key=lambda genotype: abs(cost.cost(genotype) - cost.cost(found)))
        networks = [
            _trained(space.build_network(one, shape, classes, seed=arguments.seed), data, arguments)
            for one in (found, nearest)
        ]
        cells = [
            cell
            for one, (latency, accuracy) in zip((found, nearest), networks, strict=True)
            for cell in (f"{cost.cost(one):.2f}", f"{latency:.2f}", f"{100 * accuracy:.1f}")
        ]
        expected = float(cost.expected(search.supernet.expected_weights()))
        shown.add([f"{weight:g}", f"{expected:.2f}", *cells, f"{(time.perf_counter() - begin) / 60:.1f}"])
        points += [CostPoint(f"{of}, lambda {weight:g}", *values) for of, values in zip(OF, networks, strict=True)]
        for genotype in (found, nearest):
            skeleton.log([edge.primitive for edge in genotype["chain"]])
    tracked.record(arguments, shown.rows, code=CODE, part="front", runs=shown.rows)
    if arguments.plot:
        plot_front(points, arguments.plot, "measured latency, ms")


def _trained(network: Any, data: Any, arguments: Any) -> tuple[float, float]:
    """Train a network from scratch; return its measured latency in milliseconds and its test accuracy."""
    import keras

    import kerasnas
    from kerasnas.cost import network_latency

    batches = kerasnas.datasets.batches.ArrayBatches(data.x_train, data.y_train, 64, seed=arguments.seed)
    rate = keras.optimizers.schedules.CosineDecay(0.05, len(batches) * arguments.epochs)
    network.compile(
        keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    network.fit(batches, epochs=arguments.epochs, shuffle=False, verbose=0)
    return network_latency(network), network.evaluate(data.x_test, data.y_test, batch_size=250, verbose=0)[1]


if __name__ == "__main__":
    main()
