"""Where does a choice pay? The headroom of choosing for each domain, over the best single choice for all.

    python benchmarks/headroom.py DATA --raw=runs/headroom.jsonl

Twelve domains of small images; each option is trained for `--cpu_seconds` on one thread, its building, tracing and
fitting included. A choice is a set of options:

- `start`: the first network of the race with drawn weights (`drawn`), or with those that it was learned to begin from
  (`shelf`); EfficientNet-Lite0 (extra `photos`) with the head of `kerasnas.starts.begin` and nothing else (`frozen`),
  then batch norms alone (`batch_norm`), adapters alone (`adapter`), the last two of five stages (`last`) or all of them
  (`whole`) tuned, for images at 96 pixels;
- `size`: that network tuned whole, for images at 64, 96 or 128 pixels;
- `batch`: the same at 96 pixels, in batches of 16, 32 (`whole`) or 64 images;
- `network`: the candidates of the race's portfolio with drawn weights;
- `recipe`: the first network by the race's recipe, at a third of its learning rate, without label smoothing, with Adam;
- `members`: one of the first network, or three or five of different seeds that share the time, as an ensemble;
- `answer`: of that one network: its last weights, their average, and the average over its mirror images too.

The test set is split in two. For each domain the option that is best on one half is scored on the other, and the other
way round; the headroom is that, less the score of the option that is best on all domains together. Where it is near 0,
nothing is gained by searching. Runs that `--raw` holds are not repeated; every one keeps which test images it got.
"""

import itertools
import json
import time
from pathlib import Path

import numpy as np
import skeleton
import tracked
import value
from value_contenders import FLIPS, advanced, scaled

DOMAINS = ("caltech101", "cifar10_mini", "pacs", "rsscn7", "gtsrb", "neu_steel", "sign_digits", "notmnist")
DOMAINS = (*DOMAINS, "chula_rbc", "bccd_cells", "kannada", "fashion_mnist_mini")
START, STAGES = "efficientnet_lite0", 5
MODES = {"frozen": ("frozen",) * STAGES, "whole": ("tuned",) * STAGES, "last": ("frozen",) * 3 + ("tuned",) * 2}
MODES |= {mode: (mode,) * STAGES for mode in ("batch_norm", "adapter")}
SIZES = {"whole_64": 64, "whole_128": 128}
BATCHES = {"batch_16": 16, "batch_64": 64}
RECIPES = {
    "third": {"learning_rate": 0.033},
    "hard_labels": {"label_smoothing": 0.0},
    "adam": {"algorithm": "adam", "learning_rate": 1e-3, "weight_decay": 0.0},
}
MEMBERS = {"members_3": 3, "members_5": 5}
VIEWS = ("last_weights", "average", "mirrored")  # of the run `drawn`
CHOICES = {
    "start": ("drawn", "shelf", "frozen", "batch_norm", "adapter", "last", "whole"),
    "size": ("whole_64", "whole", "whole_128"),
    "batch": ("batch_16", "whole", "batch_64"),
    "network": tuple(f"network_{number}" for number in range(12)),
    "recipe": ("drawn", *RECIPES),
    "members": ("drawn", *MEMBERS),
    "answer": VIEWS,
}
NOTE = (
    "Headroom: points that an oracle gains, which knows for each domain the option that is best on one half of the "
    "test images, on the other half, over the best single option; 95 % intervals over domains. One thread, {:.0f} CPU "
    "s a run, seeds {}."
)


# One run ----------------------------------------------------------------------------------------------------
def adapted(option, x, y, shape, classes):
    """A network of the space of adaptations, and the recipe that suits it."""
    from kerasnas.methods.race.making import RECIPE
    from kerasnas.starts import AdaptationSpace, begin
    from kerasnas.tasks.known import CLASSIFICATION

    space = AdaptationSpace([START])
    genotype = space.network(START, SIZES.get(option, 96), MODES.get(option, MODES["whole"]))
    model = space.build_network(genotype, shape, classes)
    begin(model, x, y, CLASSIFICATION)
    return model, {**vars(RECIPE), **space.defaults}


def raced(option, x, shape, classes, seed):
    """A network of the race's first space, and the recipe that suits it."""
    from kerasnas.meta import warm_start
    from kerasnas.meta.shelf import load_initializer
    from kerasnas.methods.race.making import RECIPE
    from kerasnas.racing.portfolio import named_networks, portfolio
    from kerasnas.spaces import MacroSpace

    space = MacroSpace.for_data(shape, classes, len(x))
    initializer = load_initializer("images_vgg_3x3") if option == "shelf" else None
    if initializer is not None:
        genotype = named_networks(space)[initializer.description["network"]]
    else:
        number = int(option.removeprefix("network_")) if option.startswith("network_") else 0
        genotype = portfolio(space, 12, seed=0)[number].genotype
    model = space.build_network(genotype, shape, classes, seed=seed)
    if initializer is not None:
        warm_start(model, initializer)
    return model, {**vars(RECIPE), **RECIPES.get(option, {})}


def answers(option, arrays, name, seconds, seed):
    """Train an option; return the probabilities of each class for the test images, by view."""
    import keras

    from kerasnas.racing.entrants.contestant import WARMUP
    from kerasnas.racing.race.challenge import BATCH

    def clock():
        return time.process_time() - started

    x, y, x_test, _, shape, classes = scaled(arrays)
    started = time.process_time()
    if option in (*MODES, *SIZES, *BATCHES):
        model, recipe = adapted(option, x, y, shape, classes)
        most, warmup = BATCHES.get(option, BATCH), 10
    else:
        model, recipe = raced(option, x, shape, classes, seed)
        most, warmup = 64, WARMUP
    contestant = advanced(model, recipe, name, x, y, seconds, clock, seed, most, warmup)
    model = contestant.model
    views = {"last_weights": model.predict(x_test, batch_size=250, verbose=0)} if option == "drawn" else {}
    with contestant.average.applied():
        views[option] = views["average"] = model.predict(x_test, batch_size=250, verbose=0)
        if option == "drawn":
            mirrored = [model.predict(x_test[:, :, ::-1], batch_size=250, verbose=0)] if name in FLIPS else []
            views["mirrored"] = sum([views[option], *mirrored])
    return {view: np.asarray(keras.ops.softmax(outputs)) for view, outputs in views.items()}


def run(option, data, name, seconds, seed):
    """Return the record of a run: which test images each view of it gets right, as bits in hexadecimal."""
    import keras

    keras.utils.set_random_seed(seed)
    arrays, number = value.load(data, name), MEMBERS.get(option, 1)
    one = "drawn" if option in MEMBERS else option
    found = [answers(one, arrays, name, seconds / number, seed + 100 * member) for member in range(number)]
    views = {option: sum(member[one] for member in found)}
    views |= {view: found[0][view] for view in VIEWS if option == "drawn"}
    hits = {view: np.packbits(p.argmax(axis=-1) == arrays[3]).tobytes().hex() for view, p in views.items()}
    record = {"option": option, "domain": name, "cpu_seconds": seconds, "seed": seed, "images": len(arrays[3])}
    return {**record, "hits": hits, "took": round(time.process_time(), 1)}


# All of them ------------------------------------------------------------------------------------------------
def halves(runs):
    """Return domain -> view -> accuracies on the two halves of the test images, in percent, seeds averaged."""
    found = {}
    for one in runs:
        for view, text in one["hits"].items():
            hits = np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8), count=one["images"])
            means = [100 * hits[half::2].mean() for half in (0, 1)]
            found.setdefault(one["domain"], {}).setdefault(view, []).append(means)
    return {domain: {view: np.mean(all_, axis=0) for view, all_ in views.items()} for domain, views in found.items()}


def headroom(scores):
    """Return the headroom of each domain, and the best single option.

    Args:
        scores: domain -> option -> accuracies on two halves.

    >>> headroom({"a": {"x": [90, 90], "y": [70, 70]}, "b": {"x": [70, 70], "y": [80, 80]}})
    ({'a': 0.0, 'b': 10.0}, 'x')
    """
    options = list(next(iter(scores.values())))
    single = max(options, key=lambda option: float(np.mean([own[option] for own in scores.values()])))
    gains = {}
    for domain, own in scores.items():
        chosen = [max(options, key=lambda option, half=half: own[option][half]) for half in (0, 1)]
        gains[domain] = float(np.mean([own[chosen[half]][1 - half] - own[single][1 - half] for half in (0, 1)]))
    return gains, single


def report(arguments, runs):
    """Print a row for each choice: the mean of each option over the domains that have all of them, and the headroom."""
    found = halves(runs)
    table = tracked.Table(["choice", "domains", "means of its options, %", "best single option", "headroom, points"])
    for choice, options in CHOICES.items():
        scores = {d: {o: own[o] for o in options if o in own} for d, own in found.items()}
        scores = {domain: own for domain, own in scores.items() if len(own) == len(options)}
        if not scores:
            continue
        gains, single = headroom(scores)
        means = {option: np.mean([own[option] for own in scores.values()]) for option in options}
        words = ", ".join(f"{option} {mean:.1f}" for option, mean in means.items())
        table.add([choice, len(scores), words, single, skeleton.spread(list(gains.values()))])
    seeds = sorted({one["seed"] for one in runs})
    note = NOTE.format(arguments.cpu_seconds, ", ".join(map(str, seeds)))
    code = ["kerasnas/starts", "kerasnas/racing"]
    kept = [{key: one[key] for key in ("option", "domain", "seed", "took")} for one in runs]
    for one, own in zip(runs, kept, strict=True):
        own["accuracy"] = round(float(halves([one])[one["domain"]][one["option"]].mean()), 2)
    tracked.record(arguments, table.rows, code=code, note=note, runs=kept, seeds=seeds)


def main():
    arguments = skeleton.arguments(
        __doc__,
        "data",
        data={"help": "folder in or below which the sets lie, as NAME.npz or NAME/*.npz"},
        domains=skeleton.listed(DOMAINS),
        choices=skeleton.listed(CHOICES),
        cpu_seconds=90.0,
        seeds=1,
        processes=(1, "runs at once; each has one thread"),
        raw=Path("runs/headroom.jsonl"),
        one=(str, skeleton.HIDDEN),
    )
    seconds = arguments.cpu_seconds
    if arguments.one:
        option, name, seed = arguments.one.split(",")
        print(json.dumps(run(option, arguments.data, name, seconds, int(seed))))
        return
    choices = skeleton.names(arguments.choices, CHOICES)
    options = dict.fromkeys("drawn" if option in VIEWS else option for choice in choices for option in CHOICES[choice])
    runs = skeleton.Runs(arguments.raw, "option", "domain", "cpu_seconds", "seed")
    order = itertools.product(range(arguments.seeds), skeleton.names(arguments.domains, DOMAINS), options)
    missing = [(one, name, seed) for seed, name, one in order if not runs.has(one, name, seconds, seed)]
    runs.measure(__file__, [arguments.data, f"--cpu_seconds={seconds}"], missing, arguments.processes)
    report(arguments, [one for one in runs.records if one["cpu_seconds"] == seconds])


if __name__ == "__main__":
    main()
