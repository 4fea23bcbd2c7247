"""What does a learned start improve? Domains that it was not learned from, few and many images, equal processor time.

    python benchmarks/initializations.py DATA STARTS --output=runs/initializations.jsonl

STARTS holds what `pretrain_folds.py` wrote: for each domain the start that was learned without its fold is used. The
network is trained as the race trains its winner, on `--shots` images a class of the training part (0: all of it), for a
number of processor seconds of one thread; the whole test part is used at the end, and for the curve of all images at
thirds of the time. Methods:

- `scratch`: drawn weights, the race's learning rate;
- `start`: the learned start, at `--rate`; `shelf`: the one of `--fold=shelf`, on domains that it was not learned from;
  `reptile`, `fomaml`, `anil`: those of `pretrain_folds.py --method`;
- `features`, `untrained`: logistic regression on the features of the learned start, and of drawn weights;
- `pixels`: logistic regression on 60 principal components of the pixels.

Prints mean accuracies, and the paired differences to `scratch` with their 95 % intervals over domains and seeds.
"""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import numpy as np
import skeleton
import tracked
import value
from pretrain_folds import FOLDS, SHELF

TESTED = {
    name: fold for fold, names in FOLDS.items() for name in names if name not in ("kannada_writers", "cifar10_16")
}
META = ("reptile", "fomaml", "anil")
DECAY = 0.35  # of the time, in which the rate falls
SECONDS = {1: 8, 5: 10, 20: 15, 100: 25, 0: 30}


def subset(data, shots, seed):
    """Return the training part with `shots` images of each class; all of it for 0."""
    rows = value.draw(data.y_train, shots, seed)
    return data.x_train[rows], data.y_train[rows]


def network(name, data, start, seed):
    """Return the network of the macro space, warm-started if there is a `start`."""
    from kerasnas.meta import ReptileInitializer, warm_start
    from kerasnas.racing.portfolio import named_networks
    from kerasnas.spaces import MacroSpace

    space = MacroSpace.for_data(data.input_shape, min(data.num_classes, 100), len(data.x_train))
    genotype = named_networks(space)[name]
    model = space.build_network(genotype, data.input_shape, data.num_classes, seed=seed)
    if start:
        warm_start(model, ReptileInitializer.load(start))
    return model


def fine_tune(model, name, data, x, y, seconds, rate, seed):
    """Train for `seconds`; return accuracies on the test part after each third (of all images) and at the end."""
    from value_contenders import augmentation

    from kerasnas.datasets.batches import ArrayBatches
    from kerasnas.racing.entrants.contestant import Contestant
    from kerasnas.racing.rungs import fitting_batch_size
    from kerasnas.training.recipe import TrainingRecipe

    recipe = TrainingRecipe(learning_rate=rate, weight_decay=5e-3, label_smoothing=0.1)
    batches = ArrayBatches(x, y, fitting_batch_size(len(x)), seed=seed, augment=augmentation(name))
    contestant = Contestant(recipe.compile_network(model, None), batches)
    contestant.advance(time.process_time, steps=1, schedule=lambda past: 0.0)  # traced
    contestant.seconds, found = 0.0, []
    for third in (1, 2, 3):
        done = contestant.seconds
        contestant.advance(
            time.process_time,
            third * seconds / 3 - done,
            schedule=lambda past, done=done: min(1.0, max(0.0, 1 - (done + past) / seconds) / DECAY),
        )
        if len(x) == len(data.x_train) or third == 3:
            found.append(float(contestant.scores(data.x_test, data.y_test).mean()))
    return found, contestant.steps


def logistic(features, data, x, y):
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(features(x))
    model = LogisticRegression(C=0.1, max_iter=300).fit(scaler.transform(features(x)), y)
    return float(model.score(scaler.transform(features(data.x_test)), data.y_test))


def pixels(x):
    from sklearn.decomposition import PCA

    pca = PCA(min(60, len(x) - 1)).fit(x.reshape(len(x), -1))
    return lambda images: pca.transform(images.reshape(len(images), -1))


def run(arguments, name, shots, seed, method):
    import initialization_data
    import keras

    data = initialization_data.dataset(arguments.data, name)
    fold = TESTED[name]
    learned = {"start": fold, "features": fold, "shelf": "shelf"} | {other: f"{fold}_{other}" for other in META}
    start = method in learned and Path(arguments.starts, f"{arguments.network}_{learned[method]}")
    x, y = subset(data, shots, seed)
    begun = time.process_time()
    record = {"domain": name, "shots": shots, "seed": seed, "method": method, "network": arguments.network}
    if method in ("start", "shelf", "scratch", *META):
        model = network(arguments.network, data, start, seed)
        rate = 0.1 if method == "scratch" else arguments.rate
        found, steps = fine_tune(model, name, data, x, y, SECONDS[shots] * arguments.scale, rate, seed)
        record |= {"rate": rate, "thirds": found, "accuracy": found[-1], "steps": steps}
    elif method == "pixels":
        record["accuracy"] = logistic(pixels(x), data, x, y)
    else:
        model = network(arguments.network, data, start, seed)
        body = keras.Model(model.input, model.layers[-1].input)
        record["accuracy"] = logistic(lambda images: body.predict(images, batch_size=250, verbose=0), data, x, y)
    return record | {"scale": arguments.scale, "cpu_seconds": round(time.process_time() - begun, 1)}


def report(arguments, records):
    """Print the tables, and record what every method leads drawn weights by, over domains."""
    from kerasnas.intervals import mean_interval

    shown = tracked.Table(["network", "images a class", "method", "mean accuracy", "lead over drawn weights"])
    for network_name, shots in sorted({(r["network"], r["shots"]) for r in records}):
        found = {}
        for r in records:
            if (r["network"], r["shots"]) == (network_name, shots):
                label = r["method"] + (f", {r['scale']:.2g} of the time" if r["scale"] != 1 else "")
                found.setdefault(label, {})[r["domain"], r["seed"]] = 100 * r["accuracy"]
        base = found.get("scratch", {})
        for label, runs in found.items():
            by_domain = {}
            for (domain, _), accuracy in runs.items():
                by_domain.setdefault(domain, []).append(accuracy)
            mean = float(np.mean([np.mean(own) for own in by_domain.values()]))
            leads = {key: runs[key] - base[key] for key in runs if key in base}
            cell, tested = None, [domain for domain, _ in leads]
            if len(set(tested)) > 1 and label != "scratch":
                lead, reach = mean_interval(list(leads.values()), tested)
                cell = {"mean": round(lead, 1), "reach": round(reach, 1), "runs": len(set(tested))}
            shown.add([network_name, shots or "all", label, round(mean, 1), cell])
    code = ["kerasnas/meta/initializer.py", "kerasnas/meta/fitting.py", "benchmarks/pretrain_folds.py"]
    intervals = "Test accuracy in percent; ± 95 % interval over domains (their number), seeds averaged first"
    tracked.record(arguments, shown.rows, code=code, intervals=intervals, runs=records)


def main():
    arguments = skeleton.arguments(
        __doc__,
        "data",
        "starts",
        output="runs/initializations.jsonl",
        network="vgg_3x3",
        domains=",".join(TESTED),
        shots="5,20,0",
        seeds="0,1,2",
        methods="scratch,start,features,untrained,pixels",
        rate=0.1,
        scale=(1.0, "factor of the processor seconds"),
    )
    runs = skeleton.Runs(arguments.output, "domain", "shots", "seed", "method", "network", "rate", "scale")
    rates = {"scratch": 0.1, **dict.fromkeys(("start", "shelf", *META), arguments.rate)}
    lists = skeleton.numbers(arguments.seeds), skeleton.names(arguments.domains), skeleton.numbers(arguments.shots)
    for seed, name, shots, method in itertools.product(*lists, arguments.methods.split(",")):
        if method == "shelf" and name in SHELF:
            continue
        if not runs.has(name, shots, seed, method, arguments.network, rates.get(method), arguments.scale):
            runs.add(run(arguments, name, shots, seed, method))
    report(arguments, runs.records)


if __name__ == "__main__":
    main()
