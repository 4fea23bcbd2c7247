"""A gradient search of graph networks: which node of a cell reads which, by which operation.

The samples are the nodes of one graph: each batch is all of them, and weights say which count. The graph is generated,
or read from a file with Planetoid's split (`kerasnas.datasets.graph_dataset` says what is in it).

python examples/graph_cells.py                 # about a minute on two cores
python examples/graph_cells.py --data=cora.npz # some minutes
python examples/graph_cells.py --tiny          # seconds, to see that it runs
"""

import argparse

import keras
from sklearn.linear_model import LogisticRegression

import kerasnas
from kerasnas.spaces import GraphSpace


def main(tiny: bool = False, data_file: str | None = None) -> kerasnas.Genotype:
    datasets = kerasnas.datasets
    data = datasets.graph_dataset(data_file) if data_file else datasets.stochastic_blocks(300 if tiny else 1000)
    primitives = ["gcn", "sage", "fc"] if tiny else kerasnas.spaces.GRAPH_SPACE_PRIMITIVES
    space = GraphSpace(data.graph, filters=16, num_nodes=2 if tiny else 4, primitives=primitives)

    search = kerasnas.BilevelTrainer(space.build_supernet(data.input_shape, data.num_classes))
    search.compile(
        keras.optimizers.SGD(0.1, momentum=0.9),
        architecture_optimizer=keras.optimizers.Adam(0.05, beta_1=0.5),
        metrics=[],
        weighted_metrics=["accuracy"],  # of the nodes that count
    )
    search.fit(data.pairs(steps=5 if tiny else 15), epochs=4, verbose=2)  # training nodes, validation nodes
    genotype = search.derive()
    print(genotype)
    if set(primitives) >= set(kerasnas.spaces.GRAPH_SPACE_PRIMITIVES):
        print("in NAS-Bench-Graph:", space.to_table(genotype)["cell"])

    network = space.build_network(genotype, data.input_shape, data.num_classes, filters=64)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.02), loss, weighted_metrics=["accuracy"])
    network.fit(data.batches("train", steps=30 if tiny else 80), epochs=1, verbose=2, shuffle=False)
    _, accuracy = network.evaluate(data.batches("test"), verbose=0)

    train = data.parts["train"]
    features = LogisticRegression(max_iter=1000).fit(data.x[train], data.y[train])
    print(f"logistic regression on the features alone: {data.accuracy(features.predict_proba(data.x), 'test'):.3f}")
    print(f"test accuracy {accuracy:.3f}")
    return genotype


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="a graph as .npz; without it one is generated")
    parser.add_argument("--tiny", action="store_true", help="the smallest setting that shows it runs")
    arguments = parser.parse_args()
    main(arguments.tiny, arguments.data)
