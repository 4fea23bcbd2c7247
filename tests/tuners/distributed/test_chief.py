"""The chief: it serves until the search is over, or until the oracle raises an error, and says which."""

import keras_tuner
import pytest

from tests.tuners.persistence.damages import DAMAGES
from tuners.distributed.certificate import require_certificate
from tuners.distributed.chief import FAILED, OVER, RUNNING, read_status, serve, write_status
from tuners.persistence import json_files


def test_the_status_is_of_a_search_with_as_many_trials(tmp_path):
    """A search that is resumed for more trials is not over."""
    assert read_status(tmp_path / "nothing", 5) == (RUNNING, "")
    write_status(tmp_path, OVER, 5)
    assert read_status(tmp_path, 5) == (OVER, "") and read_status(tmp_path, 6) == (RUNNING, "")


@pytest.mark.parametrize("damage", [DAMAGES["empty"], DAMAGES["half"], lambda path: path.write_text("{}")])
def test_a_damaged_status_is_that_of_before_or_running(damage, tmp_path):
    """A worker that waits for a chief must neither fail nor leave because of it."""
    path = tmp_path / "search.json"
    write_status(tmp_path, OVER, 5)
    damage(path)
    with pytest.warns(UserWarning, match=r"search.json cannot be used"):
        assert read_status(tmp_path, 5) == (RUNNING, "")
    write_status(tmp_path, FAILED, 5, "an error")
    write_status(tmp_path, OVER, 5)
    damage(path)
    with pytest.warns(UserWarning, match="Resuming from the last good version"):
        assert read_status(tmp_path, 5) == (FAILED, "an error")


def test_an_error_of_the_oracle_reaches_the_chief_and_all_workers(served, oracle_of, tmp_path, finish):
    oracle, errors = oracle_of(3), []
    client_of = served(oracle, errors)
    client, other = client_of(), client_of("other")
    trial, second = client.create_trial("worker"), other.create_trial("other")
    oracle.trial_finished = lambda trial: 1 / 0
    for one, its in ((client, trial), (other, second)):
        with pytest.raises(keras_tuner.errors.FatalRuntimeError, match=r"its chief:(.|\n)*ZeroDivisionError"):
            finish(one, its)
    for _ in range(100):
        if errors:
            break
        other._stop_beating.wait(0.1)
    assert [type(error) for error in errors] == [ZeroDivisionError]
    status, message = read_status(tmp_path / "project", 3)
    assert status == FAILED and "division by zero" in message


def test_a_long_error_in_any_script_reaches_the_workers(served, oracle_of, finish):
    """gRPC writes three characters for a byte that is not ASCII, and by itself takes 8 kB."""
    oracle, errors = oracle_of(1), []
    client = served(oracle, errors)()
    trial = client.create_trial("worker")

    def broken(trial):
        raise ArithmeticError("\U0001f525" * 5000)

    oracle.trial_finished = broken
    with pytest.raises(keras_tuner.errors.FatalRuntimeError, match=r"its chief:\n\U0001f525{700}"):
        finish(client, trial)


def test_a_worker_of_another_project_is_not_answered(served, oracle_of, worker_of, tmp_path, finish):
    """A program's next search has the same address: its workers wait for its chief."""
    oracle = oracle_of(1)
    client = served(oracle)()
    trial = client.create_trial("worker")
    require_certificate(tmp_path / "other")
    with pytest.raises(
        keras_tuner.errors.FatalRuntimeError,
        match=r"no chief with the certificate in .*other.certificate.json .*CERTIFICATE_VERIFY_FAILED",
    ):
        worker_of(1, folder="other").get_space()
    finish(client, trial)
    assert client.create_trial("worker").status == "STOPPED"


@pytest.mark.usefixtures("environment")
def test_a_search_that_is_over_is_not_served(oracle_of, finish, tmp_path):
    oracle = oracle_of(1)
    finish(oracle, oracle.create_trial("worker"))
    serve(oracle, tmp_path / "project")  # returns at once
    assert json_files.read(tmp_path / "project" / "search.json")["status"] == OVER
