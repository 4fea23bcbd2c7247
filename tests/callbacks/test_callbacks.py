"""Callbacks: schedules, snapshots, and checkpoints from which a training resumes bit-identically."""

import functools

import keras
import numpy as np
import pytest

from kerasnas import BilevelTrainer, DARTSSpace, DriftMonitor, MixedOp
from kerasnas.callbacks import DriftCallback, SearchCheckpoint
from kerasnas.callbacks.state import restore, snapshot

EPOCHS = 4
RNG = np.random.default_rng(0)
X, Y = RNG.random((32, 8, 8, 1)).astype("float32"), np.arange(32) % 3
SPACE = DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["none", "skip_connect", "dil_conv_3x3"])


def cell_supernet(seed):
    return SPACE.build_supernet((8, 8, 1), 3, seed=seed)


def dropout_model(seed, filters=2, choices=1):
    inputs = keras.Input((8, 8, 1))
    start = {"kernel_initializer": keras.initializers.GlorotUniform(seed=seed)}
    x = keras.layers.Conv2D(filters, 3, **start)(inputs)
    for choice in range(choices):
        x = MixedOp(["skip_connect", "avg_pool_3x3"], filters=filters, name=f"choice_{choice}", seed=seed)(x)
    x = keras.layers.Dropout(0.5, seed=seed)(keras.layers.Flatten()(x))
    return keras.Model(inputs, keras.layers.Dense(3, **start)(x))


def make(build=dropout_model, seed=0, eager=True):
    search = BilevelTrainer(build(seed), architecture_warmup_epochs=1)
    search.compile(architecture_optimizer=keras.optimizers.Adam(0.05), run_eagerly=eager)
    return search


def fit(search, *callbacks, initial_epoch=0):
    search.fit(
        X,
        Y,
        batch_size=16 if search.run_eagerly else 8,
        epochs=EPOCHS,
        initial_epoch=initial_epoch,
        verbose=0,
        callbacks=list(callbacks),
    )


def same_state(first, second):
    first, second = snapshot(first), snapshot(second)
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


class Interrupt(keras.callbacks.Callback):
    """Ctrl-C in the midst of an epoch."""

    def __init__(self, epoch, batch):
        super().__init__()
        self.when, self.epoch = (epoch, batch), None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.when:
            raise KeyboardInterrupt


# Resuming bit-identically ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("build", "eager"), [pytest.param(cell_supernet, False, marks=pytest.mark.slow), (dropout_model, True)]
)
def test_interrupted_search_equals_the_uninterrupted(build, eager, tmp_path):
    whole = make(build, eager=eager)
    record = SearchCheckpoint(tmp_path / "whole")
    fit(whole, record)
    assert {len(series) for series in record.history.values()} == {EPOCHS}

    stopped = make(build, eager=eager)
    with pytest.raises(KeyboardInterrupt):
        fit(stopped, SearchCheckpoint(tmp_path / "stopped"), Interrupt(epoch=2, batch=0))
    fresh = make(build, seed=7, eager=eager)  # other initial weights: all must come from the checkpoint
    checkpoint = SearchCheckpoint(tmp_path / "stopped")
    epoch = checkpoint.restore(fresh)
    assert epoch == 2
    assert not same_state(whole, fresh)
    fit(fresh, checkpoint, initial_epoch=epoch)
    assert same_state(whole, fresh)
    assert checkpoint.history == record.history
    assert checkpoint.mixing_weights.keys() == record.mixing_weights.keys()
    for kind, course in record.mixing_weights.items():
        assert course.shape[0] == 1 + EPOCHS
        assert np.array_equal(course, checkpoint.mixing_weights[kind])
        assert np.array_equal(course[0], course[1])  # the warm-up
        assert not np.array_equal(course[1], course[2])
        np.testing.assert_array_equal(course[-1], whole.mixing_weights()[kind])

    # A file cut short by a full disk or a broken one: the one before it stands in.
    newest = sorted((tmp_path / "whole").glob("checkpoint-*.npz"))[-1]
    newest.write_bytes(newest.read_bytes()[:-200])
    lines = []
    checkpoint = SearchCheckpoint(tmp_path / "whole", log=lines.append)
    assert checkpoint.restore(fresh) == EPOCHS - 1
    assert len(lines) == 1
    assert newest.name in lines[0] and "damaged" in lines[0] and "one before" in lines[0]
    assert not same_state(whole, fresh)
    fit(fresh, checkpoint, initial_epoch=EPOCHS - 1)
    assert same_state(whole, fresh)
    assert checkpoint.history == record.history


def test_snapshot_holds_seed_generators_slots_and_statistics():
    search = make()
    before = snapshot(search)
    search.fit(X, Y, batch_size=16, epochs=2, verbose=0)
    after = snapshot(search)
    paths = [v.path for v in search.variables] + [v.path for v in search.optimizer.variables]
    changed = {path for path, name in zip(paths, before, strict=True) if not np.array_equal(before[name], after[name])}
    assert any("seed_generator" in path for path in changed)
    assert any("momentum" in path for path in changed)
    assert any("alphas" in path for path in changed)
    restore(search, before)
    assert all(np.array_equal(array, before[name]) for name, array in snapshot(search).items())


def test_checkpoint_of_another_search_is_refused(tmp_path):
    search = make()
    search.fit(X, Y, batch_size=16, epochs=1, verbose=0, callbacks=[SearchCheckpoint(tmp_path)])
    wider, deeper = ({"filters": 3}, "another search: expected shape"), ({"choices": 2}, "another search: .* variables")
    for sizes, words in (wider, deeper):
        other = make(functools.partial(dropout_model, **sizes))
        other.optimizer.build(other.trainable_variables)
        before = snapshot(other)
        with pytest.raises(ValueError, match=words):
            SearchCheckpoint(tmp_path).restore(other)
        assert all(np.array_equal(array, before[name]) for name, array in snapshot(other).items())


# Drift -------------------------------------------------------------------------------------------------
def test_outputs_of_predict_are_watched_batch_by_batch():
    layer = keras.layers.Dense(2, activation="softmax")
    model = keras.Sequential([keras.Input((1,)), layer])
    layer.set_weights([np.array([[-1.0, 1.0]]), np.zeros(2)])
    rng, told = np.random.default_rng(0), []
    callback = DriftCallback(DriftMonitor(model, rng.normal(size=(400, 1)), window=50), told.append)
    model.predict(rng.normal(size=(90, 1)), batch_size=30, verbose=0, callbacks=[callback])
    assert callback.reports == []
    model.predict(rng.normal(size=(60, 1)) + 2, batch_size=30, verbose=0, callbacks=[callback])  # 40 waited
    assert told == callback.reports and len(told) >= 1 and told[-1].kinds == ("outputs",)
    assert "probability of 1" in {change.name for change in told[-1].changes}
