"""OneShotTuner: one training of shared weights, many children, the best from scratch; killed ones resume."""

import contextlib
import io
import shutil

import keras_tuner
import numpy as np
import pytest

from kerasnas.meta import ReptileInitializer
from kerasnas.search import Controller
from kerasnas.spaces import DARTSSpace, ENASMicroSpace
from kerasnas.tasks.splits import stratified_split
from tests.tuners.small import CHILDREN as SPACE
from tests.tuners.small import EAGER, RECIPE, VALIDATION, Epochs, X, Y, search
from tests.tuners.small import one_shot_tuner as make
from tuners import EvolutionOracle, OneShotTuner, ParetoOracle, SharedWeights, StrategyOracle
from tuners.tuners.progress import primitives_in_words


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    with contextlib.redirect_stdout(io.StringIO()) as output:
        tuner = search(make(tmp_path_factory.mktemp("searched"), objective="val_loss"), verbose="rows")
    tuner.output = output.getvalue()
    return tuner


def test_children_are_evaluated_with_the_shared_weights_on_the_held_out_half(searched):
    _, held_out = stratified_split(Y, 0.5, 0)
    trials = list(searched.oracle.trials.values())
    assert len(trials) == 6 and all(trial.status == "COMPLETED" for trial in trials)
    for trial in trials[:3]:
        (expected,) = searched.trainer.evaluate_children([searched.genotype(trial)], X[held_out], Y[held_out], 12)
        assert trial.score == pytest.approx(expected)


def test_the_best_children_are_trained_from_scratch_and_ordered_again(searched):
    trained = searched.trained_trials()
    assert {one.trial_id for one in trained} == {one.trial_id for one in searched.oracle.get_best_trials(2)}
    losses = [searched.result(trial)["metrics"]["val_loss"] for trial in trained]
    assert losses == sorted(losses) and losses[0] != losses[1]
    models = searched.get_best_models(5)
    assert len(models) == 2
    for model, loss in zip(models, losses, strict=True):
        assert type(model).__module__.startswith("keras.")
        assert model.evaluate(*VALIDATION, verbose=0)[0] == pytest.approx(loss, rel=1e-5)


def test_the_best_genotypes_begin_with_the_trained_ones(searched):
    genotypes = searched.get_best_genotypes(4)
    assert len(set(genotypes)) == 4
    assert genotypes[:2] == [searched.genotype(trial) for trial in searched.trained_trials()]
    assert genotypes[0] == SPACE.genotype(searched.get_best_hyperparameters()[0].values)


@pytest.mark.slow
def test_trained_networks_alone_leave_a_report(tmp_path):
    tuner = search(make(tmp_path, max_trials=3, retrain_best=1, report=True))
    (trained,) = tuner.trained_trials()
    reports = list(tmp_path.glob("project/trial_*/report.html"))
    assert reports == [tuner.trial_folder(trained) / "report.html"]
    assert "validation accuracy" in reports[0].read_text()
    assert "Model card: enas_micro network" in (tuner.trial_folder(trained) / "card.md").read_text()


def test_results_summary(searched, capsys):
    searched.results_summary(3)
    output = capsys.readouterr().out
    assert output.startswith("3 best of 6 trials") and output.count("val_loss") == 2 and "score" in output
    assert primitives_in_words(searched.get_best_genotypes()[0]) in output
    assert searched.output.startswith("Shared weights trained for 1 epochs") and "from scratch" in searched.output
    rows = [line.split()[0] for line in searched.output.splitlines()]
    scores = [trial.score for trial in searched.oracle.trials.values()]
    better = [str(place + 1) for place, score in enumerate(scores) if score > max(scores[:place], default=-1)]
    assert [number for number in rows if number.isdigit()] == better != list("123456")  # each better child has a row


def test_more_trials_continue_with_the_same_shared_weights(tmp_path, searched):
    shutil.copytree(searched.project_dir, tmp_path / "project")
    seen = []
    again = search(make(tmp_path, objective="val_loss", max_trials=8), callbacks=lambda: [Epochs(seen)])
    assert len(again.oracle.trials) == 8 and "ENASTrainer" not in {kind for kind, _ in seen}
    for name, trial in searched.oracle.trials.items():
        assert again.oracle.trials[name].score == trial.score
    for mine, other in zip(searched.trainer.variables, again.trainer.variables, strict=True):
        np.testing.assert_array_equal(np.asarray(mine), np.asarray(other))


@pytest.mark.slow
def test_cross_validation_of_the_best(tmp_path):
    tuner = search(make(tmp_path, folds=2, retrain_best=1, max_trials=2))
    result = tuner.result(tuner.trained_trials()[0])
    assert result["metrics"]["val_loss"] == pytest.approx(np.mean([one["val_loss"] for one in result["folds"]]))
    assert tuner.get_best_models()[0].output_shape == (None, 3)


@pytest.mark.slow
def test_shared_weights_and_controller_start_from_initializations(tmp_path):
    controller = Controller(SPACE, 3, unique=False)
    parameters = {name: value + 0.01 for name, value in controller.get_parameters().items()}
    supernet = SPACE.build_supernet((8, 8, 1), 3, seed=9)
    initializer = ReptileInitializer(supernet, parameters, {"space": SPACE.name})
    initializer.save(tmp_path / "initializer")
    oracle = StrategyOracle(Controller(SPACE, 0), "val_accuracy", 1)
    weights = SharedWeights(compile_options=EAGER, learning_rate=1e-9)
    tuner = make(tmp_path, initializer=tmp_path / "initializer", oracle=oracle, shared_weights=weights)
    for name, value in oracle.strategy.get_parameters().items():
        np.testing.assert_array_equal(value, parameters[name])
    search(tuner, controller_steps=0)
    assert "meta-learned arrays" in tuner.warm_starts[0] and "variables start from" in tuner.warm_starts[0]
    for mine, other in zip(tuner.trainer.supernet.trainable_variables, supernet.trainable_variables, strict=True):
        np.testing.assert_allclose(np.asarray(mine), np.asarray(other), atol=1e-6)


def test_bad_arguments(tmp_path):
    other = ENASMicroSpace(filters=2, num_cells=1, num_nodes=2)
    for options, error, message in (
        ({"max_trials": 0}, ValueError, "argument `max_trials`. Expected an integer of at least 1. Received: 0"),
        ({"retrain_best": 0}, ValueError, "argument `retrain_best`. Expected an integer of at least 1"),
        ({"oracle": keras_tuner.oracles.RandomSearchOracle()}, TypeError, "Expected a `StrategyOracle`"),
        ({"oracle": EvolutionOracle(other, "val_accuracy")}, ValueError, "space 'enas_micro' with 3 choices"),
        ({"oracle": EvolutionOracle(SPACE, "val_loss")}, ValueError, r"Received: \['val_loss'\]"),
        ({"oracle": ParetoOracle(SPACE, ["val_accuracy", "val_loss"])}, ValueError, "shared weights report"),
    ):
        with pytest.raises(error, match=message):
            make(tmp_path, **options)
    with pytest.raises(TypeError, match=r"OneShotTuner has no argument `controller`. Did you mean 'oracle'"):
        make(tmp_path, controller=None)
    with pytest.raises(TypeError, match=r"argument `shared_weights`. Expected a `SharedWeights`"):
        make(tmp_path, shared_weights={"learning_rate": 0.1})
    with pytest.raises(TypeError, match=r"argument `space`. Expected a `kerasnas.SearchSpace`"):
        OneShotTuner("enas_micro", (8, 8, 1), 3)
    darts = DARTSSpace(filters=2, num_cells=1, num_nodes=1)
    with pytest.raises(ValueError, match=r"argument `supernet`. Expected one whose children share weights"):
        search(OneShotTuner(darts, (8, 8, 1), 3, training=RECIPE, directory=tmp_path / "darts"))
    with pytest.raises(keras_tuner.errors.FatalValueError, match=r"objective 'val_acc'. Did you mean 'val_accuracy'"):
        search(make(tmp_path, objective=keras_tuner.Objective("val_acc", "max")))
