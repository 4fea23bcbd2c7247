"""Learn a portfolio of networks and recipes from trainings on many small tasks, and test it on a domain left out.

    python benchmarks/portfolio.py collect DATA --output=runs/portfolio.jsonl      (about 60 minutes of one processor)
    python benchmarks/portfolio.py learn --output=runs/portfolio.jsonl --write=kerasnas/racing/portfolio.json

A task is a part of a domain: at most 20 of its classes, at most 800 training images, at 16, 24 or 32 pixels. Each
candidate is trained on four fifths of it for 16 processor seconds of one thread, as the race trains its winner, and
evaluated on the last fifth, and once on at most 1,000 test images. `collect --seconds=64 --candidates=vgg_3x3,...` does
the same for the time of four.

`learn` prints, for each domain, results of portfolios learned without it: the test accuracy of the one of four that is
best on the held-out fifth; that of the best single default of the other domains, for the time of one and of four; that
of four random candidates (the mean over all sets of four); and the regrets of four and of four at random on the test
images. Then it learns one from all tasks, and writes it.
"""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import json
import math
import time
from pathlib import Path

import numpy as np
import skeleton
import tracked

from kerasnas.tasks.splits import stratified_split

DOMAINS = ("gtsrb", "chula_rbc", "caltech101", "neu_steel", "pacs", "sign_digits", "rsscn7", "kannada")
DOMAINS += ("notmnist", "cifar10_mini")
HAND_MADE = {  # beside those of `kerasnas.spaces.macro.REFERENCES`
    "vgg_wide": ("conv_3x3", 1.0, "conv_3x3", "pool", (3, 3, 3)),
    "residual_pool": ("conv_3x3", 1.0, "residual_3x3", "pool", (0, 1, 1)),
    "vgg_shallow": ("conv_3x3", 0.5, "conv_3x3", "pool", (2, 2, 2)),
    "vgg_halved": ("conv_3x3_s2", 0.5, "conv_3x3", "pool", (2, 2, 2)),
    "residual_halved": ("conv_3x3_s2", 1.0, "residual_3x3", "pool", (0, 1, 1)),
    "conv_deep": ("conv_3x3", 1.0, "conv_3x3", "pool", (0, 2, 2)),
}
PLAN = ("stem", "width", "blocks", "halving", "depths", "learning_rate")
SIZES = (32, 24, 16)
CLASSES, SAMPLES, TEST = 20, 800, 1000


def candidates():
    """Return, by name, stem, width, block or blocks, halving, depths, and the learning rate."""
    from kerasnas.spaces.macro import MACRO_PRIMITIVES, REFERENCES

    plans = REFERENCES | HAND_MADE
    found = {name: (*plan, 0.1) for name, plan in plans.items()}
    for name in ("vgg_3x3", "residual_pool", "cnn"):
        found[f"{name}_slow"] = (*plans[name], 0.03)
    rng = np.random.default_rng(7)
    for index in range(1, 8):
        blocks = [str(rng.choice(MACRO_PRIMITIVES)) for _ in range(3)]
        depths = [int(rng.integers(0, 3)), *(int(rng.integers(1, 4)) for _ in range(2))]
        stem, width = str(rng.choice(["conv_3x3", "conv_5x5", "conv_3x3_s2"])), float(rng.choice([0.5, 0.75, 1.0]))
        found[f"drawn_{index}"] = (stem, width, blocks, str(rng.choice(["pool", "strides"])), depths, 0.1)
    return found


def make_task(folder, domain):
    import initialization_data

    from kerasnas import datasets
    from kerasnas.datasets.joint import as_color

    index = DOMAINS.index(domain)
    data, rng = initialization_data.dataset(folder, domain), np.random.default_rng([3, index])
    size = SIZES[index % len(SIZES)]
    classes = np.sort(rng.permutation(data.num_classes)[:CLASSES])
    parts = []
    for x, y, most in ((data.x_train, data.y_train, SAMPLES), (data.x_test, data.y_test, TEST)):
        rows = rng.permutation(np.flatnonzero(np.isin(y, classes)))[:most]
        channels = data.input_shape[-1]
        x = as_color(x[rows], size).astype(np.float32)[..., :channels] / 255
        parts += [x, np.searchsorted(classes, y[rows])]
    data = datasets.Dataset(domain, *parts, tuple(map(str, classes)), scale=255.0)
    return data, stratified_split(data.y_train, 0.2, 0)


def train(domain, data, split, plan, seconds):
    from value_contenders import augmentation

    from kerasnas.datasets.batches import ArrayBatches
    from kerasnas.methods.race.making import RECIPE
    from kerasnas.racing.entrants.contestant import Contestant
    from kerasnas.racing.rungs import fitting_batch_size
    from kerasnas.spaces import MacroSpace

    *plan, rate = plan
    first, second = split
    space = MacroSpace.for_data(data.input_shape, data.num_classes, len(data.x_train))
    genotype = space.network(*plan)
    if genotype is None:
        return None
    model = space.build_network(genotype, data.input_shape, data.num_classes, seed=0)
    recipe = dataclasses.replace(RECIPE, learning_rate=rate)
    own = data.x_train[first], data.y_train[first]
    batches = ArrayBatches(*own, fitting_batch_size(len(first)), augment=augmentation(domain))
    contestant = Contestant(recipe.compile_network(model, None), batches)
    contestant.advance(time.process_time, steps=1, schedule=lambda past: 0.0)  # traced
    contestant.advance(time.process_time, seconds, schedule=lambda past: min(1.0, max(0.0, 1 - past / seconds) / 0.35))
    valid = contestant.scores(data.x_train[second], data.y_train[second]).mean()
    return {
        "valid": float(valid),
        "test": float(contestant.scores(data.x_test, data.y_test).mean()),
        "steps": contestant.steps,
    }


def collect(arguments):
    plans, runs = candidates(), skeleton.Runs(arguments.output, "task", "candidate", "seconds")
    names = [name for name in arguments.candidates.split(",") if name] or list(plans)
    for domain in DOMAINS:
        data, split = make_task(arguments.data, domain)
        for name in names:
            if runs.has(domain, name, arguments.seconds):
                continue
            found = train(domain, data, split, plans[name], arguments.seconds)
            if found is not None:
                runs.add({"task": domain, "candidate": name, "seconds": arguments.seconds, **found})


def greedy_portfolio(accuracies, size):
    r"""Select candidates that together do best over tasks, by greedy forward selection.

    With $a_{tc}$ the accuracy of candidate $c$ on task $t$, the portfolio $P$ grows by

    $$ \arg\max_c \; \frac{1}{T} \sum_t \max_{p \in P \cup \{c\}} a_{tp} . $$

    Gains do not increase, and the portfolio gains at least $1 - 1 / e$ of what the best one of this size would gain.

    Args:
        accuracies: `(tasks, candidates)`.
        size: number of candidates to select; all if there are fewer.

    Returns:
        Indices of candidates in the order in which to try them; ties go to the candidate with the higher mean.

    Example: the second candidate is good where the first one is; the third helps elsewhere.

    >>> accuracies = [[0.9, 0.85, 0.2], [0.5, 0.5, 0.8]]
    >>> greedy_portfolio(accuracies, 2)
    [0, 2]

    Reference:
        Feurer et al., "Auto-Sklearn 2.0: Hands-free AutoML via Meta-Learning", 2022 (arXiv 2007.04074), algorithm 2;
        there losses are normalized on each task, here they are as given. Nemhauser et al., "An analysis of
        approximations for maximizing submodular set functions", Mathematical Programming 14, 1978.
    """
    table = np.asarray(accuracies, float)
    chosen = []
    best = np.full(len(table), -np.inf)
    for _ in range(min(size, table.shape[1])):
        rest = [index for index in range(table.shape[1]) if index not in chosen]
        scores = [(np.maximum(best, table[:, index]).mean(), table[:, index].mean()) for index in rest]
        chosen.append(rest[max(range(len(rest)), key=lambda place: scores[place])])
        best = np.maximum(best, table[:, chosen[-1]])
    return chosen


def regret(accuracies, chosen):
    """Return for each task the accuracy that the best of the `chosen` candidates lacks to the best of all."""
    table = np.asarray(accuracies, float)
    return table.max(axis=1) - table[:, list(chosen)].max(axis=1)


def random_regret(accuracies, size):
    r"""Return the expected regret of `size` candidates drawn at random without replacement, in closed form.

    The $k$-th best of $n$ candidates is the best of $m$ drawn ones with probability
    $\binom{n - k}{m - 1} / \binom{n}{m}$.
    """
    table = -np.sort(-np.asarray(accuracies, float), axis=1)
    number, size = table.shape[1], min(size, table.shape[1])
    chances = [math.comb(number - place, size - 1) / math.comb(number, size) for place in range(1, number + 1)]
    return table[:, 0] - table @ np.array(chances)


def learn(arguments):
    every = skeleton.Runs(arguments.output).records
    records = [r for r in every if r["seconds"] == arguments.seconds]
    tasks = [domain for domain in DOMAINS if any(r["task"] == domain for r in records)]
    found = {(r["task"], r["candidate"]): r for r in records}
    names = [name for name in candidates() if all((task, name) in found for task in tasks)]
    test, valid = (
        np.array([[found[task, name][key] for name in names] for task in tasks]) for key in ("test", "valid")
    )
    longer = [r for r in every if r["seconds"] != arguments.seconds]
    longer = {(r["task"], r["candidate"]): r["test"] for r in longer}
    print(f"{len(names)} candidates on {len(tasks)} tasks\n")
    header = ("task", "portfolio", "single", "single x4", "random 4", "regret", "random's")
    print("".join(f"{name:>14}" for name in header))
    rows = []
    for index, task in enumerate(tasks):
        others = [row for row in range(len(tasks)) if row != index]
        chosen = greedy_portfolio(test[others], 4)
        single = int(test[others].mean(axis=0).argmax())
        picked = chosen[int(valid[index, chosen].argmax())]
        sets = itertools.combinations(range(len(names)), 4)
        random = np.mean([test[index, own[int(valid[index, own].argmax())]] for own in map(list, sets)])
        four = longer.get((task, names[single]), float("nan"))
        own = [test[index, picked], test[index, single], four, random]
        own += [regret(test[[index]], chosen)[0], random_regret(test[[index]], 4)[0]]
        rows.append(own)
        print(f"{task:>14}" + "".join(f"{100 * value:14.1f}" for value in own) + f"   {names[single]}")
    shown = [{"task": task, **dict(zip(header[1:], row, strict=True))} for task, row in zip(tasks, rows, strict=True)]
    shown = [{k: v if isinstance(v, str) else round(100 * float(v), 1) for k, v in row.items()} for row in shown]
    tracked.record(arguments, shown, code=["benchmarks/portfolio.py"], intervals="Test accuracy in percent")
    rows = np.array(rows)
    print(f"{'mean':>14}" + "".join(f"{100 * value:14.1f}" for value in rows.mean(axis=0)))
    for column, name in ((1, "single"), (2, "single x4"), (3, "random 4")):
        gap = 100 * (rows[:, 0] - rows[:, column])
        gap = gap[np.isfinite(gap)]
        if len(gap) > 1:
            print(f"portfolio less {name}: {skeleton.spread(gap, sign='+')} points, {len(gap)} tasks")
    chosen = greedy_portfolio(test, arguments.size)
    worth = test - test.mean(axis=1, keepdims=True)
    from kerasnas.racing.portfolio import known_plans

    plans = candidates()
    entries = []
    for index in chosen:
        plan = dict(zip(PLAN, plans[names[index]], strict=True))
        plan["learning_rate"] = None if plan["learning_rate"] == 0.1 else plan["learning_rate"]  # 0.1 is the recipe's
        entries.append({"name": names[index], **plan})
        print(names[index], round(float(worth[:, index].mean()), 4))
    # Those that divide images race where channels are apart: they are not compared here.
    entries += [{"name": name, **plan} for name, plan in known_plans().items() if "division" in plan]
    if arguments.write:
        made = {"tasks": tasks, "candidates": len(names), "cpu_seconds": arguments.seconds}
        made["date"] = datetime.date.today().isoformat()
        record = {"format": 1, "made": made, "candidates": entries}
        Path(arguments.write).write_text(json.dumps(record, indent=1) + "\n")


def main():
    arguments = skeleton.arguments(
        __doc__,
        "action",
        "data?",
        action={"choices": ("collect", "learn")},
        output="runs/portfolio.jsonl",
        candidates="",
        seconds=16.0,
        size=12,
        write="",
    )
    (collect if arguments.action == "collect" else learn)(arguments)


if __name__ == "__main__":
    main()
