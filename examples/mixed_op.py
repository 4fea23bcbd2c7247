"""MixedOp in a plain Keras model: which of five operations should halve the image?

The classic mixed operation {FactorizedReduce, SepConv 3x3, SepConv 5x5, DilConv 3x3, DilConv 5x5} is one
line; `BilevelTrainer` searches its five logits, as in any Keras model with a MixedOp.

    python examples/mixed_op.py            # about a minute on two cores
    python examples/mixed_op.py --tiny     # a few seconds, a smoke test
"""

import argparse

import keras

import kerasnas


def main(tiny: bool = False) -> dict[str, float]:
    data = kerasnas.datasets.load("fashion_mnist_mini")
    size = 256 if tiny else len(data.x_train)

    inputs = keras.Input(data.input_shape)
    x = keras.layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(inputs)
    mixed = kerasnas.MixedOp(
        ["factorized_reduce", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"], filters=32, strides=2
    )
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(mixed(x)))
    model = keras.Model(inputs, keras.layers.Dense(data.num_classes)(x))

    search = kerasnas.BilevelTrainer(model)
    search.compile(architecture_optimizer=keras.optimizers.Adam(0.03, beta_1=0.5), metrics=["accuracy"])
    search.fit(data.x_train[:size], data.y_train[:size], epochs=1 if tiny else 8, verbose=2)

    (weights,) = search.mixing_weights().values()
    result = {name: float(weight) for name, weight in zip(mixed.primitives, weights[0], strict=True)}
    for name, weight in sorted(result.items(), key=lambda item: -item[1]):
        print(f"{name:20} {weight:.3f}")
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="smallest setting, a smoke test")
    main(parser.parse_args().tiny)
