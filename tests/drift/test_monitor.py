"""The drift monitor: streams, alarms, words, files."""

import json

import keras
import numpy as np
import pytest

from kerasnas import DriftMonitor
from kerasnas.drift.report import Change, DriftReport
from kerasnas.drift.view import ModelView

CLASSES = ("low", "high")


def threshold_model():
    """Tells whether the first of two numbers is above 0, without training."""
    layer = keras.layers.Dense(2, activation="softmax")
    model = keras.Sequential([keras.Input((2,)), layer])
    layer.set_weights([np.array([[-2.0, 2.0], [0.0, 0.0]]), np.zeros(2)])
    return model


MODEL = threshold_model()


def samples(number, seed, shift=0.0):
    x = np.random.default_rng(seed).normal(size=(number, 2)) + shift
    return x, (x[:, 0] > 0).astype("int64")


@pytest.fixture
def monitor():
    x, y = samples(600, 0)
    return DriftMonitor(MODEL, x, y, window=50, classes=CLASSES)


def test_windows_are_filled_across_calls(monitor):
    x, _ = samples(120, 1)
    first, second = monitor.observe(x[:30]), monitor.observe(x[30:])
    assert (first.windows, first.waiting, first.statistic) == (0, 30, None) and not first.drift
    assert str(first) == "No window is full yet: 30 samples wait."
    assert (second.windows, second.waiting) == (2, 20) and 0 < second.statistic < second.threshold
    assert second.p_value > 0.01 and not second.changes and "No drift" in str(second)
    whole = DriftMonitor(MODEL, samples(600, 0)[0], window=50).observe(x[50:100])
    assert whole.statistic == pytest.approx(second.statistic)  # the newest window, wherever calls were cut


def test_what_changed_is_named(monitor):
    report = monitor.observe(samples(50, 1, shift=(0.0, 1.5))[0])
    assert report.drift and report.kinds == ("inputs",) and [one.name for one in report.changes] == ["input 1"]
    assert report.changes[0].now - report.changes[0].before == pytest.approx(1.5, abs=0.5)
    assert "Drift: the inputs changed." in str(report) and "input 1: " in str(report)
    both = monitor.observe(samples(50, 2, shift=(1.5, 0.0))[0])
    assert both.kinds == ("inputs", "outputs") and "the inputs and the outputs of the model" in str(both)
    assert {"probability of low", "probability of high"} <= {one.name for one in both.changes}
    assert monitor.alarms == 2


def test_a_window_with_drift_is_told_though_later_ones_have_none(monitor):
    x = np.concatenate([samples(50, 1, 2.0)[0], samples(50, 2)[0]])
    report = monitor.observe(x)
    assert report.drift and report.windows == 2 and not monitor.observe(samples(50, 3)[0]).drift


def test_labels_that_mean_something_else(monitor):
    x, y = samples(100, 1)
    assert monitor.observe(x, y).accuracy == 1 and monitor.alarms == 0
    report = monitor.observe(*(samples(100, 2)[0], 1 - samples(100, 2)[1]))
    assert report.kinds == ("accuracy",) and report.concept and report.accuracy == 0
    assert "Labels may mean something else now." in str(report) and "accuracy 100.0 % before, 0.0 % now" in str(report)
    assert json.loads(json.dumps(report.to_dict()))["concept"] is True
    shifted, labels = samples(100, 3, 2.0)
    assert not monitor.observe(shifted, 1 - labels).concept  # the inputs changed too


def test_labels_may_come_later(monitor):
    assert not monitor.observe_errors(np.zeros(50, bool)).drift
    report = monitor.observe_errors(np.ones(50, bool))
    assert report.kinds == ("accuracy",) and report.statistic is None and report.accuracy == 0


def test_examining_leaves_the_streams_alone(monitor):
    monitor.observe(samples(30, 1)[0])
    x, y = samples(200, 2)
    assert not monitor.examine(x, y).drift and monitor.examine(x, 1 - y).kinds == ("accuracy",)
    assert monitor.examine(x + 1).kinds == ("inputs", "outputs")
    assert monitor.observe(samples(10, 3)[0]).waiting == 40 and monitor.alarms == 0


def test_of_a_large_reference_some_are_drawn():
    x, y = samples(5000, 0)
    monitor = DriftMonitor(MODEL, x, y)
    report = monitor.examine(samples(400, 1)[0])
    assert monitor.reference_accuracy == 1 and report.threshold == pytest.approx(1.9, abs=0.3) and not report.drift


def test_outputs_that_are_known_are_not_asked_for_again(monkeypatch):
    x, y = samples(5000, 0)
    asked = DriftMonitor(MODEL, x, y)
    known = MODEL.predict(x, verbose=0)
    monkeypatch.setattr(ModelView, "outputs", None)
    told = DriftMonitor(MODEL, x, y, outputs=known)
    np.testing.assert_allclose(told._reference, asked._reference, atol=1e-6)
    assert told.reference_accuracy == 1
    for wrong in (known[:-1], known[:, :1], np.where(known > 0.5, np.nan, known)):
        with pytest.raises(ValueError, match="outputs"):
            DriftMonitor(MODEL, x, y, outputs=wrong)


def test_a_loaded_monitor_continues_the_stream(monitor, tmp_path):
    x, y = samples(80, 1)
    y[::9] = 1 - y[::9]
    monitor.observe(x, y)
    monitor.observe_outputs(MODEL.predict(x[:20], verbose=0))
    total = monitor.observe_errors(np.array([True])).accuracy_statistic
    monitor.save(tmp_path)
    loaded = DriftMonitor.load(tmp_path, MODEL)
    assert loaded.observe_errors(np.array([], bool)).accuracy_statistic == total > 0
    assert (loaded.window, loaded.alarms, loaded.reference_accuracy) == (50, monitor.alarms, 1)
    x, y = samples(20, 2, 1.0)
    assert loaded.observe(x, y) == monitor.observe(x, y) and loaded.observe(x).windows == 0
    outputs = MODEL.predict(x, verbose=0)
    assert loaded.observe_outputs(outputs) == monitor.observe_outputs(outputs)
    assert {path.name for path in tmp_path.iterdir()} == {"drift.json", "drift.npz"}
    with np.load(tmp_path / "drift.npz") as arrays:  # numbers, no samples
        assert arrays["reference"].shape == (600, 2 + 3)


def test_files_that_are_damaged_or_of_another_model(monitor, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no drift monitor.*drift\.json"):
        DriftMonitor.load(tmp_path, MODEL)
    monitor.save(tmp_path)
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match=r"another model"):
        DriftMonitor.load(tmp_path, other)
    record = json.loads((tmp_path / "drift.json").read_text())
    (tmp_path / "drift.json").write_text(json.dumps({**record, "checksum": 1}))
    with pytest.raises(ValueError, match=r"do not belong together"):
        DriftMonitor.load(tmp_path, MODEL)
    (tmp_path / "drift.json").write_text(json.dumps({**record, "version": 2}))
    with pytest.raises(ValueError, match=r"version 2; this KerasNAS reads version 1"):
        DriftMonitor.load(tmp_path, MODEL)
    (tmp_path / "drift.npz").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"cannot be read"):
        DriftMonitor.load(tmp_path, MODEL)


def test_a_renewed_monitor_takes_what_is_usual_now(monitor):
    x, y = samples(300, 1, 2.0)
    renewed = monitor.renewed(MODEL, x, y)
    assert renewed.window == 50 and not renewed.observe(samples(50, 2, 2.0)[0]).drift
    assert renewed.observe(samples(50, 3)[0]).drift


def test_bad_input_is_refused_and_nothing_is_observed(monitor):
    x, y = samples(60, 1)
    bad = [
        ((x[:, :1],), r"`x`\. Expected samples of shape \(2,\)"),
        ((x * np.nan,), "outputs of the model.*all finite"),
        ((x, y[:5]), "`y`.*each of the 60 samples"),
        ((x, y + 1), "`y`.*from 0 to 1.*Received: 2"),
        ((x, y.astype(float)), "`y`.*integers"),
        (("x",), "`x`"),
        ((None,), "`x`"),
    ]
    for arguments, message in bad:
        with pytest.raises(ValueError, match=message):
            monitor.observe(*arguments)
    with pytest.raises(ValueError, match=r"`x`.*at least 20 samples.*Received: 19"):
        monitor.examine(x[:19])
    with pytest.raises(ValueError, match=r"`outputs`.*\(samples, 2\)"):
        monitor.observe_outputs(x[:, :1])
    assert monitor.observe(x[:0]).waiting == 0 and monitor.alarms == 0
    with pytest.raises(ValueError, match=r"`y`.*without `y_reference`"):
        DriftMonitor(MODEL, x).observe(x, y)
    with pytest.raises(ValueError, match=r"`errors`.*without `y_reference`"):
        DriftMonitor(MODEL, x).observe_errors(y > 0)


def test_bad_settings():
    x, y = samples(60, 1)
    for settings in ({"false_alarms": 0.0}, {"window": 19}, {"rise": 1.0}, {"seed": -1}, {"classes": ("a",)}):
        with pytest.raises(ValueError, match=f"`{next(iter(settings))}`"):
            DriftMonitor(MODEL, x, y, **settings)
    with pytest.raises(ValueError, match=r"`x_reference`.*at least 40"):
        DriftMonitor(MODEL, x[:39])
    with pytest.raises(TypeError, match=r"`model`"):
        DriftMonitor(None, x)
    for model in (keras.Sequential([keras.layers.Dense(2)]), keras.Sequential([keras.Input((2, 2))])):
        with pytest.raises(ValueError, match=r"`model`.*a built model"):
            DriftMonitor(model, x)
    model = threshold_model()
    model.set_weights([np.full((2, 2), np.nan), np.zeros(2)])
    with pytest.raises(ValueError, match=r"outputs of the model.*NaN"):
        DriftMonitor(model, x)


def test_report_of_many_changes_is_short():
    report = DriftReport(("inputs",), 3.0, 2.0, 0.001, tuple(Change(f"input {i}", 0.0, 1.0, 3.0) for i in range(9)))
    assert "and 4 more" in str(report) and str(report).count("input ") == 5
