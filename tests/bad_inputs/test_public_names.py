"""Every public class and function has a line in the table of calls, or a reason here why it has none."""

import importlib
import inspect

import pytest

from tests.bad_inputs.campaign import ALL

PACKAGES = [
    "kerasnas",
    "kerasnas.callbacks",
    "kerasnas.cost",
    "kerasnas.datasets",
    "kerasnas.distribution",
    "kerasnas.drift",
    "kerasnas.executors",
    "kerasnas.export",
    "kerasnas.federated",
    "kerasnas.genotypes",
    "kerasnas.meta",
    "kerasnas.networks",
    "kerasnas.deployment",
    "kerasnas.diagnostics",
    "kerasnas.methods",
    "kerasnas.runs",
    "kerasnas.training",
    "kerasnas.primitives",
    "kerasnas.proxies",
    "kerasnas.relaxations",
    "kerasnas.reporting",
    "kerasnas.search",
    "kerasnas.spaces",
    "kerasnas.tabular",
    "kerasnas.tasks",
    "kerasnas.testing",
    "tuners",
]
REASONS = {
    "an abstract class or a protocol, which its subclasses stand for": """
        Client Executor Filler Front GraphPrimitive MetaLearner
        Primitive Relaxation SearchSpace SearchStrategy SkeletonSpace Task TaskFamily DistributedTuner
    """,
    "no arguments": """
        ArchitectureMonitor Classification Local Multilabel
        presets
    """,
    "an error": """
        ClusterError InfeasibleError NonFiniteError SpaceExhaustedError WorkerLostError
    """,
    "a plain record: what is made of it is checked where it is used, or the library makes it as a result": """
        Edge Federation Broadcast Preset RunFolder
    """,
    "whole runs that read and write files: their settings and folders are in the table, runs in tests/methods": """
        examine graph_dataset measure pretrain push resume retrain search write_initializer_card
    """,
}


def public():
    """Name -> class or function, of every package."""
    found = {}
    for package in PACKAGES:
        module = importlib.import_module(package)
        own = [name for name, value in vars(module).items() if getattr(value, "__module__", None) == package]
        for name in getattr(module, "__all__", [name for name in own if not name.startswith("_")]):
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                found[value.__name__] = value
    return found


def in_table():
    names = {one.name for one in ALL} | {getattr(one.function, "__name__", "") for one in ALL}
    return {name.split(".")[0].split(" ")[0] for name in names} | names


def exempt():
    return {name for names in REASONS.values() for name in names.split()}


@pytest.mark.parametrize("name", sorted(public()))
def test_every_public_name_has_a_call(name):
    assert name in in_table() or name in exempt(), (
        f"`{name}` is public: write a line for it in a file `tests/bad_inputs/calls_of_....py`"
    )


def test_a_reason_is_of_a_public_name_that_has_no_call():
    constructors = {one.name for one in ALL}
    assert not exempt() - set(public())
    assert not exempt() & constructors


def test_every_argument_of_a_call_is_one_of_its_function():
    for one in ALL:
        signature = inspect.signature(one.function)
        if not any(p.kind == p.VAR_KEYWORD for p in signature.parameters.values()):
            assert set(one.arguments) <= set(signature.parameters), one.name
