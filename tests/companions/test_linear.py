"""Linear models beside a network of texts: their fit, how much they count, and the one model of all."""

import itertools

import keras
import numpy as np
import pytest
from scipy.optimize import check_grad
from scipy.sparse import csr_matrix

from kerasnas.companions import base, joining, linear, mixing
from kerasnas.files.stages import Stages
from kerasnas.spaces import TextSpace
from kerasnas.tasks.known import CLASSIFICATION, MULTILABEL
from kerasnas.tasks.regression import Regression
from kerasnas.training.network_training import NetworkTraining
from kerasnas.training.recipe import TrainingRecipe
from tests.kit import assert_deployable

TASKS = [CLASSIFICATION, MULTILABEL, Regression()]
SPACE = TextSpace(vocabulary=30, dimensions=4, filters=4, num_nodes=1)
GENOTYPE = SPACE.genotype(dict.fromkeys(SPACE.choices, "skip_connect"))


def texts(number, seed=0):
    """Texts of 6 words of 30; words 2 to 4 say 1, words 5 to 7 say 0."""
    rng = np.random.default_rng(seed)
    ids, y = rng.integers(8, 30, (number, 6)), np.arange(number) % 2
    ids[:, 2] = np.where(y, rng.integers(2, 5, number), rng.integers(5, 8, number))
    ids[::5, 4:] = 0
    return ids.astype("int32"), y


def labels_of(task, y):
    labels = {"classification": y, "multilabel": np.stack([y, 1 - y, y], axis=1), "regression": 2.0 * y[:, None] - 1}
    return labels[task.name]


def joined(network, data, parts, task, kind):
    """The network and linear models as one, and the record."""
    beside = joining.Beside(kind, data, parts, task, network.output_shape[-1])
    record = beside.weigh(network, 100)
    return beside.joined(network, record["weights"]), record


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_gradient_of_the_loss(task):
    rng = np.random.default_rng(0)
    targets = task.targets(labels_of(task, np.arange(4) % 2), 2)
    shape = targets.shape
    error = check_grad(
        lambda values: task.linear_loss(values.reshape(shape), targets)[0],
        lambda values: task.linear_loss(values.reshape(shape), targets)[1].ravel(),
        rng.standard_normal(targets.size),
    )
    assert error < 1e-5


def test_both_models_are_logistic_regressions_on_tfidf():
    """The second one of runs times their ratios: Wang and Manning's NB-SVM."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    ids, y = texts(60)
    words = [" ".join(f"w{token}" for token in text if token) for text in ids]
    vectors = TfidfVectorizer(analyzer=lambda text: ["begin " + text.split()[0], *_runs(text.split())], norm=None)
    x = vectors.fit_transform(words).toarray()
    squares = vectors.idf_**2  # each run adds its square, also where a text has it twice
    x /= np.sqrt((x / vectors.idf_) @ squares)[:, None]
    counts = [(x[y == label] > 0).sum(axis=0) + linear._SMOOTHING for label in (0, 1)]
    ratios = np.log(counts[1] / counts[1].sum()) - np.log(counts[0] / counts[0].sum())
    models = linear.fit(ids, y, CLASSIFICATION, 2, longest=2)
    for model, scale, strength in zip(models, (1, ratios), (linear.PLAIN, linear._RATIOS), strict=True):
        own = LogisticRegression(C=2 * strength, tol=1e-8, max_iter=1000).fit(scale * x, y)  # shared by two outputs
        found = model.outputs(ids)
        np.testing.assert_allclose(found[:, 1] - found[:, 0], own.decision_function(scale * x), atol=0.15)


def _runs(words):
    return [*words, *map(" ".join, itertools.pairwise(words))]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_it_learns_every_task(task):
    (ids, y), (new, hidden) = texts(200), texts(100, seed=1)
    labels = labels_of(task, y)
    models = linear.fit(ids, labels, task, 2 if labels.ndim == 1 else labels.shape[1], longest=2)
    assert len(models) == (1 if task.name == "regression" else 2)
    for model in models:
        found = model.outputs(new)
        sure = found[:, 1] - found[:, 0] if task.name == "classification" else found[:, 0]
        assert ((sure > 0) == hidden).mean() > 0.9


def test_runs_that_no_text_had_do_not_count():
    for model in linear.fit(*texts(60), CLASSIFICATION, 2, longest=1):
        np.testing.assert_allclose(*(model.outputs(np.array([[2, other, other]])) for other in (0, 31)))


def test_the_mix():
    y = np.arange(400) % 2
    right, wrong = 2 * np.eye(2)[y], 2 * np.eye(2)[1 - y]
    assert mixing.mix(CLASSIFICATION, [wrong, wrong, right], y)[:2].max() == 0
    assert mixing.mix(CLASSIFICATION, [right, right, wrong], y)[2] == 0
    few = mixing.mix(CLASSIFICATION, [right[:2], right[:2], wrong[:2]], y[:2])
    np.testing.assert_allclose(few, [0.35, 0.35, 0.3], atol=0.2)
    assert mixing.mix(Regression(), [y[:, None] - 0.5, wrong[:, :1]], y - 0.5).shape == (2,)


@pytest.mark.parametrize("y", [np.arange(1000) % 3, np.arange(40) % 2, np.arange(9)])
def test_what_is_held_out(y):
    first, second = base.held_out(CLASSIFICATION, y, seed=0)
    assert sorted([*first, *second]) == list(range(len(y)))
    assert len(second) == {1000: 250, 40: 10, 9: 2}[len(y)]


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    "task", [TASKS[0], *(pytest.param(task, marks=pytest.mark.slow) for task in TASKS[1:])], ids=lambda task: task.name
)
def test_a_training_ends_with_one_model_of_both(task, tmp_path):
    (ids, y), (new, hidden) = texts(240), texts(60, seed=1)
    labels, kept, lines = labels_of(task, y), [], []
    recipe = TrainingRecipe(1, 60, 0.01, task=task, algorithm="adam", ngrams=2)
    outputs = 2 if labels.ndim == 1 else labels.shape[1]
    record = NetworkTraining(SPACE, (6,), outputs, recipe).run(
        Stages(tmp_path),
        "one",
        GENOTYPE,
        (ids, labels),
        (new, labels_of(task, hidden)),
        keep_model=kept.append,
        log=lines.append,
    )
    found, losses = record["linear"], record["linear"]["losses"]
    assert found["samples"] == 60 and found["longest"] == 2 and "held-out loss (60 texts)" in lines[-1]
    assert losses["both"] <= min(losses["linear"], losses["network"]) + 0.02
    assert losses["linear"] < losses["network"]  # which has hardly learned
    (model,) = kept
    assert all(type(operation).__module__.startswith("keras.") for operation in model.operations)
    names = [operation.name for operation in model.operations]  # a model of models refuses the same ones
    assert len(set(names)) == len(names)
    assert record["test_loss"] == pytest.approx(
        model.evaluate(new, labels_of(task, hidden), verbose=0, return_dict=True)["loss"], rel=1e-4
    )
    assert_deployable(model, new, tmp_path / "model.keras")


@pytest.mark.parametrize("helps", [True, False])
def test_both_models_add_up_unless_the_network_adds_nothing(helps):
    (ids, y), recipe = texts(240), TrainingRecipe()
    table = np.random.default_rng(1).normal(size=(30, 2))
    if helps:  # it knows the words that say something
        table = (
            9.0
            * np.eye(2)[np.isin(np.arange(30), (2, 3, 4)).astype(int)]
            * np.isin(np.arange(30), range(2, 8))[:, None]
        )
    embedding, inputs = keras.layers.Embedding(30, 2), keras.Input((6,), dtype="int32")
    network = keras.Model(inputs, keras.ops.sum(embedding(inputs), axis=1))
    embedding.set_weights([table])
    parts = base.held_out(CLASSIFICATION, y, seed=0)
    model, record = joined(network, (ids, y), parts, CLASSIFICATION, linear.NGramCompanion(2))
    shares, decided = record["weights"], record["network"]
    assert decided["used"] == helps == (shares[2] > 0) == (decided["with"] < decided["without"])
    assert (embedding in model.layers) == helps
    expected = shares[2] * np.asarray(network(ids, training=False))
    models = linear.fit(ids, y, CLASSIFICATION, 2, 2)
    expected += sum(share * one.outputs(ids) for share, one in zip(shares, models, strict=False))
    np.testing.assert_allclose(model(ids, training=False), expected, rtol=1e-3, atol=1e-4)
    assert recipe.ngrams == 0 == recipe.settings()["ngrams"]
    assert TrainingRecipe(ngrams=2).settings()["ngrams"] == 2


@pytest.mark.parametrize(("second", "used"), [(1.0, True), (-0.8, False)])
def test_a_fuller_model_has_to_be_better_by_a_standard_error(second, used):
    """A bit surer of every sample; or of every other one, and less sure of the rest: better on average, by chance."""
    y = np.arange(60) % 2
    simpler = 0.5 * np.eye(2)[y]
    fuller = simpler * np.where(np.arange(60) // 2 % 2, 1 + 0.2, 1 + 0.2 * second)[:, None]
    found = mixing.comparison(CLASSIFICATION, fuller, simpler, y, sure=1.0)
    assert found["used"] == used and found["with"] < found["without"]
    assert mixing.comparison(CLASSIFICATION, fuller, simpler, y)["used"]  # where the mean is enough


def test_a_network_that_helps_by_less_than_a_standard_error_is_left_out():
    rng, y = np.random.default_rng(17), np.arange(60) % 2
    plain, ratios, network = (share * np.eye(2)[y] + rng.normal(size=(60, 2)) for share in (2, 2, 0.3))
    shares, found = mixing.shares_of(CLASSIFICATION, [plain, ratios, network], y, linear.NGramCompanion(1), None)
    assert found["network"]["with"] < found["network"]["without"] and not found["network"]["used"] and shares[-1] == 0


def test_a_fuller_model_that_is_less_often_right_is_left_out():
    y = np.zeros(60, int)
    simpler = np.tile([0.1, 0.0], (60, 1))
    fuller = np.where(np.arange(60)[:, None] < 5, [[0.0, 0.1]], [[3.0, 0.0]])
    found = mixing.comparison(CLASSIFICATION, fuller, simpler, y)
    assert found["with"] < found["without"] and not found["used"]


def test_weights_are_repetitions():
    ids, y = texts(60)
    weights = np.random.default_rng(0).integers(1, 4, 60)
    again = np.repeat(np.arange(60), weights)
    held = np.random.default_rng(1).normal(size=(3, 60, 2))
    found = mixing.mix(CLASSIFICATION, list(held), y, weights=weights)
    np.testing.assert_allclose(found, mixing.mix(CLASSIFICATION, list(held[:, again]), y[again]), atol=1e-4)
    x, targets, scale = np.eye(30)[ids].sum(axis=1), CLASSIFICATION.targets(y, 2), np.ones((30, 2))
    one = linear.regression(csr_matrix(x), targets, CLASSIFICATION, scale, 1.0, weights)
    other = linear.regression(csr_matrix(x[again]), targets[again], CLASSIFICATION, scale, 1.0)
    for part, expected in zip(one, other, strict=True):
        np.testing.assert_allclose(part, expected, atol=1e-3)


def test_in_the_mix_with_a_network_weights_count():
    ids, y = texts(400)
    wrong = np.arange(400) // 2 % 3 > 0
    labels, weights = np.where(wrong, 1 - y, y), np.where(wrong, 0.0, 3.0)
    parts = np.arange(300), np.arange(300, 400)
    network = keras.Sequential(
        [keras.Input((6,)), keras.layers.Embedding(30, 2), keras.layers.GlobalAveragePooling1D()]
    )
    model, record = joined(network, (ids, labels, weights), parts, CLASSIFICATION, linear.NGramCompanion(1))
    assert (model.predict(ids, verbose=0).argmax(axis=1) == y).mean() > 0.9 and record["losses"]["linear"] < 0.3


def test_ratios_of_runs_count_by_weights():
    """Of texts that have both labels, one of them without a weight."""
    ids, y = texts(100)
    twice, labels, weights = np.concatenate([ids, ids]), np.append(y, 1 - y), np.repeat([2.0, 0.0], 100)
    _, ratios = linear.fit(twice, labels, CLASSIFICATION, 2, 1, weights)
    assert (ratios.outputs(ids).argmax(axis=1) == y).mean() > 0.9
    _, ratios = linear.fit(twice, labels, CLASSIFICATION, 2, 1)
    assert np.ptp(ratios.outputs(ids), axis=0).max() < 0.01
