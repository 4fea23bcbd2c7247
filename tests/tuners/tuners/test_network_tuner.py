"""NetworkTuner: the best networks, the project and its identity, warm starts, and progress; without any training."""

import contextlib
import errno
import functools
import io
import json
import shutil
from types import SimpleNamespace

import keras_tuner
import numpy as np
import pytest

from kerasnas import BilevelTrainer, DARTSSpace
from kerasnas.executors.processes import Processes
from kerasnas.files import storage
from kerasnas.meta import ReptileInitializer
from tests.tuners.conftest import Choices
from tests.tuners.small import CLASSES, SHAPE, SPACE, eager
from tuners import EvolutionOracle, RandomOracle, TrainingRecipe
from tuners.persistence import json_files
from tuners.persistence.seals import DamagedFileError, seal
from tuners.tuners.network_tuner import NetworkTuner
from tuners.tuners.trial_inputs import SearchData

SCORES = (0.25, 0.75, np.nan, 0.5)
DATA = SearchData(*[np.zeros((6, *SHAPE), "float32"), np.arange(6) % CLASSES] * 2)


class Untrained(NetworkTuner):
    """A trial is a network as it was initialized; its score is looked up."""

    scores = SCORES

    def run_trial(self, trial, **kwargs):
        folder, score = self.trial_folder(trial), self.scores[int(trial.trial_id)]
        genotype = self.oracle.genotype(trial)
        genotype.save(folder / "genotype.json")
        self.save_model(trial.trial_id, self.training.build(genotype, steps=1, seed=int(trial.trial_id)))
        storage.write_json(folder / "result.json", {"metrics": {"val_accuracy": score}})
        return {"val_accuracy": score}

    def in_words(self, trial):
        return f"network {trial.trial_id}"


def make_in(directory, choices, folder="project", oracle=None, space=SPACE, kind=Untrained, **options):
    oracle = EvolutionOracle(space, "val_accuracy", len(SCORES), 0) if oracle is None else oracle
    recipe = TrainingRecipe(compile=eager)
    settings = {"directory": directory, "project_name": folder, "hypermodel": choices(space), **options}
    return kind(oracle, space, SHAPE, CLASSES, recipe, **settings)


@pytest.fixture
def make(choices, tmp_path):
    return functools.partial(make_in, tmp_path, choices)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    tuner = make_in(tmp_path_factory.mktemp("searched"), Choices)
    tuner.progress.verbose = 1
    with contextlib.redirect_stdout(io.StringIO()) as output:
        tuner.search(verbose=0)
    tuner.output = output.getvalue()
    return tuner


@pytest.fixture
def copied(searched, make, tmp_path):
    shutil.copytree(searched.project_dir, tmp_path / "project")
    return make()


# The best ----------------------------------------------------------------------------------------
def test_the_best_are_the_completed_trials_the_best_first(searched):
    best = searched.best_trials(9)
    assert [trial.trial_id for trial in best] == ["1", "3", "0"]
    assert [trial.trial_id for trial in searched.best_trials(2)] == ["1", "3"]
    genotypes = [searched.oracle.genotype(trial) for trial in best]
    assert searched.get_best_genotypes(9) == genotypes
    assert [hp.values for hp in searched.get_best_hyperparameters(9)] == [one.hyperparameters.values for one in best]
    models = searched.get_best_models(9)
    assert len(models) == 3
    for trial, genotype, model in zip(best, genotypes, models, strict=True):
        built = searched.training.build(genotype, steps=1, seed=int(trial.trial_id))
        for mine, other in zip(model.get_weights(), built.get_weights(), strict=True):
            np.testing.assert_array_equal(mine, other)
        assert model.compiled and searched.result(trial) == {"metrics": {"val_accuracy": trial.score}}


def test_a_damaged_file_of_the_best_trial_is_whole_again_or_named(copied):
    """A byte of a genotype may be another genotype, and one of weights other predictions."""
    tuner, best = copied, copied.best_trials(1)[0]
    folder = tuner.trial_folder(best)
    seal(folder, ["genotype.json", "result.json"])  # which `TrialNetworks` does after a training
    right = tuner.genotype(best), tuner.result(best)
    for name, damage in (("genotype.json", lambda content: content[:-9]), ("result.json", lambda content: b"")):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(damage(content))
        with pytest.warns(UserWarning, match=f"{name} cannot be used .*is written again from files.json"):
            assert (tuner.genotype(best), tuner.result(best)) == right
        assert (folder / name).read_bytes() == content
    (folder / "model.keras").write_bytes(b"")
    with pytest.raises(DamagedFileError, match=r"model.keras cannot be used"):
        tuner.get_best_models()


@pytest.mark.slow
def test_a_model_that_is_saved_again_is_the_one_that_is_loaded(copied):
    best, other = copied.best_trials(2)
    copied.save_model(best.trial_id, copied.load_model(other))
    for mine, its in zip(copied.load_model(best).get_weights(), copied.load_model(other).get_weights(), strict=True):
        np.testing.assert_array_equal(mine, its)


def test_a_trial_without_a_result_has_none(make):
    assert make().result("0") is None


# Progress ----------------------------------------------------------------------------------------
def test_each_trial_has_a_row_a_failed_one_says_why_and_the_summary_has_the_best(searched, capsys):
    rows = [line.split() for line in searched.output.splitlines()]
    assert rows[0] == ["trial", "what", "val_accuracy", "best", "time"]
    assert rows[1][:5] == ["1", "network", "0", "0.2500", "0.2500"]
    assert rows[2][:5] == ["2", "network", "1", "0.7500", "0.7500"]
    assert rows[3][:3] == ["3", "failed:", "Not"] and "0.7500" in rows[3]
    assert rows[4][:5] == ["4", "network", "3", "0.5000", "0.7500"]

    searched.results_summary(2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"2 best of 4 trials in {searched.project_dir}"
    assert lines[1:5] == [
        "  trial 2: network 1",
        "    val_accuracy 0.75",
        "  trial 4: network 3",
        "    val_accuracy 0.5",
    ]
    assert lines[5:] == str(searched.get_best_genotypes()[0]).splitlines()


def test_a_search_without_a_completed_trial_says_why(make):
    class Failing(Untrained):
        def run_trial(self, trial, **kwargs):
            return {"val_accuracy": np.nan}

    with pytest.warns(UserWarning, match="No trial was completed.*Not finite: val_accuracy"):
        tuner = make(kind=Failing)
        tuner.search(verbose=0)
    assert tuner.get_best_models() == [] and tuner.get_best_genotypes() == []


# Warm start --------------------------------------------------------------------------------------
def test_a_warm_start_is_said_once(make, tmp_path, capsys):
    supernet = SPACE.build_supernet(SHAPE, CLASSES, seed=5)
    ReptileInitializer(supernet).save(tmp_path / "initializer")
    tuner = make(initializer=tmp_path / "initializer")
    tuner.progress.verbose = 1
    for seed in (1, 2):
        search = BilevelTrainer(SPACE.build_supernet(SHAPE, CLASSES, seed=seed))
        said = tuner.warm(search)
        assert "variables start from the initialization" in said
        for mine, other in zip(search.supernet.get_weights(), supernet.get_weights(), strict=True):
            np.testing.assert_array_equal(mine, other)
    assert capsys.readouterr().out == f"Warm start: {said}.\n" and tuner.warm_starts == [said]


def test_an_initialization_that_does_not_fit_is_fatal(make):
    tuner = make(initializer=ReptileInitializer(SPACE.resized(filters=3).build_supernet(SHAPE, CLASSES)))
    with pytest.raises(keras_tuner.errors.FatalValueError, match=r"cannot start from `initializer`.*filters 3, expec"):
        tuner.warm(BilevelTrainer(SPACE.build_supernet(SHAPE, CLASSES)))


def test_without_an_initializer_nothing_is_warm(make):
    assert make().warm(None) is None


# The project -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": 1}, "seed: 0 there, 1 here"),
        (
            {"space": DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "avg_pool_3x3"])},
            r"max_pool_3x3'\] there",
        ),
        ({"oracle": EvolutionOracle(SPACE, "val_loss", 4, 0)}, r"objectives: \['val_accuracy'\] there, \['val_loss'\]"),
    ],
)
def test_a_project_of_another_search_is_refused(options, message, make):
    make().save()
    make()  # the same search again
    expected = f"another search, which Untrained cannot resume: .*{message}.*`project_name`, or pass `overwrite=True`"
    with pytest.raises(ValueError, match=expected):
        make(**options)
    assert make(**options, overwrite=True).seed == options.get("seed", 0)


def test_a_state_without_an_identity_is_another_tuner_s(make):
    tuner = make()
    state = tuner.get_state()
    assert json.loads(json.dumps(state)) == state
    tuner.set_state(state)
    with pytest.raises(ValueError, match="written by another kind of tuner"):
        tuner.set_state({})


def test_a_full_disk_is_fatal(make, monkeypatch):
    tuner = make()

    def write(path, value, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(json_files, "write", write)
    with pytest.raises(keras_tuner.errors.FatalRuntimeError, match="Make room and start the same program again"):
        tuner.save()


# Arguments ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"folds": 1}, ValueError, "argument `folds`. Expected an integer of at least 2. Received: 1"),
        ({"executor": "ray"}, TypeError, "argument `executor`. Expected"),
        ({"executor": Processes(1)}, ValueError, "argument `executor`. Expected None without `folds`"),
        ({"seed": -1}, ValueError, "argument `seed`. Expected an integer of at least 0. Received: -1"),
        ({"report": "yes"}, ValueError, "argument `report`. Expected True or False. Received: 'yes'"),
        ({"initializer": 3}, TypeError, "argument `initializer`. Expected a `kerasnas.meta.ReptileInitializer`, or"),
        ({"initializer": "nowhere"}, FileNotFoundError, "Expected a folder with initializer.json"),
        ({"distribution_strategy": "mirrored"}, TypeError, "Expected a `tf.distribute.Strategy`. Received: 'mirrored'"),
        ({"project": "x"}, TypeError, "Untrained has no argument `project`. Did you mean 'project_name'?"),
        ({"sead": 1}, TypeError, "Untrained has no argument `sead`. Did you mean 'seed'?"),
        ({"xyz": 1}, TypeError, "Untrained has no argument `xyz`. Known: "),
    ],
)
def test_bad_arguments(options, error, message, make):
    with pytest.raises(error) as caught:
        make(**options)
    assert message in str(caught.value)


def test_objectives_are_those_that_a_network_reports(make):
    oracle = RandomOracle("val_accuracy", 1)
    tuner = make(oracle=oracle)
    tuner.require_objective(DATA, ["val_accuracy", "val_loss", "parameters"])
    tuner.require_objective(DATA, ["search_val_loss"], "search_val_loss")
    with pytest.raises(keras_tuner.errors.FatalValueError, match=r"'val_acuracy'. Did you mean 'val_accuracy'"):
        tuner.require_objective(DATA, ["val_acuracy"])
    with pytest.raises(keras_tuner.errors.FatalValueError, match="'search_val_loss'"):
        tuner.require_objective(DATA, ["search_val_loss"])


def test_models_are_built_in_the_scope_of_the_distribution_strategy(make, noted_scope):
    for strategy in (SimpleNamespace(scope=noted_scope), None):
        with make(distribution_strategy=strategy).scope():
            assert noted_scope.notes == ["entered", *["left"] * (strategy is None)]
