"""Searching in the space of signals on real series and speech, beside what one would do otherwise.

On each data set below `DATA` and for each seed, on one thread:

- `search`: what `kerasnas search --space=signals` does, but for random networks beside it. The processor time that it
  takes, from the start of the process, is the budget of all others.
- `race`: what `kerasnas search` does within a minute of processor time, with that linear model alongside.
- `network`: that race without the linear model; `cells`: in the space of cells; `small`: of networks of 20 kB of flash.
- `minirocket`: the linear model of random kernels that stands beside its network, alone, fitted to all training data.
- `rocket`: 2000 random convolutional kernels in the manner of ROCKET (lengths 7, 9 and 11, random dilation, bias and
  padding; of each the maximum and the share of positive values), and ridge regression, whose strength is chosen by
  leave-one-out. It needs less than the budget.
- `inception`: InceptionTime, small: one network, two blocks of three modules with 16 filters of 10, 20 and 40 steps,
  and shortcuts, trained by Adam until the budget is used up.

Data sets are the official splits of `ucr_uea`, and `speech_commands`: ten of its words, log-mel spectrograms, every
third speaker's clips as test data. All are standardized by the mean and deviation of each channel of the training data.

    python benchmarks/series.py DATA --datasets=JapaneseVowels,BasicMotions --seeds=1,2,3 --raw=series.jsonl

Results are added to the file `--raw`; what is in it is not measured again. At the end a table: mean accuracy over the
seeds with its 95 % interval (Student's t), and the half width of that of the test set (Wilson) in brackets.

Dempster et al., "ROCKET: Exceptionally Fast and Accurate Time Series Classification Using Random Convolutional
Kernels", 2020 (arXiv 1910.13051); Ismail Fawaz et al., "InceptionTime", 2020 (arXiv 1909.04939).
"""

import tempfile
from pathlib import Path

import numpy as np
import skeleton
import text

UCR = ("GunPoint", "ItalyPowerDemand", "ArrowHead", "OSULeaf", "ACSF1", "BasicMotions", "JapaneseVowels")
DATASETS = (*UCR, "speech_commands")
TUNED = ("ArrowHead", "OSULeaf")
_WORDS, _KERNELS = 10, 2000
_ANY = 10**7  # parameters, which no network of the space has
_NOTE = (
    "\\* Penalties, the number of features and the prior of the mix were chosen on folds of the training data of "
    "these sets only. `search` is the network combined with the linear model of random kernels, `minirocket` that "
    "model alone, `rocket` other random kernels and ridge regression, `inception` a small InceptionTime for the CPU "
    "time of the search. The training data are small, 36 to 270 series, and a quarter of them is held out from the "
    "network. Ten spoken words of other speakers (`speech_commands`) are 62 training and 38 test clips. Epochs are "
    "set by the number of samples. ACSF1 and a second seed were not run; `inception` on three sets is from an "
    "earlier measurement, for the time that the search took then. **One seed: the kernels alone are level with the "
    "network and kernels together, or ahead of them, on five of seven sets, clearly on ItalyPowerDemand, in a tenth "
    "of the time.**"
)


def read(data, name):
    """Return series `(samples, length, channels)` and labels of training and test, and the names of classes."""
    folder = "speech_commands_mini" if name == "speech_commands" else "ucr_uea"
    path = Path(data) / folder / f"{folder}.npz"
    if not path.exists():
        raise SystemExit(f"There is no {path}: DATA is a folder with {folder}/{folder}.npz in it (see the docstring).")
    arrays = np.load(path)
    if name == "speech_commands":
        x, y, speakers = arrays["x"].astype("float32"), arrays["y"].astype(int), arrays["speaker"]
        known = y < _WORDS
        test = np.isin(speakers, np.unique(speakers)[::3])
        parts = x[known & ~test], y[known & ~test], x[known & test], y[known & test]
    else:
        parts = tuple(arrays[f"{name}_{part}"] for part in ("x_train", "y_train", "x_test", "y_test"))
    x, y, x_test, y_test = parts
    names, labels = np.unique(np.concatenate([y, y_test]), return_inverse=True)
    mean, deviation = np.nanmean(x, axis=(0, 1)), np.nanstd(x, axis=(0, 1)) + 1e-8
    x, x_test = (np.nan_to_num((part - mean) / deviation).astype("float32") for part in (x, x_test))
    return x, labels[: len(y)], x_test, labels[len(y) :], names.astype(str)


def sizes(number):
    """Return the sizes of a search in the space of signals, on so many series: few make few steps in an epoch."""
    epochs = int(np.clip(3000 * 16 // number, 20, 200))
    batches = {"batch_size": 16, "retrain_batch_size": 16}
    return {"num_cells": 1, "epochs": max(epochs // 4, 8), "retrain_cells": 1, "retrain_epochs": epochs, **batches}


def search(data, name, seed, seconds):
    """Run the command; return the accuracy that its record has."""
    from kerasnas import methods

    parts = read(data, name)
    with tempfile.TemporaryDirectory() as folder:
        file = skeleton.save(Path(folder, f"{name}.npz"), parts, kind="signals")
        common = {"random_genotypes": 0, "shortlist": 0, "seed": seed, **sizes(len(parts[0]))}
        settings = methods.SearchConfig.suited(space="signals", dataset=file, **common)
        result = methods.search(settings, Path(folder) / "run", lambda line: None)
    searched = result["searched"]
    kept = {name: searched[name] for name in ("parameters", "linear")}
    return searched["test_accuracy"], {**kept, "genotype": result["genotype"]}


def race(data, name, seed, seconds):
    """Run the command within a minute; return the accuracy that its record has."""
    return text.raced(read(data, name), name, seed, "signals")


def network(data, name, seed, seconds):
    """The same without that linear model, which is not beside networks that are limited."""
    return text.raced(read(data, name), name, seed, "signals", max_parameters=_ANY)


def cells(data, name, seed, seconds):
    """The same in the space of cells."""
    return text.raced(read(data, name), name, seed, "signals", max_parameters=_ANY, space="signals")


def small(data, name, seed, seconds):
    """The same for networks of 20 kB of flash."""
    return text.raced(read(data, name), name, seed, "signals", max_flash_kb=20)


def minirocket(data, name, seed, seconds):
    """Fit the linear model of random kernels, without a network."""
    x, y, x_test, y_test, classes = read(data, name)
    return random_kernels(x, y, x_test, y_test, len(classes), seed)


def random_kernels(x, y, x_test, y_test, classes, seed):
    """Return the accuracy of the linear model of random kernels of series, and its parameters."""
    from kerasnas.companions.kernels import ridge, usual_features
    from kerasnas.networks.random_kernels import RandomKernels

    kernels = RandomKernels.of(x, usual_features(len(x)), seed)
    weights, bias, _ = ridge(kernels.features(x), np.eye(classes)[y])
    found = (kernels.features(x_test) @ weights + bias).argmax(axis=1)
    return float((found == y_test).mean()), {"parameters": weights.size + bias.size}


def rocket(data, name, seed, seconds):
    """Random kernels and ridge regression."""
    from sklearn.linear_model import RidgeClassifierCV

    x, y, x_test, y_test, _ = read(data, name)
    rng = np.random.default_rng(seed)
    length, channels = x.shape[1:]
    train, test = [], []
    for _ in range(_KERNELS):
        size = int(rng.choice([s for s in (7, 9, 11) if s <= length] or [length]))
        most = np.log2(max((length - 1) / max(size - 1, 1), 1))
        dilation = int(2 ** rng.uniform(0, most))
        own = rng.choice(channels, int(2 ** rng.uniform(0, np.log2(min(channels, size) + 1))), replace=False)
        kernel = rng.standard_normal((size, len(own)))
        kernel -= kernel.mean(axis=0)
        bias, pad = rng.uniform(-1, 1), (size - 1) * dilation // 2 if rng.random() < 0.5 else 0
        for part, features in ((x, train), (x_test, test)):
            padded = np.pad(part[:, :, own], ((0, 0), (pad, pad), (0, 0)))
            steps = padded.shape[1] - (size - 1) * dilation
            found = sum(padded[:, i * dilation : i * dilation + steps] @ kernel[i] for i in range(size)) + bias
            features += [found.max(axis=1), (found > 0).mean(axis=1)]
    train, test = np.array(train).T, np.array(test).T
    mean, deviation = train.mean(axis=0), train.std(axis=0) + 1e-8
    model = RidgeClassifierCV(np.logspace(-3, 3, 10)).fit((train - mean) / deviation, y)
    return float(model.score((test - mean) / deviation, y_test)), {}


def inception(data, name, seed, seconds):
    """InceptionTime, small."""
    import keras
    from keras import layers

    x, y, x_test, y_test, classes = read(data, name)
    keras.utils.set_random_seed(seed)

    def module(z, filters=16):
        narrow = layers.Conv1D(filters, 1, use_bias=False, padding="same")(z) if z.shape[-1] > 1 else z
        parts = [layers.Conv1D(filters, size, use_bias=False, padding="same")(narrow) for size in (10, 20, 40)]
        parts.append(layers.Conv1D(filters, 1, use_bias=False)(layers.MaxPooling1D(3, 1, padding="same")(z)))
        return layers.ReLU()(layers.BatchNormalization()(layers.Concatenate()(parts)))

    z = inputs = keras.Input(x.shape[1:])
    for _ in range(2):
        short = z
        for _ in range(3):
            z = module(z)
        short = layers.BatchNormalization()(layers.Conv1D(z.shape[-1], 1, use_bias=False)(short))
        z = layers.ReLU()(layers.Add()([z, short]))
    model = keras.Model(inputs, layers.Dense(len(classes))(layers.GlobalAveragePooling1D()(z)))
    text.train(model, x, y, min(16, len(x)), seed, seconds)
    return model.evaluate(x_test, y_test, verbose=0)[1], {"parameters": model.count_params()}


if __name__ == "__main__":
    CONTENDERS = {one.__name__: one for one in (search, race, network, cells, small, minirocket, rocket, inception)}
    CODE = (
        *("benchmarks/text.py", "kerasnas/spaces/signals.py", "kerasnas/spaces/macro.py"),
        "kerasnas/primitives/sequences.py",
        *("kerasnas/networks/random_kernels.py", "kerasnas/companions"),
    )
    text.main(__doc__, __file__, CONTENDERS, DATASETS, read, "series.jsonl", CODE, tuned=TUNED, note=_NOTE)
