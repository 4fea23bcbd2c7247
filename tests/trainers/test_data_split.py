"""Data and arguments that `fit` and the constructor refuse, and the words of the errors."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnas import BilevelTrainer
from kerasnas.callbacks import SearchCheckpoint
from kerasnas.callbacks.state import snapshot
from kerasnas.callbacks.stopping import NonFiniteError
from kerasnas.datasets.batches import ArrayBatches
from kerasnas.trainers.data_split import class_weight_table, pair_halves
from tests.trainers.kit import noting, same_state

X, Y = np.zeros((16, 8, 8, 1), "float32"), np.arange(16) % 3


def spoiled(value):
    x = X.copy()
    x[3, 0, 0, 0] = value
    return x


@pytest.fixture(scope="module")
def search(make_search):
    return make_search()


@pytest.mark.parametrize(
    ("x", "y", "options", "words"),
    [
        pytest.param(X, Y + 1, {}, "labels from 0 to 2.*smallest 1, largest 3", id="labels above the classes"),
        pytest.param(X, Y - 1, {}, "labels from 0 to 2.*smallest -1", id="negative labels"),
        pytest.param(spoiled(np.nan), Y, {}, "NaN or infinity in 1 of 16 images, first in image 3", id="NaN"),
        pytest.param(X[:, :4], Y, {}, r"shape \(8, 8, 1\).*\(4, 8, 1\)", id="size"),
        pytest.param(X, Y * 0, {}, "at least two classes.*only label 0", id="one class"),
        pytest.param(X, Y, {"batch_size": 12}, "batch_size.*number of samples, 8", id="fewer samples than a batch"),
        pytest.param(X, Y, {"validation_split": 0}, "validation_split.*between 0 and 1", id="split 0"),
        pytest.param(
            X, Y, {"validation_split": 0.5, "validation_data": (X, Y)}, "or `validation_data`, not both", id="both"
        ),
        pytest.param(
            X, Y, {"validation_data": (X, Y + 1)}, r"\(validation data\).*labels from 0 to 2", id="validation"
        ),
    ],
)
def test_arrays_that_cannot_be_searched_on(search, x, y, options, words):
    before = snapshot(search)
    with pytest.raises(ValueError, match=words):
        search.fit(x, y, **{"batch_size": 4, "epochs": 1, "verbose": 0, **options})
    assert same_state(before, search)


def test_datasets_that_cannot_be_paired(search):
    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).batch(8)
    batches = ArrayBatches(X, Y, batch_size=8)
    with pytest.raises(ValueError, match=r"validation_split.*validation_data"):
        search.fit(dataset, validation_split=0.5)
    for x, validation in ((dataset, batches), (batches, dataset), (dataset, (X, Y))):
        with pytest.raises(ValueError, match=r"both as `tf\.data\.Dataset` or both"):
            search.fit(x, validation_data=validation)


@pytest.mark.parametrize("given", [False, True], ids=["halves", "validation data"])
def test_the_halves_are_shuffled_independently(given):
    """The places in the two halves of what one pair holds: with one seed they would be the same in every epoch."""
    count, epochs = 64, 20
    x = np.zeros((2 * count, 8, 8, 1), "float32") + np.arange(2 * count)[:, None, None, None]
    y = np.tile([0, 1], count)
    if given:
        pairs = pair_halves(x[:count], y[:count], (x[count:], y[count:]), None, batch_size=1, seed=3)
    else:
        pairs = pair_halves(x, y, None, None, batch_size=1, seed=3)
    places, orders = [], set()
    for epoch in range(epochs):
        pairs.set_epoch(epoch)
        read = np.array([[images[0, 0, 0, 0] for images, _ in pair] for pair in (pairs[i] for i in range(count))])
        assert sorted(read.ravel()) == list(range(2 * count))  # all of both halves, nothing twice
        places.append(read.argsort(axis=0).argsort(axis=0))
        orders |= {tuple(place) for place in places[-1].T}
    assert len(orders) == 2 * epochs  # another order in each epoch of each half
    first, second = np.concatenate(places).T
    assert np.mean(first == second) < 0.05  # by chance 1 / 64
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.12  # four deviations of 1,280 independent ones


def test_models_that_cannot_be_searched_and_calls_out_of_order(space):
    supernet = space.build_supernet((8, 8, 1), 3)
    plain = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3)], name="plain")
    skips = "`max_skips`. Expected 'auto', None or an integer of at least 0. Received: 'few'"
    known = r"`hypergradient`. Expected a function, or one of \['finite_difference', 'first_"
    nearest = "Unknown hypergradient 'first_ordr'. Did you mean 'first_order'"
    for call, words in (
        (lambda: BilevelTrainer(supernet, hypergradient="first_ordr"), nearest),
        (lambda: BilevelTrainer(supernet, hypergradient=None), known),
        (lambda: BilevelTrainer(supernet, max_skips="few"), skips),
        (lambda: BilevelTrainer(supernet).fit(X, Y), r"`compile\(\)` before"),
        (lambda: BilevelTrainer(plain), r"architecture parameters.*MixedOp.*plain"),
        (lambda: BilevelTrainer(keras.Sequential([keras.layers.Dense(3)])), "built"),
    ):
        with pytest.raises(ValueError, match=words):
            call()


# A loss that stops being finite ---------------------------------------------------------------------------
class SpoiledBatches(ArrayBatches):
    """Infinite images in step 3 of epoch 2."""

    def __getitem__(self, index):
        x, y = super().__getitem__(index)
        return (x + np.inf if (self.epoch, index) == (1, 2) else x), y


@pytest.mark.parametrize(
    ("half", "eager"),
    [
        pytest.param("training", True, id="training-eager"),
        pytest.param("validation", False, id="validation-graph", marks=pytest.mark.slow),
        pytest.param("training", False, id="training-graph", marks=pytest.mark.slow),
        pytest.param("validation", True, id="validation-eager", marks=pytest.mark.slow),
    ],
)
def test_non_finite_loss_stops_at_the_start_of_its_epoch(make_search, data, tmp_path, half, eager):
    kinds = {"training": ArrayBatches, "validation": ArrayBatches, half: SpoiledBatches}
    search = make_search(compile={"run_eagerly": eager})
    states, note = noting(lambda: snapshot(search))
    first = snapshot(search)
    checkpoint = SearchCheckpoint(tmp_path)
    with pytest.raises(NonFiniteError, match=f"{half} loss.*epoch 2, step 3.*start of epoch 2 was restored") as caught:
        search.fit(
            kinds["training"](*data, batch_size=8),
            validation_data=kinds["validation"](*data, batch_size=8),
            epochs=3,
            verbose=0,
            callbacks=[note, checkpoint],
        )
    assert "learning rate" in str(caught.value)
    if half == "training":
        assert "validation loss" not in str(caught.value)
    (ended,) = states
    assert all(np.isfinite(array).all() for array in snapshot(search).values())
    assert same_state(search, ended) and not same_state(search, first)

    fresh = make_search(seed=5)
    assert SearchCheckpoint(tmp_path).restore(fresh) == 1
    assert same_state(search, fresh)


def test_sample_weight_and_validation_data_of_the_wrong_form():
    with pytest.raises(ValueError, match="sample_weight"):
        pair_halves(X, Y, None, None, batch_size=8, sample_weight=np.ones(3))
    pair_halves(X, Y, None, None, sample_weight=np.ones(len(Y), bool))
    for wrong in (-1.0, np.nan):
        weights = np.where(np.arange(len(Y)) == 3, wrong, 1.0)
        with pytest.raises(ValueError, match=rf"`sample_weight`. Expected finite weights of at least 0. .*\[{wrong}\]"):
            pair_halves(X, Y, None, None, batch_size=8, sample_weight=weights)
    with pytest.raises(ValueError, match="validation_data"):
        pair_halves(X, Y, (X, Y, np.ones(len(X))), None, batch_size=8)
    ragged = [[0], [1, 2]]
    for argument, data in {
        "x": (ragged, Y, None),
        "y": (X, ragged, None),
        "validation_data": (X, Y, (X, ragged)),
    }.items():
        with pytest.raises(ValueError, match=f"`{argument}`. Expected an array, all rows of one length"):
            pair_halves(*data, None)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({3: 2.0}, "an integer of at least 0 and of at most 2. Received: 3"),
        ({"cat": 2.0}, "Received: 'cat'"),
        ({0: -1.0}, "a number of at least 0. Received: -1.0"),
        ({0: float("nan")}, "Received: nan"),
    ],
)
def test_class_weights_of_no_class(search, data, weights, words):
    with pytest.raises(ValueError, match=f"`class_weight`. Expected .*{words}"):
        search.fit(*data, batch_size=8, epochs=1, verbose=0, class_weight=weights)
    with pytest.raises(TypeError, match=r"`class_weight`. Expected a mapping"):
        search.fit(*data, batch_size=8, epochs=1, verbose=0, class_weight=[1.0, 2.0, 3.0])
    assert class_weight_table({1: 2}, None) == [1.0, 2.0] and class_weight_table({}, None) == [1.0]
