"""Your own search space, in one file: its sizes, its choices, its network, each written once.

A row of blocks; each is one of three operations, followed by pooling. Everything else follows: supernet, discrete
network, trainer and guards, relaxations, cost models, black-box strategies, KerasTuner, the contract check, and the
command line: `kerasnas search --import=own_space.py --space=blocks`.

python examples/own_space.py            # about a minute on two cores
python examples/own_space.py --tiny     # seconds, a smoke test
"""

import sys

import keras

import kerasnas
from kerasnas import testing
from kerasnas.networks import ChoiceTable
from kerasnas.primitives.blocks import Stem


@kerasnas.spaces.SPACES.register("blocks")
class BlockSpace(kerasnas.spaces.SkeletonSpace):
    """A row of blocks, each with a primitive of its own."""

    name = "blocks"

    def __init__(self, filters=8, num_cells=3, primitives=("skip_connect", "sep_conv_3x3", "nor_conv_3x3")):
        self.filters, self.num_cells, self.primitives = filters, num_cells, tuple(primitives)

    @property
    def tables(self):
        edges = tuple((index, index + 1) for index in range(self.num_cells))
        return {"row": ChoiceTable(edges, self.primitives)}

    def skeleton(self, fill, x):
        x = fill.block(x, Stem, self.filters)
        for name in self.choices:
            x = fill.choice(x, name, self.filters)
            x = fill.block(x, keras.layers.MaxPooling2D, 2, padding="same")
        return fill.head(x)


def main(tiny: bool = False) -> kerasnas.Genotype:
    testing.check_space(BlockSpace(filters=2, num_cells=2))  # keeps every promise of a space
    data = kerasnas.datasets.load("fashion_mnist_mini")
    size = 256 if tiny else len(data.x_train)
    space = BlockSpace(num_cells=2 if tiny else 3)
    search = kerasnas.BilevelTrainer(space.build_supernet(data.input_shape, data.num_classes))
    search.compile(learning_rate=0.05, architecture_optimizer=keras.optimizers.Adam(0.03, beta_1=0.5))
    search.fit(data.x_train[:size], data.y_train[:size], batch_size=32, epochs=1 if tiny else 6, verbose=2)
    genotype = search.derive()
    print(genotype)
    print("parameters:", space.build_network(genotype, data.input_shape, data.num_classes).count_params())
    return genotype


if __name__ == "__main__":
    main(tiny="--tiny" in sys.argv[1:])
