"""From weights and a metric in the settings, or an estimator's arguments, to the race that has them."""

import dataclasses
import json

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_sample_weight

from kerasnas import ImageClassifier
from kerasnas.datasets import Dataset, load
from kerasnas.methods import RaceConfig, TrainingConfig
from kerasnas.methods.final_training import load_data
from kerasnas.methods.race.method import RaceMethod
from tests.methods.race.test_making import made

Y = np.repeat([0, 1, 2], [60, 30, 10])
X = np.random.default_rng(0).random((100, 8, 8, 1)).astype("float32")


def dataset(**more):
    return Dataset("made", X, Y, X[::9], Y[::9], ("a", "b=c", "d"), **more)


def test_weights_of_classes_are_those_of_scikit_learn_times_those_of_samples():
    balanced = compute_sample_weight("balanced", Y)
    np.testing.assert_allclose(dataset().counted("auto", ("balanced",)).weights, balanced, rtol=1e-6)
    own = np.random.default_rng(1).random(100)
    np.testing.assert_allclose(dataset(weights=own).weights, own / own.mean(), rtol=1e-5)
    both = dataset(weights=own).counted("f1", ("b=c=3", "d=0")).weights
    expected = own * np.array([1.0, 3.0, 0.0])[Y]
    np.testing.assert_allclose(both, expected / expected.mean(), rtol=1e-5)
    assert dataset().counted("f1", ()).weights is None and dataset().counted("f1", ()).task.metric == "f1"
    with pytest.raises(
        ValueError, match=r"`class_weight`. Expected names of classes.* Received: 'b' Did you mean 'b=c'"
    ):
        dataset().counted("auto", ("b=2",))
    with pytest.raises(ValueError, match=r"`class_weight`. Expected a weight above 0"):
        dataset().counted("auto", ("a=0", "b=c=0", "d=0"))


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (np.ones(99), "one weight for each of the 100 samples. Received: 'shape"),
        (np.ones((100, 1)), "one weight for each"),
        (np.full(100, -1.0), "finite weights of at least 0"),
        (np.full(100, np.nan), "finite weights of at least 0"),
        (np.full(100, 1e300), "finite weights of at least 0"),
        (np.full(100, 1j), "Expected an array of"),
        (np.zeros(100), "a weight above 0. Received: zeros alone"),
    ],
)
def test_wrong_weights_of_samples(weights, words):
    with pytest.raises(ValueError, match=f"`weights`.*{words}"):
        dataset(weights=weights)


def test_weights_of_classes_are_a_setting():
    for given, texts in (
        ("balanced", ("balanced",)),
        (None, ()),
        ({"a": 2, "b=c": np.float32(0.5)}, ("a=2.0", "b=c=0.5")),
        ({0: 1, True: 3}, ("0=1.0", "True=3.0")),
        (["a=1e3"], ("a=1e3",)),
    ):
        config = RaceConfig(class_weight=given, metric="f1")
        assert config.class_weight == texts
        assert RaceConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert RaceConfig(class_weight={"a": 2, "d": 1}).flags() == ["--class_weight=a=2.0,d=1.0"]
    for wrong in ("equal", ["a"], ["a=-1"], ["a=nan"], ["a=inf"], ["=1"], ["balanced", "a=1"], {"a": -1}, {"a": 1j}, 3):
        with pytest.raises((TypeError, ValueError), match="`class_weight`"):
            RaceConfig(class_weight=wrong)


def test_a_race_has_the_weights_and_the_metric(tmp_path):
    np.savez(tmp_path / "x.npz", x_train=X, y_train=Y, x_test=X[::9], y_test=Y[::9], weights=np.arange(100))
    config = RaceConfig(dataset=str(tmp_path / "x.npz"), metric="log_loss", class_weight=("2=3",), starts="none")
    data = RaceMethod().load(config)
    race = made(data, tmp_path / "run")
    together = np.concatenate([race.data[2], race.held_out[2]])
    expected = np.arange(100) * np.where(Y == 2, 3, 1)
    np.testing.assert_allclose(np.sort(together), np.sort(expected / expected.mean()), rtol=1e-5)
    assert race.task.metric == race.contestants.progress["task"]["metric"] == "log_loss"
    assert race.samples == "images by weight" and made(dataset(), tmp_path / "plain").samples == "images"
    nothing = dataclasses.replace(data, weights=np.where(np.arange(100) == race.data[1].argmax(), 1.0, 0.0))
    with pytest.raises(ValueError, match="weigh nothing"):
        made(nothing, tmp_path / "nothing")
    trained = load_data(TrainingConfig(dataset=str(tmp_path / "x.npz")))
    assert trained.weights is None and "weights of the samples do not count" in trained.notes[-1]
    assert load(tmp_path / "x.npz").weights is not None


def test_a_class_that_is_not_held_out_is_said(tmp_path):
    lines, y = [], Y.copy()
    y[-9:] = 1
    data = Dataset("made", X, y, X[::9], y[::9], ("a", "b", "d")).counted("roc_auc", ())
    made(data, tmp_path / "run", log=lines.append)
    (line,) = [line for line in lines if "ROC AUC" in line]
    assert line.startswith("The ROC AUC of the held-out images is the mean over the other classes") and "'d'" in line


def test_an_estimator_passes_weights_with_its_samples(monkeypatch, tmp_path):
    made, given = ImageClassifier(class_weight={"b": 2.0}), np.arange(1.0, 101.0)
    names = np.array(list("abd"))[Y]
    arrays = made._arrays(X, names, (X[:9], names[:9]), given)
    np.testing.assert_array_equal(arrays["weights"], given)
    arrays = made._arrays(np.arange(100)[:, None, None, None] + 0 * X, names, None, given)
    np.testing.assert_array_equal(arrays["x_train"][:, 0, 0, 0] + 1, arrays["weights"])
    assert "weights" not in made._arrays(X, names, None, None)
