"""BilevelTrainer as a Keras model: data of every kind, callbacks, metrics, weights, phases."""

import contextlib
import io

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnas import BilevelTrainer, MixedOp
from kerasnas.datasets.batches import ArrayBatches, PairedBatches
from kerasnas.relaxations import RELAXATIONS
from kerasnas.spaces import NASBench201Space
from kerasnas.trainers import gradients
from kerasnas.trainers.bilevel_optimizer import BilevelOptimizer
from kerasnas.trainers.data_split import pair_halves
from tests.trainers.conftest import CLASSES, SHAPE, SPACE
from tests.trainers.kit import arrays, noting, same, same_state, still

KEYS = {"loss", "accuracy", "val_loss", "val_accuracy", "alpha_entropy", "skips"}


@pytest.fixture(scope="module")
def fitted(make_search, data):
    """A search fit for two epochs as a user would: NumPy arrays, all defaults, a compiled graph."""
    search = make_search(supernet=SPACE.build_supernet(SHAPE, CLASSES), compile={"run_eagerly": False})
    before = arrays(search.network_weights), arrays(search.architecture_parameters)
    screen, steps, losses, step, loss = io.StringIO(), [], [], search.train_step, search.compute_loss

    def train_step(batch):
        steps.append(1)
        return step(batch)

    def compute_loss(**options):
        losses.append(1)
        return loss(**options)

    search.train_step, search.compute_loss = train_step, compute_loss
    with contextlib.redirect_stdout(screen):
        history = search.fit(*data, batch_size=8, epochs=2, verbose=2)
    search.train_step, search.compute_loss = step, loss
    return search, history, before, screen.getvalue(), len(steps), len(losses)


# A first search ------------------------------------------------------------------------------------
def test_history_has_both_halves_and_the_architecture(fitted):
    search, history = fitted[:2]
    assert set(history.history) == KEYS
    assert all(len(series) == 2 and np.isfinite(series).all() for series in history.history.values())
    tables = np.concatenate(list(search.mixing_weights().values()))
    entropy = np.mean(-np.sum(tables * np.log(tables), axis=-1))
    assert history.history["alpha_entropy"][-1] == pytest.approx(entropy, rel=1e-6)
    assert history.history["skips"][-1] == search.derive().count("skip_connect")


def test_progress_bar_shows_them(fitted):
    last = fitted[3].strip().splitlines()[-1]
    assert all(f"{name}: " in last for name in KEYS)


def test_both_levels_move(fitted):
    search, _, (weights, alphas) = fitted[:3]
    assert all(not np.array_equal(a, b) for a, b in zip(alphas, arrays(search.architecture_parameters), strict=True))
    moved = [not np.array_equal(a, b) for a, b in zip(weights, arrays(search.network_weights), strict=True)]
    assert all(moved)


def test_derived_genotype_is_of_the_space(fitted, space):
    space.validate(fitted[0].derive())


def test_the_step_is_traced_once_and_its_levels_share_the_trace(fitted):
    """Metrics made in the first step would have it traced twice."""
    assert fitted[4:] == (1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("warmup", [1, 0])
def test_both_levels_share_one_trace_which_changes_nothing(make_search, data, monkeypatch, warmup):
    """Beside the graph's size: so that the test would see it if nothing were shared."""

    def searched():
        search, traces = make_search(architecture_warmup_epochs=warmup, compile={"run_eagerly": False}), []
        loss = search.compute_loss
        search.compute_loss = lambda **options: (traces.append(1), loss(**options))[1]
        search.fit(*data, batch_size=8, epochs=2, verbose=0)
        return search, len(traces)

    shared, traces = searched()
    monkeypatch.setattr(gradients, "shared_trace", lambda function: None)
    apart, more = searched()
    assert traces < more
    for one, other in zip(arrays(shared.variables), arrays(apart.variables), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


@pytest.mark.slow
def test_steps_per_execution_changes_nothing(fitted, make_search, data):
    search = make_search(
        supernet=SPACE.build_supernet(SHAPE, CLASSES), compile={"run_eagerly": False, "steps_per_execution": 2}
    )
    history = search.fit(*data, batch_size=8, epochs=2, verbose=0)
    assert same_state(fitted[0], search)
    assert history.history == fitted[1].history


@pytest.mark.usefixtures("eagerly")
def test_evaluate_and_predict_are_those_of_the_supernet(fitted, validation):
    search = fitted[0]
    logits = keras.ops.convert_to_numpy(search.supernet(validation[0], training=False))
    np.testing.assert_allclose(search.predict(validation[0], verbose=0), logits, rtol=1e-5, atol=1e-6)
    result = search.evaluate(*validation, verbose=0, return_dict=True)
    losses = keras.losses.sparse_categorical_crossentropy(validation[1], logits, from_logits=True)
    assert result["loss"] == pytest.approx(float(np.mean(losses)), rel=1e-5)
    assert result["accuracy"] == pytest.approx(np.mean(logits.argmax(-1) == validation[1]))


@pytest.mark.slow
def test_another_seed_is_another_search(make_search, few):
    runs = []
    for seed in (0, 1):
        search = make_search()
        search.fit(*few, batch_size=4, epochs=1, steps_per_epoch=1, verbose=0, seed=seed)
        runs.append(arrays(search.architecture_parameters))
    assert not same(*runs)
    other = make_search(seed=1)
    assert not same(arrays(other.network_weights), arrays(make_search(seed=0).network_weights))


# Data of every kind ----------------------------------------------------------------------------------
def batches_of(data, validation):
    return ArrayBatches(*data, batch_size=8, seed=5), ArrayBatches(*validation, batch_size=8, seed=6)


def stacked(batches):
    x, y = zip(*(batches[index] for index in range(len(batches))), strict=True)
    return tf.data.Dataset.from_tensor_slices((np.stack(x), np.stack(y)))


@pytest.mark.slow
def test_all_kinds_of_data_give_one_result(make_search, data, validation):
    training, held_out = batches_of(data, validation)
    assert len(held_out) < len(training)  # the validation half is gone through again
    tensors, tensors_held_out = stacked(training), stacked(held_out)
    received = {
        "arrays": ((*data,), {"validation_data": validation, "batch_size": 8, "seed": 5}),
        "tf.data": ((tensors,), {"validation_data": tensors_held_out}),
        "tf.data pairs": ((tf.data.Dataset.zip((tensors, tensors_held_out.repeat())),), {}),
        "PyDataset": ((training,), {"validation_data": held_out}),
        "PyDataset pairs": ((PairedBatches(*batches_of(data, validation)),), {}),
    }
    results = {}
    for kind, (arguments, options) in received.items():
        search = make_search()
        history = search.fit(*arguments, **options, epochs=1, verbose=0)
        assert set(history.history) == KEYS - {"skips"}, kind
        results[kind] = arrays(search.variables)
    assert all(same(results["arrays"], result) for result in results.values())


def test_split_is_stratified_and_disjoint(data):
    seen = []
    paired = pair_halves(*data, None, 0.25, batch_size=8, seed=3)
    for half in (paired.training, paired.validation):
        seen.append({image.tobytes() for image in half.x})
        assert set(half.y.tolist()) == {0, 1, 2}
    assert not seen[0] & seen[1]
    assert len(seen[0]) + len(seen[1]) == len(data[0])
    assert len(seen[1]) == len(data[0]) / 4


def test_augment_changes_training_images_only(make_search, few, few_held_out):
    arguments = {"validation_data": few_held_out, "batch_size": 8, "epochs": 1, "verbose": 0}
    shapes, results = [], []

    def darken(batch, rng):
        shapes.append(batch.shape)
        return batch * 0.5

    for augment in (darken, None):
        search = make_search()
        x = few[0] if augment else few[0] * 0.5
        search.fit(x, few[1], augment=augment, **arguments)
        results.append(arrays(search.variables))
    assert set(shapes) == {(8, 8, 8, 1)}
    assert same(*results)


# Weights of classes and samples --------------------------------------------------------------------------
def test_class_weight_is_the_equivalent_sample_weight(make_search, data, validation):
    table = {0: 3.0, 2: 0.25}  # a class left out weighs 1
    data, validation = (tuple(part[:8] for part in one) for one in (data, validation))
    arguments = {"validation_data": validation, "batch_size": 8, "epochs": 1, "verbose": 0}
    weight = np.array([table.get(label, 1.0) for label in data[1]])
    results, losses = [], []
    for options in ({"class_weight": table}, {"sample_weight": weight}, {"class_weight": {0: 3.0}}):
        search = make_search()
        losses.append(search.fit(*data, **arguments, **options).history["loss"])
        results.append(arrays(search.network_weights))
    for first, second in zip(results[0], results[1], strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-7)
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert not same(results[0], results[2])


@pytest.mark.slow
def test_class_weight_of_a_later_fit_takes_effect(make_search, data, validation):
    """A compiled graph holds the weights as constants, and must be traced again."""
    arguments = {"validation_data": validation, "batch_size": 8, "verbose": 0, "epochs": 1}
    searches = [make_search(compile={"run_eagerly": False}) for _ in range(2)]
    searches[0].fit(*data, **arguments)
    searches[1].fit(*data, **arguments)
    searches[0].fit(*data, **arguments)
    searches[1].fit(*data, **arguments, class_weight={0: 9.0})
    assert not same(arrays(searches[0].network_weights), arrays(searches[1].network_weights))


# Keras' callbacks -----------------------------------------------------------------------------------
@pytest.mark.slow
def test_early_stopping_on_validation_accuracy(make_search, few):
    stop = keras.callbacks.EarlyStopping("val_accuracy", baseline=1.1, patience=0, min_delta=1.0)
    history = make_search().fit(*few, batch_size=8, epochs=4, verbose=0, callbacks=[stop])
    assert len(history.history["val_accuracy"]) == 2  # Keras does not stop after the very first
    assert stop.monitor_op(2, 1)  # more is better


def test_learning_rate_scheduler_acts_on_the_network_weights(make_search, plain_rates, few):
    search = make_search(compile=plain_rates(0.1, 0.1))
    weights, alphas = arrays(search.network_weights), arrays(search.architecture_parameters)
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.0)
    history = search.fit(*few, batch_size=8, epochs=1, verbose=0, callbacks=[schedule])
    assert history.history["learning_rate"] == [0.0]
    assert same(weights, arrays(search.network_weights))
    assert not same(alphas, arrays(search.architecture_parameters))
    assert float(search.optimizer.inner[1].learning_rate) == pytest.approx(0.1)


@pytest.mark.slow
def test_backup_and_restore_resumes_bit_identically(make_search, few, tmp_path):
    """As `SearchCheckpoint` does in tests/callbacks."""
    arguments = {"batch_size": 8, "epochs": 2, "verbose": 0}
    whole, first, second = make_search(), make_search(), make_search(seed=9)
    whole.fit(*few, **arguments)

    def interrupt(epoch, logs):
        if epoch == 1:
            raise KeyboardInterrupt

    stop = keras.callbacks.LambdaCallback(on_epoch_begin=interrupt)
    with pytest.raises(KeyboardInterrupt):
        first.fit(*few, **arguments, callbacks=[keras.callbacks.BackupAndRestore(tmp_path), stop])
    second.fit(*few, **arguments, callbacks=[keras.callbacks.BackupAndRestore(tmp_path)])
    assert same_state(whole, second)


# Metrics ----------------------------------------------------------------------------------------------
def test_metrics_by_name_object_and_function(make_search, few):
    def confidence(y_true, y_pred):
        return keras.ops.max(keras.ops.softmax(y_pred), axis=-1)

    metrics = ["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(k=2, name="top_2"), confidence]
    search = make_search(compile={"metrics": metrics})
    history = search.fit(*few, batch_size=8, epochs=1, verbose=0).history
    expected = {"accuracy", "val_accuracy", "top_2", "val_top_2", "confidence", "val_confidence"}
    assert expected <= set(history)
    assert history["top_2"][0] >= history["accuracy"][0]
    assert history["val_top_2"][0] >= history["val_accuracy"][0]
    assert 1 / 3 <= history["val_confidence"][0] < 1


def test_metrics_are_of_their_own_half(make_search, plain_rates, data, validation):
    """With both rates at 0 every number has a closed form."""
    data, validation = (tuple(part[:8] for part in one) for one in (data, validation))
    search = make_search(compile=plain_rates(0.0, 0.0))
    history = search.fit(*data, validation_data=validation, batch_size=8, epochs=1, verbose=0).history
    for prefix, (x, y) in (("", data), ("val_", validation)):
        logits = keras.ops.convert_to_numpy(search.supernet(x, training=True))
        loss = keras.losses.sparse_categorical_crossentropy(y, logits, from_logits=True)
        assert history[f"{prefix}loss"][0] == pytest.approx(float(np.mean(loss)), rel=1e-5)
        assert history[f"{prefix}accuracy"][0] == pytest.approx(np.mean(logits.argmax(-1) == y))


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("categorical_crossentropy", keras.metrics.CategoricalAccuracy),
        (keras.losses.BinaryCrossentropy(), keras.metrics.BinaryAccuracy),
        ("sparse_categorical_crossentropy", keras.metrics.SparseCategoricalAccuracy),
    ],
)
def test_validation_accuracy_is_the_one_of_the_loss(make_search, loss, expected):
    search = make_search(compile={"loss": loss})
    (metric,) = [metric for metric in search.metrics if metric.name == "val_accuracy"]
    assert type(metric) is expected


# Phases and defaults --------------------------------------------------------------------------------------
def test_defaults_are_the_papers(space):
    search = BilevelTrainer(space.build_supernet((8, 8, 1), 3))
    search.compile()
    assert isinstance(search.optimizer, BilevelOptimizer)
    own, architecture = (optimizer.get_config() for optimizer in search.optimizer.inner)
    assert [type(optimizer) for optimizer in search.optimizer.inner] == [keras.optimizers.SGD, keras.optimizers.Adam]
    assert own["momentum"] == 0.9
    assert own["learning_rate"] == pytest.approx(0.025)
    assert own["global_clipnorm"] == 5.0
    assert architecture["learning_rate"] == pytest.approx(3e-4)
    assert (architecture["beta_1"], architecture["beta_2"]) == (0.5, 0.999)
    assert (search.weight_decay, search.architecture_weight_decay) == (3e-4, 1e-3)
    assert search.architecture_warmup_epochs is None  # a quarter of the epochs
    assert search.hypergradient == "first_order"
    assert not search.jit_compile


def test_default_rate_is_annealed_by_a_cosine(make_search, plain_rates, data):
    search = still(make_search())
    rates, note = noting(lambda: float(search.optimizer.learning_rate))
    search.fit(*data, batch_size=16, epochs=4, verbose=0, callbacks=[note])
    expected = [0.001 + 0.024 * (1 + np.cos(np.pi * epoch / 4)) / 2 for epoch in range(4)]
    assert rates == pytest.approx(expected)
    search.compile(**plain_rates(0.1, 0.2), run_eagerly=True)  # given ones keep their rates
    search.fit(*data, batch_size=16, epochs=1, verbose=0)
    assert float(search.optimizer.learning_rate) == pytest.approx(0.1)


# A user's own model ------------------------------------------------------------------------------------
def test_functional_model_with_mixed_ops(user_model, make_search, few):
    search = make_search(supernet=user_model())
    before = arrays(search.architecture_parameters)
    history = search.fit(*few, batch_size=8, epochs=1, verbose=0).history
    assert set(history) == KEYS - {"skips"}
    assert not same(before, arrays(search.architecture_parameters))
    weights = search.mixing_weights()
    assert [table.shape for table in weights.values()] == [(1, 2), (1, 3)]
    tables = [np.ravel(table) for table in weights.values()]
    entropy = np.mean([-np.sum(table * np.log(table)) for table in tables])
    assert history["alpha_entropy"][-1] == pytest.approx(entropy, rel=1e-5)
    with pytest.raises(TypeError, match=r"own_model.*no rule to derive"):
        search.derive()


def test_model_with_two_inputs(make_search):
    inputs = [keras.Input((8, 8, 1)), keras.Input((2,))]
    x = keras.layers.Flatten()(MixedOp(["skip_connect", "max_pool_3x3"], filters=1)(inputs[0]))
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Concatenate()([x, inputs[1]])))
    rng = np.random.default_rng(0)
    x = rng.random((16, 8, 8, 1)).astype("float32"), rng.random((16, 2)).astype("float32")
    dataset = tf.data.Dataset.from_tensor_slices((x, np.arange(16) % 2)).batch(8)
    history = make_search(supernet=model).fit(dataset, validation_data=dataset, epochs=1, verbose=0).history
    assert np.isfinite(history["val_loss"]).all()


# Every relaxation ----------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize("relaxation", [name for name in sorted(RELAXATIONS) if name not in ("softmax", "gumbel")])
def test_every_relaxation_searches(relaxation):
    space = NASBench201Space(filters=2, num_cells=1, num_nodes=1, primitives=["none", "skip_connect", "nor_conv_1x1"])
    supernet = space.build_supernet((8, 8, 1), 2, relaxation, seed=3)
    search = BilevelTrainer(supernet)
    search.compile(run_eagerly=True)
    before = [np.array(alphas) for alphas in supernet.architecture_parameters]
    rng = np.random.default_rng(0)
    history = search.fit(rng.random((16, 8, 8, 1), "float32"), np.arange(16) % 2, batch_size=8, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert any((np.array(now) != old).any() for now, old in zip(supernet.architecture_parameters, before, strict=True))
    space.validate(search.derive())
    (weights,) = search.mixing_weights().values()
    assert weights.shape == (1, 3) and (weights >= 0).all()
