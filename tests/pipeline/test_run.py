"""What makes the same seed end on the same bits, whatever the process has done before."""

import keras

from kerasnas.genotypes import Genotype
from kerasnas.pipeline import TrainingConfig, make_space

GENOTYPE = Genotype("darts", {"reduce": [("sep_conv_3x3", 0, 2), ("max_pool_3x3", 1, 2)]})


def test_networks_of_one_seed_differ_in_nothing():
    """Layer names order the sums in TensorFlow's graph, and dropout without a seed takes one at random."""
    space = make_space(TrainingConfig(num_nodes=1, retrain_filters=2, retrain_cells=2, stem_strides=1))
    configs = []
    for _ in range(2):
        network = space.build_network(GENOTYPE, (8, 8, 1), 3, drop_path=0.5, seed=3)
        layers = [layer for layer in network.layers if not isinstance(layer, keras.layers.InputLayer)]
        configs.append([layer.get_config() for layer in layers])
        keras.layers.Dense(1)  # goes on with Keras' running numbers
    assert configs[0] == configs[1]
    seeds = [config["seed"] for config in configs[0] if "noise_shape" in config]
    assert len(seeds) == len(set(seeds)) == 2
    other = space.build_network(GENOTYPE, (8, 8, 1), 3, drop_path=0.5, seed=4)
    drops = [layer.seed for layer in other.layers if isinstance(layer, keras.layers.Dropout)]
    assert not set(drops) & set(seeds)
