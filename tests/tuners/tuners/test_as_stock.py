"""What a user of KerasTuner expects of `search`: datasets, a split, logs for TensorBoard, output inside a trial."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.tuners.small import RECIPE, VALIDATION, X_VAL, Y_VAL, Epochs, X, Y, one_shot_tuner, search, supernet_tuner
from tuners.tuners.trial_inputs import arrays_of, make_data

SHAPES = {"input_shape": (8, 8, 1), "num_classes": 3, "seed": 0}


def supernets(folder, **options):
    return supernet_tuner(folder, max_trials=1, **options)


def children(folder, **options):
    return one_shot_tuner(folder, retrain_best=1, **options)


def batches(x, y, size=5):
    return tf.data.Dataset.from_tensor_slices((x, y)).shuffle(100, seed=None).batch(size)


class Batches(keras.utils.PyDataset):
    """The images in two batches."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return X[12 * index : 12 * index + 12], Y[12 * index : 12 * index + 12]


# Data -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("data", [Batches(), batches(X, Y), tf.data.Dataset.from_tensor_slices((X, Y))])
def test_all_samples_of_a_dataset_in_an_order_of_their_own(data):
    x, y = arrays_of("x", data)
    again = arrays_of("x", batches(X, Y))
    assert np.array_equal(x, again[0]) and np.array_equal(y, again[1])
    assert sorted(x.sum((1, 2, 3))) == sorted(X.sum((1, 2, 3))) and x.dtype == X.dtype
    places = {float(image.sum()): label for image, label in zip(X, Y, strict=True)}
    assert [places[float(image.sum())] for image in x] == y.tolist()


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (batches(X, Y).repeat(), None, {}, "`x`. Expected a finite dataset"),
        (batches(X, Y).take(0), None, {}, "`x`. Expected a dataset of pairs .x, y., not empty"),
        (batches(X, Y).map(lambda x, y: x), None, {}, "`x`. Expected a dataset of pairs .x, y."),
        (batches(X, Y).map(lambda x, y: (x, y, y)), None, {}, "an element of type tuple of 3"),
        (batches(X, tf.one_hot(Y, 3)), None, {}, "argmax"),
        (batches(X, Y), Y, {}, "leave out `y`"),
        (X[..., 0], Y, {}, r"argument `x` \(training data\). Expected images of shape"),
        (X, Y, {"validation_data": (X_VAL, Y_VAL + 1)}, r"\(validation data\). Expected labels from 0 to 2"),
        (X, Y, {"folds": 2}, "leave out `validation_data`"),
        (X, Y, {"validation_split": 0.5}, "`validation_split` or `validation_data`, not both.*`architecture_split`"),
        (
            *(X, Y, {"validation_data": None, "folds": 2, "validation_split": 0.5}),
            "`validation_split` or `folds`, not both.*`architecture_split`",
        ),
        (
            *(X, Y, {"validation_data": None}),
            r"argument `validation_data`. Expected `\(x, y\)`, two arrays, or a dataset; or `validation_split`; or a "
            "tuner with `folds`",
        ),
    ],
)
def test_data_that_cannot_be_searched_on(x, y, options, message):
    with pytest.raises(ValueError, match=message):
        make_data(x, y, **{"validation_data": VALIDATION, "folds": None, **options}, **SHAPES)


@pytest.mark.slow
@pytest.mark.parametrize("make", [children, supernets])
def test_validation_split_holds_out_what_networks_are_evaluated_on(tmp_path, make):
    tuner = make(tmp_path)
    tuner.search(X, Y, validation_split=0.25, architecture_split=0.4, epochs=1, verbose=0)
    assert len(tuner.get_best_models()) == 1
    (part,) = make_data(X, Y, None, None, (8, 8, 1), 3, seed=0, validation_split=0.25)
    assert (len(part.x), len(part.x_val)) == (18, 6)
    assert np.bincount(part.y_val).tolist() == [2, 2, 2]
    model, best = tuner.get_best_models()[0], tuner.result(tuner.best_trials(1)[0])
    score = model.evaluate(part.x_val, part.y_val, verbose=0)[1]
    assert best["metrics"]["val_accuracy"] == pytest.approx(score)


def test_bytes_are_searched_and_trained_on_alike():
    with pytest.warns(UserWarning, match="x / 255"):
        (part,) = make_data((X * 255).astype("uint8"), Y, VALIDATION, None, (8, 8, 1), 3, seed=0)
    assert part.x.dtype == "float32" and part.x.max() <= 1


# Interrupted ----------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize(("make", "kind"), [(supernets, "BilevelTrainer"), (children, "ENASTrainer")])
def test_an_interrupted_search_resumes_where_it_was_and_ends_as_if_uninterrupted(make, kind, tmp_path):
    """Stock KerasTuner begins the trial again, with epoch 0. Killed processes: test_tuner_processes.py."""
    seen, settings = [], {"training": dataclasses.replace(RECIPE, epochs=2)}
    for stop in ((kind, 1), ("Functional", 1)):
        with pytest.raises(KeyboardInterrupt):
            search(make(tmp_path / "killed", **settings), epochs=2, callbacks=lambda stop=stop: [Epochs(seen, stop)])
    killed = search(make(tmp_path / "killed", **settings), epochs=2, callbacks=lambda: [Epochs(seen)])
    assert seen == [(name, epoch) for name in (kind, "Functional") for epoch in (0, 1, 1)]
    whole = search(make(tmp_path / "whole", **settings), epochs=2)
    assert killed.get_best_genotypes(9) == whole.get_best_genotypes(9)
    scores, metrics = [], []
    for tuner in (killed, whole):
        scores.append([trial.score for trial in tuner.best_trials(9)])
        metrics.append(tuner.result(tuner.best_trials(1)[0])["metrics"])
    assert scores[0] == pytest.approx(scores[1]) and metrics[0] == pytest.approx(metrics[1], rel=1e-4)


# Logs and output ------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize("make", [supernets, children])
def test_tensorboard_has_a_folder_for_each_trial_with_its_hyperparameters(tmp_path, make, capsys):
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    logs, tuner = tmp_path / "logs", make(tmp_path)
    board = keras.callbacks.TensorBoard(logs)
    tuner.search(X, Y, validation_data=VALIDATION, epochs=2, verbose=1, callbacks=[board])
    shown = capsys.readouterr().out
    assert "Epoch 1/2" in shown and "step" in shown
    best = tuner.best_trials(1)[0].trial_id
    search = logs / (best if make is supernets else "supernet") / "search"
    assert board.log_dir == str(logs) and search.is_dir() and (logs / best / "network").is_dir()
    tags = {
        value.tag
        for path in (logs / best / "network").rglob("*tfevents*")
        for event in EventFileLoader(str(path)).Load()
        for value in event.summary.value
    }
    assert "_hparams_/session_start_info" in tags and "epoch_loss" in tags


@pytest.mark.parametrize(("wrong", "words"), [(3, "of at most 2"), ("row", "Did you mean 'rows'")])
def test_output_of_no_kind(tmp_path, wrong, words):
    with pytest.raises(ValueError, match=f"`verbose`.*{words}"):
        supernets(tmp_path).search(X, Y, validation_data=VALIDATION, epochs=2, verbose=wrong)
