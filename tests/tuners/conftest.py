"""Tuners that answer from a formula, so that the oracles are all there is to test."""

import contextlib
import io

import keras_tuner
import pytest

from kerasnas.search import STRATEGIES
from tests.tuners.small import reward

# A program, which pytest would take for a module with doctests.
collect_ignore = ["distributed/search_program.py"]


class Choices(keras_tuner.HyperModel):
    """Declares the choices of a space, and builds nothing."""

    def __init__(self, space):
        super().__init__()
        self.space = space

    def declare_hyperparameters(self, hp):
        for name, options in self.space.choices.items():
            hp.Choice(name, list(options), ordered=False)

    def build(self, hp):
        self.declare_hyperparameters(hp)


class FormulaTuner(keras_tuner.engine.base_tuner.BaseTuner):
    """A trial is a formula. After `stop_after` trials it is killed."""

    def __init__(self, oracle, folder, answer, stop_after, hypermodel):
        self.answer, self.stop_after, self.asked, self.values = answer, stop_after, [], []
        super().__init__(oracle, hypermodel, str(folder), "project")

    def run_trial(self, trial, **kwargs):
        if len(self.asked) == self.stop_after:
            raise KeyboardInterrupt
        space, genotype = self.oracle.space, self.oracle.genotype(trial)
        self.asked.append(genotype)
        result = self.answer(genotype, trial) if self.answer else {"val_accuracy": reward(genotype, space)}
        self.values.append(dict(trial.hyperparameters.values))
        return result


@pytest.fixture
def choices():
    return Choices


@pytest.fixture
def run():
    """Search to the end, or until it is killed; returns the tuner, with what it was asked, and the trials' values."""

    def search(oracle, folder, answer=None, stop_after=None, hypermodel=None):
        with contextlib.suppress(KeyboardInterrupt), contextlib.redirect_stdout(io.StringIO()):
            tuner = FormulaTuner(oracle, folder, answer, stop_after, hypermodel or Choices(oracle.space))
            tuner.search(verbose=0)
        return tuner

    return search


@pytest.fixture
def project(tmp_path):
    """Give an oracle the folder of a project, as a tuner does; it is silent."""

    def own(oracle, name="project"):
        oracle.verbose = 0
        oracle._set_project_dir(str(tmp_path), name)
        return oracle

    return own


@pytest.fixture
def become(monkeypatch):
    """Make this process the chief, or a worker of this name, by KerasTuner's variables."""

    def set_variables(name, port=1):
        for variable, value in (("ORACLE_IP", "127.0.0.1"), ("ORACLE_PORT", str(port)), ("TUNER_ID", name)):
            monkeypatch.setenv(f"KERASTUNER_{variable}", value)

    return set_variables


@pytest.fixture
def noted_scope():
    """The scope of a distribution strategy; its `notes` say when it was entered and left."""

    @contextlib.contextmanager
    def scope():
        scope.notes.append("entered")
        yield
        scope.notes.append("left")

    scope.notes = []
    return scope


@pytest.fixture
def finish():
    """End a trial as a worker does."""

    def end(oracle, trial, value=0.5, status="COMPLETED"):
        if status == "COMPLETED":
            oracle.update_trial(trial.trial_id, {"val_accuracy": value})
        trial.status = status
        oracle.end_trial(trial)

    return end


@pytest.fixture
def bare():
    """Genotypes that a strategy proposes without any oracle, rewarded by `FormulaTuner`'s formula."""

    def ask(name, space, seed, trials):
        strategy, asked = STRATEGIES[name](space, seed=seed), []
        for _ in range(trials):
            genotype = strategy.ask()
            asked.append(genotype)
            value, first = reward(genotype, space), space.encode(genotype)[0]
            strategy.tell(genotype, value if strategy.objectives == 1 else (value, -first))
        return asked

    return ask
