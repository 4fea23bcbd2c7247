"""`fit`, `adapt` and `evaluate` of the meta-learners: honest evaluation, resuming, saving, and bad input."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasnas.backend import values
from kerasnas.callbacks import TrainingCheckpoint
from kerasnas.datasets import Episode, EpisodeSampler
from kerasnas.meta import MAML, Reptile
from kerasnas.meta.evaluation import DivergedError, Estimate
from kerasnas.meta.functional import clone
from kerasnas.meta.inner_optimizers import InnerAdam

LEARNERS = {"maml": MAML, "reptile": Reptile}


def arrays(variables):
    return [np.array(ops.convert_to_numpy(variable)) for variable in variables]


@pytest.fixture(params=LEARNERS)
def learner(request, make_network):
    made = LEARNERS[request.param](make_network(), inner_steps=2, adaptation_steps=3)
    made.compile(run_eagerly=True)
    return made


# Evaluation -----------------------------------------------------------------------------------------------
def predictions(learner, episode, kind):
    """The logits of a task's query, as `evaluate` computes them."""
    trainable, state = values(learner.trainable_variables), values(learner.non_trainable_variables)
    found = learner.evaluation.predictions(trainable, state, (episode.support, episode.query), 3)
    return ops.convert_to_numpy(found[kind][1])


def test_a_prediction_does_not_depend_on_other_queries_unless_transductive(learner, image_tasks):
    """Batch norm decides the score: only the transductive results may use the query set's statistics."""
    episode = image_tasks().episode(0)
    x, y = episode.query
    alone = Episode(episode.support, (x[:1], y[:1]))
    assert np.allclose(predictions(learner, episode, "")[:1], predictions(learner, alone, ""), atol=1e-5)
    transductive = predictions(learner, episode, "_transductive")[:1]
    assert not np.allclose(transductive, predictions(learner, alone, "_transductive"), atol=1e-3)


def test_transductive_predictions_are_those_of_batch_statistics(learner, image_tasks):
    """But for the variance, which moving statistics take as the unbiased one."""
    episode = image_tasks(query_shots=60).episode(0)
    trainable, state = values(learner.trainable_variables), values(learner.non_trainable_variables)
    w, own = learner.adapted(trainable, state, episode.support, 3)
    expected = learner.function.loss(w, own, episode.query)[1][0]
    np.testing.assert_allclose(predictions(learner, episode, "_transductive"), expected, rtol=0.02, atol=0.02)


def test_evaluate_counts_what_adapted_models_predict(learner, image_tasks):
    tasks, right, losses = image_tasks(), [], []
    before = arrays(learner.variables)
    found = learner.evaluate(tasks, episodes=5, tasks=2)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for index in range(5):
        episode = tasks.episode(index)
        logits = learner.adapt(episode).predict(episode.query[0], verbose=0)
        right.append((logits.argmax(-1) == episode.query[1]).mean())
        losses.append(float(loss(episode.query[1], logits)))
    assert found["accuracy"].mean == pytest.approx(np.mean(right))
    assert found["accuracy"].interval == pytest.approx(1.96 * np.std(right, ddof=1) / np.sqrt(5))
    assert found["loss"].mean == pytest.approx(np.mean(losses), rel=1e-4)
    for old, new in zip(before, arrays(learner.variables), strict=True):
        np.testing.assert_array_equal(old, new)


def test_interval_is_infinite_for_one_episode():
    assert Estimate.of([0.5]) == (0.5, np.inf)


# Training -----------------------------------------------------------------------------------------------
def test_a_resumed_training_equals_an_uninterrupted_one(make_network, image_tasks, tmp_path):
    trained = []
    for parts in ([(0, 4)], [(0, 2), (1, 4)]):
        learner = MAML(make_network(), inner_steps=1)
        learner.compile(run_eagerly=True)
        for initial_epoch, steps in parts:
            learner.fit(image_tasks(), steps=steps, tasks=2, steps_per_epoch=2, initial_epoch=initial_epoch, verbose=0)
        trained.append(arrays(learner.variables))
    for first, second in zip(*trained, strict=True):
        np.testing.assert_array_equal(first, second)


def test_backup_and_restore_resumes_where_it_was_killed(make_network, image_tasks, tmp_path):
    class Killed(Exception):
        pass

    def train(kill):
        learner = Reptile(make_network(), inner_steps=2)
        learner.compile(run_eagerly=True)
        callbacks = [keras.callbacks.BackupAndRestore(tmp_path / "backup")] if kill is not None else []
        if kill:

            def stop(epoch, logs):
                if epoch == 1:
                    raise Killed

            callbacks.append(keras.callbacks.LambdaCallback(on_epoch_begin=stop))
        learner.fit(image_tasks(query_shots=0), 6, 2, steps_per_epoch=2, callbacks=callbacks, verbose=0)
        return arrays(learner.variables)

    whole = train(None)
    with pytest.raises(Killed):
        train(True)
    for first, second in zip(whole, train(False), strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    "make",
    [lambda model: Reptile(model, inner_steps=1), lambda model: MAML(model, inner_steps=1, cosine_annealing=True)],
)
def test_a_learner_is_restored_before_it_is_trained_on(make, make_network, image_tasks, tmp_path):
    """As `TrainingCheckpoint` says: its `fit` begins at the epoch that `restore` returns."""
    trained = []
    for name, parts in (("whole", [4]), ("parts", [2, 4])):
        for epochs in parts:
            learner, checkpoint = make(make_network()), TrainingCheckpoint(tmp_path / name)
            learner.compile(run_eagerly=True)
            epoch = checkpoint.restore(learner)
            stop = keras.callbacks.LambdaCallback(
                on_epoch_begin=lambda epoch, logs, last=epochs, model=learner: setattr(
                    model, "stop_training", epoch + 1 >= last
                )
            )
            learner.fit(
                image_tasks(), 4, 1, steps_per_epoch=1, initial_epoch=epoch, callbacks=[checkpoint, stop], verbose=0
            )
        trained.append((checkpoint.history["loss"], arrays(learner.variables)))
    assert trained[0][0] == trained[1][0] and len(trained[0][0]) == 4
    for first, second in zip(trained[0][1], trained[1][1], strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    "make",
    [
        lambda model: MAML(model, True, 2, 0.1, learn_inner_rates=True, per_step_statistics=True),
        lambda model: Reptile(model, inner_steps=2),
    ],
)
def test_a_saved_learner_is_whole(make, make_network, image_tasks, tmp_path):
    learner = make(make_network())
    learner.compile()
    learner.fit(image_tasks(), steps=2, tasks=2, verbose=0)
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    own, other = learner.get_config(), loaded.get_config()
    own.pop("model"), other.pop("model")
    assert own == other
    assert loaded.compiled and type(loaded.optimizer) is type(learner.optimizer)
    for old, new in zip(arrays(learner.variables), arrays(loaded.variables), strict=True):
        np.testing.assert_array_equal(old, new)


def test_validation_tasks_are_measured_after_every_epoch(learner, image_tasks):
    history = learner.fit(
        image_tasks(shots=3),
        4,
        2,
        steps_per_epoch=2,
        validation_sampler=image_tasks(seed=1),
        validation_episodes=4,
        verbose=0,
    ).history
    assert len(history["val_accuracy"]) == len(history["val_accuracy_transductive"]) == len(history["loss"]) == 2


def test_tasks_that_diverge_are_left_out_and_reported(make_network, image_tasks):
    learner = MAML(make_network(), inner_steps=1)
    learner.compile(keras.optimizers.SGD(1.0), run_eagerly=True)
    whole = image_tasks()

    class OneBad:
        input_shape = whole.input_shape

        def batch(self, index, tasks):
            batch = whole.batch(index, tasks)
            x, y = batch.support
            x = x.copy()
            x[1] = np.nan
            return Episode((x, y), batch.query)

    good = whole.batch(0, 1)
    before = arrays(learner.model.trainable_variables)
    data = (good.support, good.query)
    _, expected = learner.meta_gradients(
        values(learner.trainable_variables), values(learner.non_trainable_variables), data
    )
    with pytest.warns(UserWarning, match="In 1 of 2 tasks of epoch 1 the inner loop diverged"):
        history = learner.fit(OneBad(), steps=1, tasks=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    for old, gradient, new in zip(before, expected, arrays(learner.model.trainable_variables), strict=True):
        np.testing.assert_allclose(new, old - np.asarray(gradient), rtol=1e-5, atol=1e-6)


def test_if_all_tasks_diverge_the_initial_weights_are_kept(make_network, image_tasks):
    learner = MAML(make_network(activation="linear"), inner_steps=3, inner_learning_rate=1e30)
    learner.compile(run_eagerly=True)
    before = arrays(learner.model.variables)
    with pytest.raises(DivergedError, match="nothing was learned"):
        learner.fit(image_tasks(), steps=2, tasks=2, verbose=0)
    for old, new in zip(before, arrays(learner.model.variables), strict=True):
        np.testing.assert_array_equal(old, new)
    with pytest.raises(DivergedError, match="Lower `inner_learning_rate`"):
        learner.adapt(image_tasks().episode(0))


# Bad input ------------------------------------------------------------------------------------------------
def test_numbers_and_names_are_checked(make_network):
    network = make_network()
    for arguments, message in [
        ({"inner_steps": 0}, "`inner_steps`. Expected a positive integer. Received: 0"),
        ({"inner_learning_rate": 0.0}, "`inner_learning_rate`. Expected a number above 0"),
        ({"inner_optimizer": "sdg"}, "Unknown inner optimizer 'sdg'. Did you mean 'sgd'?"),
        (
            {"inner_variables": "tail"},
            "`inner_variables`. Expected a known name. Received: 'tail'",
        ),
        ({"adaptation_steps": -1}, "`adaptation_steps`"),
        ({"inner_batch_size": 0}, "`inner_batch_size`"),
    ]:
        with pytest.raises(ValueError) as caught:
            MAML(network, **arguments)
        assert message in str(caught.value)
    for arguments, message in [
        ({"multi_step_loss_steps": -1}, "`multi_step_loss_steps`. Expected an integer of at least 0. Received: -1"),
        ({"first_order": "no"}, "`first_order`. Expected True or False. Received: 'no'"),
        ({"learn_inner_rates": 1}, "`learn_inner_rates`. Expected True or False. Received: 1"),
        ({"per_step_statistics": None}, "`per_step_statistics`. Expected True or False. Received: None"),
    ]:
        with pytest.raises(ValueError, match=message):
            MAML(network, **arguments)
    for arguments, message in [({"beta_2": 1.0}, "`beta_2`. Expected a number"), ({"epsilon": 0}, "`epsilon`. Exp")]:
        with pytest.raises(ValueError, match=message):
            InnerAdam(**arguments)
    with pytest.raises(TypeError, match=r"`model`\. Expected a Keras model\. Received: 'network'"):
        MAML("network")


def test_a_model_without_anything_to_train_is_refused(make_network):
    network = make_network()
    network.trainable = False
    with pytest.raises(ValueError, match="Expected a model with trainable variables"):
        MAML(network)
    with pytest.raises(ValueError, match="Expected a built model"):
        MAML(keras.Sequential([keras.layers.Dense(2)]))


def test_tasks_that_do_not_fit_are_refused(learner, image_tasks):
    with pytest.raises(ValueError, match=r"samples of shape \(6, 6, 1\)"):
        learner.fit(EpisodeSampler(np.zeros((8, 5, 5, 1)), np.arange(8) % 2, 2, 1, 1), steps=1, tasks=1)
    three = EpisodeSampler(np.zeros((12, 6, 6, 1)), np.arange(12) % 3, 3, 1, 1)
    with pytest.raises(ValueError, match=r"at most 2 classes, the outputs of the model\. Received: labels up to 2"):
        learner.evaluate(three, episodes=1)
    with pytest.raises(ValueError, match="query_shots=0"):
        learner.evaluate(image_tasks(query_shots=0), episodes=1)
    with pytest.raises(ValueError, match="multiple of `steps_per_epoch`"):
        learner.fit(image_tasks(), steps=150)
    x, y = image_tasks().episode(0).support
    with pytest.raises(ValueError, match="query sample 0 is also support sample 0"):
        learner.adapt(Episode((x, y), (x, y)))


def test_what_needs_compile_says_so(make_network, image_tasks):
    for call in (
        lambda m: m.fit(image_tasks()),
        lambda m: m.evaluate(image_tasks()),
        lambda m: m.adapt(image_tasks().episode(0)),
    ):
        with pytest.raises(ValueError, match=r"Call `compile\(\)` before"):
            call(MAML(make_network()))


def test_maml_needs_queries(make_network, image_tasks):
    learner = MAML(make_network())
    learner.compile(run_eagerly=True)
    with pytest.raises(ValueError, match="query_shots=0"):
        learner.fit(image_tasks(query_shots=0), steps=1, tasks=1)


def test_a_clone_has_the_same_values_and_its_own_variables(make_network):
    network = make_network()
    copy = clone(network)
    for old, new in zip(network.variables, copy.variables, strict=True):
        assert old is not new
        np.testing.assert_array_equal(ops.convert_to_numpy(old), ops.convert_to_numpy(new))
