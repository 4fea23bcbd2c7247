"""Checks: what each accepts and returns, and the words in which it refuses."""

import fractions
import pathlib
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
        (checks.number, np.array(0.5), {}, 0.5),
        (checks.number, INFINITY, {"finite": False}, INFINITY),
        (checks.number, fractions.Fraction(1, 4), {}, 0.25),
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
        (checks.number, "1", {"finite": False}, "a number"),
        (checks.number, np.ones(1), {}, "a number"),
        (checks.number, np.array("1"), {}, "a number"),
        (checks.number, 1j, {}, "a number"),
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
    assert checks.seed(2**128 - 1) == np.random.SeedSequence(2**128 - 1).entropy
    with pytest.raises(ValueError, match="`seed`"):
        checks.seed(2**128)


@pytest.mark.parametrize("check", [checks.integer, checks.size, checks.number])
def test_numbers_that_no_size_or_float_can_hold_are_refused_in_one_line(check):
    with pytest.raises(ValueError, match=r"argument `name`.*Received: 1000"):
        check("name", 10**400)
    with pytest.raises(ValueError, match=r"argument `name`.*Received: <int>"):  # Python does not write that many digits
        check("name", 10**5000)


@pytest.mark.parametrize(
    ("value", "options"),
    [
        ([[1, 2], [3, 4]], {"rank": 2}),
        (np.ones(3, "float32"), {"rank": 1, "kinds": "f"}),
        ([True, False], {"kinds": "b"}),
        ([NAN, 1.0], {"finite": False}),
        (range(3), {"rank": 1, "kinds": "iu"}),
        (np.zeros((0, 2)), {"rank": 2, "kinds": "iu"}),  # an empty list has no integers to show
    ],
)
def test_arrays_are_returned_as_they_are(value, options):
    found = checks.array("name", value, **options)
    assert isinstance(found, np.ndarray) and found.dtype == np.asarray(value).dtype
    np.testing.assert_array_equal(found, np.asarray(value))


@pytest.mark.parametrize(
    ("value", "options", "expected", "received"),
    [
        (None, {}, "an array of numbers", "None"),
        (3, {}, "an array of numbers", "3"),
        ("abc", {}, "an array of numbers", "dtype <U3"),
        ({"a": 1}, {}, "an array of numbers", "{'a': 1}"),
        ([[1], [1, 2]], {}, "an array of numbers, all rows of one length", "[[1], [1, 2]]"),
        ([1.5], {"kinds": "iu"}, "an array of integers", "dtype <f8"),
        ([1.5], {"kinds": "iub"}, "an array of integers or booleans", "dtype <f8"),
        ([True], {}, "an array of numbers", "dtype |b1"),
        ([1], {"rank": 2}, "an array of numbers with 2 axes", "shape (1,)"),
        ([[1]], {"rank": 1}, "an array of numbers with 1 axis", "shape (1, 1)"),
        ([NAN], {"rank": 1}, "an array of numbers with 1 axis, all finite", "NaN or infinity"),
        ([-INFINITY], {}, "an array of numbers, all finite", "NaN or infinity"),
        (np.ma.masked_less([1, 2], 2), {}, "no masked entries; `.filled(0)` gives them a value", "a masked array"),
    ],
)
def test_what_is_no_such_array_is_refused(value, options, expected, received):
    words = re.escape(f"argument `name`. Expected {expected}. Received: {received}")
    with pytest.raises(ValueError, match=words + "$"):
        checks.array("name", value, **options)


def test_paths(tmp_path):
    assert checks.path("name", str(tmp_path)) == tmp_path == checks.path("name", tmp_path)
    assert checks.path("name", "~/runs") == pathlib.Path.home() / "runs"
    for value in (None, 3, b"runs", ["runs"]):
        with pytest.raises(TypeError, match=r"argument `name`. Expected a path"):
            checks.path("name", value)
    for value in ("", " ", "a\0b"):
        with pytest.raises(ValueError, match=r"argument `name`. Expected a path that is not empty"):
            checks.path("name", value)
    with pytest.raises(ValueError, match=r"argument `name`. Expected a path below an existing home folder"):
        checks.path("name", "~nobody_of_this_name/x")


def test_a_long_value_is_cut():
    message = checks.invalid("x", "an array", list(range(10_000)))
    assert len(message) < 300 and message.endswith("... (list)")


def test_differences_name_what_changed_and_nothing_else():
    assert checks.differences({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 3}) == ["b: 2 there, 3 here"]
    assert checks.differences(None, {"a": 1}) == ["a: None there, 1 here"]
    many = checks.differences({"m": {}}, {"m": dict.fromkeys("abcd", 1)})
    assert many == ["m 'a': missing there, 1 here; 'b': missing there, 1 here; 'c': missing there, 1 here"]
