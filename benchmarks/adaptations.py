"""Which search over the adaptations of a pretrained network is best at equal CPU time, and does any pay?

    python benchmarks/adaptations.py DATA --raw=runs/adaptations.jsonl

EfficientNet-Lite0 (extra `photos`) for images at 64 pixels, each of its five stages frozen, with adapters, or tuned:
243 networks. Each method has `--cpu_seconds` on one thread, its building, tracing and fitting included:

- `whole`: no search; all stages are tuned;
- `random`, `evolution`: four networks, drawn at random or by regularized evolution (two at random, then two mutants of
  the better one), are trained for a quarter of the search each;
- `mixed`: `BilevelTrainer` on the supernet of the space, first order, batches of 32, its first epoch a warm-up.

A search takes a third of the time. It learns from three quarters of the training images, and scores networks, or moves
the alphas, on the others. What it chooses is trained from the pretrained weights on all of them in the rest of the
time; the test images are seen once. Runs that `--raw` holds are not repeated.
"""

import itertools
import json
import time
from pathlib import Path

import numpy as np
import skeleton
import tracked
import value
from value_contenders import accuracy, advanced, augmentation, scaled

METHODS = ("whole", "random", "evolution", "mixed")
DOMAINS = ("caltech101", "pacs", "rsscn7", "gtsrb", "cifar10_mini", "neu_steel")
START, STAGES, MODES = "efficientnet_lite0", 5, ("frozen", "adapter", "tuned")
SHARE, CANDIDATES, HELD_OUT = 1 / 3, 4, 0.25
BATCH, STEPS, ALPHA_RATE = 32, 16, 0.15  # of the supernet; steps of an epoch; the highest rate for short searches
NOTE = (
    "Test accuracy in percent. EfficientNet-Lite0 at {} pixels, five stages of {}; one thread, {:.0f} CPU s a run, of "
    "which a search takes a third. One run decides little: a standard error of the smallest test set is 1.5 points."
)


def trained(space, genotype, x, y, shape, classes, name, seconds, clock, seed):
    """Return the network of a genotype, trained until `seconds` by the clock, with its averaged weights."""
    from kerasnas.methods.race.making import RECIPE
    from kerasnas.racing.race.challenge import BATCH
    from kerasnas.starts import begin
    from kerasnas.tasks.known import CLASSIFICATION

    model = space.build_network(genotype, shape, classes, seed=seed)
    begin(model, x, y, CLASSIFICATION)
    recipe = {**vars(RECIPE), **space.defaults}
    contestant = advanced(model, recipe, name, x, y, seconds, clock, seed, BATCH, warmup=10)
    contestant.average.apply()
    return contestant.model


def sampled(space, method, learn, held, shape, classes, name, seconds, clock, seed):
    """Return the best of a few networks that a strategy proposes, and the accuracy of each on held-out images."""
    from kerasnas.search import RandomSearch, RegularizedEvolution

    evolution = {"population_size": 2, "sample_size": 2} if method == "evolution" else {}
    strategy = (RegularizedEvolution if evolution else RandomSearch)(space, seed=seed, **evolution)
    scores = []
    for number in range(1, 1 + CANDIDATES):
        genotype = strategy.ask()
        end = seconds * number / CANDIDATES
        scores.append(accuracy(trained(space, genotype, *learn, shape, classes, name, end, clock, seed), *held))
        strategy.tell(genotype, scores[-1])
    return strategy.best[0], scores


def mixed(space, learn, held, shape, classes, name, seconds, clock, seed):
    """Return the genotype that the alphas of the supernet point to, and its mixing weights."""
    import keras

    from kerasnas.search import BilevelTrainer
    from kerasnas.starts import begin
    from kerasnas.tasks.known import CLASSIFICATION

    supernet = space.build_supernet(shape, classes, seed=seed)
    begin(supernet, *learn, CLASSIFICATION)
    search = BilevelTrainer(supernet, weight_decay=0.0, architecture_warmup_epochs=1)
    weights = keras.optimizers.Adam(space.defaults["learning_rate"], global_clipnorm=5.0)
    search.compile(weights, keras.optimizers.Adam(ALPHA_RATE, beta_1=0.5, beta_2=0.999))

    def stop(batch, logs=None):
        search.stop_training = clock() >= seconds

    search.fit(
        *learn,
        batch_size=BATCH,
        epochs=1000,
        steps_per_epoch=STEPS,
        validation_data=held,
        augment=augmentation(name),
        callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=stop)],
        verbose=0,
        seed=seed,
    )
    found = [[round(float(weight), 3) for weight in table[0]] for table in supernet.mixing_weights().values()]
    return search.derive(), found


def run(method, data, name, size, seconds, seed):
    """Return the record of a run."""
    import keras

    from kerasnas.starts import AdaptationSpace

    keras.utils.set_random_seed(seed)
    x, y, x_test, y_test, shape, classes = scaled(value.load(data, name))
    started = time.process_time()

    def clock():
        return time.process_time() - started

    space = AdaptationSpace([START], [size], [STAGES], MODES, ["stages"])
    order = np.random.default_rng(seed).permutation(len(x))
    held, learn = np.split(order, [round(HELD_OUT * len(x))])
    halves = ((x[learn], y[learn]), (x[held], y[held]))
    common = (shape, classes, name, SHARE * seconds, clock, seed)
    genotype, evidence = space.network(START, size, ("tuned",) * STAGES), []
    if method == "mixed":
        genotype, evidence = mixed(space, *halves, *common)
    elif method != "whole":
        genotype, evidence = sampled(space, method, *halves, *common)
    searched = clock()
    model = trained(space, genotype, x, y, shape, classes, name, seconds, clock, seed)
    record = {"method": method, "domain": name, "size": size, "cpu_seconds": seconds, "seed": seed}
    record |= {"searched": round(searched, 1), "took": round(clock(), 1), "evidence": evidence}
    stages = list(space.adaptation(genotype).stages)
    return {**record, "stages": stages, "accuracy": round(100 * accuracy(model, x_test, y_test), 2)}


def report(arguments, runs):
    """Print a row for each domain that has runs of all methods, and their mean."""
    table = tracked.Table(["domain", *METHODS, "stages of mixed"])
    seeds, rows = sorted({one["seed"] for one in runs}), []
    for name in skeleton.names(arguments.domains, DOMAINS):
        own = {method: [one for one in runs if (one["domain"], one["method"]) == (name, method)] for method in METHODS}
        if not all(own.values()):
            continue
        scores = {method: [one["accuracy"] for one in found] for method, found in own.items()}
        chosen = "; ".join(" ".join(one["stages"]) for one in own["mixed"])
        table.add([name, *(skeleton.spread(scores[method]) for method in METHODS), chosen])
        rows.append([np.mean(scores[method]) for method in METHODS])
    if rows:
        table.add(["mean", *(f"{mean:.1f}" for mean in np.mean(rows, axis=0)), ""])
    note = NOTE.format(arguments.size, ", ".join(MODES), arguments.cpu_seconds)
    code = ["kerasnas/starts", "kerasnas/trainers", "kerasnas/racing/entrants/contestant.py"]
    kept = [{key: one[key] for key in one if key != "evidence"} for one in runs]
    tracked.record(arguments, table.rows, code=code, note=note, runs=kept, seeds=seeds)


def main():
    arguments = skeleton.arguments(
        __doc__,
        "data",
        data={"help": "folder in or below which the sets lie, as NAME.npz or NAME/*.npz"},
        domains=skeleton.listed(DOMAINS),
        methods=skeleton.listed(METHODS),
        size=64,
        cpu_seconds=180.0,
        seeds=1,
        processes=(1, "runs at once; each has one thread"),
        raw=Path("runs/adaptations.jsonl"),
        one=(str, skeleton.HIDDEN),
    )
    size, seconds = arguments.size, arguments.cpu_seconds
    if arguments.one:
        method, name, seed = arguments.one.split(",")
        print(json.dumps(run(method, arguments.data, name, size, seconds, int(seed))))
        return
    runs = skeleton.Runs(arguments.raw, "method", "domain", "size", "cpu_seconds", "seed")
    domains, methods = skeleton.names(arguments.domains, DOMAINS), skeleton.names(arguments.methods, METHODS)
    order = itertools.product(range(arguments.seeds), domains, methods)
    missing = [(one, name, seed) for seed, name, one in order if not runs.has(one, name, size, seconds, seed)]
    words = [arguments.data, f"--size={size}", f"--cpu_seconds={seconds}"]
    runs.measure(__file__, words, missing, arguments.processes)
    report(arguments, [one for one in runs.records if (one["size"], one["cpu_seconds"]) == (size, seconds)])


if __name__ == "__main__":
    main()
