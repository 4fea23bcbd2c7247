"""Registry: names of factories, and errors that name the nearest right name."""

import pytest

from kerasnas.registry import Registry
from kerasnas.wording import nearest


def made():
    return "made"


def test_register_and_look_up():
    registry = Registry("thing")
    assert registry.register("first", made) is made
    assert registry.register("second")(made) is made
    assert registry["first"] is made
    assert list(registry) == ["first", "second"] and len(registry) == 2
    assert "first" in registry and "third" not in registry


def test_a_name_is_taken_once():
    registry = Registry("thing")
    registry.register("first", made)
    registry.register("first", made)  # a module imported again is no fault
    with pytest.raises(ValueError, match=r"thing named 'first' is already registered.*unregister"):
        registry.register("first", lambda: None)
    registry.unregister("first")
    registry.register("first", len)
    assert registry["first"] is len


def test_unknown_names_are_answered_with_the_nearest():
    registry = Registry("thing")
    registry.register("sep_conv_3x3", made)
    registry.register("none", made)
    for use in (registry.__getitem__, registry.unregister):
        with pytest.raises(ValueError, match=r"Unknown thing 'sep_conv'. Did you mean 'sep_conv_3x3'"):
            use("sep_conv")
    with pytest.raises(ValueError, match=r"Unknown thing 'zzz'. Known: \['none', 'sep_conv_3x3'\]"):
        registry["zzz"]
    with pytest.raises(ValueError, match="Unknown thing"):
        registry[["unhashable"]]


@pytest.mark.parametrize(
    ("name", "factory", "words"),
    [*((name, made, "non-empty string") for name in ("", None, 3)), ("name", 3, "a callable that returns the thing")],
)
def test_names_are_non_empty_strings_of_what_can_be_called(name, factory, words):
    with pytest.raises((ValueError, TypeError), match=words):
        Registry("thing").register(name, factory)


def test_nearest():
    assert nearest("skip", ["skip_connect", "none"]) == "Did you mean 'skip_connect'? Known: ['none', 'skip_connect']"
    assert nearest("xyz", ["none"]) == "Known: ['none']"
    assert nearest(3, []) == "Known: []"
