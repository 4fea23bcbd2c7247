"""The seam to KerasTuner's private names: a release that removes one fails here, by the name."""

import ast
import importlib
import inspect
import subprocess
import sys
import threading
from pathlib import Path

import keras_tuner
import pytest

import tuners
from kerasnas.testing.strategies import GridSpace
from tuners import PredictorOracle
from tuners import keras_tuner_internals as internals

PACKAGE = Path(tuners.__file__).parent


def resolve(name):
    """The object of a dotted name, or None."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ImportError:
            continue
        for part in parts[length:]:
            found = getattr(found, part, None)
        return found
    return None


@pytest.mark.parametrize("name", internals.PRIVATE)
def test_keras_tuner_still_has(name):
    found = resolve(name)
    assert found is not None, f"KerasTuner {keras_tuner.__version__} has no {name} any more ({internals.PRIVATE[name]})"


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


def classes():
    for path in sorted(PACKAGE.rglob("*.py")):
        module = importlib.import_module(".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts))
        yield from (cls for _, cls in inspect.getmembers(module, inspect.isclass) if cls.__module__ == module.__name__)


def test_every_private_method_that_is_overridden_is_listed():
    listed = {name.rsplit(".", 1)[1] for name in internals.PRIVATE}
    for cls in set(classes()):
        theirs = [base for base in cls.__mro__ if base.__module__.startswith("keras_tuner.")]
        for name in vars(cls):
            private = name.startswith("_") and not name.startswith("__")
            if private and any(name in vars(base) for base in theirs):
                assert name in listed, (
                    f"{cls.__name__}.{name} overrides a private name of KerasTuner: list it in PRIVATE"
                )


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_private_names_are_touched_in_the_seam_alone(path):
    """No private module is imported elsewhere, and no private attribute read but of an object's own."""
    if path.stem == "keras_tuner_internals":
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("keras_tuner.src"), f"line {node.lineno}"
        if isinstance(node, ast.Import):
            assert not any(alias.name.startswith("keras_tuner.src") for alias in node.names), f"line {node.lineno}"
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            owner = ast.unparse(node.value)
            assert owner in ("self", "cls", "super()"), f"line {node.lineno}: {owner}.{node.attr}"


IMPORT = """
import sys
import keras_tuner
from keras_tuner.src.distribute import oracle_chief, oracle_client

def all_of():
    modules = {name: dict(vars(module)) for name, module in sys.modules.items() if name.startswith("keras_tuner")}
    classes = {cls for names in modules.values() for cls in names.values() if isinstance(cls, type)}
    own = {cls for cls in classes if cls.__module__.startswith("keras_tuner")}
    return modules, {cls: dict(vars(cls)) for cls in own}

modules, classes = all_of()
import tuners
import tuners.distributed.chief, tuners.distributed.worker
after, own = all_of()
for name, names in modules.items():
    # Modules that are loaded later become attributes of their package.
    changed = {key for key in {**names, **after[name]} if names.get(key) is not after[name].get(key)}
    assert not {key for key in changed if f"{name}.{key}" not in sys.modules}, (name, changed)
for cls, names in classes.items():
    assert names == own[cls], cls
print("nothing changed")
"""


def test_importing_tuners_changes_nothing_in_keras_tuner():
    done = subprocess.run(
        [sys.executable, "-c", IMPORT], capture_output=True, text=True, timeout=120, cwd=PACKAGE.parent
    )
    assert done.stdout.strip() == "nothing changed", done.stderr[-2000:]


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
    oracle = PredictorOracle(GridSpace((2, 2)), keras_tuner.Objective("val_accuracy", "max"), 2)
    oracle.verbose = 0
    trial = oracle.create_trial("a")
    oracle.verbose = 1  # as after a restart
    finish(oracle, trial)
    assert capsys.readouterr().out == ""


def test_the_oracle_behind_a_client(monkeypatch):
    for name, value in (("ORACLE_IP", "127.0.0.1"), ("ORACLE_PORT", "1"), ("TUNER_ID", "worker")):
        monkeypatch.setenv(f"KERASTUNER_{name}", value)
    oracle = keras_tuner.Oracle(objective="val_loss")
    assert internals.oracle_behind(internals.OracleClient(oracle)) is internals.oracle_behind(oracle) is oracle
