"""Searches that take no time."""

import keras
import pytest
from sklearn.linear_model import LogisticRegression

from kerasnas import cli, datasets
from kerasnas.deployment import estimator
from kerasnas.export import classifier


@pytest.fixture
def fails(capsys):
    """A function that runs a command which has to fail, and returns the one line that is said."""

    def fails(*arguments):
        assert cli.main([*map(str, arguments)]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    return fails


@pytest.fixture
def solved(monkeypatch):
    """Estimators whose search is a logistic regression, and the settings and logs that it received."""
    received = []

    def search(settings, folder, log):
        received.append((settings, log))
        data = datasets.load(settings.dataset, task=settings.task)
        network = keras.Sequential([keras.Input(data.input_shape), keras.layers.Flatten(), keras.layers.Dense(3)])
        learned = LogisticRegression().fit(data.x_train.reshape(len(data.x_train), -1), data.y_train)
        network.set_weights([learned.coef_.T, learned.intercept_])
        folder.mkdir()
        classifier.save_classifier(folder, network, data.classes, data.scale, front=data.front, modality=data.modality)

    monkeypatch.setattr(estimator, "search", search)
    return received


@pytest.fixture
def unwritten(solved, monkeypatch):
    """As `solved`, with networks that stay in memory: to write and read one takes longer than a call with all else."""
    models = {}

    def write(folder, model):
        (folder / classifier.MODEL).touch()
        models[folder / classifier.MODEL] = model

    monkeypatch.setattr(classifier, "write_model", write)
    monkeypatch.setattr(classifier, "read_model", models.__getitem__)
    return solved
