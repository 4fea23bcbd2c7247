"""`kerasnas time --roofline`: the operations of real steps, and what is printed about them."""

import dataclasses
import os
from collections import Counter

import keras
import numpy as np
import pytest

from kerasnas import backend
from kerasnas.datasets.batches import ArrayBatches
from kerasnas.diagnostics import step_rooflines
from kerasnas.diagnostics.roofline import Kind, Peaks, Roofline
from kerasnas.diagnostics.step_rooflines import measure, recorded_step
from kerasnas.diagnostics.step_timing import TimingConfig
from kerasnas.training import loop
from tests.kit import save_noise

PEAKS = Peaks(1e11, 1e10)


def fit(watch):
    """Train two convolutions and a dense layer on batches of 2."""
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same")(inputs)
    x = keras.layers.DepthwiseConv2D(3, 2, padding="same")(x)
    model = keras.Model(inputs, keras.layers.Dense(5)(keras.layers.Flatten()(x)))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    rng = np.random.default_rng(0)
    batches = ArrayBatches(rng.random((4, 8, 8, 3)).astype("float32"), np.arange(4), 2)
    loop.prepare(model, batches)
    loop.fit(model, batches, 100, callbacks=[watch])
    assert int(model.optimizer.iterations) == 7


def test_flops_of_a_training_step_are_those_counted_by_hand():
    step = recorded_step(fit, 3, PEAKS)
    found = Counter()
    for kind in step.kinds:
        found[kind.name.removeprefix("Fused").removesuffix("WithBias")] += kind.flops
    first, second, dense = 2 * 64 * 4 * 9 * 3, 2 * 16 * 4 * 9, 2 * 64 * 5  # multiply-adds
    assert found["Conv2D"] == found["Conv2DBackpropFilter"] == 2 * first
    assert "Conv2DBackpropInput" not in found, "images have no gradient"
    for name in ("", "BackpropInput", "BackpropFilter"):
        assert found[f"DepthwiseConv2dNative{name}"] == 2 * second
    assert found["MatMul"] == 3 * 2 * dense


def test_times_of_operations_are_within_the_step():
    step = recorded_step(fit, 3, PEAKS)
    threads = 1 if os.environ.get("TF_NUM_INTEROP_THREADS") == "1" else os.cpu_count()
    assert 0 < step.operations.seconds < threads * step.recorded
    assert step.wall > 0 and step.cpu > 0


def test_nothing_recorded_is_an_error(monkeypatch):
    monkeypatch.setattr("kerasnas.backend.tensorflow_recording.profiled_operations", lambda folder: ())
    with pytest.raises(ValueError, match="recorded no operation of the step"):
        recorded_step(fit, 3, PEAKS)


@pytest.fixture
def tiny(tmp_path):
    file = tmp_path / "tiny.npz"
    save_noise(file, 24, 24)
    sizes = {"filters": 2, "num_cells": 1, "num_nodes": 1, "batch_size": 8}
    return TimingConfig(dataset=str(file), primitives=("max_pool_3x3", "sep_conv_3x3"), roofline=True, steps=1, **sizes)


def test_measure_prints_both_steps(tiny, monkeypatch):
    monkeypatch.setattr(backend, "use_one_core", lambda: None)
    monkeypatch.setattr(step_rooflines, "measure_peaks", lambda: PEAKS)
    lines = []
    measure(tiny, lines.append)
    text = "\n".join(lines)
    assert "darts space, 2 filters, 1 cells, 1 nodes" in lines[0] and "8x8x1 images of tiny" in lines[0]
    assert "100.0 GFLOP/s" in lines[1] and "10.0 GB/s" in lines[1]
    assert "\nSearch step: " in text and "\nTraining step of the derived network (" in text
    tables = text.split("\n\n")[1:3]
    for words in tables:
        names = [line.split("  ")[0] for line in words.splitlines()]
        assert {"operation", "Conv2D", "Conv2DBackpropFilter", "no operation", "whole step"} <= {*names}, words
    assert "multiply-add" in lines[-1] and max(map(len, text.splitlines()[1:])) <= 120


@pytest.mark.parametrize(("seconds", "small"), [(0.4, True), (0.6, False)])
def test_a_step_that_is_too_small_is_said_to_be(tiny, monkeypatch, seconds, small):
    step = Roofline(1.0, 1.0, 1.0, [Kind("Conv2D", 1, seconds)])
    monkeypatch.setattr(backend, "use_one_core", lambda: None)
    monkeypatch.setattr(step_rooflines, "measure_peaks", lambda: PEAKS)
    monkeypatch.setattr(step_rooflines, "rooflines", lambda config, data, peaks: [("Search step", step)])
    lines = []
    measure(tiny, lines.append)
    assert any("too small" in line for line in lines) is small


def test_long_measurements_are_cut(tiny, monkeypatch):
    """TensorFlow stops recording what was quick in tens of steps."""
    steps = []
    monkeypatch.setattr(step_rooflines, "recorded_step", lambda fit, count, peaks: steps.append(count))
    data = step_rooflines.checked_data(tiny)
    next(step_rooflines.rooflines(dataclasses.replace(tiny, steps=1000), data, PEAKS))
    assert steps == [step_rooflines.MOST_STEPS]


def test_work_of_a_step_has_not_grown(tmp_path):
    """Time is noise; operations, arithmetic and traffic are not. Where they have fallen, lower the numbers."""
    x, y = np.random.default_rng(0).random((64, 16, 16, 3)).astype("float32"), np.arange(64) % 4
    file = tmp_path / "noise.npz"
    np.savez(file, x_train=x, y_train=y, x_test=x[:8], y_test=y[:8])
    sizes = {"filters": 4, "num_cells": 2, "num_nodes": 1, "batch_size": 8, "steps": 2}
    config = TimingConfig(dataset=str(file), roofline=True, **sizes)
    steps = step_rooflines.rooflines(config, step_rooflines.checked_data(config), PEAKS)
    for (name, step), most in zip(steps, [(1994, 8.752e6, 9.440e6), (807, 2.66e6, 2.96e6)], strict=True):
        found = step.operations
        assert (np.array([found.runs, found.flops, found.bytes]) < 1.05 * np.array(most)).all(), (name, found)
