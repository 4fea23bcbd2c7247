"""GenotypeHyperModel with a stock tuner of KerasTuner."""

import keras
import keras_tuner
import numpy as np
import pytest

from kerasnas import DARTSSpace
from kerasnas.backend.tensorflow_internals import gradient_registry
from kerasnas.datasets import stochastic_blocks
from kerasnas.spaces import GraphSpace
from tests.tuners.small import eager
from tuners import GenotypeHyperModel, GenotypeTuner, PredictorOracle, SuccessiveHalvingOracle

SPACE = DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["none", "skip_connect", "max_pool_3x3"])
RNG = np.random.default_rng(0)
X, Y = RNG.random((24, 8, 8, 1)).astype("float32"), np.arange(24) % 3


def make(**options):
    return GenotypeHyperModel(SPACE, input_shape=(8, 8, 1), num_classes=3, **options)


@pytest.mark.slow
def test_stock_random_search(tmp_path):
    hypermodel = make()
    options = {"objective": "val_accuracy", "max_trials": 2, "seed": 1, "directory": tmp_path}
    tuner = keras_tuner.RandomSearch(hypermodel, **options)
    tuner.search(X, Y, validation_data=(X[:9], Y[:9]), epochs=1, batch_size=8, verbose=0)
    trials = tuner.oracle.get_best_trials(2)
    assert trials[0].hyperparameters.values != trials[1].hyperparameters.values
    assert all(1e-4 <= trial.hyperparameters["learning_rate"] <= 1e-2 for trial in trials)
    best = tuner.get_best_hyperparameters()[0]
    assert SPACE.assignment(hypermodel.genotype(best)) == {name: best[name] for name in SPACE.choices}
    accuracy = tuner.get_best_models()[0].evaluate(X[:9], Y[:9], verbose=0, return_dict=True)["accuracy"]
    assert accuracy == pytest.approx(trials[0].score)


def test_choices_are_those_of_the_space():
    hp = keras_tuner.HyperParameters()
    hypermodel = make()
    first = hypermodel.genotype(hp)
    assert {choice.name: tuple(choice.values) for choice in hp.space} == dict(SPACE.choices)
    hp.values["reduce/2/first"] = "max_pool_3x3"
    second = hypermodel.genotype(hp)
    assert first != second
    assert second["reduce"][0].primitive == "max_pool_3x3"


def test_a_tuner_builds_one_network_to_learn_of_the_choices(tmp_path):
    """If options are conditions of others, KerasTuner's constructor builds a model for each: 37 in a toy space."""
    built = []
    hypermodel = make(compile=lambda model, hp: built.append(model) or model.compile("sgd", "mse"))
    oracle = PredictorOracle(SPACE, "val_accuracy", 4)
    tuner = GenotypeTuner(hypermodel, oracle=oracle, directory=tmp_path, project_name="tiny")
    assert len(built) == 1 and {hp.name for hp in tuner.oracle.get_space().space} == set(SPACE.choices)


def test_own_compile_and_network_options():
    def compile(model, hp):
        model.compile(keras.optimizers.SGD(hp.Float("rate", 0.5, 0.9)), "mse")

    hp = keras_tuner.HyperParameters()
    model = make(compile=compile, num_cells=2, filters=3).build(hp)
    assert type(model.optimizer) is keras.optimizers.SGD
    assert float(model.optimizer.learning_rate) == pytest.approx(0.5)
    assert "learning_rate" not in hp.values
    assert model.count_params() > make().build(keras_tuner.HyperParameters()).count_params()


def test_compile_that_does_not_compile_is_an_error():
    with pytest.raises(ValueError, match="The function given as `compile` left the model uncompiled"):
        make(compile=lambda model, hp: None).build(keras_tuner.HyperParameters())


@pytest.mark.slow
def test_a_trial_leaves_no_graph_in_memory(tmp_path):
    """TensorFlow keeps those of models whose optimizer has a custom gradient, as Keras' have."""
    before = set(gradient_registry())
    tuner = GenotypeTuner(make(), "val_accuracy", 1, directory=tmp_path)
    tuner.search(X, Y, validation_data=(X[:9], Y[:9]), epochs=1, batch_size=12, verbose=0)
    assert tuner.oracle.get_best_trials()[0].score is not None
    assert set(gradient_registry()) <= before


@pytest.mark.slow
def test_own_oracles_drive_the_stock_tuner(tmp_path):
    """Multi-fidelity epochs are what is trained; the best models can be loaded; a History is a result."""
    hypermodel = make()
    oracle = SuccessiveHalvingOracle(SPACE, "val_accuracy", budgets=(1, 2), eta=2)
    tuner = keras_tuner.Tuner(oracle, hypermodel, directory=tmp_path)
    seen = []
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    tuner._deepcopy_callbacks = list  # the list above is to be seen from here
    tuner.search(X, Y, validation_data=(X[:9], Y[:9]), batch_size=8, verbose=0, callbacks=[callback])
    budgets = [trial.hyperparameters.values["tuner/epochs"] for trial in oracle.trials.values()]
    assert len(seen) == sum(budgets) and set(budgets) == {1, 2}
    assert tuner.get_best_models()[0].predict(X, verbose=0).shape == (24, 3)
    assert oracle.get_best_genotypes()[0] == hypermodel.genotype(tuner.get_best_hyperparameters()[0])


def test_values_of_another_space_are_refused():
    hp = keras_tuner.HyperParameters()
    hp.Fixed("reduce/2/first", "sep_conv_3x3")
    with pytest.raises(ValueError, match="no option 'sep_conv_3x3'"):
        make().genotype(hp)


@pytest.mark.slow
def test_graph_networks_are_compared_by_the_loss_of_the_nodes_that_count(tmp_path):
    """Weights say which nodes count; the loss heeds them, the metric `accuracy` of all samples does not."""
    data = stochastic_blocks(nodes=40, features=6, train_per_class=4)
    space = GraphSpace(data.graph, filters=4, num_nodes=1, primitives=["gcn", "fc"])
    hypermodel = GenotypeHyperModel(space, data.input_shape, data.num_classes)
    tuner = keras_tuner.RandomSearch(hypermodel, objective="val_loss", max_trials=1, seed=1, directory=tmp_path)
    batches = data.batches("train", steps=2), data.batches("validation")
    tuner.search(batches[0], validation_data=batches[1], epochs=1, verbose=0)
    (trial,) = tuner.oracle.get_best_trials(1)
    model = tuner.get_best_models()[0]
    outputs = np.array(model(data.x))
    nodes = data.parts["validation"]
    shifted = outputs[nodes] - outputs[nodes].max(axis=1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(nodes)), data.y[nodes]]
    assert trial.score == pytest.approx(losses.mean(), rel=1e-4)
    space.validate(hypermodel.genotype(trial.hyperparameters))


@pytest.mark.slow
def test_stock_hyperband(tmp_path):
    tuner = keras_tuner.Hyperband(
        make(compile=eager), objective="val_accuracy", max_epochs=2, seed=1, directory=tmp_path
    )
    tuner.search(X, Y, validation_data=(X[:9], Y[:9]), epochs=1, batch_size=8, verbose=0)
    assert tuner.get_best_models()[0].predict(X, verbose=0).shape == (24, 3)
