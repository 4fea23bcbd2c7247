"""Supernets whose edges have dropped primitives."""

import keras
import numpy as np
import pytest

from kerasnas import DARTSSpace
from kerasnas.genotypes import Genotype
from kerasnas.primitives.fading import FadingDropout

NAMES = ("none", "max_pool_3x3", "skip_connect", "sep_conv_3x3")
SPACE = DARTSSpace(filters=4, num_cells=3, num_nodes=2, primitives=NAMES)
EDGES = 5
KEPT = {
    "normal": [["none", "skip_connect"], *[["skip_connect", "sep_conv_3x3"]] * (EDGES - 1)],
    "reduce": [["max_pool_3x3", "sep_conv_3x3"]] * EDGES,
}
SHAPE = (8, 8, 3)


def images():
    return np.random.default_rng(0).standard_normal((2, *SHAPE)).astype("float32")


@pytest.mark.parametrize("relaxation", ["softmax", "dirichlet", "sigmoid"])
@pytest.mark.parametrize("partial_channels", [1, 2])
def test_tables_stay_those_of_the_space(relaxation, partial_channels):
    supernet = SPACE.build_supernet(SHAPE, 3, relaxation, kept=KEPT, partial_channels=partial_channels)
    assert supernet(images()).shape == (2, 3)
    assert {tuple(alphas.shape) for alphas in supernet.architecture_parameters} == {(EDGES, len(NAMES))}
    weights = supernet.mixing_weights()
    for kind, rows in KEPT.items():
        left = np.array([[name in names for name in NAMES] for names in rows])
        assert np.all(weights[kind][~left] == 0) and np.all(weights[kind][left] > 0)
        if relaxation != "sigmoid":
            np.testing.assert_allclose(weights[kind].sum(axis=-1), 1, rtol=1e-6)


def test_the_strongest_that_is_left_is_derived():
    supernet = SPACE.build_supernet(SHAPE, 3, kept=KEPT)
    alphas = np.zeros((EDGES, len(NAMES)))
    alphas[:, 1] = 5  # max pools, which normal cells have dropped
    alphas[:, 3] = 1
    for table in supernet.architecture_parameters:
        table.assign(alphas)
    genotype = supernet.derive()
    assert {tuple(edge) for edge in genotype["normal"] if edge.primitive != "sep_conv_3x3"} == {("skip_connect", 0, 2)}
    assert {edge.primitive for edge in genotype["reduce"]} == {"max_pool_3x3"}


def test_it_computes_the_network_of_a_genotype_or_says_what_is_missing():
    supernet, whole = SPACE.build_supernet(SHAPE, 3, kept=KEPT), SPACE.build_supernet(SHAPE, 3)
    edges = [(0, 2), (1, 2), (1, 3), (2, 3)]
    cells = {"normal": "skip_connect", "reduce": "max_pool_3x3"}
    genotype = Genotype("darts", {kind: [(name, *edge) for edge in edges] for kind, name in cells.items()})
    for part in (supernet, whole):
        for weight in part.network_weights:
            weight.assign(np.full(weight.shape, 0.1))
    outputs = []
    for one in (supernet, whole):
        with one.mixing_by(one.one_hot_weights(genotype)):
            outputs.append(np.array(one(images())))
    np.testing.assert_allclose(*outputs, rtol=1e-5)
    other = Genotype("darts", {kind: [("sep_conv_3x3", *edge) for edge in edges] for kind in cells})
    with pytest.raises(ValueError, match="primitives that its edges have left"):
        supernet.one_hot_weights(other)


def test_it_survives_saving(tmp_path):
    supernet = SPACE.build_supernet(SHAPE, 3, kept=KEPT, skip_dropout=0.5)
    supernet.save(tmp_path / "supernet.keras")
    again = keras.saving.load_model(tmp_path / "supernet.keras")
    np.testing.assert_array_equal(again(images()), supernet(images()))
    assert again.kept.names == supernet.kept.names


def test_all_skips_fade_together_and_drop_different_values():
    supernet = SPACE.build_supernet(SHAPE, 3, skip_dropout=0.5)
    layers = [layer for layer in supernet._flatten_layers() if isinstance(layer, FadingDropout)]
    assert len(layers) == 3 + 1 + 1  # sources of edges of stride 1: of a normal cell and two reduction cells
    assert len({layer.seed for layer in layers}) == len(layers)
    supernet.set_skip_dropout(0.25)
    assert [float(layer.rate.numpy()) for layer in layers] == [0.25] * len(layers)


def test_what_cannot_be_kept_is_named():
    with pytest.raises(ValueError, match="normal"):
        SPACE.build_supernet(SHAPE, 3, kept={"norm": KEPT["normal"]})
    with pytest.raises(ValueError, match="draws paths"):
        SPACE.build_supernet(SHAPE, 3, "gumbel", kept=KEPT)
    with pytest.raises(ValueError, match="skip_dropout"):
        SPACE.build_supernet(SHAPE, 3, skip_dropout=1.0)
