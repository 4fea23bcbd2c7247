"""One cluster of Ray, which takes seconds to start, for all files of this folder."""

import logging

import pytest


@pytest.fixture(scope="package")
def cluster():
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
        ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        yield
        assert ray.is_initialized()  # no executor that joined it has ended it
        ray.shutdown()
