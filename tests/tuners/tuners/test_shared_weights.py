"""SharedWeights: trained once in a project, resumed from the last epoch, refused to other data and settings."""

import numpy as np
import pytest

from kerasnas.search import RandomSearch
from kerasnas.training.network_training import NetworkTraining
from tests.tuners.small import CHILDREN as SPACE
from tests.tuners.small import EAGER, Epochs, X, Y
from tuners import SharedWeights
from tuners.tuners.trial_inputs import SearchData

DATA = SearchData(X, Y, X[::2], Y[::2])
FIT = {"epochs": 1, "batch_size": 12, "validation_split": 0.5, "controller_steps": 1}


def train(folder, data=DATA, fit=(), seen=None, stop=None, said=None, warm=lambda search: None, scope=None, **settings):
    weights = SharedWeights(**{"compile_options": EAGER, **settings})
    say = [].append if said is None else said.append
    options = {"callbacks": lambda: [Epochs([] if seen is None else seen, stop, names=False)], "scope": scope}
    network = NetworkTraining(SPACE, (8, 8, 1), 3)
    return weights.train(network, data, folder, {**FIT, **dict(fit)}, 3, warm, say, **options)


def test_they_are_trained_once(tmp_path):
    seen, said, warmed = [], [], []
    first = train(tmp_path, seen=seen, said=said, warm=warmed.append)
    assert seen == [0] and said[0].startswith("Shared weights trained for 1 epochs in ") and len(said) == 1
    second = train(tmp_path, seen=seen, said=said, warm=warmed.append)
    assert seen == [0] and len(said) == 1 and warmed == [first, second]
    for mine, other in zip(first.variables, second.variables, strict=True):
        np.testing.assert_array_equal(np.asarray(mine), np.asarray(other))
    assert first.controller.get_state() == second.controller.get_state()


@pytest.mark.slow
def test_an_interrupted_training_resumes_from_its_last_epoch(tmp_path):
    seen, said = [], []
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "killed", fit={"epochs": 2}, seen=seen, stop=1, said=said)
    assert seen == [0, 1] and said == []
    killed = train(tmp_path / "killed", fit={"epochs": 2}, seen=seen, said=said)
    assert seen == [0, 1, 1] and said[0].startswith("Shared weights trained for 1 epochs")
    whole = train(tmp_path / "whole", fit={"epochs": 2})
    for mine, other in zip(killed.variables, whole.variables, strict=True):
        np.testing.assert_allclose(np.asarray(mine), np.asarray(other), rtol=1e-5, atol=1e-6)


def test_weights_of_other_data_or_settings_are_refused(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, stop=0)
    for change, message in (
        ({"fit": {"epochs": 2}}, "epochs: 1 there, 2 here"),
        ({"data": SearchData(X + 1, Y, X[::2], Y[::2])}, "data: '"),
        ({"learning_rate": 0.01}, "learning_rate: 0.05 there, 0.01 here"),
        ({"controller": RandomSearch(SPACE, unique=False)}, "controller: 'NoneType' there, 'RandomSearch' here"),
    ):
        with pytest.raises(ValueError, match=rf"shared weights in .* with other settings: .*{message}.*`project_name`"):
            train(tmp_path, **change)


@pytest.mark.slow
def test_settings_reach_the_supernet_and_the_search(noted_scope, tmp_path):
    controller = RandomSearch(SPACE, unique=False)

    def warm(search):
        assert noted_scope.notes == ["entered", "left"]  # built in it
        assert float(search.optimizer.learning_rate) == pytest.approx(0.02)

    options = {"supernet_options": {"name": "mine"}, "learning_rate": 0.02, "warm": warm, "scope": noted_scope()}
    search = train(tmp_path, controller=controller, **options)
    assert search.supernet.name == "mine" and search.run_eagerly
    assert search.controller is controller and len(controller.observations) == 1  # one step on the held-out half


def test_the_seed_is_the_search_s(tmp_path):
    first, second, other = [], [], []
    for folder, arrays, settings in (
        ("a", first, {}),
        ("b", second, {}),
        ("c", other, {"supernet_options": {"seed": 4}}),
    ):
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / folder, stop=0, warm=lambda search, a=arrays: a.extend(search.get_weights()), **settings)
    assert all(map(np.array_equal, first, second)) and not all(map(np.array_equal, first, other))


def test_bad_settings():
    with pytest.raises(TypeError, match="argument `controller`"):
        SharedWeights(controller=3)
    with pytest.raises(ValueError, match=r"argument `learning_rate`. Expected a number above 0. Received: 0"):
        SharedWeights(learning_rate=0)
