"""The tiny start in every test."""

import pytest

from kerasnas.starts import STARTS
from tests.starts.kit import TinyStart


@pytest.fixture(autouse=True)
def registered():
    """What a test registers besides is gone after it."""
    before = set(STARTS)
    STARTS.register("tiny", TinyStart)
    yield
    for name in set(STARTS) - before:
        STARTS.unregister(name)
