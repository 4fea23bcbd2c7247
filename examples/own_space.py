"""Your own search space, in one file: what may be chosen, the supernet that holds all of it, the network of a choice.

A row of blocks; each is one of four operations and is followed by pooling. Everything else comes for free: the trainer
and its guards, relaxations, black-box strategies, KerasTuner, the command line (`--space=blocks`), the contract check.

python examples/own_space.py            # about a minute on two cores
python examples/own_space.py --tiny     # seconds, to see that it runs
"""

import argparse

import keras

import kerasnas
from kerasnas import networks, relaxations, testing
from kerasnas.networks.derivation import decision
from kerasnas.networks.supernet import ChoiceTable
from kerasnas.primitives import primitive
from kerasnas.primitives.base import expand

PRIMITIVES = ("skip_connect", "sep_conv_3x3", "nor_conv_3x3", "max_pool_3x3")


@kerasnas.spaces.SPACES.register("blocks")
class BlockSpace(kerasnas.spaces.SearchSpace):
    """A row of blocks, each with a primitive of its own."""

    name = "blocks"

    def __init__(self, filters=8, num_cells=3, primitives=PRIMITIVES):
        self.filters, self.num_cells, self.primitives = filters, num_cells, tuple(primitives)

    @property
    def choices(self):
        return {f"block {index}": self.primitives for index in range(self.num_cells)}

    def genotype(self, assignment):
        self.check_assignment(assignment)
        edges = [(name, index, index + 1) for index, name in enumerate(assignment.values())]
        return kerasnas.Genotype(self.name, {"row": edges})

    def assignment(self, genotype):
        return dict(zip(self.choices, [edge.primitive for edge in genotype["row"]], strict=True))

    def build_supernet(self, input_shape, num_classes, relaxation="softmax", seed=0):
        return BlockSupernet(self, input_shape, num_classes, relaxation, seed)

    def build_network(self, genotype, input_shape, num_classes, filters=None, seed=0):
        self.validate(genotype)
        keras.utils.set_random_seed(seed)
        x = inputs = keras.Input(input_shape)
        x = keras.layers.Conv2D(filters or self.filters, 3, padding="same")(x)
        for edge in genotype["row"]:
            x = expand(primitive(edge.primitive, filters or self.filters), x)
            x = keras.layers.MaxPooling2D(2, padding="same")(x)
        x = keras.layers.GlobalAveragePooling2D()(x)
        return keras.Model(inputs, keras.layers.Dense(num_classes)(x))


class BlockSupernet(networks.Supernet):
    """All choices at once: a `MixedOp` for each block, fed a row of one table of architecture parameters."""

    def __init__(self, space, input_shape, num_classes, relaxation, seed):
        super().__init__()
        self.space, self.image_shape, self.num_classes = space.name, tuple(input_shape), num_classes
        self.relaxation = relaxations.get(relaxation, seed)
        self.stem = keras.layers.Conv2D(space.filters, 3, padding="same")
        self.blocks = [kerasnas.MixedOp(space.primitives, space.filters) for _ in range(space.num_cells)]
        self.pools = [keras.layers.MaxPooling2D(2, padding="same") for _ in self.blocks]
        self.head = keras.Sequential([keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(num_classes)])
        edges = tuple((index, index + 1) for index in range(space.num_cells))
        self.add_architecture({"row": ChoiceTable(edges, space.primitives)})
        self(keras.ops.zeros((1, *input_shape)))

    def call(self, inputs, training=None):
        table = self.tables(training)["row"]  # mixing weights of all blocks, and which primitives they need
        x = self.stem(inputs)
        for row, (block, pool) in enumerate(zip(self.blocks, self.pools, strict=True)):
            active = None if table["active"] is None else table["active"][row : row + 1]
            x = pool(block(x, weights=table["weights"][row : row + 1], active=active, training=training))
        return self.head(x)

    def decisions(self, weights):
        return [
            decision("row", weights["row"], [row], self.choices["row"].primitives) for row in range(len(self.blocks))
        ]


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="the smallest setting that shows it runs")
    main(parser.parse_args().tiny)
