"""What tests of several rooms share: arrays, tiny settings, clocks that count, networks that are traced once."""

import contextlib
import dataclasses
import json
import struct
import zipfile

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from kerasnas.export.classifier import save_classifier
from kerasnas.genotypes import Genotype
from kerasnas.methods import RaceConfig, TrainingConfig
from kerasnas.racing import portfolio, winner
from kerasnas.racing.budget import Budget
from kerasnas.racing.race import stage
from kerasnas.runs import method
from kerasnas.runs.folder import RunFolder
from kerasnas.spaces import MacroSpace
from kerasnas.training import recipe

CLASSES = np.array(["upper", "middle", "lower"])
TINY = {  # settings of the shortest gradient search
    "stem_strides": 1,
    "num_nodes": 1,
    "primitives": ("none", "skip_connect"),
    "shortlist": 0,
    "filters": 2,
    "num_cells": 1,
    "batch_size": 8,
    "epochs": 1,
    "random_genotypes": 0,
    "retrain_filters": 2,
    "retrain_cells": 1,
    "retrain_batch_size": 8,
    "retrain_epochs": 1,
}
TINY_TRAINING = {
    name: TINY[name] for name in TINY if name in {field.name for field in dataclasses.fields(TrainingConfig)}
}
GENOTYPE_OF_ONE = Genotype("darts", {"reduce": [("skip_connect", 0, 2), ("skip_connect", 1, 2)]})


def stripes(number, seed, names=CLASSES):
    """Images of 12 x 12 pixels with a bright row, whose place is the class, and the names of the classes."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(number) % 3)
    x = rng.integers(0, 100, (number, 12, 12))
    for label in range(3):
        x[y == label, 2 + 3 * label] += 150
    return x.astype("uint8"), names[y]


def save_noise(path, train, test):
    """Write a data set of 8 x 8 pixels of noise in three classes, as a file of arrays; returns its path."""
    x, y = np.random.default_rng(0).random((train + test, 8, 8, 1)).astype("float32"), np.arange(train + test) % 3
    np.savez(path, x_train=x[:train], y_train=y[:train], x_test=x[train:], y_test=y[train:])
    return path


def save_image(path, pixels, mode=None, **options):
    """Write an image to a folder, which is made when missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **options)


def finished_run(folder, network, *described, dataset="", **more):
    """A finished race of this network in a folder that is made; the rest as for `save_classifier`."""
    path = RunFolder.create(folder, RaceConfig(dataset=str(dataset))).path
    save_classifier(path, network, *described, **more)
    return path


@contextlib.contextmanager
def untraced():
    """As the fixture `eagerly`, for fixtures of a module."""
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


class Clock:
    """A clock on which a second passes each time that it is read: between two steps, whatever the machine does."""

    def __init__(self, now=0.0):
        self.now = now

    def __call__(self):
        self.now += 1.0
        return self.now


def count_steps(patch, first=20, known=("vgg_halved", "conv_deep", "cnn")):
    """Have races measure their budget on a `Clock`, with `first` steps in the first rung, whatever the processor.

    And have them know few networks of three layers, and one of divided images, train by SGD, and take a millisecond for
    a sample: to count what all networks cost, to trace Muon, and to convert what is timed, takes longer than a race.
    """
    for module in (method, winner):
        patch.setattr(module, "network_latency", lambda model: 1.0)
    patch.setitem(recipe.ALGORITHMS, "muon", recipe.ALGORITHMS["sgd"])

    def shallow(depths):
        return [min(depth, 1) for depth in depths[:2]]

    plans = {name: plan for name, plan in portfolio.known_plans().items() if name in (*known, "channels_vgg")}
    plans = {name: {**plan, "depths": shallow(plan["depths"])} for name, plan in plans.items()}
    patch.setattr(portfolio, "known_plans", lambda: plans)
    references = {name: (*plan, shallow(depths)) for name, (*plan, depths) in MacroSpace.plans.items() if name in known}
    patch.setattr(MacroSpace, "plans", references)

    def budget(config, spent=0.0):
        return Budget(config.minutes or config.cpu_minutes, spent=spent, clock=Clock())

    patch.setattr(stage, "first_steps", lambda seconds: first)
    patch.setattr(stage, "computes_bfloat16", lambda: False)
    patch.setattr(RaceConfig, "budget", budget)


class Traced:
    """A function `build` that gives a network of an earlier race again, as new: its functions are traced once.

    No two races are at work at once, and each network of a race is one of its own.
    """

    def __init__(self, build):
        self.build, self.made, self.taken = build, {}, {}

    def begin(self):
        """Another race begins, or the same one after a kill."""
        self.taken = {}

    def __call__(self, genotype):
        made, taken = self.made.setdefault(genotype.to_json(), []), self.taken.get(genotype.to_json(), 0)
        self.taken[genotype.to_json()] = taken + 1
        if taken == len(made):
            model = self.build(genotype)
            model.optimizer.build(model.trainable_variables)
            made.append((model, [(one, one.numpy()) for one in (*model.variables, *model.optimizer.variables)]))
        model, start = made[taken]
        for variable, value in start:
            variable.assign(value)
        model.reset_metrics()
        return model


def word_vectors_package(folder, words, merges=(), version="0.4.0"):
    """Write a package with the layout of `wordllama` to a folder: word -> vector; its code ends the process if run."""
    own = [*"abcdefghijklmnopqrstuvwxyz", "\u2581"]
    for word in words:
        own += [f"\u2581{word[:end]}" for end in range(1, len(word) + 1)]
    tokens = list(dict.fromkeys(["<unk>", *own, *(first + second for first, second in merges)]))
    usual = [f"{token[:-1]} {token[-1]}" for token in tokens if len(token) > 1 and token[0] == "\u2581"]
    vectors = np.zeros((len(tokens), len(next(iter(words.values())))), "float16")
    for word, vector in words.items():
        vectors[tokens.index(f"\u2581{word}")] = vector
    package, about = folder / "wordllama", folder / f"wordllama-{version}.dist-info"
    for path in (package / "weights", package / "tokenizers", about):
        path.mkdir(parents=True)
    (package / "__init__.py").write_text("import os; os._exit(7)")
    (about / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: wordllama\nVersion: {version}\nLicense: MIT License\n"
    )
    entry = {"dtype": "F16", "shape": list(vectors.shape), "data_offsets": [0, vectors.nbytes]}
    header = json.dumps({"embedding.weight": entry}).encode()
    content = struct.pack("<Q", len(header)) + header + vectors.tobytes()
    (package / "weights" / "l2_supercat_256.safetensors").write_bytes(content)
    model = {"type": "BPE", "vocab": {token: row for row, token in enumerate(tokens)}}
    model["merges"] = [*(" ".join(pair) for pair in merges), *usual]
    tokenizer = package / "tokenizers" / "l2_supercat_tokenizer_config.json"
    tokenizer.write_text(json.dumps({"model": model}), encoding="utf-8")
    return package


def assert_deployable(model, x, path):
    """Saved, a model is of standard layers alone, and answers the same."""
    model.save(path)
    with zipfile.ZipFile(path) as file:
        layers = json.loads(file.read("config.json"))["config"]["layers"]
    assert "kerasnas" not in json.dumps(layers)  # what it was compiled with may be of ours; a deployed model is not
    again = keras.models.load_model(path, compile=False)
    np.testing.assert_allclose(again(x), model(x, training=False), rtol=1e-4, atol=1e-5)


def check_campaign(table, bad, known):
    """Print the counts of outcomes of a campaign of wrong values, and return the cases in which one was accepted.

    Args:
        table: what was tried -> outcome -> count.
        bad: case -> (outcome, words), of those that were not answered in one clear line.
        known: the cases that may be accepted.
    """
    kinds = ("clear", "harmless", "raw", "accepted", "hung")
    rows = [(name, counts.total(), *(counts[kind] for kind in kinds)) for name, counts in table.items()]
    rows.append(("all", *(sum(row[index] for row in rows) for index in range(1, 7))))
    for name, *columns in [("", "tried", *kinds), *rows]:
        print(f"{name:<32}" + "".join(f"{one:>10}" for one in columns))
    raw = {case: words for case, (found, words) in bad.items() if found != "accepted"}
    assert not raw, raw
    assert set(bad) <= set(known), set(bad) - set(known)
    return set(bad)
