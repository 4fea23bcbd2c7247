"""The inputs of a trial: folds, fingerprints, callbacks; data as KerasTuner takes them: test_as_stock.py."""

import keras
import keras_tuner
import numpy as np
import pytest

from tests.tuners.small import X_VAL, Y_VAL, X, Y
from tuners.tuners.trial_inputs import SearchData, fold_numbers, fresh_callbacks, make_data


def test_folds_are_stratified_and_disjoint():
    numbers = fold_numbers(Y, 4, seed=0)
    assert np.array_equal(np.bincount(numbers), [6, 6, 6, 6])
    for fold in range(4):
        assert np.array_equal(np.bincount(Y[numbers == fold]), [2, 2, 2])
    assert not np.array_equal(numbers, fold_numbers(Y, 4, seed=1))
    parts = make_data(X, Y, None, 4, (8, 8, 1), 3, seed=0)
    assert np.array_equal(
        np.sort(np.concatenate([part.x_val.sum((1, 2, 3)) for part in parts])), np.sort(X.sum((1, 2, 3)))
    )
    assert all(len(part.x) == 18 for part in parts)


def test_the_fingerprint_of_data_is_that_of_every_number():
    data = SearchData(X, Y, X_VAL, Y_VAL)
    changed = X.copy()
    changed[-1, -1, -1, 0] += 1e-3
    assert data.fingerprint() == SearchData(X.copy(), Y, X_VAL, Y_VAL).fingerprint()
    assert data.fingerprint() != SearchData(changed, Y, X_VAL, Y_VAL).fingerprint()


def test_callbacks_are_copied_or_made():
    stop = keras.callbacks.EarlyStopping(patience=3)
    (copied,) = fresh_callbacks([stop])
    assert copied is not stop and copied.patience == 3
    assert fresh_callbacks(lambda: [stop]) == [stop]
    with pytest.raises(keras_tuner.errors.FatalTypeError, match="Expected Keras callbacks, or a function that returns"):
        fresh_callbacks([3])
