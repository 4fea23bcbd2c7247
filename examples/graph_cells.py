"""A search of graph networks: the edges of a cell and the operation of each.

The samples are the nodes of one graph: each batch has all of them, with weights for those that count. The graph is
generated, or read from a file with Planetoid's split (see `kerasnas.datasets.graph_dataset`). Architectures are scored
without training, by the best classifier on top of their initial weights (`ReadoutScore`); the result is an ensemble of
the ten best, with these classifiers. With `--gradient` it is the architecture that a supernet derives, trained.
Predictions are smoothed along the edges.

python examples/graph_cells.py                 # less than a minute
python examples/graph_cells.py --data=cora.npz # 47 CPU seconds; test accuracy 0.810
python examples/graph_cells.py --gradient
python examples/graph_cells.py --tiny          # seconds, a smoke test
"""

import argparse

import keras
from sklearn.linear_model import LogisticRegression

import kerasnas
from kerasnas.datasets import GraphDataset
from kerasnas.networks.ensemble import ensemble
from kerasnas.proxies import ReadoutScore
from kerasnas.search import PredictorSearch
from kerasnas.spaces import GraphSpace
from kerasnas.spaces.graphs import GRAPH_SPACE_PRIMITIVES


def by_readouts(space: GraphSpace, data: GraphDataset, evaluations: int) -> tuple[kerasnas.Genotype, keras.Model]:
    """Return the best of this many architectures, and the ten best as one network."""
    strategy, score = PredictorSearch(space, seed=0, initial=16, batch_size=4), ReadoutScore(space, data)
    for _ in range(evaluations):
        genotype = strategy.ask()
        strategy.tell(genotype, score(genotype))
    ranked = sorted(strategy.succeeded, key=lambda pair: pair[1], reverse=True)
    best = [space.decode(indices) for indices, _ in ranked[:10]]
    return best[0], ensemble([network for genotype in best for network in score.networks(genotype)])


def by_gradient(space: GraphSpace, data: GraphDataset, steps: int) -> tuple[kerasnas.Genotype, keras.Model]:
    """Return the architecture that a narrow supernet derives, and its trained network."""
    supernet = space.resized(filters=16).build_supernet(data.input_shape, data.num_classes)
    search = kerasnas.BilevelTrainer(supernet)
    search.compile(
        keras.optimizers.SGD(0.1, momentum=0.9),
        architecture_optimizer=keras.optimizers.Adam(0.05, beta_1=0.5),
        metrics=[],
        weighted_metrics=["accuracy"],  # of nodes with a weight
    )
    search.fit(data.pairs(steps=steps), epochs=4, verbose=2)  # training nodes, validation nodes
    genotype = search.derive()
    network = space.build_network(genotype, data.input_shape, data.num_classes)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.1), loss)
    network.fit(data.batches("train", steps=30), epochs=1, verbose=0, shuffle=False)
    return genotype, network


def main(tiny: bool = False, data_file: str | None = None, gradient: bool = False) -> kerasnas.Genotype:
    datasets = kerasnas.datasets
    data = datasets.graph_dataset(data_file) if data_file else datasets.stochastic_blocks(300 if tiny else 1000)
    few = data.reduced(64) if data.input_shape[0] > 64 else data  # hundreds of words tell little more, for longer
    primitives = ["gcn", "sage", "fc"] if tiny else GRAPH_SPACE_PRIMITIVES
    space = GraphSpace(data.graph, num_nodes=2 if tiny else 4, primitives=primitives)

    find, length = (by_gradient, 5 if tiny else 15) if gradient else (by_readouts, 12 if tiny else 60)
    genotype, network = find(space, few, length)
    print(genotype)
    if set(primitives) >= set(GRAPH_SPACE_PRIMITIVES):
        print("in NAS-Bench-Graph:", space.to_table(genotype)["cell"])

    train = data.parts["train"]
    features = LogisticRegression(max_iter=1000).fit(data.x[train], data.y[train])
    print(f"logistic regression on the features alone: {data.accuracy(features.predict_proba(data.x), 'test'):.3f}")
    outputs = network(few.x)
    probabilities = keras.ops.convert_to_numpy(keras.ops.softmax(outputs))
    outputs = datasets.smoothed(few, probabilities)  # neighbors tend to be of one class
    print(f"validation accuracy {few.accuracy(outputs, 'validation'):.3f}")
    print(f"test accuracy {few.accuracy(outputs, 'test'):.3f}")
    return genotype


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="a graph as .npz; without it one is generated")
    parser.add_argument("--gradient", action="store_true", help="search with a supernet")
    parser.add_argument("--tiny", action="store_true", help="smallest setting, a smoke test")
    arguments = parser.parse_args()
    main(arguments.tiny, arguments.data, arguments.gradient)
