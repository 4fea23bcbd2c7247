"""Every file of a project, missing, empty, torn or with a flipped byte: a search resumes or says what to do.

Projects are real, small searches; which files they have is found by looking. A damaged file never costs a finished
trial, in silence or otherwise, nor changes a score, a genotype or a network.
"""

import contextlib
import re
import shutil
import warnings

import pytest

import tuners
from kerasnas.testing.strategies import GridSpace
from tests.tuners.persistence.damages import DAMAGES, flip
from tests.tuners.small import OBJECTIVE, Epochs, X, Y, eager, one_shot_tuner, supernet_tuner
from tests.tuners.small import SPACE as DARTS
from tuners import DistributedTuner, TrainingRecipe

DATA = {"x": X, "y": Y, "validation_data": (X[::2], Y[::2]), "verbose": 0}
RECIPE = TrainingRecipe(epochs=2, batch_size=12, compile=eager)


def interrupting():
    """Callbacks that interrupt the training of a network in its second epoch."""
    return [Epochs([], ("Functional", 1))]


class Formula(DistributedTuner):
    """A trial is a number."""

    def run_trial(self, trial, killed=False, **kwargs):
        if killed and trial.trial_id == "4":
            raise KeyboardInterrupt
        return {"val_accuracy": int(trial.trial_id) / 10}


def formula(folder):
    oracle = tuners.PredictorOracle(GridSpace((3, 3)), OBJECTIVE, 6)
    return Formula(oracle, None, folder, "project"), lambda tuner, killed: tuner.search(killed=killed, verbose=0)


class Third(tuners.GenotypeTuner):
    """Only the third training has callbacks."""

    def run_trial(self, trial, *data, callbacks, **options):
        return super().run_trial(trial, *data, callbacks=callbacks if trial.trial_id == "2" else [], **options)


def genotype(folder):
    oracle = tuners.EvolutionOracle(DARTS, "val_accuracy", 3)
    hypermodel = tuners.GenotypeHyperModel(DARTS, (8, 8, 1), 3, eager)
    tuner = Third(hypermodel, oracle=oracle, directory=folder, project_name="project")

    def search(tuner, killed):
        tuner.search(**DATA, epochs=2, callbacks=interrupting() if killed else [])

    return tuner, search


def supernet(folder):
    def search(tuner, killed):
        def callbacks():
            return interrupting() if killed and tuner.oracle.get_best_trials(1) else []

        tuner.search(**DATA, epochs=1, batch_size=12, callbacks=callbacks)

    return supernet_tuner(folder, training=RECIPE), search


def one_shot(folder):
    def search(tuner, killed):
        def callbacks():
            return interrupting() if killed and (folder / "project" / "trial_0" / "result.json").exists() else []

        tuner.search(**DATA, epochs=1, batch_size=12, callbacks=callbacks)

    return one_shot_tuner(folder, max_trials=4, training=RECIPE), search


KINDS = {"formula": formula, "genotype": genotype, "supernet": supernet, "one_shot": one_shot}


def original(kind, killed, parent):
    """The folder of a project that was searched to its end, or killed."""
    folder = parent / f"{kind}-{killed}"
    tuner, search = KINDS[kind](folder)
    with contextlib.suppress(KeyboardInterrupt):
        search(tuner, killed)
        assert not killed, "the search was to be killed"
    return folder


def reopen(kind, folder):
    """Resume a project; return what it has, and the trials that were run."""
    ran, run = [], DistributedTuner._try_run_and_update_trial
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            DistributedTuner,
            "_try_run_and_update_trial",
            lambda self, trial, *data, **options: ran.append(trial.trial_id) or run(self, trial, *data, **options),
        )
        patched.setattr("gc.collect", lambda: 0)  # Keras collects with each model, for a second
        tuner, search = KINDS[kind](folder)
        search(tuner, False)
        return everything(kind, tuner), ran


def everything(kind, tuner):
    """What a project has found."""
    trials = {
        name: (trial.status, trial.score, trial.hyperparameters.values) for name, trial in tuner.oracle.trials.items()
    }
    found = {"trials": trials, "best": [trial.trial_id for trial in tuner.oracle.get_best_trials(9)]}
    if kind != "formula":
        found["weights"] = [[value.tolist() for value in one.get_weights()] for one in tuner.get_best_models(1)]
    if kind in ("supernet", "one_shot"):
        found["genotypes"] = [str(one) for one in tuner.get_best_genotypes(2)]
        found["results"] = [(tuner.result(trial) or {}).get("metrics") for trial in tuner.best_trials(2)]
    return found


DAMAGES = {**DAMAGES, **{f"byte at {share}": flip(share) for share in (0.35, 0.65)}}


def cases(folder, right):
    """All damages of all files of a project, of one trial of each kind: the best, and the one that has not ended.

    Where the state of the tuner is missing, stock KerasTuner starts another search over the first.
    """
    (found, ran), project = right, folder / "project"
    of = {f"trial_{number}" for number in (found["best"][0], *ran[:1])}
    files = sorted(path.relative_to(project) for path in project.rglob("*") if path.is_file())
    files = [str(path) for path in files if path.parts[0] in of or not path.parts[0].startswith("trial_")]
    return [
        *(("tuner0*", "missing"), ("*.*", "missing")),
        *(
            (name, damage)
            for name in files
            for damage in DAMAGES
            if (project / name).stat().st_size or damage == "missing"
        ),
    ]


def outcome(kind, folder, name, damage, right):
    """What comes of a damage: "the same", "the same, with a warning", "an error" with its words, or what is wrong."""
    path = folder / "project" / name
    for one in list(path.parent.glob(path.name)):
        DAMAGES[damage](one)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found, ran = reopen(kind, folder)
        except Exception as error:  # noqa: BLE001
            said = str(error)
            clear = path.name in said and re.search(r"Restore|restore|Choose another|Remove", said) and len(said) < 700
            return "a clear error" if clear else f"another error: {type(error).__name__}: {said[:200]}"
    expected, expected_ran = right
    if not set(ran) <= set(expected_ran):
        return f"trials {sorted(set(ran) - set(expected_ran))} were run again"
    # A trial that had not ended may be run from its beginning; what had ended is as it was.
    finished = [number for number in expected["trials"] if number not in expected_ran]
    lost = [number for number in finished if found["trials"].get(number) != expected["trials"][number]]
    if lost:
        return f"trials {lost} were lost or changed"
    if set(found["trials"]) != set(expected["trials"]):
        return f"there are trials {sorted(found['trials'])}"
    if any(status != "COMPLETED" for status, *_ in found["trials"].values()):
        return f"trials have failed: {found['trials']}"
    if not expected_ran:
        different = [part for part in expected if found[part] != expected[part]]
        if different:
            return f"{', '.join(different)} changed" + (" with a warning" if caught else "")
    own = [one for one in caught if path.name in str(one.message) or "project" in str(one.message)]
    return "the same, with a warning" if own else "the same"


def all_outcomes(kind, killed, parent, tmp_path):
    folder = original(kind, killed, parent)
    shutil.copytree(folder, tmp_path / "right")
    right = reopen(kind, tmp_path / "right")
    found = {}
    for name, damage in cases(folder, right):
        shutil.rmtree(tmp_path / "again", ignore_errors=True)
        shutil.copytree(folder, tmp_path / "again")
        found[name, damage] = outcome(kind, tmp_path / "again", name, damage, right)
    return found


FINE = ("the same", "the same, with a warning", "a clear error")


@pytest.mark.parametrize(
    ("kind", "killed"),
    [
        ("formula", True),
        ("formula", False),
        *(
            pytest.param(kind, killed, marks=pytest.mark.slow)
            for kind in ("genotype", "supernet", "one_shot")
            for killed in (False, True)
        ),
    ],
)
def test_no_damaged_file_costs_a_finished_trial(kind, killed, tmp_path, tmp_path_factory):
    found = all_outcomes(kind, killed, tmp_path_factory.mktemp("original"), tmp_path)
    assert {name for name, _ in found} >= {"oracle.json", "tuner0.json"}
    wrong = {case: what for case, what in found.items() if what not in FINE}
    assert not wrong, "\n".join(f"{name}, {damage}: {what}" for (name, damage), what in wrong.items())
    # Nothing is lost with it, but it is said.
    said = {found["tuner0.json", damage] for damage in ("missing", "empty", "half")}
    assert said | {found["tuner0*", "missing"], found["*.*", "missing"]} == {"the same, with a warning"}
