"""The contenders of `value.py`, but for `kerasnas search` itself.

Each returns the accuracy on the test set, reached within `seconds` of the process's processor time, and what else its
record is to hold: the trainable parameters and the latency of its network, among others.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import skeleton

PLANS = ["vgg_3x3", "residual_pool", "conv_deep", "channels_vgg", "tiles_2x2_vgg"]  # that races compare most often
FLIPS = {  # what a person who knows the data would do
    "ants_bees": ("flip",),
    "bccd_cells": ("flip", "flip_vertical"),
    "caltech101": ("flip",),
    "chula_rbc": ("flip", "flip_vertical"),
    "cifar10_16": ("flip",),
    "cifar10_mini": ("flip",),
    "neu_steel": ("flip", "flip_vertical"),
    "objects": ("flip",),
    "pacs": ("flip",),
    "rsscn7": ("flip", "flip_vertical"),
    "satellite": ("flip", "flip_vertical"),
}
UNSHIFTED = ("gutenberg", "language")  # another place is another letter
_FINISH = 3.0  # seconds that the evaluation is given
_RANDOM = 3  # networks
_MAX_EPOCHS, _BRACKET = 9, 21  # Hyperband: of the longest trial, and of all 13 trials of the first bracket together


# Networks and their training --------------------------------------------------------------------------------
def augmentation(name):
    """Shifts, and the flips that the data allow; none where a shift changes what is there."""
    from kerasnas.modalities import augmentations

    if name in UNSHIFTED:
        return None
    functions = {"flip": augmentations.flip, "flip_vertical": augmentations.flip_vertical}
    return augmentations.compose(augmentations.shift, *(functions[flip] for flip in FLIPS.get(name, ())))


def train(model, name, x, y, seconds, seed, rate=1e-3, loss=None, most=64):
    """Train by `fit` until the time is up, in batches of so many images at most."""
    from kerasnas.datasets.batches import ArrayBatches

    batches = ArrayBatches(x, y, min(most, len(x) // 4), seed=seed, augment=augmentation(name))
    return skeleton.train_until(model, batches, seconds, rate, loss)


def cnn(shape, classes, filters=(32, 64, 128), dropout=0.0, momentum=0.99):
    import keras
    from keras import layers

    x = inputs = keras.Input(shape)
    for index, width in enumerate(filters):
        x = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=momentum)(x))
        x = layers.MaxPooling2D(padding="same")(x) if index < len(filters) - 1 else x
    x = layers.Dropout(dropout)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, layers.Dense(classes)(x))


def resnet(shape, classes, blocks):
    """The ResNet of 6 `blocks` + 2 layers for small images."""
    import keras
    from keras import layers

    def convolve(x, filters, strides=1, size=3):
        x = layers.Conv2D(filters, size, strides, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    inputs = keras.Input(shape)
    x = layers.ReLU()(convolve(inputs, 16))
    for stage, filters in enumerate((16, 32, 64)):
        for block in range(blocks):
            strides = 2 if stage and not block else 1
            y = convolve(layers.ReLU()(convolve(x, filters, strides)), filters)
            beside = convolve(x, filters, strides, 1) if strides > 1 else x
            x = layers.ReLU()(layers.Add()([y, beside]))
    return keras.Model(inputs, layers.Dense(classes)(layers.GlobalAveragePooling2D()(x)))


def accuracy(model, x, y):
    return float((model.predict(x, batch_size=250, verbose=0).argmax(-1) == y).mean())


def costs(model):
    from kerasnas import cost
    from kerasnas.cost.counting import parameters

    return {"parameters": parameters(model), "latency_ms": round(cost.network_latency(model), 3)}


def scaled(arrays):
    """The arrays with pixels in [0, 1], the shape of an image, and the number of classes."""
    x, y, x_test, y_test = arrays
    x, x_test = x.astype("float32") / 255, x_test.astype("float32") / 255
    return x, y, x_test, y_test, x.shape[1:], int(max(y.max(), y_test.max())) + 1


def cnn_parameters(arrays):
    """The trainable parameters of the contender `cnn`."""
    from kerasnas.cost.counting import parameters

    return parameters(cnn(*scaled(arrays)[4:]))


def device_needs(arrays):
    """The flash and the memory, in kB, of the contender `resnet_8` in 8-bit integers on a microcontroller."""
    from kerasnas.cost import device_cost
    from kerasnas.export.classifier import with_preprocessing

    needs = device_cost(with_preprocessing(resnet(*scaled(arrays)[4:], 1), 255))
    return needs.flash / 1000, needs.memory / 1000


# Contenders -------------------------------------------------------------------------------------------------
def run_network(contender, name, arrays, seconds, seed):
    import keras

    keras.utils.set_random_seed(seed)
    x, y, x_test, y_test, shape, classes = scaled(arrays)
    known = {"cnn": cnn, "resnet_8": lambda *s: resnet(*s, 1), "resnet_20": lambda *s: resnet(*s, 3)}
    loss = None
    if contender == "vgg":
        y, loss = np.eye(classes, dtype="float32")[y], keras.losses.CategoricalCrossentropy(True, label_smoothing=0.1)
        known["vgg"] = lambda *s: cnn(*s, filters=(32, 64, 128, 128), momentum=0.9)
    model = train(known[contender](shape, classes), name, x, y, seconds - _FINISH, seed, loss=loss)
    return accuracy(model, x_test, y_test), costs(model)


def run_start(contender, name, arrays, seconds, seed):
    """EfficientNet-Lite0, frozen, tuned whole from ridge regression, or by the usual two phases."""
    import keras

    from kerasnas.datasets.batches import ArrayBatches
    from kerasnas.racing.race.challenge import BATCH
    from kerasnas.starts import AdaptationSpace, begin
    from kerasnas.tasks.known import CLASSIFICATION

    keras.utils.set_random_seed(seed)
    x, y, x_test, y_test, shape, classes = scaled(arrays)
    space, size = AdaptationSpace(["efficientnet_lite0"]), 224 if min(shape[:2]) > 96 else 96
    mode, head = ("frozen", "last") if contender == "probe" else ("tuned", "stages" if contender == "whole" else "last")
    model = space.build_network(space.network("efficientnet_lite0", size, (mode,) * 5, head), shape, classes)
    if contender != "two_phases":
        begin(model, x, y, CLASSIFICATION)
    if contender == "whole":
        train(model, name, x, y, seconds - 2 * _FINISH, seed, 3e-4, most=BATCH)
    elif contender == "two_phases":
        body = keras.Model(model.input, model.get_layer("features").input)
        features = body.predict(x, batch_size=100, verbose=0)
        top = keras.Sequential([keras.Input(features.shape[1:]), *model.layers[-2:]])
        now = time.process_time()
        skeleton.train_until(top, ArrayBatches(features, y, 32, seed=seed), now + seconds / 10, 1e-3)
        train(model, name, x, y, seconds - 2 * _FINISH, seed, 1e-4, most=BATCH)
    return accuracy(model, x_test, y_test), costs(model)


def run_tuner(contender, name, arrays, seconds, seed):
    """KerasTuner for half of the time; the best network is trained from scratch in the other half.

    Each trial of RandomSearch takes a twentieth of the time. An epoch of Hyperband is so long that its first bracket
    takes half of the time: 9 trials of 1 epoch, of which 3 continue to 3 epochs and 1 of these to 9. A trial continues
    from its weights, as usual, with a cosine of its own for each round. Time includes that of tracing.
    """
    import keras
    import keras_tuner

    from kerasnas.tasks.splits import stratified_split

    keras.utils.set_random_seed(seed)
    x, y, x_test, y_test, shape, classes = scaled(arrays)
    first, second = stratified_split(y, 0.2, seed)

    class Model(keras_tuner.HyperModel):
        def build(self, hp):
            width, depth = hp.Choice("filters", [16, 32, 48]), hp.Int("depth", 2, 4)
            self.rate = hp.Float("learning_rate", 3e-4, 1e-2, sampling="log")
            return cnn(shape, classes, [width * 2**stage for stage in range(depth)], hp.Float("dropout", 0.0, 0.5))

        def fit(self, hp, model, *args, callbacks=(), epochs=None, initial_epoch=0, **kwargs):
            now = time.process_time()
            end = now + seconds / 20
            if epochs is not None:
                end = min(0.5 * seconds, now + (epochs - initial_epoch) * 0.5 * seconds / _BRACKET)
            train(model, name, x[first], y[first], end, seed + initial_epoch, self.rate)
            found = {"val_accuracy": accuracy(model, x[second], y[second])}
            if epochs is not None:  # the checkpoint that later rounds continue from
                callbacks[-1].set_model(model)
                callbacks[-1].on_epoch_end(epochs - 1, found)
            return found

    class Timed:
        def run_trial(self, trial, *args, **kwargs):
            if time.process_time() > 0.5 * seconds:
                self.oracle.max_trials = len(self.oracle.trials)  # 0 would be no limit
                return {"val_accuracy": 0.0}
            return super().run_trial(trial, *args, **kwargs)

    if contender == "hyperband":
        tuner, limits = keras_tuner.Hyperband, {"max_epochs": _MAX_EPOCHS, "factor": 3, "hyperband_iterations": 1000}
    else:
        tuner, limits = keras_tuner.RandomSearch, {"max_trials": 1000}
    with tempfile.TemporaryDirectory() as folder:
        limits |= {"objective": keras_tuner.Objective("val_accuracy", "max"), "seed": seed}
        tuner = type("Timed", (Timed, tuner), {})(Model(), **limits, directory=folder, project_name="value")
        tuner.search(verbose=0)
        hypermodel, best = Model(), tuner.get_best_hyperparameters()[0]
        model = hypermodel.build(best)
        trials = len(tuner.oracle.trials) - 1
    train(model, name, x, y, seconds - _FINISH, seed, hypermodel.rate)
    return accuracy(model, x_test, y_test), {"trials": trials, **costs(model)}


def advanced(model, recipe, name, x, y, seconds, clock, seed, most, warmup):
    """Train a network as a contestant of a race until `seconds` by the clock; return the contestant."""
    from kerasnas.datasets.batches import ArrayBatches
    from kerasnas.racing.entrants.contestant import Contestant
    from kerasnas.racing.rungs import fitting_batch_size
    from kerasnas.racing.winner import annealed
    from kerasnas.training.recipe import TrainingRecipe

    model = TrainingRecipe(**recipe).compile_network(model, None)
    batches = ArrayBatches(x, y, fitting_batch_size(len(x), most), seed=seed, augment=augmentation(name))
    contestant, left = Contestant(model, batches, warmup), seconds - clock()
    if contestant.learns and left > 0:
        contestant.advance(clock, left, schedule=lambda past: annealed(past / left))
    return contestant


def train_as_winner(model, name, arrays, clock, end, seed):
    """Train a network as the race trains its winner; return its accuracy on the test images.

    Args:
        end: seconds by `clock`, at which it has been evaluated.
    """
    from kerasnas.callbacks.stopping import NonFiniteError
    from kerasnas.datasets.batches import ArrayBatches
    from kerasnas.methods.race.making import RECIPE
    from kerasnas.racing.entrants.contestant import Contestant
    from kerasnas.racing.winner import annealed

    x, y, x_test, y_test, _, classes = scaled(arrays)
    batches = ArrayBatches(x, y, max(1, min(64, len(x) // 4)), seed=seed, augment=augmentation(name))
    contestant = Contestant(RECIPE.compile_network(model, None), batches)
    few = slice(0, 250)
    contestant.scores(x[few], y[few])  # traces
    before = clock()
    contestant.scores(x[few], y[few])
    length = end - clock() - 1.0 - 1.2 * (clock() - before) * len(x_test) / len(x[few])
    try:
        contestant.advance(clock, length, schedule=lambda past, end=length: annealed(past / end))
        return float(contestant.scores(x_test, y_test).mean())
    except NonFiniteError:
        return 1 / classes  # such a network says nothing


def run_random_networks(name, arrays, seconds, seed):
    """Random networks of the race's space, each trained as its winner is, for an equal part of the time."""
    from kerasnas.spaces import MacroSpace

    clock = time.process_time
    x, _, _, _, shape, classes = scaled(arrays)
    space, rng = MacroSpace.for_data(shape, classes, len(x)), np.random.default_rng(seed)
    found = {"each": [], "parameters": [], "latency_ms": [], "genotypes": []}
    begin = clock()
    for index in range(_RANDOM):
        end = begin + (seconds - begin) * (index + 1) / _RANDOM
        genotype = space.sample(rng)
        model = space.build_network(genotype, shape, classes, seed=seed)
        found["each"].append(train_as_winner(model, name, arrays, clock, end, seed))
        found["genotypes"].append(json.loads(genotype.to_json()))
        for key, value in costs(model).items():
            found[key].append(value)
    return float(np.mean(found["each"])), {"best": max(found["each"]), **found}


def plan_of(name, arrays):
    """The genotype of a network of the bundled portfolio for data of this shape."""
    from kerasnas.racing.portfolio import known_plans, named_networks
    from kerasnas.spaces import MacroSpace

    x, _, _, _, shape, classes = scaled(arrays)
    division = known_plans()[name].get("division", "whole")
    return named_networks(MacroSpace.for_data(shape, classes, len(x), divisions=(division,)))[name]


def scaled_network(most, arrays, seed):
    """The network that a race without limits begins with, scaled to at most so many parameters, and its filters."""
    from kerasnas.cost.counting import parameters
    from kerasnas.racing.portfolio import known_plans
    from kerasnas.spaces import MacroSpace

    x, _, _, _, shape, classes = scaled(arrays)
    plan = next(iter(known_plans().values()))

    def build(filters):
        space = MacroSpace.for_data(shape, classes, len(x), filters=filters, widths=(1.0,))
        genotype = space.network(plan["stem"], 1.0, plan["blocks"], plan["halving"], plan["depths"])
        return space.build_network(genotype, shape, classes, seed=seed)

    filters = next(filters for filters in range(1, 65) if parameters(build(filters + 1)) > most)
    return build(filters), filters


def run_scaled(most, name, arrays, seconds, seed):
    """The network that a race without limits begins with, scaled to at most so many parameters, with drawn weights."""
    model, filters = scaled_network(most, arrays, seed)
    return train_as_winner(model, name, arrays, time.process_time, seconds, seed), {**costs(model), "filters": filters}


def run_recipe(name, arrays, seconds, seed):
    """ResNet-8, trained as the race trains its winner."""
    model = resnet(*scaled(arrays)[4:], 1)
    return train_as_winner(model, name, arrays, time.process_time, seconds, seed), costs(model)


def run_svm(arrays):
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC

    x, y, x_test, y_test = arrays
    x, x_test = (part.reshape(len(part), -1) / 255 for part in (x, x_test))
    return float(make_pipeline(PCA(60, whiten=True, random_state=0), SVC(C=10)).fit(x, y).score(x_test, y_test)), {}


def run_minirocket(arrays):
    """The linear model of random kernels on grey images as series of rows."""
    import series

    x, y, x_test, y_test, (*_, channels), classes = scaled(arrays)
    if channels > 1:
        raise SystemExit("minirocket reads grey images alone.")
    x, x_test = ((part[..., 0] - x.mean()) / x.std() for part in (x, x_test))
    return series.random_kernels(x, y, x_test, y_test, classes, seed=0)


# Contenders in processes of their own -----------------------------------------------------------------------
def run_autokeras(python, arrays, seconds, seed):
    """AutoKeras in the environment of the interpreter `python`."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(__file__).with_name("value_autokeras.py")
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        environment["KERAS_BACKEND"] = "tensorflow"
        command = [python, str(script), skeleton.save(Path(folder, "data.npz"), arrays), str(seconds), str(seed)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder, env=environment)
        if done.returncode:
            raise RuntimeError(f"AutoKeras failed:\n{done.stderr[-900:]}")
        record = json.loads(done.stdout.splitlines()[-1])
        return record.pop("accuracy"), record
