"""Objectives: directions that are known, values that are reported, and values that are finite."""

import math

import keras_tuner
import numpy as np
import pytest
from keras_tuner.engine.trial import Trial

from tests.tuners.small import GRID
from tuners import PredictorOracle
from tuners.oracles.objectives import (
    ReportedObjective,
    as_objectives,
    not_finite,
    record_metrics,
    reported_at_best,
    require_reported,
)


def test_a_diverged_epoch_does_not_hide_the_good_ones():
    """Nothing compares with NaN: from a history that begins with one KerasTuner takes the NaN."""
    objective = ReportedObjective("val_accuracy", "max")
    assert objective.better_than(0.5, np.nan) and not objective.better_than(np.nan, 0.5)
    assert objective.better_than(0.6, 0.5) and not objective.better_than(np.nan, np.nan)


def test_directions_are_given_or_known_by_name():
    given = [keras_tuner.Objective("f1", "max"), "val_loss"]
    assert [(one.name, one.direction) for one in as_objectives(given)] == [("f1", "max"), ("val_loss", "min")]
    (default,) = as_objectives(None)  # a number, which is minimized
    assert default.direction == "min"


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ("my_metric", "Could not infer optimization direction"),
        (keras_tuner.Objective("accuracy", "up"), "Expected 'min' or 'max'. Received: 'up'"),
        (["val_loss", "val_loss"], r"argument `objective`. Expected each once. Received: \['val_loss', 'val_loss'\]"),
        ([], r"argument `objective`. Expected each once. Received: \[\]"),
    ],
)
def test_bad_objectives(objective, message):
    with pytest.raises(ValueError, match=message):
        PredictorOracle(GRID, objective)


def test_an_objective_that_is_not_reported_ends_the_search_with_those_that_are():
    require_reported(["val_accuracy"], {"loss": 1.0, "val_accuracy": 0.5})
    with pytest.raises(keras_tuner.errors.FatalValueError, match=r"'val_acc'. Did you mean 'val_accuracy'\?"):
        require_reported(["val_acc"], ["loss", "val_accuracy"])
    with pytest.raises(keras_tuner.errors.FatalValueError, match="does not report the objective 'val_acc'"):
        ReportedObjective("val_acc", "max").get_value({"loss": 1.0})


def test_values_are_those_of_the_best_step():
    trial = Trial(keras_tuner.HyperParameters(), "0")
    for step, (accuracy, latency) in enumerate([(0.5, 9.0), (0.75, 8.0), (0.25, 7.0)]):
        record_metrics(trial, {"accuracy": accuracy, "latency": latency}, step, {"accuracy": "max", "latency": "min"})
    trial.best_step = trial.metrics.get_best_step("accuracy")
    found = reported_at_best(trial, ["accuracy", "latency", "size"])
    assert (found["accuracy"], found["latency"]) == (0.75, 8.0) and math.isnan(found["size"])
    assert {type(value) for value in found.values()} == {float}  # no NumPy scalars, which JSON does not know
    assert not_finite(found) == "Not finite: size = nan."
