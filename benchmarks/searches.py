"""Do gradient searches find better networks than chance, on images, series and texts, at equal processor time?

    python benchmarks/searches.py DATA --seeds=0                            # hours on one core
    python benchmarks/searches.py DATA --sets=trec6,OSULeaf --arms=softmax,random,unsearched

On each set and for each seed, in processes of one thread:

- `softmax` (DARTS), `gumbel` (GDAS), `binary_gates` (ProxylessNAS), `dirichlet` (DrNAS), `sigmoid` (FairDARTS): a
  search of the space of cells that suits the data (`darts`, `signals`, `text`), with all guards, and the training of
  the network that it derives.
- `random`: random networks, for as long as the longest of these searches took: each is trained on the half of the data
  that moves a search's weights, for a third of the epochs, and compared on the other half; the best one is trained.
- `unsearched`: three random networks, trained; the mean of their accuracies. It is any of these without its search.

All are trained alike, on all training data, alone: no linear model stands beside them, and no shortlist follows a
search. Random networks are those that a search with guards can return. The test set is used once, at the end of a run.

Sets: `cifar10_mini` and `gtsrb`, of each 2,000 images, and spoken words as grey ones (`speech_commands_mini`), all read
as in `benchmarks/value.py`; series of `ucr_uea`, as in `benchmarks/series.py`; questions and sentences, as in
`benchmarks/text.py`. At the end a table: means over seeds, and what each arm is ahead of the controls, over sets, seeds
averaged first. Runs that `--raw` holds are not repeated.
"""

import dataclasses
import itertools
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import series
import skeleton
import text
import tracked
import value
from value_contenders import FLIPS

SERIES = ("ItalyPowerDemand", "ArrowHead", "OSULeaf", "JapaneseVowels")
TEXTS = ("trec6", "sst2")
IMAGES = ("cifar10_mini", "gtsrb", "speech_commands_mini")
SETS = (*IMAGES, *SERIES, *TEXTS)
SEARCHES = ("softmax", "gumbel", "binary_gates", "dirichlet", "sigmoid")
ARMS = (*SEARCHES, "random", "unsearched")
_MOST, _UNSEARCHED, _SHORT = 2000, 3, 3


def settings(data, name, seed, folder):
    """Return the settings of a search on a set, which is written to a folder."""
    from kerasnas import methods

    common = {"seed": seed, "shortlist": 0, "random_genotypes": 0}
    if name in IMAGES:
        file = skeleton.save(Path(folder, f"{name}.npz"), value.load(data, name, _MOST, seed=seed))
        sizes = {"stem_strides": 2, "epochs": 10, "retrain_filters": 12, "retrain_epochs": 16}
        augment = ("shift", *FLIPS.get(name, ()))
        return methods.SearchConfig.suited(space="darts", dataset=file, augment=augment, **sizes, **common)
    if name in TEXTS:
        file = skeleton.save(Path(folder, f"{name}.npz"), text.read(data, name))
        return methods.SearchConfig.suited(space="text", dataset=file, ngrams=0, starts="none", **common)
    parts = series.read(data, name)
    file = skeleton.save(Path(folder, f"{name}.npz"), parts, kind="signals")
    return methods.SearchConfig.suited(
        space="signals", dataset=file, kernels=0, **series.sizes(len(parts[0])), **common
    )


def measure(data, arm, name, seed, seconds):
    """Run an arm; return its record."""
    from kerasnas.files.stages import Stages
    from kerasnas.methods.assembly import make_space
    from kerasnas.methods.final_training import load_data, make_training

    with tempfile.TemporaryDirectory() as folder:
        config = settings(data, name, seed, folder)
        loaded = load_data(config)
        space, rng = make_space(config, loaded), np.random.default_rng([seed, 6])
        training, within = make_training(config, space, loaded), space.reachable("auto")
        train, test = (loaded.x_train, loaded.y_train), (loaded.x_test, loaded.y_test)
        begin = time.process_time()
        if arm == "unsearched":
            chosen = within.sample_distinct(rng, _UNSEARCHED)
        elif arm == "random":
            chosen = [best_of_random(config, space, loaded, training, within.sample_distinct(rng, 200), seconds)]
        else:
            chosen = [derived(config, arm, space, loaded)]
        searched = time.process_time() - begin
        stages = Stages(folder)
        done = [training.run(stages, f"network-{place}", one, train, test, seed) for place, one in enumerate(chosen)]
    found = [record["test_accuracy"] for record in done]
    return {
        "arm": arm,
        "set": name,
        "seed": seed,
        "accuracy": float(np.mean(found)),
        "each": found,
        "parameters": [record["parameters"] for record in done],
        "genotypes": [json.loads(one.to_json()) for one in chosen],
        "search_seconds": round(searched, 1),
        "cpu_seconds": round(time.process_time() - begin, 1),
    }


def derived(config, relaxation, space, data):
    """Return the genotype that a gradient search derives."""
    from kerasnas.methods.gradient.supernet import build_search, search_batch_size

    config = dataclasses.replace(config, relaxation=relaxation)
    search = build_search(config, space, data, None, skeleton.log)
    sizes = {"batch_size": search_batch_size(config, data), "validation_split": config.validation_split}
    search.fit(data.x_train, data.y_train, epochs=config.epochs, seed=config.seed, verbose=0, **sizes)
    return search.derive()


def best_of_random(config, space, data, training, drawn, seconds):
    """Return the best of random genotypes, which short trainings compare for so many seconds."""
    from kerasnas.files.stages import Stages
    from kerasnas.racing.shortlist.stage import halves
    from kerasnas.training.network_training import NetworkTraining

    begin, scores = time.process_time(), {}
    recipe = dataclasses.replace(training.recipe, epochs=max(1, training.recipe.epochs // _SHORT))
    short = NetworkTraining(space, data.input_shape, data.num_classes, recipe)
    first, second = halves(data.x_train, data.y_train, config.validation_split, config.seed, data.task)
    for genotype in drawn:
        with tempfile.TemporaryDirectory() as folder:
            record = short.run(Stages(folder), "short", genotype, first, second, config.seed, "val")
        scores[genotype] = record["val_accuracy"]
        spent = time.process_time() - begin
        if spent * (1 + 0.5 / len(scores)) > seconds:  # half of another one would be too long
            break
    skeleton.log(f"{len(scores)} networks compared")
    return max(scores, key=scores.__getitem__)


def report(arguments, records):
    """Print the table and record it: accuracies by set, and what searches are ahead of the controls."""
    arms = [arm for arm in arguments.arms.split(",") if any(one["arm"] == arm for one in records)]
    shown, means = tracked.Table(["data", *arms]), {}
    for name in arguments.sets.split(","):
        own = {arm: [one["accuracy"] for one in records if (one["arm"], one["set"]) == (arm, name)] for arm in arms}
        if all(own.values()):
            shown.add([name, *(tracked.mean(values, 100, 1) for values in own.values())])
            means[name] = {arm: 100 * float(np.mean(values)) for arm, values in own.items()}
    for control in ("random", "unsearched"):
        if control in arms:
            leads = ([one[arm] - one[control] for one in means.values()] if arm != control else [] for arm in arms)
            shown.add([f"**less {control}**, over sets", *(tracked.mean(lead) if lead else "" for lead in leads)])
    seconds = ([one["search_seconds"] for one in records if one["arm"] == arm] for arm in arms)
    shown.add(["(CPU s of the choice, mean)", *(round(float(np.mean(each)), 1) for each in seconds)])
    code = ["kerasnas/trainers", "kerasnas/relaxations", "kerasnas/spaces"]
    intervals = "Test accuracy in percent; mean ± 95 % interval over the runs, or over sets (their number)"
    tracked.record(arguments, shown.rows, code=code, intervals=intervals, runs=records)


def main():
    arguments = skeleton.arguments(
        __doc__,
        "data",
        data={"help": "folder in or below which the sets lie"},
        sets=skeleton.listed(SETS),
        arms=skeleton.listed(ARMS),
        seeds="0,1,2",
        raw=("runs/searches.jsonl", "file of the single runs, which is continued"),
        one=("", skeleton.HIDDEN),
    )
    if arguments.one:
        skeleton.prepare(1)
        arm, name, seed, seconds = arguments.one.split(",")
        print(json.dumps(measure(arguments.data, arm, name, int(seed), float(seconds))))
        return
    names, arms = skeleton.names(arguments.sets, SETS), skeleton.names(arguments.arms, ARMS)
    runs, seeds = skeleton.Runs(arguments.raw, "arm", "set", "seed"), skeleton.numbers(arguments.seeds)
    in_turn = sorted(arms, key=ARMS.index)  # the controls last: one of them takes as long as the searches
    for seed, name, arm in itertools.product(seeds, names, in_turn):
        if not runs.has(arm, name, seed):
            same = [one for one in runs.records if (one["set"], one["seed"]) == (name, seed)]
            seconds = max([one["search_seconds"] for one in same if one["arm"] in SEARCHES], default=60.0)
            runs.measure(__file__, [arguments.data], [(arm, name, seed, seconds)], 1)
    asked = {"seed": seeds, "arm": arms, "set": names}
    report(arguments, [one for one in runs.records if all(one[key] in values for key, values in asked.items())])


if __name__ == "__main__":
    main()
