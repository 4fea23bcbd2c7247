"""The linear model of random kernels beside a network of signals: its fit, the one model of both, its settings."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from kerasnas.companions import base
from kerasnas.companions.kernels import KernelCompanion, ridge
from kerasnas.datasets import load
from kerasnas.files.stages import Stages
from kerasnas.methods import SearchConfig, TrainingConfig
from kerasnas.methods.final_training import companion_sizes
from kerasnas.modalities.lookup import modality
from kerasnas.spaces import SignalSpace
from kerasnas.spaces.signals import PaddedSignalSpace
from kerasnas.tasks.known import CLASSIFICATION
from kerasnas.training import network_training
from kerasnas.training.network_training import NetworkTraining
from kerasnas.training.recipe import TrainingRecipe
from tests.companions.test_linear import TASKS, joined, labels_of
from tests.kit import assert_deployable

SPACE = SignalSpace(filters=2, num_cells=1, num_nodes=1)
GENOTYPE = SPACE.genotype(dict.fromkeys(SPACE.choices, "skip_connect"))


def waves(number, seed=0):
    """Noisy waves of 24 steps, slow ones or quick ones."""
    rng = np.random.default_rng(seed)
    y = np.arange(number) % 2
    phase = rng.uniform(0, 6, (number, 1)) + np.arange(24) * np.where(y, 0.4, 1.2)[:, None]
    return (np.sin(phase) + 0.3 * rng.standard_normal(phase.shape))[..., None].astype("float32"), y


@pytest.mark.parametrize("shape", [(16, 8), (12, 40)], ids=["tall", "wide"])
def test_the_closed_form_is_that_of_regressions_with_a_sample_left_out(shape):
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(shape), rng.standard_normal((shape[0], 2))
    y += x[:, :2]
    z = (x - x.mean(axis=0)) / (x.std(axis=0) + 0.01)
    best = None
    for strength in np.logspace(-4, 2, 13) * shape[1]:
        left_out = [
            Ridge(strength).fit(np.delete(z, row, 0), np.delete(y, row, 0)).predict(z[[row]])[0]
            for row in range(len(z))
        ]
        error = np.square(y - left_out).sum()
        if best is None or error < best[0]:
            best = error, strength, left_out
    _, strength, expected = best
    weights, bias, left_out = ridge(x, y)
    np.testing.assert_allclose(left_out, expected, atol=1e-6)
    np.testing.assert_allclose(x @ weights + bias, Ridge(strength).fit(z, y).predict(z), atol=1e-6)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_it_learns_every_task(task):
    (x, y), (new, hidden) = waves(40), waves(40, seed=1)
    labels = labels_of(task, y)
    outputs = 2 if labels.ndim == 1 else labels.shape[1]
    parts = base.held_out(task, labels, seed=0)
    (held,), whole = KernelCompanion(168).learn(x, labels, parts, task, outputs)
    model = whole(np.ones(1))
    found = task.answers(model.reading.features(new) @ model.weights + model.bias)
    assert task.evaluation(found, labels_of(task, hidden))[task.metric] > 0.85
    assert task.evaluation(task.answers(held), labels[parts[1]])[task.metric] > 0.85
    if task.name != "regression":
        assert np.abs(held).mean() > 1.5  # as logits: 40 clear signals leave little doubt


@pytest.mark.slow
def test_a_training_ends_with_one_model_of_both(tmp_path):
    (x, y), new, kept, lines = waves(40), waves(40, seed=1), [], []
    recipe = TrainingRecipe(1, 16, 0.01, kernels=100)
    record = NetworkTraining(SPACE, (24, 1), 2, recipe).run(
        Stages(tmp_path), "one", GENOTYPE, (x, y), new, keep_model=kept.append, log=lines.append
    )
    found, losses = record["linear"], record["linear"]["losses"]
    assert found["samples"] == 10 and found["kernels"] == 84
    assert "(10 signals)" in lines[-1] and "linear model on 84 random kernels" in lines[-1]
    assert losses["linear"] < losses["network"]  # which has hardly learned
    assert record["test_accuracy"] > 0.8
    (model,) = kept
    assert_deployable(model, new[0], tmp_path / "model.keras")


def test_the_network_does_not_learn_from_what_weighs_it(tmp_path, monkeypatch):
    def stop(x, y, *size, **options):
        raise StopIteration(x, y)

    (x, y), recipe = waves(40), TrainingRecipe(kernels=84)
    monkeypatch.setattr(network_training, "ArrayBatches", stop)
    with pytest.raises(StopIteration) as found:
        NetworkTraining(SPACE, (24, 1), 2, recipe).run(Stages(tmp_path), "one", GENOTYPE, (x, y), waves(4))
    first, _ = base.held_out(CLASSIFICATION, y, seed=0)
    for part, whole in zip(found.value.args, (x, y), strict=True):
        np.testing.assert_array_equal(part, whole[first])


@pytest.mark.usefixtures("eagerly")
def test_both_models_add_up():
    x, y = waves(40)
    network, kind = SPACE.build_network(GENOTYPE, (24, 1), 2), KernelCompanion(420, seed=3)
    parts = base.held_out(CLASSIFICATION, y, seed=0)
    model, record = joined(network, (x, y), parts, CLASSIFICATION, kind)
    held, whole = kind.learn(x, y, parts, CLASSIFICATION, 2)
    assert ((held[0].argmax(axis=1) == y[parts[1]]).mean()) == 1 and len(held) == 1
    shares = np.array(record["weights"])
    alone = whole(np.ones(1))
    expected = shares[1] * np.asarray(network(x, training=False))
    expected += shares[0] * (alone.reading.features(x) @ alone.weights + alone.bias)
    np.testing.assert_allclose(model(x, training=False), expected, atol=1e-4)
    model.compile(keras.optimizers.SGD(0.1), CLASSIFICATION.loss(), jit_compile=False)  # as an adaptation to drift does
    found, noisy = [], np.arange(40) % 3 % 2
    for _ in range(6):
        model.reset_metrics()
        found.append(float(model.train_on_batch(x, noisy)))
    assert found == sorted(found, reverse=True), found


def test_padding_is_left_out_where_the_space_says_so():
    spaces = (SPACE, PaddedSignalSpace(filters=2, num_cells=1, num_nodes=1))
    trainings = [NetworkTraining(space, (24, 1), 2, TrainingRecipe(kernels=84)) for space in spaces]
    assert [training._beside(5) for training in trainings] == [
        KernelCompanion(84, 5),
        KernelCompanion(84, 5, padded=True),
    ]


def test_settings():
    images, series = (
        load("fashion_mnist_mini"),
        SimpleNamespace(modality=modality("signals"), x_train=range(200), front=None, name="some"),
    )
    assert companion_sizes(TrainingConfig(), images)["kernels"] == 0
    with pytest.raises(ValueError, match=r"0, or nothing, for the images of fashion_mnist_mini\. Received: 840"):
        companion_sizes(TrainingConfig(kernels=840), images)
    assert companion_sizes(TrainingConfig(), series)["kernels"] == 9996
    assert companion_sizes(TrainingConfig(kernels=0), series)["kernels"] == 0
    assert companion_sizes(SearchConfig(cost="macs", cost_target=1e6), series)["kernels"] == 0
    assert companion_sizes(SearchConfig(cost="macs", cost_target=1e6, kernels=840), series)["kernels"] == 840
    for kind, wrong, words in (
        (TrainingConfig, {"kernels": 83}, r"-1, 0, or at least 84\. Received: 83"),
        (TrainingRecipe, {"kernels": 1}, "0, or at least 84"),
        (TrainingRecipe, {"ngrams": 2, "kernels": 84}, "0 beside `ngrams`"),
    ):
        with pytest.raises(ValueError, match=words):
            kind(**wrong)
    assert TrainingRecipe(kernels=84).settings()["kernels"] == 84 and TrainingRecipe().settings()["kernels"] == 0


def test_a_ridge_of_weights_is_that_of_the_samples_that_have_them():
    rng = np.random.default_rng(0)
    x, weights = rng.standard_normal((80, 3)), np.where(np.arange(80) < 50, 2.0, 0.0)
    y = x @ [[1.0], [2.0], [0.0]] + 3
    y[50:] = rng.normal(0, 20, (30, 1))
    kernel, bias, left_out = ridge(x, y, weights)
    np.testing.assert_allclose([*kernel.ravel(), *bias], [1, 2, 0, 3], atol=0.01)
    np.testing.assert_allclose(left_out, x @ kernel + bias, atol=0.01)
