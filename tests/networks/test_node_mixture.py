"""Models of a graph's nodes: the mixture in closed form, its smoothing, and what is shared in its file."""

import keras
import numpy as np
import pytest

from kerasnas.datasets import stochastic_blocks
from kerasnas.datasets.smoothing import smoothed
from kerasnas.genotypes import Genotype
from kerasnas.methods.nodes.propagation import propagated
from kerasnas.networks.node_mixture import NodeMixture, SmoothedAlongEdges
from kerasnas.primitives.graph_stages import Neighbors
from kerasnas.proxies import ReadoutScore
from kerasnas.spaces import GraphSpace
from kerasnas.tasks.known import CLASSIFICATION

DATA = stochastic_blocks(nodes=60, train_per_class=5)
RNG = np.random.default_rng(0)


def test_smoothing_is_that_of_the_data():
    probabilities = CLASSIFICATION.answers(RNG.normal(size=(60, 3)))
    train = DATA.parts["train"]
    found = keras.ops.convert_to_numpy(SmoothedAlongEdges(DATA.graph, train, DATA.y[train])(probabilities))
    expected = smoothed(DATA, probabilities)
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), rtol=1e-4)
    with pytest.raises(ValueError, match=r"`labels`. Expected a class of each of the 15 nodes"):
        SmoothedAlongEdges(DATA.graph, train, DATA.y)


@pytest.mark.usefixtures("eagerly")
def test_a_mixture_is_the_weighted_sum_of_logarithms_and_its_file_has_each_reader_of_the_graph_once(tmp_path):
    """Of the regression and the mean of networks, on scaled features, whose batch norms and dropout do not count."""
    space = GraphSpace(DATA.graph, filters=4, num_nodes=2)
    few = DATA.reduced(8)
    score = ReadoutScore(space, few, draws=1)
    cells = [("gcn", 0, 1), ("arma", 1, 2)], [("gin", 0, 1), ("sage", 0, 2)]
    genotypes = [Genotype("graphs", {"cell": cell}) for cell in cells]
    scale = RNG.uniform(1, 2, 32)
    kernel, bias = RNG.normal(size=(32, 3)), RNG.normal(size=3)
    mixture = NodeMixture(DATA.graph, 32, scale)
    mixture.add_regression(kernel, bias, hops=2, unit=True, weight=0.7)
    mixture.add_networks([one for genotype in genotypes for one in score.networks(genotype)], DATA.projection(8), 1.5)
    model = mixture.model()
    raw = DATA.x / scale  # so that the networks read what they were solved on
    answers = model.predict(raw, batch_size=60, verbose=0)

    x = propagated(DATA)
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    networks = np.mean([score.probabilities(one) for one in genotypes], axis=0)
    logs = 0.7 * np.log(CLASSIFICATION.answers(x @ kernel + bias)) + 1.5 * np.log(networks)
    np.testing.assert_allclose(answers, CLASSIFICATION.answers(logs), atol=1e-4)

    readers = [layer for layer in model.layers if isinstance(layer, Neighbors)]
    assert len({layer.kind for layer in readers}) == len(readers) == 3  # "sum" is read by two
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(raw, batch_size=60, verbose=0), answers, atol=1e-6)
