"""`fit`, `adapt` and `evaluate` of the meta-learners: honest evaluation, resuming, saving, and bad input."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasnas.callbacks import TrainingCheckpoint
from kerasnas.datasets import EpisodeSampler
from kerasnas.datasets.tasks import Episode
from kerasnas.intervals import mean_interval
from kerasnas.meta import MAML, ProtoNet, Reptile
from kerasnas.meta.evaluation import DivergedError
from kerasnas.meta.functional import clone
from kerasnas.meta.inner_optimizers import InnerAdam
from tests.meta.kit import arrays, gradients_of, same, state_of

LEARNERS = {"maml": MAML, "reptile": Reptile}


@pytest.fixture(params=LEARNERS)
def learner(request, make_network):
    made = LEARNERS[request.param](make_network(), inner_steps=2, adaptation_steps=3)
    made.compile(run_eagerly=True)
    return made


# Evaluation -----------------------------------------------------------------------------------------------
def predictions(learner, episode, kind):
    """The logits of a task's query, as `evaluate` computes them."""
    found = learner.evaluation.predictions(*state_of(learner), (episode.support, episode.query), 3)
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
    w, state = learner.adapted(*state_of(learner), episode.support, 3)
    expected = learner.function.loss(w, state, episode.query)[1][0]
    np.testing.assert_allclose(predictions(learner, episode, "_transductive"), expected, rtol=0.02, atol=0.02)


def test_evaluate_counts_what_adapted_models_predict(make_network, image_tasks):
    learner = MAML(make_network(), inner_steps=1)
    learner.compile(run_eagerly=True)
    tasks, right, losses = image_tasks(), [], []
    before = arrays(learner.variables)
    found = learner.evaluate(tasks, episodes=3, tasks=2)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for index in range(3):
        episode = tasks.episode(index)
        logits = ops.convert_to_numpy(learner.adapt(episode)(episode.query[0]))
        right.append((logits.argmax(-1) == episode.query[1]).mean())
        losses.append(float(loss(episode.query[1], logits)))
    assert found["accuracy"].mean == pytest.approx(np.mean(right))
    assert found["accuracy"] == pytest.approx(mean_interval(right))
    assert found["loss"].mean == pytest.approx(np.mean(losses), rel=1e-4)
    same(before, arrays(learner.variables))


# Training -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "kind, settings",
    [
        (MAML, {"inner_steps": 1, "cosine_annealing": True}),
        *(pytest.param(*one, marks=pytest.mark.slow) for one in ((Reptile, {"inner_steps": 1}), (ProtoNet, {}))),
    ],
)
def test_a_learner_is_restored_before_it_is_trained_on(kind, settings, make_network, image_tasks, tmp_path):
    """As `TrainingCheckpoint` says: its `fit` begins at the epoch that `restore` returns, and resumes to the bit."""
    trained = []
    for name, parts in (("whole", [2]), ("parts", [1, 2])):
        for epochs in parts:
            learner, checkpoint = kind(make_network(), **settings), TrainingCheckpoint(tmp_path / name)
            learner.compile(run_eagerly=True)
            epoch = checkpoint.restore(learner)

            def stop(epoch, logs, last=epochs, model=learner):
                model.stop_training = epoch + 1 >= last

            options = {"steps_per_epoch": 1, "initial_epoch": epoch, "verbose": 0}
            callbacks = [checkpoint, keras.callbacks.LambdaCallback(on_epoch_begin=stop)]
            learner.fit(image_tasks(), 2, 1, callbacks=callbacks, **options)
        trained.append((checkpoint.history["loss"], arrays(learner.variables)))
    assert trained[0][0] == trained[1][0] and len(trained[0][0]) == 2
    same(trained[0][1], trained[1][1])


@pytest.mark.slow
def test_validation_tasks_are_measured_after_every_epoch(learner, image_tasks):
    options = {"validation_sampler": image_tasks(seed=1), "validation_episodes": 4, "verbose": 0}
    history = learner.fit(image_tasks(shots=3), 4, 2, steps_per_epoch=2, **options).history
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

    before, expected = arrays(learner.model.trainable_variables), gradients_of(learner, whole.batch(0, 1))
    with pytest.warns(UserWarning, match="In 1 of 2 tasks of epoch 1 the inner loop diverged"):
        history = learner.fit(OneBad(), steps=1, tasks=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    after = arrays(learner.model.trainable_variables)
    for old, gradient, new in zip(before, expected.values(), after, strict=True):
        np.testing.assert_allclose(new, old - gradient, rtol=1e-5, atol=1e-6)


def test_if_all_tasks_diverge_the_initial_weights_are_kept(make_network, image_tasks):
    learner = MAML(make_network(activation="linear"), inner_steps=2, inner_learning_rate=1e30)
    learner.compile(run_eagerly=True)
    before = arrays(learner.model.variables)
    with pytest.raises(DivergedError, match="nothing was learned"):
        learner.fit(image_tasks(), steps=1, tasks=2, verbose=0)
    same(before, arrays(learner.model.variables))
    with pytest.raises(DivergedError, match="Lower `inner_learning_rate`"):
        learner.adapt(image_tasks().episode(0))


# Bad input ------------------------------------------------------------------------------------------------
def test_numbers_and_names_are_checked(make_network):
    network = make_network()
    for name, value in (
        *(("inner_steps", 0), ("inner_learning_rate", 0.0), ("inner_batch_size", 0), ("adaptation_steps", -1)),
        *(("inner_variables", "tail"), ("architecture_learning_rate", 0), ("first_order", "no")),
        *(("learn_inner_rates", 1), ("per_step_statistics", None), ("adaptation_batch_size", 0.5)),
        *(("first_order_steps", -1), ("multi_step_loss_steps", -1), ("per_step_scale_offset", 1)),
        *(("cosine_annealing", "yes"), ("inner_variables", "all_but_batchnorm")),
    ):
        with pytest.raises(ValueError, match=f"`{name}`"):
            MAML(network, **{name: value})
    with pytest.raises(ValueError, match=r"inner optimizer 'sdg'.* 'sgd'"):
        MAML(network, inner_optimizer="sdg")
    with pytest.raises(ValueError, match="`beta_2`"):
        InnerAdam(beta_2=1.0)
    with pytest.raises(TypeError, match="`model`"):
        MAML("network")


def test_a_model_without_anything_to_train_is_refused(make_network):
    network = make_network()
    network.trainable = False
    with pytest.raises(ValueError, match="Expected a model with trainable variables"):
        MAML(network)
    with pytest.raises(ValueError, match="Expected a built model"):
        MAML(keras.Sequential([keras.layers.Dense(2)]))


def test_tasks_that_do_not_fit_are_refused(learner, image_tasks):
    small, three = (
        EpisodeSampler(np.zeros((12, side, side, 1)), np.arange(12) % ways, ways, 1, 1)
        for side, ways in ((5, 2), (6, 3))
    )
    x, y = image_tasks().episode(0).support
    without, refused = (
        image_tasks(query_shots=0),
        [
            (lambda: learner.fit(small, steps=1, tasks=1), r"samples of shape \(6, 6, 1\)"),
            (lambda: learner.evaluate(three, episodes=1), r"at most 2 classes, .* labels up to 2"),
            (lambda: learner.evaluate(without, episodes=1), "query_shots=0"),
            (lambda: learner.fit(image_tasks(), steps=150), "multiple of `steps_per_epoch`"),
            (lambda: learner.adapt(Episode((x, y), (x, y))), "query sample 0 is also support sample 0"),
        ],
    )
    if isinstance(learner, MAML):
        refused.append((lambda: learner.fit(without, steps=1, tasks=1), "query_shots=0"))
    for call, message in refused:
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("method", ["fit", "evaluate", "adapt"])
def test_what_needs_compile_says_so(make_network, image_tasks, method):
    with pytest.raises(ValueError, match=r"Call `compile\(\)` before"):
        getattr(MAML(make_network()), method)(image_tasks().episode(0) if method == "adapt" else image_tasks())


def test_a_clone_has_the_same_values_and_its_own_variables(make_network):
    network = make_network()
    copy = clone(network)
    assert not {id(variable) for variable in network.variables} & {id(variable) for variable in copy.variables}
    same(arrays(network.variables), arrays(copy.variables))
