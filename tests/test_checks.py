"""Checks: what each accepts and returns, and the words in which it refuses."""

import re

import numpy as np
import pytest

from kerasnas import checks

NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("check", "value", "options", "returned"),
    [
        (checks.integer, 3, {"least": 3, "most": 3}, 3),
        (checks.integer, np.int64(4), {}, 4),
        (checks.size, np.int32(2), {"allowed": (1, 2)}, 2),
        (checks.number, 1, {"least": 1, "most": 1}, 1.0),
        (checks.number, np.float32(0.5), {"above": 0, "below": 1}, 0.5),
        (checks.boolean, np.True_, {}, True),
        (checks.one_of, "same", {"known": ["same", "valid"]}, "same"),
        (checks.names, ["b", "a"], {"known": {"a", "b", "c"}}, ("b", "a")),
        (checks.names, [], {"least": 0}, ()),
        (checks.instance, "x", {"kinds": (int, str)}, "x"),
        (checks.function, len, {}, len),
    ],
)
def test_what_is_right_is_returned_in_its_plain_type(check, value, options, returned):
    found = check("name", value, **options)
    assert found == returned and type(found) is type(returned)


@pytest.mark.parametrize(
    ("check", "value", "options", "expected"),
    [
        (checks.integer, True, {}, "an integer"),
        (checks.integer, 1.0, {}, "an integer"),
        (checks.integer, 2, {"least": 3}, "an integer of at least 3"),
        (checks.integer, 5, {"least": 3, "most": 4}, "an integer of at least 3 and of at most 4"),
        (checks.size, 0, {}, "a positive integer"),
        (checks.size, True, {}, "a positive integer"),
        (checks.size, 3, {"allowed": (1, 2)}, "1 or 2"),
        (checks.number, NAN, {}, "a number"),
        (checks.number, INFINITY, {"least": 0}, "a number of at least 0"),
        (checks.number, False, {}, "a number"),
        (checks.number, "1", {}, "a number"),
        (checks.number, 0, {"above": 0}, "a number above 0"),
        (checks.number, 1, {"least": 0, "below": 1}, "a number of at least 0 and below 1"),
        (checks.number, 1.5, {"most": 1}, "a number of at most 1"),
        (checks.boolean, 1, {}, "True or False"),
        (checks.names, "abc", {}, "a non-empty sequence of names"),
        (checks.names, [], {}, "a non-empty sequence of names"),
        (checks.names, [1], {}, "a non-empty sequence of names"),
        (checks.names, ["a"], {"least": 2}, "a sequence of at least 2 names"),
        (checks.names, ["a", "a"], {}, "distinct names"),
    ],
)
def test_what_is_wrong_is_refused_with_the_argument_what_was_expected_and_what_came(check, value, options, expected):
    words = re.escape(f"argument `name`. Expected {expected}. Received: {value!r}")
    with pytest.raises(ValueError, match=words):
        check("name", value, **options)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match=r"`name`. Expected a known name. Received: 'sam' Did you mean 'same'\?"):
        checks.one_of("name", "sam", ["same", "valid"])
    with pytest.raises(ValueError, match=r"Received: 'sam' Did you mean 'same'\?"):
        checks.names("name", ["valid", "sam"], ["same", "valid"])
    with pytest.raises(ValueError, match="Known: "):  # True is not 1
        checks.one_of("name", True, [1, 2])


def test_wrong_types_are_type_errors():
    with pytest.raises(TypeError, match=r"`name`. Expected an instance of `int` or `str`. Received: None"):
        checks.instance("name", None, (int, str))
    with pytest.raises(TypeError, match=r"`name`. Expected a space. Received: 3"):
        checks.instance("name", 3, str, "a space")
    with pytest.raises(TypeError, match=r"`name`. Expected a callable. Received: 3"):
        checks.function("name", 3)


def test_none_passes_where_it_may():
    assert checks.optional(checks.integer, "name", None, least=1) is None
    assert checks.optional(checks.integer, "name", 2, least=1) == 2
    with pytest.raises(ValueError, match="at least 1"):
        checks.optional(checks.integer, "name", 0, least=1)


def test_seeds_are_zero_or_more():
    assert checks.seed(0) == 0
    with pytest.raises(ValueError, match=r"argument `seed`. Expected an integer of at least 0. Received: -1"):
        checks.seed(-1)


def test_a_long_value_is_cut():
    message = checks.invalid("x", "an array", list(range(10_000)))
    assert len(message) < 300 and message.endswith("... (list)")


def test_differences_name_what_changed_and_nothing_else():
    assert checks.differences({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 3}) == ["b: 2 there, 3 here"]
    assert checks.differences(None, {"a": 1}) == ["a: None there, 1 here"]
    many = checks.differences({"m": {}}, {"m": dict.fromkeys("abcd", 1)})
    assert many == ["m 'a': missing there, 1 here; 'b': missing there, 1 here; 'c': missing there, 1 here"]
