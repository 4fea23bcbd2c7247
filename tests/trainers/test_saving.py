"""A search in a `.keras` file: the whole of it comes back, and continues."""

import keras
import numpy as np
import pytest

from kerasnas import BilevelTrainer
from tests.trainers.conftest import CLASSES, SHAPE, SPACE
from tests.trainers.kit import same_state


@pytest.fixture(scope="module")
def saved(make_search, few, tmp_path_factory):
    search = make_search(
        supernet=SPACE.build_supernet(SHAPE, CLASSES),
        weight_decay=1e-4,
        architecture_weight_decay=2e-3,
        architecture_warmup_epochs=1,
    )
    search.fit(*few, batch_size=8, epochs=2, verbose=0)
    path = tmp_path_factory.mktemp("saved") / "search.keras"
    search.save(path)
    return search, path


@pytest.mark.usefixtures("eagerly")
def test_load_restores_everything_and_training_continues(saved, few):
    search, path = saved
    loaded = keras.models.load_model(path)
    assert type(loaded) is BilevelTrainer
    assert loaded.get_config() == search.get_config()
    assert (loaded.weight_decay, loaded.architecture_weight_decay) == (1e-4, 2e-3)
    assert loaded.architecture_warmup_epochs == 1
    assert loaded.loss.get_config() == search.loss.get_config()
    assert {metric.name for metric in loaded.metrics} == {metric.name for metric in search.metrics}
    for restored, original in zip(loaded.optimizer.inner, search.optimizer.inner, strict=True):
        rates = {"learning_rate": None}  # that of the weights follows its cosine
        assert {**restored.get_config(), **rates} == {**original.get_config(), **rates}
    assert same_state(search, loaded)
    momenta = [v.numpy() for v in loaded.optimizer.inner[0].variables if "momentum" in v.path]
    moments = [v.numpy() for v in loaded.optimizer.inner[1].variables if "velocity" in v.path]
    assert momenta and all(np.any(value) for value in momenta)
    assert moments and all(np.any(value) for value in moments)
    assert np.array_equal(search.predict(few[0], verbose=0), loaded.predict(few[0], verbose=0))
    assert loaded.derive() == search.derive()

    arguments = {"batch_size": 8, "initial_epoch": 2, "epochs": 3, "verbose": 0}
    histories = [trainer.fit(*few, **arguments).history for trainer in (search, loaded)]
    assert histories[0] == histories[1]
    assert same_state(search, loaded)


@pytest.mark.slow
def test_default_cosine_survives_and_a_given_rate_stays(make_search, plain_rates, few, tmp_path):
    for compile_arguments, expected in (({"learning_rate": 0.5}, 0.001 + 0.499 / 2), (plain_rates(0.125, 0.1), 0.125)):
        search = make_search(compile=compile_arguments)
        search.save(tmp_path / "search.keras")
        loaded = keras.models.load_model(tmp_path / "search.keras")
        loaded.fit(*few, batch_size=8, initial_epoch=1, epochs=2, verbose=0)
        assert float(loaded.optimizer.learning_rate) == pytest.approx(expected)


@pytest.mark.slow
def test_search_that_was_not_compiled(space, tmp_path):
    search = BilevelTrainer(space.build_supernet((8, 8, 1), 3))
    search.save(tmp_path / "search.keras")
    loaded = keras.models.load_model(tmp_path / "search.keras")
    assert not loaded.compiled
    assert all(np.array_equal(a, b) for a, b in zip(search.get_weights(), loaded.get_weights(), strict=True))


@pytest.mark.slow
def test_users_model_comes_back(user_model, make_search, data, tmp_path):
    search = make_search(supernet=user_model())
    search.fit(*data, batch_size=16, epochs=1, verbose=0)
    search.save(tmp_path / "search.keras")
    loaded = keras.models.load_model(tmp_path / "search.keras")
    assert len(loaded.architecture_parameters) == 2
    assert np.array_equal(search.predict(data[0], verbose=0), loaded.predict(data[0], verbose=0))
