"""A study of ours in Optuna's dashboard: its own application, asked as the browser asks it."""

import json
import threading
import urllib.request
from wsgiref.simple_server import WSGIRequestHandler, make_server

import optuna
import optuna_dashboard
import pytest

from kerasnas.platforms.optuna_study import StrategySampler
from kerasnas.search import RegularizedEvolution
from kerasnas.spaces import NASBench201Space

SPACE = NASBench201Space()


class Silent(WSGIRequestHandler):
    """Nothing is printed for a request."""

    def log_message(self, *arguments):
        """Print nothing."""


@pytest.fixture
def storage(tmp_path):
    found = optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 'study.db'}")
    yield found
    found.engine.dispose()


@pytest.mark.slow
def test_a_study_and_its_trials_are_listed(storage):
    sampler = StrategySampler(RegularizedEvolution(SPACE, seed=0, population_size=4, sample_size=2))
    study = optuna.create_study(storage=storage, study_name="cells", sampler=sampler, direction="maximize")
    study.optimize(lambda trial: float(SPACE.suggest(trial).count("nor_conv_3x3")), n_trials=6)
    server = make_server("localhost", 0, optuna_dashboard.wsgi(storage), handler_class=Silent)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:

        def asked(path):
            with urllib.request.urlopen(f"http://localhost:{server.server_port}{path}") as answer:
                assert answer.status == 200
                return answer.read()

        assert b"<title>" in asked("/dashboard")
        (summary,) = json.loads(asked("/api/studies"))["study_summaries"]
        assert summary["study_name"] == "cells"
        trials = json.loads(asked(f"/api/studies/{summary['study_id']}?after=0"))["trials"]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    own = study.get_trials()
    assert [trial["state"] for trial in trials] == ["Complete"] * 6
    assert [trial["values"][0] for trial in trials] == [trial.value for trial in own]
    for shown, trial in zip(trials, own, strict=True):
        assert {one["name"]: one["param_external_value"] for one in shown["params"]} == trial.params
