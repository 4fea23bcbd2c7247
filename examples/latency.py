"""A network for this machine: a chain of mobile bottlenecks searched under a limit of measured latency (ProxylessNAS).

It measures every choice of a layer, searches with the expected latency in the loss, derives a genotype within the
limit, and measures its network.

python examples/latency.py            # about three minutes on two cores
python examples/latency.py --tiny     # under a minute, a smoke test
"""

import argparse

import keras

import kerasnas
from kerasnas.cost import LatencyTable, network_latency, pareto_front


def main(tiny: bool = False) -> kerasnas.Genotype:
    data = kerasnas.datasets.load("fashion_mnist_mini")
    size = 256 if tiny else len(data.x_train)
    shape, classes = data.input_shape, data.num_classes
    primitives = ["mbconv_3x3_e3", "mbconv_5x5_e3"] if tiny else ["mbconv_3x3_e3", "mbconv_5x5_e6", "mbconv_7x7_e6"]
    space = kerasnas.spaces.ProxylessSpace(
        filters=8, num_layers=1 if tiny else 2, stem_strides=2, primitives=primitives
    )

    table = LatencyTable.measure(space, shape, classes, rounds=2 if tiny else 5)
    cost = table.cost_model(space, shape, classes)  # table.save("latency.json") keeps it for the next search
    slowest = sum(rows.max(axis=1).sum() for rows in cost.tables.values()) + cost.base
    target = (cost.least_cost() + slowest) / 2
    print(
        f"networks of this space take {cost.least_cost():.3f} to {slowest:.3f} ms; at most {target:.3f} ms are wanted"
    )

    objective = kerasnas.search.CostObjective(cost, weight=1.0, target=target)
    search = kerasnas.BilevelTrainer(space.build_supernet(shape, classes), objective=objective)
    search.compile(learning_rate=0.05, architecture_optimizer=keras.optimizers.Adam(0.02, beta_1=0.5))
    search.fit(data.x_train[:size], data.y_train[:size], batch_size=64, epochs=1 if tiny else 8, verbose=2)

    genotype = search.derive()
    print(genotype)
    network = space.build_network(genotype, shape, classes)
    print(f"predicted {cost.cost(genotype):.3f} ms, measured {network_latency(network):.3f} ms")
    for point in pareto_front(search.supernet, cost, points=5):
        print(f"{point.cost:.3f} ms: {', '.join(edge.primitive for edge in point.genotype['chain'])}")
    return genotype


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="smallest setting, a smoke test")
    main(parser.parse_args().tiny)
