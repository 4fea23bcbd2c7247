"""Progressive searches: the stages of P-DARTS and of DrNAS."""

import numpy as np
import pytest

from kerasnas import DARTSSpace
from kerasnas.callbacks.schedules import SkipDropoutSchedule
from kerasnas.networks.skeleton import ChoiceTable
from kerasnas.primitives.fading import FadingDropout
from kerasnas.spaces import NASBench201Space
from kerasnas.trainers.progressive import ProgressiveSearch, strongest
from tests.trainers.kit import arrays, noting, still

SHAPE, CLASSES = (8, 8, 1), 3
NAMES = ("none", "max_pool_3x3", "skip_connect", "dil_conv_3x3")


def small(scheme, num_cells=3, **options):
    space = DARTSSpace(filters=4, num_cells=num_cells, num_nodes=1, primitives=NAMES, stem_strides=2)
    return ProgressiveSearch(space, SHAPE, CLASSES, scheme, **options)


def images(count=24):
    rng = np.random.default_rng(0)
    return rng.random((count, *SHAPE)).astype("float32"), np.arange(count) % CLASSES


def walk(search):
    """The supernets of all stages, of alphas that are not trained."""
    supernets = []
    while search.stage < len(search.stages):
        supernets.append(search.build(3).supernet)
        search.finish(
            supernets[-1].mixing_weights(), {kind: arrays([a])[0] for kind, a in supernets[-1].alphas.items()}
        )
    return supernets


def sizes(supernet):
    """Cells, and primitives that each edge has left."""
    left = {np.count_nonzero(row) for table in supernet.mixing_weights().values() for row in table}
    return supernet.space.num_cells, left


def test_stages_of_p_darts_are_the_papers():
    supernets = walk(ProgressiveSearch(DARTSSpace(filters=2, num_cells=5, num_nodes=1), SHAPE, CLASSES))
    assert [sizes(one) for one in supernets] == [(5, {8}), (11, {5}), (17, {3})]
    assert [one.skip_dropout for one in supernets] == [0, 0.4, 0.7]


def test_stages_of_drnas_are_the_papers():
    space = NASBench201Space(filters=4, num_cells=1)
    first, second = walk(ProgressiveSearch(space, SHAPE, CLASSES, "drnas"))
    assert [sizes(one)[1] for one in (first, second)] == [{5}, {3}]
    assert [one.partial_channels for one in (first, second)] == [4, 2]
    assert type(second.relaxation).__name__ == "Dirichlet"


def test_the_weakest_are_dropped_on_each_edge():
    table = ChoiceTable(((0, 1), (0, 2)), ("none", "skip_connect", "sep_conv_3x3", "sep_conv_5x5"))
    weights = np.array([[0.4, 0.1, 0.2, 0.3], [0.1, 0.4, 0.3, 0.2]])
    assert strongest(table, weights, 0.75) == [["none", "sep_conv_3x3", "sep_conv_5x5"], list(table.primitives[1:])]
    kept = [["skip_connect", "sep_conv_5x5", "none"]] * 2
    assert strongest(table, weights, 0.5, kept) == [["none", "sep_conv_5x5"], ["skip_connect", "sep_conv_5x5"]]
    assert strongest(table, weights, 0.1) == [["none", "sep_conv_5x5"], ["skip_connect", "sep_conv_3x3"]]


@pytest.mark.parametrize(("scheme", "kept"), [("p_darts", False), ("drnas", True)])
def test_alphas_go_on_in_drnas_and_begin_again_in_p_darts(scheme, kept):
    search = small(scheme)
    alphas = {kind: np.full((2, len(NAMES)), 0.5) for kind in ("normal", "reduce")}
    search.finish(search.build(3).mixing_weights(), alphas)
    begun = arrays(search.build(3).architecture_parameters)
    assert all(np.all(table == 0.5) == kept for table in begun)


def test_a_search_learns_in_every_stage():
    search = small("drnas", architecture_weight_decay=0.0)
    with pytest.raises(RuntimeError, match="Call `fit` first"):
        search.derive()
    tables = []
    _, note = noting(lambda: None)
    note.on_epoch_end = lambda epoch, logs=None: tables.append(arrays(note.model.architecture_parameters)[0])
    histories = search.fit(*images(), epochs=2, batch_size=8, verbose=0, callbacks=[note])
    assert len(histories) == 2 and len(tables) == 4
    assert not np.array_equal(tables[0], tables[1]) and not np.array_equal(tables[2], tables[3])
    genotype = search.derive()
    left = {kind: dict(zip([(0, 2), (1, 2)], names, strict=True)) for kind, names in search.kept.items()}
    assert all(edge.primitive in left[kind][edge[1:]] for kind in genotype for edge in genotype[kind])
    with pytest.raises(RuntimeError, match="have ended"):
        search.build(3)


def test_alphas_wait_and_skips_fade_in_every_stage():
    names, seen = ("skip_connect", "dil_conv_3x3"), []
    space = DARTSSpace(filters=2, num_cells=3, num_nodes=1, primitives=names, stem_strides=2)
    search = ProgressiveSearch(space, SHAPE, CLASSES)
    _, note = noting(lambda: None)

    def look(epoch, logs=None):
        layers = [layer for layer in note.model.supernet._flatten_layers() if isinstance(layer, FadingDropout)]
        rates = {round(float(layer.rate.numpy()), 6) for layer in layers}
        seen.append((bool(note.model.architecture_active.numpy()), rates))

    note.on_epoch_end = look
    search.fit(*images(), epochs=3, compile=still, batch_size=8, verbose=0, callbacks=[note])
    fading = [SkipDropoutSchedule(rate, warmup=1) for rate in (0.4, 0.7)]
    expected = [{round(schedule.rate(epoch, 3), 6)} for schedule in fading for epoch in range(3)]
    assert seen == list(zip([False, True, True] * 3, [set()] * 3 + expected, strict=True))


def test_what_cannot_be_searched_in_stages_is_named():
    with pytest.raises(ValueError, match="p_darts"):
        small("pdarts")
    with pytest.raises(ValueError, match="at least 3"):
        walk(small("p_darts", num_cells=1))
    with pytest.raises(ValueError, match="epochs"):
        small("p_darts").fit(*images(), epochs=0)
