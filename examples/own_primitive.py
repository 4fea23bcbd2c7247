"""Your own primitive: register a Keras layer under a name, and search with it next to the built-in ones.

python examples/own_primitive.py            # about two minutes on two cores
python examples/own_primitive.py --tiny     # under a minute, a smoke test
"""

import argparse

import keras

import kerasnas


@kerasnas.register_primitive("squeeze_excite")
@keras.saving.register_keras_serializable(package="examples")
class SqueezeExcite(keras.layers.Layer):
    """Scales every channel by a gate computed from the image's mean (Hu et al., 2018, arXiv 1709.01507)."""

    def __init__(self, filters, strides=1, affine=True, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.strides, self.affine = filters, strides, affine
        self.pool = keras.layers.AveragePooling2D(1, strides=strides)
        self.gate = keras.layers.Dense(filters, activation="sigmoid")

    def build(self, input_shape):
        self.gate.build((input_shape[0], input_shape[-1]))

    def call(self, inputs):
        gate = self.gate(keras.ops.mean(inputs, axis=(1, 2)))
        return self.pool(inputs) * gate[:, None, None, :]

    def get_config(self):
        own = {"filters": self.filters, "strides": self.strides, "affine": self.affine}
        return {**super().get_config(), **own}


def main(tiny: bool = False) -> kerasnas.Genotype:
    data = kerasnas.datasets.load("fashion_mnist_mini")
    size = 256 if tiny else len(data.x_train)
    space = kerasnas.DARTSSpace(
        filters=8,
        num_cells=3,
        num_nodes=1 if tiny else 3,
        primitives=["none", "skip_connect", "sep_conv_3x3", "squeeze_excite"],
        stem_strides=2,
    )
    search = kerasnas.BilevelTrainer(space.build_supernet(data.input_shape, data.num_classes))
    search.compile(architecture_optimizer=keras.optimizers.Adam(0.03, beta_1=0.5))
    search.fit(data.x_train[:size], data.y_train[:size], batch_size=32, epochs=1 if tiny else 5, verbose=2)
    genotype = search.derive()
    print(genotype)
    print("parameters:", space.build_network(genotype, data.input_shape, data.num_classes).count_params())
    return genotype


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="smallest setting, a smoke test")
    main(parser.parse_args().tiny)
