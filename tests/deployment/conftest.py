"""Searches that take no time."""

import keras
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

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
def told(capsys):
    """A function that runs a command, and returns what it prints."""

    def told(*arguments):
        assert cli.main([*map(str, arguments)]) == 0
        return capsys.readouterr().out

    return told


@pytest.fixture
def solved(monkeypatch):
    """Estimators whose search is a linear model, and the settings and logs that it received."""
    received = []

    def search(settings, folder, log):
        received.append((settings, log))
        data = datasets.load(settings.dataset, task=settings.task)
        data = data.counted(data.task.metric, settings.class_weight)
        x, outputs = np.nan_to_num(data.x_train).reshape(len(data.x_train), -1), len(data.classes)
        network = keras.Sequential([keras.Input(data.input_shape), keras.layers.Flatten(), keras.layers.Dense(outputs)])
        kind = LogisticRegression(C=1e3, max_iter=999) if data.task.name == "classification" else LinearRegression()
        learned = kind.fit(x, data.y_train, data.weights)
        kernel, bias = learned.coef_.reshape(-1, x.shape[1]).T, np.ravel(learned.intercept_)
        if kernel.shape[1] < outputs:  # of two classes
            kernel, bias = kernel * [[-1, 1]] / 2, np.append(-bias, bias) / 2
        network.set_weights([kernel, bias])
        folder.mkdir()
        own = {"front": data.front, "task": data.task, "modality": data.modality}
        classifier.save_classifier(folder, network, data.classes, data.scale, **own)

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
