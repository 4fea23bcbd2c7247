"""The folders that TensorBoard callbacks of a trial write to; that they are written: test_as_stock.py."""

import os

import keras
import keras_tuner
from tensorboard.plugins.hparams import api

from tuners.tuners.trial_inputs import logged


def test_each_training_has_a_folder_and_its_hyperparameters(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hp = keras_tuner.HyperParameters()
    hp.Choice("filters", [2, 4])
    hp.Float("rate", 0.1, 1.0)
    given = [keras.callbacks.TensorBoard("logs"), keras.callbacks.EarlyStopping()]
    board, stop, hparams = logged(given, "3", os.path.join("fold_1", "search"), hp)
    assert board.log_dir == os.path.join("logs", "3", "fold_1", "search") and given[0].log_dir == "logs"
    assert isinstance(stop, keras.callbacks.EarlyStopping) and isinstance(hparams, api.KerasCallback)
    again, *_ = logged(given, "3", "network", hp)
    assert again.log_dir == os.path.join("logs", "3", "network")


def test_nothing_is_added_without_a_board_or_without_hyperparameters():
    assert logged(None, "3", "search", keras_tuner.HyperParameters()) == []
    (board,) = logged(lambda: [keras.callbacks.TensorBoard("logs")], "supernet", "search")
    assert board.log_dir == os.path.join("logs", "supernet", "search")
