"""Fixtures that tests of several folders share."""

import contextlib
import gc
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

# Before TensorFlow is imported. oneDNN's rewriting of graphs takes a sixth of the time of tests whose graphs run for a
# few steps; and workers that share the cores gain nothing from threads of their own.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")

gc.disable()  # until all is imported and collected

import pytest  # noqa: E402

HERE = Path(__file__).parent

# Programs, which pytest would take for modules with doctests.
collect_ignore = ["processes.py", "robustness/subjects.py", "executors/work.py", "executors/contract.py"]


def pytest_collection_finish(session):
    """What is imported and collected stays: Python's collector need not go through it again with every network."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)  # a tenth of the suite's time otherwise
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """Before a test and its fixtures: what it draws does not depend on the tests before it."""
    import keras  # not above: the process that hands tests to others would import TensorFlow, too, for nothing

    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory):
    """What a developer has remembered, and consents to, is no part of a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERASNAS_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session", autouse=True)
def cached_writes():
    """No test cuts the power: what a killed process has written stays, and a busy disk takes half a minute for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def published():
    """A function from the name of a published file to its path below the folder that KERASNAS_DATA names."""

    def find(name):
        folder = os.environ.get("KERASNAS_DATA")
        assert folder, f"Set KERASNAS_DATA to a folder that holds {name} (in it or below it)."
        found = sorted(Path(folder).rglob(name))
        assert found, f"There is no {name} below KERASNAS_DATA={folder}."
        return found[0]

    return find


@pytest.fixture(scope="module")
def benchmark_script():
    """A function from the name of a script of `benchmarks/` to its module; the scripts find one another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE.parent / "benchmarks"))
        yield importlib.import_module


@pytest.fixture
def dtype_policy():
    """A function that sets Keras' precision; the test's end sets it back."""
    import keras

    before = keras.config.dtype_policy(), keras.config.floatx()

    def use(name):
        keras.config.set_dtype_policy(name)
        keras.config.set_floatx("float64" if name == "float64" else "float32")  # Keras computes losses in it

    yield use
    keras.config.set_dtype_policy(before[0])
    keras.config.set_floatx(before[1])


@pytest.fixture
def eagerly():
    """Nothing is traced: of a run of a few steps, tracing takes most of the time."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="session")
def one_order():
    """Variables of a process in which TensorFlow sums in one order.

    Which bits a sum ends in is left to it, and seen to differ from process to process with oneDNN on two threads. What
    is tested with these is that nothing else differs.
    """
    return {
        "TF_DETERMINISTIC_OPS": "1",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
    }


class Forking:
    """A process that forks others, see `processes.py`.

    Args:
        program: that the others run.
        modules: that they find imported.
        env: variables that all of them have.
    """

    def __init__(self, program, *modules, **env):
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "processes.py"), str(program), *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=HERE.parent,
            env={**os.environ, "PYTHONPATH": str(HERE.parent), "TF_CPP_MIN_LOG_LEVEL": "3", **env},
        )
        assert json.loads(self.process.stdout.readline()) == "ready"

    def __call__(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@pytest.fixture(scope="session")
def forking():
    """A context with a process that forks others."""

    @contextlib.contextmanager
    def begin(program, *modules, **env):
        made = Forking(program, *modules, **env)
        try:
            yield made
        finally:
            made.process.kill()
            made.process.wait(10)

    return begin
