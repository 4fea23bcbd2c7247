"""The head that compares: what it learns, what it gives a network, when a race tries it."""

import keras
import numpy as np
import pytest

from kerasnas import datasets
from kerasnas.methods.race.settings import RaceConfig
from kerasnas.methods.race.starts import find_adaptations
from kerasnas.modalities.lazy_images import predicted
from kerasnas.starts import AdaptationSpace, begin, heads
from kerasnas.starts.adapted import FROZEN, TUNED, Adaptation
from kerasnas.starts.heads import COMPARED, FEATURES, HEADS, Comparison
from kerasnas.starts.probes import Prober, features_of
from kerasnas.tasks.known import CLASSIFICATION
from tests.starts.kit import TinyStart


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(heads, "_EPOCHS", 3)


def pairs(number, seed=0):
    """Images of four quarters of one tone each: of class 1, two of one tone are among them."""
    rng = np.random.default_rng(seed)
    y = np.arange(number) % 2
    tones = np.stack([rng.permutation(4) for _ in range(number)])
    tones[y == 1, 3] = tones[y == 1, 0]
    tones = np.take_along_axis(tones, rng.random((number, 4)).argsort(axis=1), axis=1)
    x = np.repeat(np.repeat(tones.reshape(number, 2, 2, 1), 16, axis=1), 16, axis=2) / 3
    return (0.9 * x + 0.1 * rng.random(x.shape)).astype("float32"), y


def network(stages=(FROZEN,) * 5, size=64):
    return Adaptation(TinyStart(), size, stages, COMPARED).build((32, 32, 1), 2)


def test_what_quarters_have_in_common_is_learned_where_a_linear_head_finds_nothing(monkeypatch):
    monkeypatch.setattr(heads, "_DROPOUT", 0.2)  # of eight features
    (x, y), (x_test, y_test) = pairs(200), pairs(100, seed=1)
    fit, read = Comparison.fitted, []
    monkeypatch.setattr(Comparison, "fitted", lambda x, *given: [read.append(len(x)), fit(x, *given)][1])
    data = (AdaptationSpace(["tiny"], [64], heads=(*HEADS, COMPARED)), (32, 32, 1), 2, CLASSIFICATION)
    found = Prober(*data).probe("tiny", 64, (x, y), (x_test, y_test), lambda: 0.0)
    assert found["head"] == COMPARED and found["score"] > 0.75 and read == [200]  # and none of those held out
    scores = found["scores"]
    assert found["merit"] == pytest.approx(scores.mean() - scores.std(ddof=1) / 10)
    assert Prober(*data).probe("tiny", 64, (x, y), (x_test, y_test), lambda: 0.0, 0.0)["head"] != COMPARED


@pytest.mark.slow
@pytest.mark.usefixtures("eagerly")
def test_a_network_is_given_the_head_and_does_not_mind_the_order_of_quarters(short, tmp_path):
    x, y = pairs(60)
    model, again = network(), network((FROZEN,) * 4 + (TUNED,))
    assert not model.trainable_variables
    head = begin(model, x, y, CLASSIFICATION, np.linspace(0, 2, 60))
    assert isinstance(head, Comparison)
    outputs = model.predict(x, verbose=0)
    np.testing.assert_allclose(predicted(model, x, 60), head.outputs(features_of(model, x)), atol=1e-5)
    turned = model.predict(np.concatenate([x[:, 16:], x[:, :16]], axis=1), verbose=0)
    np.testing.assert_allclose(turned, outputs, atol=1e-3)
    assert np.ptp(outputs, axis=0).min() > 0.1
    begin(again, x, y, CLASSIFICATION, np.linspace(0, 2, 60))  # it begins as good as the frozen one, to the bit
    assert np.array_equal(again.predict(x, verbose=0), outputs)
    assert {"conv4", "projection"} <= {v.path.split("/")[-2] for v in again.trainable_variables}
    model.save(tmp_path / "model.keras")
    np.testing.assert_allclose(keras.models.load_model(tmp_path / "model.keras")(x), outputs, atol=1e-5)


@pytest.mark.usefixtures("eagerly")
def test_what_a_linear_head_reads_has_one_scale():
    """Each feature counts alike, and all together have a squared length of 100, at which a tuned network learns."""
    (x, y), model = pairs(60), Adaptation(TinyStart(), 64, (FROZEN,) * 5, "last").build((32, 32, 1), 2)
    begin(model, x, y, CLASSIFICATION)
    layer, features = model.get_layer(FEATURES), features_of(model, x)
    expected = (features - features.mean(axis=0)) / (features.std(axis=0) + 0.01) * 10 / np.sqrt(features.shape[1])
    np.testing.assert_allclose(layer(features), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.usefixtures("eagerly")
def test_samples_count_by_their_weights(monkeypatch):
    monkeypatch.setattr(heads, "_EPOCHS", 1)
    x, y = pairs(40)
    fitted = [begin(network(), x, y, CLASSIFICATION, weights) for weights in (None, np.arange(40.0))]
    alike, weighted = (head.outputs(np.ones((1, 32))) for head in fitted)
    assert not np.allclose(alike, weighted)


def test_a_race_compares_quarters_where_they_are_images_of_their_own(tmp_path):
    config = RaceConfig(dataset="of this test", starts="tiny")
    x, y = pairs(30)
    for images, expected in ((x, (*HEADS, COMPARED)), (x[:, :16, :16], HEADS)):
        np.savez(tmp_path / "some.npz", x_train=images, y_train=y, x_test=images, y_test=y)
        assert find_adaptations(config, datasets.load(tmp_path / "some.npz"), print).heads == expected
