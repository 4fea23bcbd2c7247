"""A second search that starts where a first one ended, on images of another size and number of classes.

The first search is on five kinds of clothes. Its weights and architecture parameters are saved as a
`ReptileInitializer`, and `warm_start` assigns them to searches on two other data sets: four other kinds of clothes at
20 x 20 pixels, and twelve generated characters. The baseline is the same search from scratch, with as many steps on the
same few images. Then networks are trained on these images, again with equal steps: those that the two searches derive,
and the one that the first search derived, from scratch and with its weights.

python examples/transfer.py            # a few minutes on two cores
python examples/transfer.py --tiny     # under a minute, a smoke test
"""

import argparse
import tempfile

import keras
import numpy as np

import kerasnas
from kerasnas.datasets import glyphs
from kerasnas.meta import ReptileInitializer, warm_start

PRIMITIVES = ("max_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_3x3")
CLOTHES = (0, 1, 4, 7, 8)  # the first search's classes: T-shirt/top, Trouser, Coat, Sneaker, Bag
OTHERS = (2, 3, 6, 9)  # Pullover, Dress, Shirt, Ankle boot
BATCH = 16  # of the weights' and the alphas' half each


def clothes(classes, size, each, seed):
    """Return `(x, y, x_test, y_test)` of some classes, resized, with `each` training images of each."""
    data, rng = kerasnas.datasets.load("fashion_mnist_mini"), np.random.default_rng(seed)
    rows = np.concatenate([rng.permutation(np.flatnonzero(data.y_train == label))[:each] for label in classes])
    test = np.isin(data.y_test, classes)
    x, x_test = (
        keras.ops.convert_to_numpy(keras.ops.image.resize(x, (size, size), antialias=True, data_format="channels_last"))
        for x in (data.x_train[rows], data.x_test[test])
    )
    return x, np.searchsorted(classes, data.y_train[rows]), x_test, np.searchsorted(classes, data.y_test[test])


def characters(classes, each, seed):
    data = glyphs(classes=classes, samples=each + 40, seed=seed)
    x, y = data.x.reshape(classes, -1, *data.input_shape), data.y.reshape(classes, -1)
    parts = (part for columns in (slice(each), slice(each, None)) for part in (x[:, columns], y[:, columns]))
    return tuple(part.reshape(-1, *part.shape[2:]) for part in parts)


def search_on(space, x, y, epochs, initializer=None, seed=0):
    """Return a search, and its validation accuracy after each epoch."""
    search = kerasnas.BilevelTrainer(space.build_supernet(x.shape[1:], int(y.max()) + 1, seed=seed))
    if initializer is not None:
        print(warm_start(search, initializer))
    search.compile(learning_rate=0.05, architecture_optimizer=keras.optimizers.Adam(0.03, beta_1=0.5))
    history = search.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=0, seed=seed)
    return search, history.history["val_accuracy"]


def network_on(space, genotype, data, epochs, initializer=None, seed=0):
    """Return a trained network of the genotype, and its test accuracy."""
    x, y, x_test, y_test = data
    network = space.build_network(genotype, x.shape[1:], int(y.max()) + 1, seed=seed)
    if initializer is not None:
        warm_start(network, initializer)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    steps = epochs * -(-len(x) // 32)
    rate = keras.optimizers.schedules.CosineDecay(3e-3, steps)
    network.compile(keras.optimizers.Adam(rate), loss=loss, metrics=["accuracy"], jit_compile=False)
    network.fit(x, y, batch_size=32, epochs=epochs, verbose=0)
    return network, network.evaluate(x_test, y_test, batch_size=200, verbose=0)[1]


def main(tiny: bool = False, seed: int = 0) -> dict[tuple[str, str], float]:
    each, few, epochs = (40, 8, 24) if tiny else (300, 40, 8)
    space = kerasnas.DARTSSpace(8, num_cells=3, num_nodes=1 if tiny else 2, primitives=PRIMITIVES, stem_strides=2)
    first = clothes(CLOTHES, 28, each, seed)
    search, history = search_on(space, *first[:2], epochs, seed=seed)
    genotype = search.derive()
    network, accuracy = network_on(space, genotype, first, epochs, seed=seed)
    print(f"first search: validation accuracy {history[-1]:.3f}; its network: test accuracy {accuracy:.3f}")

    with tempfile.TemporaryDirectory() as folder:
        ReptileInitializer(search.supernet, description={"data": "five kinds of clothes"}).save(folder)
        initial, weights = ReptileInitializer.load(folder), ReptileInitializer(network)
    targets = {"clothes": clothes(OTHERS, 20, few, seed), "characters": characters(12, few, seed)}
    if tiny:
        targets.pop("characters")

    results, rows = {}, []
    for name, data in targets.items():
        for start, initializer in (("from scratch", None), ("warm start", initial)):
            second, history = search_on(space, *data[:2], epochs, initializer, seed)
            results[name, start] = network_on(space, second.derive(), data, epochs, seed=seed)[1]
            steps = -(-len(data[0]) // 2 // BATCH)
            shown = sorted({1, -(-epochs // 4), -(-epochs // 2), epochs})
            curve = ", ".join(f"{history[epoch - 1]:.3f} at {epoch * steps}" for epoch in shown)
            rows.append((name, start, curve, results[name, start]))
        for start, initializer in (("first genotype", None), ("first genotype and weights", weights)):
            results[name, start] = network_on(space, genotype, data, epochs, initializer, seed)[1]
            rows.append((name, f"none: {start}", "", results[name, start]))
    print("| images | search | validation accuracy at step | network: test accuracy |\n| --- | --- | --- | --- |")
    for name, start, curve, accuracy in rows:
        print(f"| {name} | {start} | {curve} | {accuracy:.3f} |")
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="smallest setting, a smoke test")
    parser.add_argument("--seed", type=int, default=0)
    main(**vars(parser.parse_args()))
