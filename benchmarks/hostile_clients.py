"""One hostile client of ten: accuracy that each aggregation of federated averaging loses to it, as Markdown.

    TF_NUM_INTRAOP_THREADS=1 python benchmarks/hostile_clients.py
    TF_NUM_INTRAOP_THREADS=1 python benchmarks/hostile_clients.py --seeds=2 --rounds=4 --ways=zeros   # half a minute

The bundled subset of Fashion-MNIST, 14x14 pixels, is split among clients: `even` at random, `by class` by shares of
each class from a Dirichlet distribution. They train a network of two convolutions and batch norm, a few steps in each
round. The first client is hostile in one of these ways, where `w` are the server's values and `d` is its honest step:

- `flipped labels`: it trains on labels `9 - y`. `sign`: it replies `w - d`. `x 1000`: `w + 1000 d`.
- `noise`: `w` with normal noise of standard deviation 1. `zeros`: zeros. `stale`: the first values, in each round.
- `copy`: the reply of the second client. `inner product`: `w - m`, where `m` is the others' mean step (Xie et al.,
  2019, arXiv 1903.03936). `a little`: the others' mean less 1.5 standard deviations in each coordinate (Baruch et al.,
  2019, arXiv 1902.06156). In all three it knows the others' replies.

Moving variances are at least 0 in all of them, as a reply with a negative one is left out. Numbers are points of test
accuracy lost compared with the mean of the honest clients alone, without the first: no aggregation can learn from data
that it does not get. In `none` the first client is honest as well. ± is the 95 % interval over seeds, each with its own
split and initialization (Student's t, paired).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import skeleton
import tracked

SPLITS = ("even", "by class")
HONEST, FLIPPED, ALONE = "none", "flipped labels", "without the first client"


def _little(start: np.ndarray, own: np.ndarray, others: np.ndarray, *_: Any) -> np.ndarray:
    return others.mean(axis=0) - 1.5 * others.std(axis=0)


# name -> `(server's values, own honest reply, replies of the others, first values, rng) -> reply`, of one array
WAYS: dict[str, Callable[..., np.ndarray]] = {
    HONEST: lambda w, own, *_: own,
    FLIPPED: lambda w, own, *_: own,
    "sign": lambda w, own, *_: 2 * w - own,
    "x 1000": lambda w, own, *_: w + 1000 * (own - w),
    "noise": lambda w, own, others, first, rng: w + rng.normal(size=w.shape),
    "zeros": lambda w, *_: np.zeros_like(w),
    "copy": lambda w, own, others, *_: others[0],
    "stale": lambda w, own, others, first, rng: first,
    "a little": _little,
    "inner product": lambda w, own, others, *_: 2 * w - others.mean(axis=0),
}


def main() -> None:
    arguments = skeleton.arguments(
        __doc__,
        clients=10,
        rounds=12,
        steps=(12, "of a client in a round"),
        batch_size=32,
        filters=8,
        concentration=(0.5, "of the Dirichlet distribution of the shares `by class`"),
        ways=skeleton.listed(WAYS),
        aggregations=skeleton.listed(("mean", "median", "trimmed", "krum")),
        seeds=3,
    )
    if arguments.seeds < 2:
        raise SystemExit("Expected at least 2 seeds.")
    skeleton.prepare()
    ways = [HONEST, *(way for way in skeleton.names(arguments.ways, WAYS) if way != HONEST)]
    aggregations = skeleton.names(arguments.aggregations)
    accuracies = {
        (split, way, aggregation, seed): accuracy
        for seed in range(arguments.seeds)
        for split in SPLITS
        for (way, aggregation), accuracy in of_split(arguments, split, ways, aggregations, seed).items()
    }
    seeds = range(arguments.seeds)
    best = {split: np.array([accuracies[split, ALONE, "mean", seed] for seed in seeds]) for split in SPLITS}
    shown = tracked.Table(["data", "hostile client", *aggregations])
    for split in SPLITS:
        for way in ways:
            lost = [best[split] - [accuracies[split, way, name, seed] for seed in seeds] for name in aggregations]
            shown.add([split, way, *(skeleton.spread(100 * one, sign="+") for one in lost)])
    note = "; ".join(f"{split} {skeleton.spread(100 * best[split])} %" for split in SPLITS)
    tracked.record(
        arguments,
        shown.rows,
        code=["kerasnas/federated"],
        intervals="Points of test accuracy lost, compared with the mean of the honest clients alone, ± 95 % interval",
        note=f"Accuracy of the mean of the honest clients alone: {note}.",
        seeds=seeds,
        runs=[
            {
                "data": split,
                "hostile client": way,
                name: [round(accuracies[split, way, name, seed], 5) for seed in seeds],
            }
            for split in SPLITS
            for way, name in [(ALONE, "mean"), *((way, name) for way in ways for name in aggregations)]
        ],
    )


def of_split(arguments: Any, split: str, ways: list[str], aggregations: list[str], seed: int) -> dict[Any, float]:
    """Return the accuracy by way and aggregation, for one split of the data and one initialization."""
    import keras

    from kerasnas.datasets import load
    from kerasnas.federated import assign_values, federate, shared_values

    data, rng = load("fashion_mnist_mini"), np.random.default_rng(seed)
    x, y = np.concatenate([data.x_train, data.x_test]), np.concatenate([data.y_train, data.y_test])
    order = rng.permutation(len(x))
    x, y = x.reshape(-1, 14, 2, 14, 2, 1).mean(axis=(2, 4))[order], y[order]
    train, test = slice(0, 4000), slice(4000, None)
    parts = shares(y[train], arguments.clients, np.inf if split == "even" else arguments.concentration, rng)
    keras.utils.set_random_seed(seed)
    model = network(arguments.filters, x.shape[1:])
    begin, learn = shared_values(model), learning(model)

    def accuracy(channel: Any, aggregation: str) -> float:
        assign_values(model, federate(channel, begin, arguments.rounds, aggregation=aggregation).values)
        right = model.predict(x[test], batch_size=1000, verbose=0).argmax(axis=1) == y[test]
        return float(right.mean())

    def owners(way: str) -> list[Owner]:
        made = [Owner(i, learn, x[rows], y[rows], arguments, seed) for i, rows in enumerate(parts)]
        if way == FLIPPED:
            made[0].y = 9 - made[0].y
        return made

    found = {(ALONE, "mean"): accuracy(owners(HONEST)[1:], "mean")}
    for way in ways:
        for aggregation in aggregations:
            found[way, aggregation] = accuracy(Lying(owners(way), way, begin, seed), aggregation)
        skeleton.log(f"  seed {seed} {split} {way}: {[round(found[way, name], 3) for name in aggregations]}")
    return found


def shares(y: np.ndarray, clients: int, concentration: float, rng: np.random.Generator) -> list[np.ndarray]:
    """Return the rows of each client: even, or of each class by shares drawn from a Dirichlet distribution."""
    if np.isinf(concentration):
        return np.array_split(rng.permutation(len(y)), clients)
    rows: list[list[int]] = [[] for _ in range(clients)]
    for label in np.unique(y):
        ends = (rng.dirichlet([concentration] * clients).cumsum() * np.sum(y == label)).round().astype(int)
        for own, part in zip(rows, np.split(np.flatnonzero(y == label), ends[:-1]), strict=True):
            own.extend(part)
    return [np.array(own) for own in rows]


def network(filters: int, shape: tuple[int, ...]) -> Any:
    """Return two convolutions with batch norm, compiled."""
    import keras

    layers = [keras.Input(shape)]
    for width in (filters, 2 * filters):
        layers += [keras.layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False)]
        layers += [keras.layers.BatchNormalization(momentum=0.9), keras.layers.ReLU()]
    model = keras.Sequential([*layers, keras.layers.Flatten(), keras.layers.Dense(10)])
    model.compile(keras.optimizers.SGD(0.2), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def learning(model: Any) -> Callable[..., Any]:
    """Return `(values, x, y) -> values`, a step on each of a stack of batches; `fit` takes far longer."""
    import tensorflow as tf

    from kerasnas.federated.averaging import Values

    kinds = model.trainable_variables, model.non_trainable_variables

    @tf.function
    def steps(weights, statistics, x, y):
        for variable, value in zip((*kinds[0], *kinds[1]), (*weights, *statistics), strict=True):
            variable.assign(value)
        for i in tf.range(tf.shape(x)[0]):
            model.train_step((x[i], y[i]))
        return [[tf.identity(v.value) for v in kind] for kind in kinds]

    def learn(values: Any, x: np.ndarray, y: np.ndarray) -> Any:
        weights, statistics = steps(values.weights, values.statistics, x, y)
        return Values([v.numpy() for v in weights], (), [v.numpy() for v in statistics])

    return learn


class Owner:
    """A client that takes a number of steps on random batches of its own in each round."""

    def __init__(self, index: int, learn: Callable, x: np.ndarray, y: np.ndarray, arguments: Any, seed: int):
        self.index, self.learn, self.x, self.y = index, learn, x, y
        self.size, self.seed = (arguments.steps, arguments.batch_size), seed

    def describe(self) -> Any:
        from kerasnas.federated.channels import ClientInfo

        return ClientInfo(str(self.index), len(self.x), self.x.shape[1:])

    def train(self, values: Any, number: int, rounds: int) -> Any:
        from kerasnas.federated.averaging import Update

        rows = np.random.default_rng([self.seed, self.index, number]).integers(len(self.x), size=self.size)
        return Update(self.learn(values, self.x[rows], self.y[rows]), len(self.x))


class Lying:
    """The channel to clients of this process, of which the first replies in one of `WAYS`."""

    def __init__(self, owners: Sequence[Owner], way: str, first: Any, seed: int):
        self.owners, self.way, self.first = owners, WAYS[way], first
        self.rng = np.random.default_rng(seed)

    def describe(self) -> list[Any]:
        return [owner.describe() for owner in self.owners]

    def train(self, names: Sequence[str], values: Any, number: int, rounds: int) -> dict[str, Any]:
        replies = {name: owner.train(values, number, rounds) for name, owner in zip(names, self.owners, strict=True)}
        own, *others = replies.values()
        lie = []
        for kind in values._fields:
            arrays = [getattr(one, kind) for one in (values, own.values, *(other.values for other in others))]
            whole = zip(*arrays, getattr(self.first, kind), strict=True)
            lie.append([self.way(w, mine, np.stack(rest), first, self.rng) for w, mine, *rest, first in whole])
        statistics = [np.maximum(array, 0) if index % 2 else array for index, array in enumerate(lie[2])]
        return {**replies, names[0]: own._replace(values=type(values)(lie[0], lie[1], statistics))}


if __name__ == "__main__":
    main()
