"""What does a user get? `kerasnas search` beside what they would do otherwise, at equal processor time.

    python benchmarks/value.py DATA --cpu_minutes=5 --seeds=3 --output=runs/value.jsonl

Every run is a process of its own on one thread, whose whole processor time counts: import, tracing, search, training.
The contenders are

- `kerasnas`: the race, `kerasnas search --cpu_minutes`; `default`: the network it begins with, trained for all of the
  time (`--candidates=1`); `half`: the race within half of the parameters of `cnn` (`--max_parameters`);
- `plain`: the race without a learned start (`--initializer=none`); `plain_first`: its first network alone
  (`--candidates=1`);
- `cnn`, `resnet_8`, `resnet_20`: a CNN of 32, 64 and 128 filters and two ResNets in plain Keras, trained by `fit` with
  Adam and a cosine for all of the time; `vgg`: the first, of 32, 64, 128 and 128 filters, with label smoothing;
- `random_search`, `hyperband`: KerasTuner's, over a usual CNN hypermodel, whose best network is trained with the second
  half of the time;
- `random_networks`: three random networks of the race's space, each trained as the race trains its winner, for a third
  of the time; their accuracy is the mean of the three, the best of them has a line of its own;
- `autokeras`: its ImageClassifier, in an environment of its own that `--autokeras_python` names (see README.md);
- `drawn`: the race without pretrained networks of other sources (`--starts=none`); `single`: that one with a single
  training of the winner (`--ensemble=1`); `float32`: `drawn` without bfloat16 (`--precision=float32`); `muon`, `sgd`:
  `drawn` by one optimizer (`--optimizer`), whatever the number of images;
  `plain_muon`, `plain_sgd`: `plain` likewise;
- `probe`: ridge regression on last frozen features of EfficientNet-Lite0 (extra `photos`), images at 96 pixels, or at
  224 where they are larger than 96; `whole`: that network tuned whole from there for all of the time, with Adam at 3e-4
  and a cosine, as the race's adaptation does without its choices; `two_phases`: the usual recipe of Keras' guides, a
  drawn head on frozen features for a tenth of the time, then the whole network, with batch norms as they are, by Adam
  at a tenth of the rate;
- `one_view`: what the first of the races handed over, by one view of each image where its answers are means over more;
- `small`: the race of networks of at most 20,000 parameters; `small_drawn`: that without a learned start;
- `half_device`: the race within half of the flash and half of the memory of a ResNet-8 in 8-bit integers;
  `half_device_plain`: that without a learned start; `half_device_first`: the first network of that one alone;
  `resnet_8_recipe`: that ResNet-8, by the recipe of a race;
- `limited_5000` (`_15000`, `_50000`): the race of networks of at most so many parameters, without pretrained networks
  of other sources; `plain_5000`: that without a learned start; `first_5000`: the first network of the race alone;
  `scaled_5000`: the network that a race without limits begins with, scaled to as many, alone for all of the time;
- `alone_conv_deep`, and others of the bundled portfolio: that network alone, from drawn weights;
- `of_images`: `drawn` from the bundled weights that learned images; `shifted`: `drawn` without other augmentations than
  shifts; `drawn_shifted`: that without a learned start;
- `svm`: PCA with a support vector machine; `minirocket`: the linear model of random kernels that stands beside networks
  of series, alone, of grey images as series of their rows.

The hand-made ones and the random networks are given the flips that the data allow; the race has to find out. All train
on the same arrays. The test set is used once, at the end of a run. Records hold the trainable parameters and the
latency of a forward pass of one image; of the races also `training_seconds`, spent in building, tracing, training and
comparing contestants, and `overhead`, the fraction of the processor time that is not.

Runs that `--output` holds are not repeated. Prints, of the requested contenders, mean test accuracies and medians of
the costs; the mean ranks over sets and seeds that all of them have; and the paired differences of the race, and of
`half`, to each other contender with their 95 % intervals over sets, seeds averaged first. Writes `--output` with
the suffix `.png`, mean ranks with the critical difference of Nemenyi's test.
"""

from __future__ import annotations

import itertools
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import skeleton
import tracked
import value_contenders as contenders
from value_contenders import FLIPS

PHOTOGRAPHS = {"ants_bees": (192, 288), "objects": (160, 208), "satellite": (224, 224)}  # folders in DATA/photos
SETS = [name for name in FLIPS if name not in PHOTOGRAPHS]
SETS += ["addnist", "cifartile", "fashion_mnist_mini", "gtsrb", "kannada", "language", "notmnist", "sign_digits"]
RACES = {
    "kerasnas": [],
    "default": ["--candidates=1"],
    "half": [],
    "half_device": ["--starts=none"],
    "half_device_plain": ["--starts=none", "--initializer=none"],
    "half_device_first": ["--starts=none", "--initializer=none", "--candidates=1"],
    "plain": ["--initializer=none"],
    "plain_first": ["--initializer=none", "--candidates=1"],
    "plain_muon": ["--initializer=none", "--optimizer=muon"],
    "plain_sgd": ["--initializer=none", "--optimizer=sgd"],
    "drawn": ["--starts=none"],
    "single": ["--starts=none", "--ensemble=1"],
    "of_images": ["--starts=none", "--initializer=images_vgg_3x3"],
    "shifted": ["--starts=none", "--augment=shift"],
    "drawn_shifted": ["--starts=none", "--augment=shift", "--initializer=none"],
    "float32": ["--starts=none", "--precision=float32"],
    "muon": ["--starts=none", "--optimizer=muon"],
    "sgd": ["--starts=none", "--optimizer=sgd"],
    "small": ["--max_parameters=20000", "--starts=none"],
    "small_drawn": ["--max_parameters=20000", "--starts=none", "--initializer=none"],
}
LIMITS = (5_000, 15_000, 50_000)
RACES |= {f"limited_{most}": [f"--max_parameters={most}", "--starts=none"] for most in LIMITS}
RACES |= {f"first_{most}": [*RACES[f"limited_{most}"], "--candidates=1"] for most in LIMITS}
RACES |= {f"plain_{most}": [*RACES[f"limited_{most}"], "--initializer=none"] for most in LIMITS}
CONTENDERS = ["kerasnas", "default", "cnn", "resnet_8", "resnet_20", "random_search", "hyperband", "random_networks"]
CONTENDERS += ["autokeras", "svm", "half", "plain", "drawn", "float32", "vgg", "probe", "whole"]
CONTENDERS += ["muon", "sgd", "plain_muon", "plain_sgd", "two_phases", "small", "small_drawn"]
CONTENDERS += ["half_device", "half_device_plain", "half_device_first", "resnet_8_recipe"]
CONTENDERS += ["one_view", "single", "plain_first"]
CONTENDERS += [f"alone_{name}" for name in contenders.PLANS]
CONTENDERS += ["of_images", "shifted", "drawn_shifted", "minirocket"]
CONTENDERS += [f"{kind}_{most}" for most in LIMITS for kind in ("limited", "plain", "first", "scaled")]


def load(data, name, most=None, shots=0, seed=0):
    """Return the four arrays of a set: uint8 images with channels, and labels.

    To train on are the first `most`, and of these `shots` of each class that the seed draws. Of spoken words, it draws
    a third of the speakers for testing.
    """
    x, y, x_test, y_test = _photographs(data, name) if name in PHOTOGRAPHS else _arrays(data, name, seed)
    rows = draw(y[:most], shots, seed)
    return x[rows], y[rows], x_test, y_test


def _photographs(data, name):
    from kerasnas import datasets

    found = datasets.load(Path(data, "photos", name), image_size=PHOTOGRAPHS[name])
    x, x_test = (np.asarray(found.raw(part, found.scale)).astype("uint8") for part in ("train", "test"))
    return x, found.y_train, x_test, found.y_test


def _arrays(data, name, seed):
    file = skeleton.find(data, f"{name}.npz", f"{name}/*.npz")
    with np.load(file) as arrays:
        if "x_train" in arrays:
            parts = [arrays[key] for key in ("x_train", "y_train", "x_test", "y_test")]
        else:
            test = _tested(arrays, seed)
            parts = [arrays["x"][~test], arrays["y"][~test], arrays["x"][test], arrays["y"][test]]
    x, x_test = (part[..., None] if part.ndim == 3 else part for part in parts[::2])
    y, y_test = (part.astype("int64") for part in parts[1::2])
    return x, y, x_test, y_test


def _tested(arrays, seed):
    """Return which samples of an undivided set are for testing."""
    if "speaker" not in arrays:
        return arrays["split"] == arrays["split"].max()
    speakers = np.random.default_rng(seed).permutation(np.unique(arrays["speaker"]))
    return np.isin(arrays["speaker"], speakers[::3])


def draw(y, shots, seed):
    """Return the rows of `shots` samples of each class; of all of them for 0."""
    if not shots:
        return np.arange(len(y))
    rng = np.random.default_rng([seed, shots])
    return np.concatenate([rng.permutation(np.flatnonzero(y == label))[:shots] for label in range(y.max() + 1)])


# One run ----------------------------------------------------------------------------------------------------
def run_race(arrays, minutes, seed, *flags, network=""):
    """`kerasnas search`, of one network alone if it is named: its test accuracy, and what its records say."""
    with tempfile.TemporaryDirectory() as folder:
        data = skeleton.save(Path(folder, "data.npz"), arrays)
        if network:
            contenders.plan_of(network, arrays).save(Path(folder, f"{network}.json"))
            flags = "--initializer=none", "--candidates=1", f"--genotypes={folder}/{network}.json"
        given = f"--dataset={data}", f"--cpu_minutes={minutes}", f"--seed={seed}"
        result = skeleton.search(Path(folder, "run"), *given, *flags)
        start = time.process_time()
        alone, aside = one_view(Path(folder, "run"), *arrays[2:]), time.process_time() - start
    race, searched = result["race"], result["searched"]
    raced = {n: [round(r["accuracy"], 4) for r in entry["rungs"]] for n, entry in race["contestants"].items()}
    curves = {
        n: {"ms": 1000 * entry.get("step_seconds", 0), "looks": [[p["steps"], p["accuracy"]] for p in entry["curve"]]}
        for n, entry in race["contestants"].items()
        if "curve" in entry
    }
    # The winner's seconds hold those of its steps in the race, which are in its cost as well.
    twice = race["contestants"][race["winner"]]["rungs"][-1]["seconds"]
    training = sum(entry.get("cost", 0.0) for entry in race["contestants"].values()) + searched["seconds"] - twice
    return searched["test_accuracy"], {
        "winner": race["winner"],
        "trainings": searched.get("trainings", 1),
        "raced": raced,
        "curves": curves,
        "augment": race["augment"],
        "views": searched.get("views", 1),
        "one_view": alone,
        "aside": aside,
        "parameters": searched["parameters"],
        "latency_ms": round(searched["latency_ms"], 3),
        "training_seconds": round(training, 1),
    }


def one_view(folder, x, y):
    """Return the test accuracy of what a race handed over, by one view of each image."""
    import keras

    from kerasnas.backend.keras_internals import flatten_layers
    from kerasnas.export.classifier import with_preprocessing

    model = keras.models.load_model(folder / "model.keras")
    views = [layer for layer in flatten_layers(model) if layer.name == "view"]
    network = with_preprocessing(views[0], scale=255) if views else model
    return float(np.mean(network.predict(x, batch_size=250, verbose=0).argmax(-1) == y))


def run(contender, data, name, minutes, seed, autokeras_python, most, shots):
    def clock():
        return time.process_time() + sum(os.times()[2:4])

    arrays, seconds = load(data, name, most, shots, seed), 60 * minutes
    record = {"contender": contender, "set": name, "cpu_minutes": minutes, "seed": seed}
    flags = RACES.get(contender, [])
    if contender == "half":
        record["max_parameters"] = contenders.cnn_parameters(arrays) // 2
        flags = [f"--max_parameters={record['max_parameters']}"]
    elif contender.startswith("half_device"):
        flash, memory = (round(needed / 2, 3) for needed in contenders.device_needs(arrays))
        record |= {"max_flash_kb": flash, "max_ram_kb": memory}
        flags = [f"--max_flash_kb={flash}", f"--max_ram_kb={memory}", *flags]
    alone = contender.removeprefix("alone_") if contender.startswith("alone_") else ""
    before = clock() if contender in (*RACES, "autokeras") or alone else 0.0  # they run in a process of their own
    if contender in RACES or alone:
        found, more = run_race(arrays, minutes, seed, *flags, network=alone)
    elif contender == "autokeras":
        found, more = contenders.run_autokeras(autokeras_python, arrays, seconds, seed)
    elif contender in ("probe", "whole", "two_phases"):
        found, more = contenders.run_start(contender, name, arrays, seconds, seed)
    elif contender in ("svm", "minirocket"):
        found, more = getattr(contenders, f"run_{contender}")(arrays)
    elif contender == "resnet_8_recipe":
        found, more = contenders.run_recipe(name, arrays, seconds, seed)
    elif contender.startswith("scaled_"):
        found, more = contenders.run_scaled(int(contender.removeprefix("scaled_")), name, arrays, seconds, seed)
    elif contender == "random_networks":
        found, more = contenders.run_random_networks(name, arrays, seconds, seed)
    elif contender in ("random_search", "hyperband"):
        found, more = contenders.run_tuner(contender, name, arrays, seconds, seed)
    else:
        found, more = contenders.run_network(contender, name, arrays, seconds, seed)
    seconds = clock() - before - more.pop("aside", 0.0)
    record |= {**more, "accuracy": found, "cpu_seconds": round(seconds, 1)}
    if "training_seconds" in record:
        record["overhead"] = round(1 - record["training_seconds"] / record["cpu_seconds"], 4)
    return record


# All of them ------------------------------------------------------------------------------------------------
def report(arguments, records):
    """Record and print the table, the ranks and the paired differences of contenders that are asked for."""
    from scipy import stats

    asked, output = arguments.contenders.split(","), arguments.output
    names = sorted({r["contender"] for r in records} & set(asked), key=CONTENDERS.index)
    if not names:
        return
    runs = {name: {(r["set"], r["seed"]): r for r in records if r["contender"] == name} for name in names}
    found = {name: {key: r["accuracy"] for key, r in own.items()} for name, own in runs.items()}
    shown = tracked.Table(["data", *names])
    for dataset in sorted({key[0] for own in found.values() for key in own}):
        columns = [[value for key, value in found[name].items() if key[0] == dataset] for name in names]
        shown.add([dataset, *(tracked.mean(values, 100, 1) for values in columns)])
    seconds = [round(float(np.mean([r["cpu_seconds"] for r in own.values()])), 1) for own in runs.values()]
    shown.add(["(CPU s, mean)", *seconds])
    intervals = "Test accuracy in percent; mean ± 95 % interval over the runs (their number)"
    used = [r for own in runs.values() for r in own.values()]
    code = ["kerasnas/methods", "kerasnas/racing", "kerasnas/training"]
    tracked.record(arguments, shown.rows, code=code, intervals=intervals, runs=used)
    print(f"\n{'':20}" + "".join(f"{name:>16}" for name in names))
    for key, scale, digits in (("parameters", 1, 0), ("latency_ms", 1, 2), ("overhead", 100, 1), ("cpu_seconds", 1, 1)):
        columns = [[np.mean(r[key]) for r in own.values() if key in r] for own in runs.values()]
        title = {"overhead": "overhead, %"}.get(key, f"median {key}")
        print_row(title, [scale * np.median(column) if column else None for column in columns], digits)
        print()
    whole = sorted(set.intersection(*(set(own) for own in found.values())))
    if whole:
        table = np.array([[found[name][key] for name in names] for key in whole])
        ranks = np.array([stats.rankdata(-row) for row in table]).mean(0)
        print_row("mean rank", ranks)
        print(f"   n={len(whole)}")
        plot(names, ranks, len(whole), output.with_suffix(".png"))
    others = {name: (found[name], runs[name]) for name in names}
    if "random_networks" in runs:
        best = {key: r["best"] for key, r in runs["random_networks"].items()}
        others["best of random_networks"] = (best, {})
    for index, name in enumerate(dict.fromkeys([*names[:1], *(["half"] if "half" in names else [])])):
        for other, (accuracies, records_of) in others.items():
            if other != name and not (index and other == names[0]):
                print_difference(f"{name} - {other}", found[name], accuracies, runs[name], records_of)


def print_row(title, values, digits=2):
    cells = ["-" if value is None else f"{value:,.{digits}f}" for value in values]
    print(f"{title:20}" + "".join(f"{cell:>16}" for cell in cells), end="")


def print_difference(title, first, second, first_records, second_records):
    """Print the paired difference over the sets that both have, seeds averaged first, and the ratio of parameters."""
    both = sorted(set(first) & set(second))
    if not both:
        return
    sets = [key[0] for key in both]
    lead = skeleton.spread([100 * (first[key] - second[key]) for key in both], 2, groups=sets)
    sizes = [(first_records[key].get("parameters"), second_records.get(key, {}).get("parameters")) for key in both]
    ratios = [np.log(a / b) for a, b in sizes if isinstance(a, int) and isinstance(b, int)]
    words = f", {np.exp(np.mean(ratios)):.2f} times the parameters" if ratios else ""
    print(f"{title}: {lead} points, {len(set(sets))} sets, {len(both)} runs{words}")


def plot(names, ranks, runs, path):
    """Plot mean ranks, the best on the left, with the critical difference of Nemenyi's test at 5 %."""
    from matplotlib.figure import Figure
    from scipy import stats

    number = len(names)
    if number < 2:
        return
    critical = stats.studentized_range.ppf(0.95, number, np.inf) / np.sqrt(2)
    critical *= np.sqrt(number * (number + 1) / 6 / runs)
    figure = Figure(figsize=(7, 1.2 + 0.35 * number), layout="constrained")
    axes = figure.subplots()
    for row, index in enumerate(np.argsort(ranks)):
        ends = [ranks[index], ranks[index] + critical]
        axes.plot(ends, [row, row], color="#8b949e", linewidth=3, solid_capstyle="butt")
        axes.plot([ranks[index]], [row], "o", color="#00795a")
    axes.set_yticks(range(number), [names[index] for index in np.argsort(ranks)])
    axes.invert_yaxis()
    axes.set_xlabel(f"mean rank over {runs} sets and seeds; bars: critical difference {critical:.2f}")
    figure.savefig(path, dpi=150)


def main():
    arguments = skeleton.arguments(
        __doc__,
        "data",
        data={"help": "folder in or below which the sets lie, as NAME.npz or NAME/*.npz"},
        sets=skeleton.listed(SETS),
        contenders=skeleton.listed(CONTENDERS),
        cpu_minutes=5.0,
        seeds=3,
        processes=(1, "runs at once; each has one thread"),
        most=(int, "images that are trained on, the first of each set; default all"),
        shots=(0, "images of each class that are trained on, drawn for each seed; default all"),
        output=Path("runs/value.jsonl"),
        autokeras_python=(str, "interpreter of an environment with AutoKeras, see README.md"),
        one=(str, skeleton.HIDDEN),
    )
    python, minutes = arguments.autokeras_python, arguments.cpu_minutes
    if arguments.one:
        contender, name, seed = arguments.one.split(",")
        print(
            json.dumps(
                run(contender, arguments.data, name, minutes, int(seed), python, arguments.most, arguments.shots)
            )
        )
        return
    names = skeleton.names(arguments.contenders, CONTENDERS)
    if "autokeras" in names and not python:
        skeleton.log("autokeras is left out: --autokeras_python names no interpreter.")
        names.remove("autokeras")
    runs = skeleton.Runs(arguments.output, "contender", "set", "cpu_minutes", "seed")
    words = [arguments.data, f"--cpu_minutes={minutes}", *([f"--autokeras_python={python}"] if python else [])]
    words += [f"--{name}={value}" for name in ("most", "shots") if (value := getattr(arguments, name))]
    trained = [name for name in names if name != "one_view"]  # which is of a race among them
    order = itertools.product(range(arguments.seeds), arguments.sets.split(","), trained)
    missing = [(one, name, seed) for seed, name, one in order if not runs.has(one, name, minutes, seed)]
    runs.measure(__file__, words, missing, arguments.processes)
    records = [r for r in runs.records if r["cpu_minutes"] == minutes]
    if "one_view" in names:
        race = next((name for name in names if name in RACES), "")
        alone = [r for r in records if r["contender"] == race and "one_view" in r]
        records += [{**r, "contender": "one_view", "accuracy": r["one_view"]} for r in alone]
    report(arguments, records)


if __name__ == "__main__":
    main()
