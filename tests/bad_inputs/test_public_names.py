"""Every public class and function takes part in the campaign of wrong values, or has a reason here why it does not."""

import importlib
import inspect

from tests.bad_inputs import campaign
from tests.test_public import PUBLIC

REASONS = {
    "an abstract class or a protocol, which its subclasses stand for": """
        Executor Filler Relaxation SearchSpace SearchStrategy SkeletonSpace Task TaskFamily DistributedTuner
    """,
    "a plain record: what is made of it is checked where it is used, or the library makes it as a result": """
        ChoiceTable
    """,
    "whole runs that read and write files, and what compares them: tests/methods, tests/deployment, tests/testing": """
        graph_dataset push resume retrain search
        export monitor omniglot predict
        advise rerank rerank_genotypes check_modality check_primitive check_strategy check_task select_by_perturbation
    """,
}
OTHERS = ("kerasnas.platforms",)  # each module needs another package


def public():
    """Name -> class or function, of every `__all__`."""
    found = {}
    for package in (name for name in PUBLIC if not name.startswith(OTHERS)):
        module = importlib.import_module(package)
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isfunction(value) or (inspect.isclass(value) and not issubclass(value, Exception)):
                found[value.__name__] = value
    return found


def test_every_public_name_is_in_the_campaign():
    """By constraints on all of its arguments, by a right call, or with a reason."""
    from tests.bad_inputs.right_calls import CALLS

    called = {one.name.partition(".")[0] for one in CALLS}
    exempt = {name for names in REASONS.values() for name in names.split()}
    missing = []
    for name, value in public().items():
        kinds = inspect.signature(value).parameters.values()
        parameters = {one.name for one in kinds if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)}
        if name not in called | exempt and not parameters <= set(campaign.declared(value)):
            missing.append(name)
    assert not missing, f"Write a `call` in tests/bad_inputs/right_calls.py for {missing}"
    stale = exempt - set(public())
    assert not stale, f"{stale} are not public"
