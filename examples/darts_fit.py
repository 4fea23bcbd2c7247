"""DARTS with `fit`: search a cell, derive it, train its network.

python examples/darts_fit.py            # a few minutes on two cores
python examples/darts_fit.py --tiny     # under a minute, a smoke test
"""

import argparse

import keras

import kerasnas


def main(tiny: bool = False) -> float:
    data = kerasnas.datasets.load("fashion_mnist_mini")
    size = 256 if tiny else len(data.x_train)
    x, y = data.x_train[:size], data.y_train[:size]

    space = kerasnas.DARTSSpace(filters=8, num_cells=3, num_nodes=1 if tiny else 4, stem_strides=2)
    supernet = space.build_supernet(input_shape=data.input_shape, num_classes=data.num_classes)
    search = kerasnas.BilevelTrainer(supernet, architecture_warmup_epochs=1)
    search.compile(architecture_optimizer=keras.optimizers.Adam(0.03, beta_1=0.5), metrics=["accuracy"])
    search.fit(x, y, validation_split=0.5, batch_size=32, epochs=2 if tiny else 7, verbose=2)

    genotype = search.derive()
    print(genotype)

    model = space.build_network(genotype, data.input_shape, data.num_classes, filters=16)  # plain Keras
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss=loss, metrics=["accuracy"], jit_compile=False)
    model.fit(x, y, batch_size=16 if tiny else 64, epochs=6 if tiny else 8, verbose=2)
    _, accuracy = model.evaluate(data.x_test, data.y_test, verbose=0)
    print(f"test accuracy {accuracy:.3f}")
    return accuracy


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="smallest setting, a smoke test")
    main(parser.parse_args().tiny)
