"""What does a user get? `kerasnas search` beside what they would do otherwise, at equal processor time.

    python benchmarks/value.py DATA --cpu_minutes=5 --seeds=3 --output=runs/value.jsonl

Every run is a process of its own on one thread, whose whole processor time counts: import, tracing, search, training.
The contenders are the race (`kerasnas search --cpu_minutes`); the network it begins with, trained for all of the time
(`--candidates=1`); a CNN of 32, 64 and 128 filters, ResNet-8 and ResNet-20 in plain Keras, trained by `fit` with Adam
and a cosine for all of the time; KerasTuner's RandomSearch over a usual CNN hypermodel, whose best network is trained
with the second half of the time; and PCA with a support vector machine. The hand-made ones are told which flips the
data allow; the race has to find out. All train on the same arrays. The test set is looked at once, at the end of a run.

Runs that `--output` holds are not run again. Prints a table of mean test accuracies, the mean ranks, and for each
contender the paired difference to the race with its 95 % interval over sets and seeds; writes `--output` with the
suffix `.png`, mean ranks with the critical difference of Nemenyi's test.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

FLIPS = {  # what a person who knows the data would do
    "bccd_cells": ("flip", "flip_vertical"),
    "caltech101": ("flip",),
    "chula_rbc": ("flip", "flip_vertical"),
    "cifar10_16": ("flip",),
    "cifar10_mini": ("flip",),
    "neu_steel": ("flip", "flip_vertical"),
    "pacs": ("flip",),
    "rsscn7": ("flip", "flip_vertical"),
}
SETS = [*FLIPS, "fashion_mnist_mini", "gtsrb", "kannada", "notmnist", "sign_digits"]
CONTENDERS = ["kerasnas", "default", "cnn", "resnet_8", "resnet_20", "random_search", "svm"]
_FINISH = 3.0  # seconds that the evaluation is given


def load(data, name):
    """The four arrays of a set: uint8 images with channels, and labels."""
    found = sorted(Path(data).rglob(f"{name}.npz")) or sorted(Path(data).rglob(f"{name}/*.npz"))
    if not found:
        raise FileNotFoundError(f"There is no {name}.npz, and no .npz in a folder {name}, in or below {data}.")
    file = found[0]
    with np.load(file) as arrays:
        if "x_train" in arrays:
            parts = [arrays[key] for key in ("x_train", "y_train", "x_test", "y_test")]
        else:
            test = arrays["split"] == arrays["split"].max()
            parts = [arrays["x"][~test], arrays["y"][~test], arrays["x"][test], arrays["y"][test]]
    images = [part[..., None] if part.ndim == 3 else part for part in parts[::2]]
    return images[0], parts[1].astype("int64"), images[1], parts[3].astype("int64")


# Contenders: each returns the accuracy on the test set, within `seconds` of processor time ------------------
def train(model, name, x, y, seconds, seed, rate=1e-3):
    """Train by `fit` until the time is up: Adam, whose learning rate a cosine of the time takes to 0."""
    import keras

    from kerasnas import datasets

    functions = {"flip": datasets.flip, "flip_vertical": datasets.flip_vertical}
    augment = datasets.compose(datasets.shift, *(functions[flip] for flip in FLIPS.get(name, ())))
    batches = datasets.ArrayBatches(x, y, min(64, len(x) // 4), seed=seed, augment=augment)
    start = time.process_time()

    class Clock(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            share = min(1.0, (time.process_time() - start) / (seconds - start))
            self.model.optimizer.learning_rate.assign(rate * 0.5 * (1 + np.cos(np.pi * share)))

        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = time.process_time() >= seconds

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"], jit_compile=False)
    model.fit(batches, epochs=100_000, shuffle=False, verbose=0, callbacks=[Clock()])
    return model


def cnn(shape, classes, filters=(32, 64, 128), dropout=0.0):
    import keras
    from keras import layers

    x = inputs = keras.Input(shape)
    for index, width in enumerate(filters):
        x = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
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


def run_network(contender, name, arrays, seconds, seed):
    import keras

    keras.utils.set_random_seed(seed)
    x, y, x_test, y_test = arrays
    x, x_test = x.astype("float32") / 255, x_test.astype("float32") / 255
    shape, classes = x.shape[1:], int(max(y.max(), y_test.max())) + 1
    build = {"cnn": cnn, "resnet_8": lambda *s: resnet(*s, 1), "resnet_20": lambda *s: resnet(*s, 3)}[contender]
    return accuracy(train(build(shape, classes), name, x, y, seconds - _FINISH, seed), x_test, y_test)


def run_random_search(name, arrays, seconds, seed):
    """KerasTuner's RandomSearch for half of the time, its trials a twentieth each; the best is trained in the other."""
    import keras
    import keras_tuner

    keras.utils.set_random_seed(seed)
    x, y, x_test, y_test = arrays
    x, x_test = x.astype("float32") / 255, x_test.astype("float32") / 255
    shape, classes = x.shape[1:], int(max(y.max(), y_test.max())) + 1
    from kerasnas.datasets import stratified_split

    first, second = stratified_split(y, 0.2, seed)

    class Model(keras_tuner.HyperModel):
        def build(self, hp):
            width, depth = hp.Choice("filters", [16, 32, 48]), hp.Int("depth", 2, 4)
            self.rate = hp.Float("learning_rate", 3e-4, 1e-2, sampling="log")
            return cnn(shape, classes, [width * 2**stage for stage in range(depth)], hp.Float("dropout", 0.0, 0.5))

        def fit(self, hp, model, *args, **kwargs):
            train(model, name, x[first], y[first], time.process_time() + seconds / 20, seed, self.rate)
            return {"val_accuracy": accuracy(model, x[second], y[second])}

    class Timed(keras_tuner.RandomSearch):
        def run_trial(self, trial, *args, **kwargs):
            if time.process_time() > 0.5 * seconds:
                self.oracle.max_trials = 0
                return {"val_accuracy": 0.0}
            return super().run_trial(trial, *args, **kwargs)

    with tempfile.TemporaryDirectory() as folder:
        objective = keras_tuner.Objective("val_accuracy", "max")
        tuner = Timed(Model(), objective, max_trials=1000, seed=seed, directory=folder, project_name="value")
        tuner.search(verbose=0)
        hypermodel, best = Model(), tuner.get_best_hyperparameters()[0]
        model = hypermodel.build(best)
    return accuracy(train(model, name, x, y, seconds - _FINISH, seed, hypermodel.rate), x_test, y_test)


def run_svm(arrays):
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC

    x, y, x_test, y_test = arrays
    x, x_test = (part.reshape(len(part), -1) / 255 for part in (x, x_test))
    return float(make_pipeline(PCA(60, whiten=True, random_state=0), SVC(C=10)).fit(x, y).score(x_test, y_test))


def run_kerasnas(arrays, minutes, seed, *flags):
    with tempfile.TemporaryDirectory() as folder:
        names = ("x_train", "y_train", "x_test", "y_test")
        np.savez(Path(folder, "data.npz"), **dict(zip(names, arrays, strict=True)))
        command = [sys.executable, "-m", "kerasnas.cli", "search", f"--dataset={folder}/data.npz"]
        command += [f"--cpu_minutes={minutes}", f"--seed={seed}", f"--output_dir={folder}/run", *flags]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        result = json.loads(Path(folder, "run", "result.json").read_text())
        race = result["race"]
        raced = {n: [round(r["accuracy"], 4) for r in entry["rungs"]] for n, entry in race["contestants"].items()}
        return result["searched"]["test_accuracy"], {
            "winner": race["winner"],
            "raced": raced,
            "augment": race["augment"],
            "parameters": result["searched"]["parameters"],
        }


def run(contender, data, name, minutes, seed):
    arrays = load(data, name)
    record = {"contender": contender, "set": name, "cpu_minutes": minutes, "seed": seed}
    before = time.process_time() + sum(os.times()[2:4])
    if contender in ("kerasnas", "default"):
        found, more = run_kerasnas(arrays, minutes, seed, *(["--candidates=1"] if contender == "default" else []))
        record |= more
    elif contender == "svm":
        found = run_svm(arrays)
    elif contender == "random_search":
        found = run_random_search(name, arrays, 60 * minutes, seed)
    else:
        found = run_network(contender, name, arrays, 60 * minutes, seed)
    spent = time.process_time() + sum(os.times()[2:4])
    return record | {
        "accuracy": found,
        "cpu_seconds": round(spent - (before if contender in ("kerasnas", "default") else 0.0), 1),
    }


# All of them ------------------------------------------------------------------------------------------------
def missing(arguments, records):
    done = {(r["contender"], r["set"], r["cpu_minutes"], r["seed"]) for r in records}
    for seed in range(arguments.seeds):
        for name in arguments.sets.split(","):
            for contender in arguments.contenders.split(","):
                if (contender, name, arguments.cpu_minutes, seed) not in done:
                    yield contender, name, seed


def report(records, output):
    from scipy import stats

    contenders = sorted({r["contender"] for r in records}, key=CONTENDERS.index)
    sets = sorted({r["set"] for r in records})
    found = {(r["contender"], r["set"], r["seed"]): r["accuracy"] for r in records}
    whole = sorted({(s, seed) for _, s, seed in found if all((c, s, seed) in found for c in contenders)})
    print(f"\n{'':20}" + "".join(f"{name:>15}" for name in contenders))
    for name in sets:
        seeds = [seed for s, seed in whole if s == name]
        if seeds:
            means = [np.mean([found[c, name, seed] for seed in seeds]) for c in contenders]
            print(f"{name:20}" + "".join(f"{100 * mean:15.2f}" for mean in means) + f"   n={len(seeds)}")
    if not whole:
        return
    table = np.array([[found[c, s, seed] for c in contenders] for s, seed in whole])
    ranks = np.array([stats.rankdata(-row) for row in table]).mean(0)
    print(f"{'mean rank':20}" + "".join(f"{rank:15.2f}" for rank in ranks))
    for index, contender in enumerate(contenders[1:], start=1):
        lead = 100 * (table[:, 0] - table[:, index])
        reach = stats.t.ppf(0.975, len(lead) - 1) * stats.sem(lead) if len(lead) > 1 else np.inf
        print(f"{contenders[0]} - {contender}: {lead.mean():.2f} ± {reach:.2f} points, n={len(lead)}")
    plot(contenders, ranks, len(whole), output.with_suffix(".png"))


def plot(contenders, ranks, runs, path):
    """Mean ranks, the best on the left, with the critical difference of Nemenyi's test at 5 %."""
    from matplotlib.figure import Figure
    from scipy import stats

    number = len(contenders)
    if number < 2:
        return
    critical = (
        stats.studentized_range.ppf(0.95, number, np.inf) / np.sqrt(2) * np.sqrt(number * (number + 1) / 6 / runs)
    )
    figure = Figure(figsize=(7, 1.2 + 0.35 * number), layout="constrained")
    axes = figure.subplots()
    for row, index in enumerate(np.argsort(ranks)):
        axes.plot(
            [ranks[index], ranks[index] + critical], [row, row], color="#8b949e", linewidth=3, solid_capstyle="butt"
        )
        axes.plot([ranks[index]], [row], "o", color="#00795a")
    axes.set_yticks(range(number), [contenders[index] for index in np.argsort(ranks)])
    axes.invert_yaxis()
    axes.set_xlabel(f"mean rank over {runs} sets and seeds; bars: critical difference {critical:.2f}")
    figure.savefig(path, dpi=150)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="folder in or below which the sets lie, as NAME.npz or NAME/*.npz")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--contenders", default=",".join(CONTENDERS))
    parser.add_argument("--cpu_minutes", type=float, default=5.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=1, help="runs at once; each has one thread")
    parser.add_argument("--output", type=Path, default=Path("runs/value.jsonl"))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        contender, name, seed = arguments.one.split(",")
        print(json.dumps(run(contender, arguments.data, name, arguments.cpu_minutes, int(seed))))
        return
    arguments.output.parent.mkdir(parents=True, exist_ok=True)

    def read():
        lines = arguments.output.read_text().splitlines() if arguments.output.exists() else []
        return [r for r in map(json.loads, lines) if r["cpu_minutes"] == arguments.cpu_minutes]

    threads = dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"), "1")
    environment = {**os.environ, **threads, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1"}
    running = []
    for contender, name, seed in [*missing(arguments, read()), (None, None, None)]:
        while len(running) >= (arguments.processes if contender else 1):
            for process in [process for process in running if process.poll() is not None]:
                running.remove(process)
                text, errors = process.communicate()
                if process.returncode:
                    print(errors[-1000:], file=sys.stderr)
                    continue
                print(text.splitlines()[-1], flush=True)
                with arguments.output.open("a") as file:
                    file.write(text.splitlines()[-1] + "\n")
            time.sleep(0.5)
        if contender:
            command = [sys.executable, __file__, arguments.data, f"--cpu_minutes={arguments.cpu_minutes}"]
            command.append(f"--one={contender},{name},{seed}")
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            running.append(subprocess.Popen(command, env=environment, **pipes))
    report(read(), arguments.output)


if __name__ == "__main__":
    main()
