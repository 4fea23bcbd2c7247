"""The seam to KerasTuner's private names: a release that removes one fails here, by the name."""

import ast
import inspect
import pkgutil
import threading
from pathlib import Path

import keras_tuner
import pytest

import tuners
from kerasnas.testing.strategies import GridSpace
from tests.tuners.small import OBJECTIVE
from tuners import PredictorOracle
from tuners import keras_tuner_internals as internals

PACKAGE = Path(tuners.__file__).parent


@pytest.mark.parametrize("name", internals.PRIVATE)
def test_keras_tuner_still_has(name):
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        pytest.fail(f"KerasTuner {keras_tuner.__version__} has no {name} any more ({internals.PRIVATE[name]})")


def test_instances_still_have_the_attributes_that_no_class_shows():
    oracle = keras_tuner.Oracle(objective="val_loss")
    assert hasattr(oracle, "_display"), f"KerasTuner {keras_tuner.__version__}: Oracle has no _display any more"
    assert hasattr(oracle._display, "trial_start"), "its _display has no trial_start any more"
    source = inspect.getsource(internals.OracleClient.__init__)
    assert "self._oracle = oracle" in source, (
        f"KerasTuner {keras_tuner.__version__}: OracleClient has no _oracle any more"
    )


def test_the_print_of_conditions_is_still_to_be_silenced():
    source = inspect.getsource(internals.conditions.Parent.to_proto)
    assert "print(" in source, f"KerasTuner {keras_tuner.__version__} prints no more: drop `silent_conditions`"


def test_importing_tuners_runs_nothing():
    """So it changes nothing in KerasTuner: modules define names of their own, and call or assign nothing else."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            targets = getattr(node, "targets", [getattr(node, "target", None)])
            defines = isinstance(node, (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef))
            names = isinstance(node, (ast.Assign, ast.AnnAssign)) and all(
                isinstance(one, (ast.Name, ast.Tuple)) or (isinstance(one, ast.Tuple) and one.elts) for one in targets
            )
            docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            assert defines or names or docstring, f"{path.name}, line {node.lineno}"


def conditional():
    hp = keras_tuner.HyperParameters()
    hp.Choice("kind", ["a", "b"])
    with hp.conditional_scope("kind", ["a"]):
        hp.Int("units", 1, 5)
    return hp


def test_conditions_are_silent_inside_and_as_they_were_outside(capsys):
    before = dict(vars(internals.conditions))
    with internals.silent_conditions():
        with internals.silent_conditions():
            conditional().to_proto()
        conditional().to_proto()
        assert capsys.readouterr().out == ""
    assert vars(internals.conditions) == before
    conditional().to_proto()
    assert capsys.readouterr().out == "a\n"


def test_conditions_are_silent_while_any_thread_needs_it(capsys):
    """Chief and workers may be threads of one process, which end in any order."""
    entered, leave = threading.Event(), threading.Event()

    def other():
        with internals.silent_conditions():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with internals.silent_conditions():
        thread.start()
        assert entered.wait(10)
    conditional().to_proto()
    assert capsys.readouterr().out == ""
    leave.set()
    thread.join(10)
    assert "print" not in vars(internals.conditions)


def test_a_trial_whose_begin_was_not_shown_is_not_shown(capsys, finish):
    oracle = PredictorOracle(GridSpace((2, 2)), OBJECTIVE, 2)
    oracle.verbose = 0
    trial = oracle.create_trial("a")
    oracle.verbose = 1  # as after a restart
    finish(oracle, trial)
    assert capsys.readouterr().out == ""


def test_the_oracle_behind_a_client(become):
    become("worker")
    oracle = keras_tuner.Oracle(objective="val_loss")
    assert internals.oracle_behind(internals.OracleClient(oracle)) is internals.oracle_behind(oracle) is oracle
