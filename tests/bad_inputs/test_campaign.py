"""Wrong values that the constraints on arguments generate: each is answered with a clear error, and changes nothing."""

import inspect
from collections.abc import Sequence

import keras
import pytest

from kerasnas import checks
from kerasnas.constraints import Interval
from kerasnas.federated.averaging import Update
from kerasnas.genotypes import DARTS_V1, Genotype
from tests.bad_inputs import campaign
from tests.bad_inputs.hostile_values import hostile
from tests.bad_inputs.wrong_values import wrong

RIGHT_AFTER_ALL = {
    "ASHA.tell(budget) Hyperband.tell(budget)": "3.0 is the budget 3",
    "load(target)": "any iterable of names; none of them are all columns",
    "load(text_column)": "what is false is not set",
    "DriftMonitor(rise)": "the upper bound follows from the data",
    "NASBench101Space.genotype(operations)": "not read next to an assignment",
    "SupernetHyperModel(relaxation) SupernetHyperModel(hypergradient)": "several are searched; None is the default",
    "Episode(classes)": "a record",
}
HOSTILE_SEED = 37
ALLOWED = {place for places in RIGHT_AFTER_ALL for place in places.split()}


def test_declared_constraints_reject_their_wrong_values():
    """Before anything else is done: no other argument is needed for it, and no object."""
    tried, problems = 0, {}
    for name, function in campaign.functions().items():
        for argument, constraint in campaign.declared(function).items():
            for label, value in wrong(constraint).items():
                tried += 1
                words = campaign.problem(function, {argument: value}, argument)
                if words is not None:
                    problems[f"{name}({argument}): {label}"] = words
    assert not problems, problems
    assert tried > 9_000


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_right_calls_reject_wrong_values(every):
    tried, problems = campaign.run(every)
    new = {place: words for place, words in problems.items() if place.partition(": ")[0] not in ALLOWED}
    assert not new, "\n".join(f"{place} -> {words}" for place, words in new.items())
    assert sum(tried.values()) > 25_000 / (2 * every - 1)
    needless = ALLOWED - {place.partition(": ")[0] for place in problems}
    assert every > 1 or not needless, f"These reject wrong values by now: {needless}"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("number", "every"), [(200, 5), pytest.param(5000, 1, marks=pytest.mark.slow)])
def test_hostile_values_are_refused_or_taken_for_what_they_are(number, every):
    cases, counts, problems = campaign.run_hostile(number, HOSTILE_SEED, every)
    print(f"{number} of {cases}: {dict(counts)}")
    assert cases > 50_000 / every and counts["harmless"] >= number // 100
    assert len(problems) <= number // 100, "\n".join(f"{place} -> {problems[place]}" for place in problems)


RIGHT = (
    *((checks.count, 3), (checks.part, 0.5), (checks.boolean, True), (checks.name, "a"), (checks.path, "a")),
    *((checks.known("a"), "a"), (checks.each(checks.size), [1, 2]), (checks.names, ["a", "b"]), (checks.shape, (8, 8))),
    *((checks.mapping, {}), (checks.array, None), (Genotype, DARTS_V1), (keras.Model, None), (Update, None)),
)


@pytest.mark.parametrize(("constraint", "right"), RIGHT)
def test_constraints_refuse_their_hostile_values(constraint, right):
    @checks.arguments(value=constraint)
    def reads_twice(value):
        return [list(value) for _ in range(2)] if isinstance(value, Sequence) else value + value

    for label, make in hostile(checks.constraint(constraint), right).items():
        found, words = campaign.outcome(campaign.Case(f": {label}", reads_twice, {}, "value", make))
        assert found in ("clear", "harmless"), (label, words)


def test_an_attribute_that_an_argument_lacks_is_named_with_the_argument():
    @checks.arguments(value=checks.container)
    def shape(value):
        return value.shape

    with pytest.raises(TypeError, match=r"`value`. Expected a container.* It has no attribute `shape`"):
        shape([])


def raising(error):
    def function(size):
        raise error

    return function


@pytest.mark.parametrize(
    ("function", "clear"),
    [
        (lambda size: checks.size("size", size), True),
        (lambda size: checks.size("other", size), False),
        (lambda size: None, False),
        (raising(ValueError("`size` is something else")), False),
        (raising(ValueError("Expected something else")), False),
        (raising(AttributeError("`size`: expected an integer")), False),
    ],
)
def test_a_clear_error_names_the_argument_and_what_was_expected(function, clear):
    assert (campaign.problem(function, {"size": -1}, "size") is None) == clear


def test_constraints_are_found_where_they_are_declared_applied_or_annotated():
    @checks.arguments(size=checks.size)
    def declares(size):
        pass

    def annotates(size: "int | None", rate: "float" = 0.5, other: "str | int" = "x"):
        pass

    assert campaign.declared(declares) == {"size": checks.constraint(checks.size)}
    record = campaign.Recorder()
    with record():
        checks.each(checks.size)("sizes", value := [3, 4])
    assert record.of("sizes", value) == [checks.each(checks.size)] and not record.of("sizes", 3)
    size, rate, other = inspect.signature(annotates).parameters.values()
    assert campaign.annotated(size) == Interval(int) and campaign.annotated(rate) == Interval()
    assert campaign.annotated(other) is None
    assert "None" not in campaign.wrong_values(size, []) and "None" in campaign.wrong_values(rate, [])
