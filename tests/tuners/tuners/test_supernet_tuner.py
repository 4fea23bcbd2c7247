"""SupernetTuner: a trial is a search whose network is trained and evaluated; killed ones resume where they were."""

import dataclasses
import sys
import threading
import warnings

import keras
import keras_tuner
import numpy as np
import pytest

import kerasnas
from kerasnas import BilevelTrainer
from kerasnas.tasks.splits import stratified_split
from tests.tuners.small import EAGER, RECIPE, RNG, SPACE, VALIDATION, X_VAL, Y_VAL, Epochs, X, Y, eager, search
from tests.tuners.small import supernet_tuner as make
from tuners import SupernetHyperModel


class Reads:
    """The halves of the training images, 1 and 2, and the validation images, 3, that each part of a trial reads."""

    def __init__(self):
        halves = stratified_split(Y, 0.5, seed=0)
        parts = (X[halves[0]], X[halves[1]], X_VAL)
        self.part_of = {image.tobytes(): part for part, images in enumerate(parts, start=1) for image in images}
        self.read = {name: set() for name in ("weights", "alphas", "network", "evaluation")}
        self.first = None  # the search of the first trial: others have other halves

    def note(self, name, images):
        self.read[name].update(self.part_of[image.tobytes()] for image in np.asarray(images))

    def search_step(self):
        def search_step(search, data, step=BilevelTrainer.train_step):
            self.first = self.first or search
            for name, (images, _) in zip(("weights", "alphas"), data, strict=True):
                if search is self.first:
                    self.note(name, images)
            return step(search, data)

        return search_step

    def compile(self, model):
        def noting(name, step):
            return lambda data: (self.note(name, data[0]), step(data))[1]

        eager(model)
        model.train_step, model.test_step = noting("network", model.train_step), noting("evaluation", model.test_step)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    reads = Reads()
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setitem(sys.modules, "tensorboard", None)  # as if it were not installed
        patch.setattr(BilevelTrainer, "train_step", reads.search_step())
        warnings.filterwarnings("error", message="currentThread")  # of KerasTuner's own locks
        tuner = make(tmp_path_factory.mktemp("searched"), training=dataclasses.replace(RECIPE, compile=reads.compile))
        search(tuner, verbose=0)
    tuner.read = reads.read
    return tuner


# What a search gives -----------------------------------------------------------------------------
def test_the_score_is_what_the_saved_network_gets_on_the_validation_data(searched):
    trials = searched.oracle.get_best_trials(5)
    assert len(trials) == 2
    for trial, model, genotype in zip(trials, searched.get_best_models(5), searched.get_best_genotypes(5), strict=True):
        assert type(model).__module__.startswith("keras.")
        assert model.evaluate(*VALIDATION, verbose=0)[1] == pytest.approx(trial.score)
        assert SPACE.build_network(genotype, (8, 8, 1), 3).count_params() == model.count_params()
    assert trials[0].score >= trials[1].score
    values = [hp.values for hp in searched.get_best_hyperparameters(2)]
    assert {"filters", "learning_rate"} == set(values[0]) and values[0] != values[1]


def test_finished_trials_leave_no_checkpoints(searched):
    names = {path.name for path in searched.trial_folder("0").iterdir()}
    assert {"model.keras", "genotype.json", "result.json", "trial.json"} <= names
    assert not list((searched.trial_folder("0") / "checkpoints").iterdir())


@pytest.mark.slow
def test_the_same_seed_gives_the_same_search_without_a_word_and_a_finished_one_is_not_done_again(
    searched, tmp_path, capfd
):
    again = search(make(tmp_path))
    captured = capfd.readouterr()
    assert captured.out == "" and captured.err == ""
    first, second = ([one.oracle.trials[name].score for name in "01"] for one in (searched, again))
    assert first == second
    seen = []
    reloaded = search(make(tmp_path), callbacks=lambda: [Locked(seen)])
    assert [reloaded.oracle.trials[name].score for name in "01"] == second and not seen


def test_each_part_of_a_trial_reads_its_own_images_alone(searched):
    assert searched.read == {"weights": {1}, "alphas": {2}, "network": {1, 2}, "evaluation": {3}}


# Hyperparameters ---------------------------------------------------------------------------------
@pytest.mark.slow
def test_without_hyperparameters_the_trials_differ_by_their_seeds(tmp_path):
    rates = {"learning_rate": 0.1, "architecture_learning_rate": 0.01}
    hypermodel = SupernetHyperModel(SPACE, (8, 8, 1), 3, **rates, batch_size=8, epochs=1, compile_options=EAGER)
    tuner = search(make(tmp_path, hypermodel, objective="val_loss"), epochs=None, batch_size=None)
    results = [tuner.result(name)["metrics"] for name in "01"]
    assert tuner.oracle.trials["0"].hyperparameters.values == {}
    assert results[0]["search_val_loss"] != results[1]["search_val_loss"]
    best = tuner.oracle.get_best_trials(1)[0]
    assert best.score == min(one["val_loss"] for one in results)  # it is minimized


# Warm start --------------------------------------------------------------------------------------
@pytest.mark.slow
def test_the_supernet_starts_from_an_initialization_in_a_folder_and_the_trial_leaves_a_report(tmp_path, capsys):
    supernet = SPACE.build_supernet((8, 8, 1), 3, seed=5)
    for variable in supernet.architecture_parameters:
        table = np.zeros(variable.shape, "float32")
        table[..., 1] = 50.0  # so sure of max_pool_3x3 that one epoch does not change it
        variable.assign(table)
    kerasnas.meta.ReptileInitializer(supernet).save(tmp_path / "initializer")
    options = {"initializer": tmp_path / "initializer", "filters": [2], "max_trials": 1, "report": True}
    tuner = search(make(tmp_path, **options), verbose=1)
    assert tuner.get_best_genotypes()[0].count("max_pool_3x3") == 2
    assert "Warm start:" in capsys.readouterr().out
    result, folder = tuner.result("0"), tuner.trial_folder("0")
    assert "variables start from the initialization" in result["warm_start"]
    names = {"report.html", "card.md", "history.csv", "alphas.png", "cell_reduce.png"}
    assert names <= {path.name for path in folder.iterdir()}
    score = 100 * tuner.oracle.trials["0"].score
    for name in ("report.html", "card.md"):
        text = (folder / name).read_text()
        assert f"reaches {score:.2f} % validation accuracy" in text and "test accuracy" not in text
        assert "24" in text and "retrain" not in text
    assert result["searched"]["val_accuracy"] == result["metrics"]["val_accuracy"]
    assert result["settings"]["training"]["batch_size"] == 12


# Bad input ---------------------------------------------------------------------------------------
class Returning(SupernetHyperModel):
    answer: object = None

    def build(self, hp):
        return self.answer


def test_a_hypermodel_that_returns_nothing_or_something_else(tmp_path):
    hypermodel = Returning(SPACE, (8, 8, 1), 3)
    with pytest.raises(keras_tuner.errors.FatalTypeError, match=r"Returning.build returned None. .*return model"):
        search(make(tmp_path, hypermodel))
    hypermodel.answer = kerasnas.BilevelTrainer(SPACE.build_supernet((8, 8, 1), 3))
    with pytest.raises(keras_tuner.errors.FatalValueError, match="left the model uncompiled"):
        search(make(tmp_path, hypermodel))
    hypermodel.answer = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    eager(hypermodel.answer)
    with pytest.raises(keras_tuner.errors.FatalTypeError, match=r"returned Sequential. Expected a `kerasnas.BilevelTr"):
        search(make(tmp_path, hypermodel))
    with pytest.raises(TypeError, match=r"argument `hypermodel`. Expected a `SupernetHyperModel`"):
        make(tmp_path, keras_tuner.HyperModel())


def test_an_objective_that_nothing_reports_ends_the_search_before_it_begins(tmp_path):
    tuner = make(tmp_path, objective=keras_tuner.Objective("val_acuracy", "max"))
    with pytest.raises(keras_tuner.errors.FatalValueError, match=r"'val_acuracy'. Did you mean 'va"):
        search(tuner)
    assert not tuner.oracle.trials


class Locked(keras.callbacks.Callback):
    """Cannot be copied."""

    def __init__(self, seen):
        super().__init__()
        self.lock, self.seen = threading.Lock(), seen

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(type(self.model).__name__)


def test_callbacks_that_cannot_be_copied_come_from_a_function(tmp_path):
    with pytest.raises(keras_tuner.errors.FatalTypeError, match=r"Locked .*callbacks=lambda: \[...\]"):
        search(make(tmp_path), callbacks=[Locked([])])


def test_a_project_of_other_hyperparameters_is_refused(searched):
    with pytest.raises(ValueError, match=r"of another search.*hyperparameters 'filters'"):
        make(searched.directory, filters=[2, 8])


@pytest.mark.slow
def test_losses_that_are_not_finite_fail_a_trial_and_do_not_stop_the_search(tmp_path, capsys):
    hypermodel = SupernetHyperModel(SPACE, (8, 8, 1), 3, learning_rate=1e30, compile_options=EAGER)
    with pytest.warns(UserWarning, match="No trial was completed.*Not finite: val_accuracy"):
        tuner = search(make(tmp_path, hypermodel, max_trials=4), epochs=3, batch_size=4, verbose=1)
    statuses = [trial.status for trial in tuner.oracle.trials.values()]
    assert statuses == ["FAILED"] * 4 and tuner.get_best_models() == []
    assert "stopped being finite" in capsys.readouterr().out


# Interrupted -------------------------------------------------------------------------------------
@pytest.mark.slow
def test_a_trial_with_other_settings_starts_from_scratch(tmp_path, capsys):
    tuner = make(tmp_path, max_trials=1)
    with pytest.raises(KeyboardInterrupt):
        search(tuner, epochs=2, callbacks=lambda: [Epochs([], ("BilevelTrainer", 1))])
    checkpoints = list((tuner.trial_folder("0") / "checkpoints" / "search").iterdir())
    assert [path.name for path in checkpoints] == ["checkpoint-000001.npz"]
    again = search(make(tmp_path, max_trials=1), epochs=1, verbose=1)
    assert "Trial 0 starts from scratch: its data or settings have changed." in capsys.readouterr().out
    assert again.oracle.trials["0"].status == "COMPLETED"


@pytest.mark.slow
def test_trials_on_texts(tmp_path):
    """Token ids go through the tuner's checks, the search and the training of what it finds."""
    space = kerasnas.spaces.TextSpace(20, 4, 4, num_nodes=1, primitives=["skip_connect", "self_attention_2"])
    hypermodel = SupernetHyperModel(space, (6,), 3, filters=[4], compile_options={"run_eagerly": True})
    tuner = make(tmp_path, hypermodel, max_trials=1)
    ids = RNG.integers(0, 20, (36, 6)).astype("int32")
    tuner.search(ids[:24], Y, validation_data=(ids[24:], Y_VAL), epochs=1, batch_size=12, verbose=0)
    (trial,) = tuner.oracle.get_best_trials()
    assert tuner.get_best_genotypes()[0].space == "text" and trial.metrics.exists("val_accuracy")


@pytest.mark.slow
def test_a_full_disk_ends_the_search_and_the_trial_resumes_when_there_is_room(tmp_path, monkeypatch):
    """In stock KerasTuner each trial then fails by its own checkpoint, until three of them end the search."""
    seen, real = [], np.savez

    def savez(path, **arrays):
        if len(seen) == 2:
            raise OSError(28, "No space left on device")
        real(path, **arrays)

    monkeypatch.setattr(np, "savez", savez)
    with pytest.raises(keras_tuner.errors.FatalRuntimeError, match=r"is full .*No space left.*Make room and start"):
        search(make(tmp_path, max_trials=1), epochs=2, callbacks=lambda: [Epochs(seen)])
    tuner = search(make(tmp_path, max_trials=1), epochs=2, callbacks=lambda: [Epochs(seen)])
    assert seen == [("BilevelTrainer", 0), ("BilevelTrainer", 1), ("BilevelTrainer", 1), ("Functional", 0)]
    assert tuner.oracle.trials["0"].status == "COMPLETED"
