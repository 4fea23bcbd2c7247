"""Fixtures that tests of several folders share."""

import keras
import pytest


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory):
    """What a developer has remembered, and consents to, is no part of a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERASNAS_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture
def dtype_policy():
    """A function that sets Keras' precision; the test's end sets it back."""
    before = keras.config.dtype_policy(), keras.config.floatx()

    def use(name):
        keras.config.set_dtype_policy(name)
        keras.config.set_floatx("float64" if name == "float64" else "float32")  # Keras computes losses in it

    yield use
    keras.config.set_dtype_policy(before[0])
    keras.config.set_floatx(before[1])
