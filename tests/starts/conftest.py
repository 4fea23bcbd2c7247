"""The tiny start in every test."""

import pytest

from tests.starts.kit import tiny_start


@pytest.fixture(autouse=True)
def registered():
    with tiny_start():
        yield
