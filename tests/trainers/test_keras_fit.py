"""`fit` of a search with what Keras' `fit` takes: bytes, steps, generators, datasets, another `compile`."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnas.datasets.batches import ArrayBatches, PairedBatches
from kerasnas.modalities.images import unit_pixels
from kerasnas.search import RandomSearch
from kerasnas.trainers.data_split import pair_halves, steps_of
from tests.trainers.conftest import SHAPE
from tests.trainers.kit import still
from tests.trainers.test_one_shot import POOLS, make

QUICK = {"epochs": 1, "verbose": 0}


def make_enas():
    return make(POOLS, RandomSearch(POOLS, unique=False))


@pytest.fixture(params=["bilevel", "enas"])
def search(request, make_search):
    return make_search() if request.param == "bilevel" else make_enas()


# Steps ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("batches", "steps", "epochs"),
    [pytest.param(2, 1, 3, id="fewer"), pytest.param(2, 3, 2, id="more", marks=pytest.mark.slow)],
)
def test_every_epoch_has_the_steps_that_were_asked_for(search, few, batches, steps, epochs):
    seen = []
    note = keras.callbacks.LambdaCallback(on_train_batch_end=lambda step, logs: seen.append(step))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Your input ran out of data")
        options = {"steps_per_epoch": steps, "epochs": epochs, "verbose": 0, "callbacks": [note], "validation_steps": 1}
        still(search).fit(*few, batch_size=8 // batches, **options)
    assert seen == [*range(steps)] * epochs


def test_epochs_of_few_steps_read_all_of_the_data_and_resume():
    """390 batches in epochs of 100: each batch once before any comes again, and an epoch by itself is the same."""
    x, y = np.arange(780.0).reshape(780, 1, 1, 1), np.arange(780) % 2
    pairs = pair_halves(x, y, None, None, batch_size=1, seed=3, steps_per_epoch=100)
    epochs = []
    for epoch in range(5):
        pairs.set_epoch(epoch)
        assert len(pairs) == 100
        epochs.append(np.array([[float(part[0].item()) for part in pairs[i]] for i in range(100)]))
    read = np.concatenate(epochs)
    assert all(len(set(half[:390])) == 390 and len(set(half[390:])) == 110 for half in read.T)
    assert not np.array_equal(read[390:], read[:110])  # the second pass has another order
    again = pair_halves(x, y, None, None, batch_size=1, seed=3, steps_per_epoch=100)
    again.set_epoch(3)
    again.skip(40)
    assert [again[i][0][0].item() for i in range(60)] == epochs[3][40:, 0].tolist() and len(again) == 60


def test_a_whole_pass_is_what_an_epoch_was_before():
    x, y = np.arange(16.0).reshape(16, 1, 1, 1), np.arange(16) % 2
    plain, counted = (pair_halves(x, y, None, None, batch_size=2, seed=1, steps_per_epoch=n) for n in (None, 4))
    for epoch in (0, 2):
        plain.set_epoch(epoch)
        counted.set_epoch(epoch)
        for i in range(4):
            assert np.array_equal(plain[i][0][0], counted[i][0][0]) and np.array_equal(plain[i][1][0], counted[i][1][0])
    with pytest.raises(IndexError, match="Item 4 of 4"):
        counted[4]


def test_validation_steps_are_the_batches_of_an_epoch_that_move_the_alphas():
    x, y = np.arange(64.0).reshape(64, 1, 1, 1), np.arange(64) % 2
    pairs = pair_halves(x, y, None, None, batch_size=4, validation_steps=2)
    assert len({float(pairs[i][1][0].min()) for i in range(8)}) == 2
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(4)
    pairs = pair_halves(dataset, None, dataset, None, validation_steps=2)
    read = [float(pair[1][0].numpy().min()) for pair in pairs]
    assert len(read) == 16 and len(set(read)) == 2


def test_steps_that_are_none(search, data):
    for name in ("epochs", "steps_per_epoch", "validation_steps"):
        for wrong in (0, -1, 2.5):
            with pytest.raises(ValueError, match=rf"`{name}`\. Expected a positive integer\. Received: {wrong}"):
                search.fit(*data, **{**QUICK, name: wrong})


# Kinds of data --------------------------------------------------------------------------------------------
def test_bytes_are_searched_on_as_the_unit_range(make_search, few):
    x, y = few
    pixels = np.round(255 * (x - x.min()) / np.ptp(x)).astype("uint8")
    losses = []
    for images in (pixels, pixels.astype("float32") / 255):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            losses.append(make_search().fit(images, y, batch_size=8, **QUICK).history["loss"][0])
        said = [str(one.message) for one in caught if "x / 255" in str(one.message)]
        assert len(said) == (images.dtype != "float32")
        assert all(f"dtype {images.dtype} with values from 0 to 255" in line for line in said)
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize(
    "kept", [np.eye(4, dtype="uint8")[..., None, None], np.full((2, 8, 1), 9), np.full((2,) * 4, 300)]
)
def test_what_is_no_image_in_bytes_stays(kept):
    assert unit_pixels(kept) is kept


def pairs_of(x, y, size=8):
    while True:
        for start in range(0, len(x), size):
            yield x[start : start + size], y[start : start + size]


def test_generators(make_search, data, validation):
    options = {"steps_per_epoch": 1, **QUICK}
    history = make_search().fit(pairs_of(*data), validation_data=pairs_of(*validation), **options)
    same = make_search().fit(zip_of(pairs_of(*data), pairs_of(*validation)), **options)
    assert history.history == same.history


def zip_of(*generators):
    yield from zip(*generators, strict=False)


class Batches(keras.utils.PyDataset):
    """A user's own dataset of single batches."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return np.zeros((4, *SHAPE), "float32"), np.array([0, 1, 2, 0])


def test_one_dataset_without_validation_data(make_search, data):
    dataset, words = tf.data.Dataset.from_tensor_slices(data).batch(8), "of single batches.*another "
    search = make_search()
    for given, message in (
        (dataset, r"tf\.data.*batches\.skip\(n\), validation_data"),
        (Batches(), f"PyDataset {words}one as `validation_data="),
        (pairs_of(*data), f"generator {words}generator as `validation_data="),
        (data, "an array with its labels as `y`.*Received: 'a tuple of 2'"),
    ):
        with pytest.raises(ValueError, match=message):
            search.fit(given, steps_per_epoch=2, **QUICK)


def test_validation_steps_without_data_of_their_own(make_search, data):
    both = PairedBatches(ArrayBatches(*data, 8), ArrayBatches(*data, 8))
    with pytest.raises(ValueError, match="`validation_steps` requires `validation_data`"):
        make_search().fit(both, validation_steps=2, **QUICK)
    with pytest.raises(ValueError, match="a generator cannot"):
        make_search().fit(pairs_of(*data), validation_data=pairs_of(*data), validation_steps=2, **QUICK)


def test_datasets_are_no_data_of_children(data):
    with pytest.raises(ValueError, match="children are rewarded on arrays, not on datasets"):
        make_enas().fit(tf.data.Dataset.from_tensor_slices(data).batch(8), **QUICK)


def test_a_default_batch_fits_the_data(search, data):
    with pytest.raises(ValueError, match=r"`batch_size`.*number of samples, 16.*Received: 64"):
        search.fit(*data, batch_size=64, **QUICK)
    x, y = data
    sizes = [pair_halves(x, y, None, None, replicas=replicas).training.batch_size for replicas in (1, 3)]
    assert sizes == [16, 15]
    many = np.zeros((300, 2, 2, 1)), np.arange(300) % 2
    assert pair_halves(*many, None, None).training.batch_size == 64


def test_the_steps_of_an_epoch():
    dataset = tf.data.Dataset.range(6)
    assert [
        steps_of(one) for one in (dataset, dataset.repeat(), dataset.filter(lambda i: i > 2), Batches(), iter([]))
    ] == [6, None, None, 2, None]
    assert steps_of(dataset.repeat(), 9) == 9


# Metrics and the test set ---------------------------------------------------------------------------------
def test_another_compile_leaves_no_metric_behind(make_search, few):
    search = make_search()
    search.fit(*few, batch_size=8, **QUICK)
    search.compile(metrics=[keras.metrics.SparseTopKCategoricalAccuracy(2, name="top")], run_eagerly=True)
    names = set(search.fit(*few, batch_size=8, **QUICK).history)
    assert names == {"loss", "val_loss", "top", "val_top", "alpha_entropy"}
    own = [metric.name for metric in search.metrics]
    assert len(own) == len(set(own)) and "val_accuracy" not in own
