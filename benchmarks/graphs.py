"""Graph networks: what do searches find, beside methods that need no search?

    python benchmarks/graphs.py DATA --dataset=cora --part=references --output=runs/graphs.jsonl
    python benchmarks/graphs.py DATA --dataset=cora --part=searches --seeds=5
    python benchmarks/graphs.py --summarize=runs/graphs.jsonl

`--part` is one of those below. `DATA` holds `cora.npz`, `citeseer.npz` (Planetoid's split) and `nasbench_graph5.npz`
(the table). All on one thread; times are processor seconds. Networks train on the training nodes alone; every choice is
by the validation nodes; the test nodes, and the table's rows of the data set itself, are used once, at the end.
Networks read 64 components of the features (`GraphDataset.reduced`). A training is much like the table's: ReLU,
Glorot's kernels (`GraphSpace(activation="relu", near_identity=False)`), SGD, the best of ten looks by validation; but
with 64 filters, a dense layer on the features, and half the steps.

- `references`: logistic regression on the features, and on the features propagated two steps; the strength of the
  penalty and the scaling of the rows are chosen by validation.
- `searches`: for each seed `PredictorSearch` from scratch, and `TransferPredictor`, which has learned from rows of the
  table for the other four graphs. A reward is a `ReadoutScore`: of untrained networks with the best classifier on top.
  `network` is the architecture of the best reward, with these classifiers; `ten best` the mean probabilities of those,
  and `smoothed` these along the edges (`kerasnas.datasets.smoothed`, its defaults). So is the regression once.
- `trained`: `TransferPredictor` as above, but that a reward is of a training, 24 for each seed; beside it the first
  architecture that it asks for, which the other graphs' rows alone speak for.
- `listed`: the same strategies with the table's own validation accuracy as the reward, 60 times: what these rewards are
  good for at best.
- `restarts`: a hand-made network of two graph convolutions (Kipf and Welling's: 16 channels, dropout 0.5, Adam at 0.01,
  200 steps) again and again for as long as a search took: the best by the same measure, and the mean of all.
- `relaxations`: for each relaxation a gradient search of the supernet, whose derived architecture is read out as well.
- `product`: for each seed `kerasnas.GraphClassifier` with its defaults and a minute of the processor: the model that it
  hands over, and its two parts alone, the regression and the mean of the ten best networks.
"""

import os

import skeleton

os.environ |= skeleton.ONE_THREAD | {"TF_CPP_MIN_LOG_LEVEL": "3"}  # before TensorFlow is imported

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tracked

import kerasnas
from kerasnas.datasets import graph_dataset
from kerasnas.datasets.smoothing import smoothed
from kerasnas.intervals import wilson_interval
from kerasnas.meta.experience import SearchExperience
from kerasnas.meta.warm_predictor import TransferPredictor
from kerasnas.primitives.graph_stages import Neighbors
from kerasnas.proxies import ReadoutScore
from kerasnas.relaxations import RELAXATIONS
from kerasnas.search import PredictorSearch, SearchStrategy
from kerasnas.spaces import GraphSpace
from kerasnas.tabular import NASBenchGraph

LOOKS, STEPS = 10, 200  # at the probabilities of a training; of it
TRAININGS = 24  # of a search by trainings
SEARCH_FILTERS, SEARCH_STEPS = 16, 40  # of a supernet
EVALUATIONS, INITIAL, BATCH = 60, 16, 4  # readouts of a search, how many of them at random, and with each fit
MEMBERS = 10  # architectures whose probabilities are averaged
SOURCE_ROWS = 200
CODE = ("kerasnas/spaces/graphs.py", "kerasnas/primitives/graph_primitives.py", "kerasnas/proxies/readout.py")
PARTS = ("references", "searches", "trained", "listed", "restarts", "relaxations", "product")
PRODUCT = {"mixture": "as handed over", "regression": "regression alone", "networks": "networks alone"}
GRAPHS = ("cora", "citeseer", "pubmed", "cs", "physics")


def main() -> None:
    arguments = skeleton.arguments(
        __doc__,
        "data?",
        dataset=skeleton.one_of("cora", "citeseer"),
        part=skeleton.one_of(*PARTS),
        seeds=2,
        first_seed=0,
        seconds=(30.0, "of restarts"),
        output=Path("runs/graphs.jsonl"),
        summarize=(Path, "print what an output has, and do nothing else"),
    )
    if arguments.summarize:
        summarize(arguments, skeleton.Runs(arguments.summarize).records)
        return
    if arguments.data is None:
        raise SystemExit("DATA is missing: the folder with cora.npz, citeseer.npz and nasbench_graph5.npz")
    task, runs = Task(arguments.data, arguments.dataset), skeleton.Runs(arguments.output)
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    rows = {
        "references": lambda: references(task),
        "searches": lambda: searches(task, seeds),
        "trained": lambda: trained(task, seeds),
        "listed": lambda: listed(task, seeds),
        "restarts": lambda: restarts(task, seeds, arguments.seconds),
        "relaxations": lambda: relaxations(task, seeds),
        "product": lambda: product(arguments.data, arguments.dataset, seeds),
    }[arguments.part]()
    for row in rows:
        runs.add({"dataset": arguments.dataset, "part": arguments.part, **row})


class Task:
    """A data set, its table, and the space on its graph."""

    def __init__(self, folder: Path, name: str):
        self.name, self.whole = name, graph_dataset(skeleton.find(folder, f"{name}.npz"))
        begin = time.process_time()
        self.data = self.whole.reduced()
        self.reducing = time.process_time() - begin
        self.file = skeleton.find(folder, "nasbench_graph5.npz")
        self.table = NASBenchGraph.open(self.file, name)
        self.space = GraphSpace(self.whole.graph)
        self.like_table = GraphSpace(self.whole.graph, activation="relu", near_identity=False)
        self.listed = self.table.column("test_1")

    def train(self, model: keras.Model, optimizer: keras.optimizers.Optimizer, data, steps: int) -> "Training":
        begin, outputs = time.process_time(), []
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer, loss)
        x, y, weights = map(keras.ops.convert_to_tensor, data.batches("train")[0])
        for step in range(1, steps + 1):
            model.train_on_batch(x, y, sample_weight=weights)
            if step % (steps // LOOKS) == 0:
                outputs.append(keras.ops.convert_to_numpy(keras.ops.softmax(model.predict_on_batch(x))))
        best = max(outputs, key=lambda found: self.whole.accuracy(found, "validation"))
        return Training(self, best, time.process_time() - begin)

    def trained(self, genotype: kerasnas.Genotype, seed: int) -> "Training":
        begin, data = time.process_time(), self.data
        network = self.like_table.build_network(genotype, data.input_shape, data.num_classes, seed=seed)
        building = time.process_time() - begin
        # The decay is the table's, 5e-4, which here does not go through the momentum; nor does the rate, 0.1 there.
        found = self.train(network, keras.optimizers.SGD(0.01, momentum=0.9, weight_decay=5e-3), data, STEPS)
        return Training(self, found.probabilities, found.cpu + building)

    def standing(self, genotype: kerasnas.Genotype) -> dict[str, float]:
        """Return the table's test accuracy of an architecture, and the percentage of rows that are better."""
        accuracy = self.table.lookup(self.space.to_table(genotype), "test_1")
        return {"listed": accuracy, "top": 100 * float(np.mean(self.listed > accuracy))}

    def sources(self, seed: int) -> list[SearchExperience]:
        """Return rows of the table for the other graphs, as if each had been searched at random."""
        rng, found = np.random.default_rng(seed), []
        for name in GRAPHS:
            if name != self.name:
                table = NASBenchGraph.open(self.file, name)
                rows = rng.choice(len(self.listed), SOURCE_ROWS, replace=False).tolist()
                of = [self.space.encode(self.space.from_table(table.genotype(row))) for row in rows]
                pairs = tuple(zip(of, table.column("valid_1")[rows].tolist(), strict=True))
                found.append(SearchExperience(self.space.name, self.space.cardinalities, pairs, name))
        return found


class Training:
    """Probabilities of a trained network, or of several, for all nodes, and the processor seconds."""

    def __init__(self, task: Task, probabilities: np.ndarray, cpu: float):
        self.task, self.probabilities, self.cpu = task, probabilities, cpu

    @property
    def reward(self) -> float:
        nodes = self.task.whole.parts["validation"]
        return float(np.log(self.probabilities[nodes, self.task.whole.y[nodes]] + 1e-9).mean())

    @property
    def smoothed(self) -> "Training":
        return Training(self.task, smoothed(self.task.whole, self.probabilities), self.cpu)

    @property
    def accuracies(self) -> dict[str, float]:
        return {part: self.task.whole.accuracy(self.probabilities, part) for part in ("validation", "test")}


def together(trainings: list[Training]) -> Training:
    probabilities = np.mean([one.probabilities for one in trainings], axis=0)
    return Training(trainings[0].task, probabilities, sum(one.cpu for one in trainings))


def _propagated(task: Task, hops: int) -> np.ndarray:
    layer, x = Neighbors(task.whole.graph, "looped"), keras.ops.convert_to_tensor(task.whole.x)
    for _ in range(hops):
        x = layer(x)
    return keras.ops.convert_to_numpy(x)


def _regression(task: Task, hops: int, smooth: bool = False) -> dict[str, float]:
    """Fit logistic regression on propagated features; penalty and scaling of the rows by validation."""
    from sklearn.linear_model import LogisticRegression

    begin, best, data = time.process_time(), {"validation": -1.0}, task.whole
    x, train = _propagated(task, hops), data.parts["train"]
    for rows in (x, x / np.maximum(x.sum(axis=1, keepdims=True), 1e-9)):
        for strength in (0.01, 0.1, 1, 10, 100, 1000):
            model = LogisticRegression(C=strength, max_iter=300).fit(rows[train], data.y[train])
            outputs = model.decision_function(rows)
            outputs = smoothed(data, model.predict_proba(rows)) if smooth else outputs
            found = {part: data.accuracy(outputs, part) for part in ("validation", "test")}
            best = max(best, found, key=lambda one: one["validation"])
    return {**best, "cpu": time.process_time() - begin}


def _hand_made(task: Task, seed: int) -> Training:
    """Train two graph convolutions, without batch norm."""
    inputs = keras.Input(task.whole.input_shape)
    x, graph = inputs, task.whole.graph
    for index, (channels, l2) in enumerate(((16, 5e-4), (task.whole.num_classes, 0.0))):
        x = keras.layers.Dropout(0.5, seed=10 * seed + index)(x)
        start = keras.initializers.GlorotUniform(seed=10 * seed + index)
        penalty = keras.regularizers.L2(l2 / 2) if l2 else None
        x = keras.layers.Dense(channels, kernel_initializer=start, kernel_regularizer=penalty, use_bias=False)(x)
        x = Neighbors(graph, "looped")(x)
        x = keras.layers.ReLU()(x) if index == 0 else x
    return task.train(keras.Model(inputs, x), keras.optimizers.Adam(0.01), task.whole, steps=200)


def references(task: Task) -> Iterator[dict]:
    """Measure the reference points that are solved for."""
    yield {"what": "features", **_regression(task, 0)}
    yield {"what": "propagated", **_regression(task, 2)}
    yield {"what": "propagated, smoothed", **_regression(task, 2, smooth=True)}


def search(task: Task, strategy: SearchStrategy, seed: int) -> tuple[kerasnas.Genotype, dict[str, dict]]:
    """Search; return the derived architecture, and the results of its readout and of the best ones together."""
    begin, score = time.process_time(), ReadoutScore(task.space, task.data, seed=1000 * seed)
    for _ in range(EVALUATIONS):
        genotype = strategy.ask()
        strategy.tell(genotype, score(genotype))
    ranked = sorted(strategy.succeeded, key=lambda pair: pair[1], reverse=True)
    best = [task.space.decode(indices) for indices, _ in ranked[:MEMBERS]]
    mean = together([Training(task, score.probabilities(genotype), 0.0) for genotype in best])
    smooth = mean.smoothed
    cpu = time.process_time() - begin + task.reducing
    return best[0], {
        "network": {**Training(task, score.probabilities(best[0]), 0.0).accuracies, "cpu": cpu},
        "ten best": {**mean.accuracies, "cpu": cpu},
        "ten best, smoothed": {**smooth.accuracies, "cpu": cpu},
    }


def searches(task: Task, seeds: range) -> Iterator[dict]:
    """Search, for each seed, from other graphs' rows and from scratch."""
    for seed in seeds:
        begin = time.process_time()
        warm = TransferPredictor(task.space, task.sources(seed), seed=seed, batch_size=BATCH)
        learning = time.process_time() - begin
        for name, strategy, before in (
            ("transfer", warm, learning),
            ("scratch", PredictorSearch(task.space, seed=seed, initial=INITIAL, batch_size=BATCH), 0.0),
        ):
            derived, found = search(task, strategy, seed)
            standing = {**task.standing(derived), "cell": _cell(task, derived)}
            for what, result in found.items():
                result["cpu"] += before
                yield {"what": f"{name}, {what}", "seed": seed, **result, **(standing if what == "network" else {})}


def trained(task: Task, seeds: range) -> Iterator[dict]:
    """Search, for each seed, from other graphs' rows with trainings as rewards; and by these rows alone."""
    for seed in seeds:
        begin = time.process_time()
        strategy = TransferPredictor(task.space, task.sources(seed), seed=seed, batch_size=BATCH)
        found: list[tuple[kerasnas.Genotype, Training]] = []
        for index in range(TRAININGS):
            genotype = strategy.ask()
            found.append((genotype, task.trained(genotype, 1000 * seed + index)))
            strategy.tell(genotype, found[-1][1].reward)
            cpu = time.process_time() - begin + task.reducing
            if not index:
                row = {"seed": seed, **found[0][1].accuracies, "cpu": cpu, **task.standing(genotype)}
                yield {"what": "other graphs alone, network", **row, "cell": _cell(task, genotype)}
        expected = strategy.recommend()
        found.sort(key=lambda pair: pair[1].reward, reverse=True)
        of = dict(reversed(found))
        for what, one in (("network", found[0][0]), ("network that is expected most of", expected)):
            standing = {**task.standing(one), "cell": _cell(task, one)}
            yield {"what": f"trained, {what}", "seed": seed, **of[one].accuracies, "cpu": cpu, **standing}
        mean = together([training for _, training in found[:MEMBERS]])
        yield {"what": "trained, ten best", "seed": seed, **mean.accuracies, "cpu": cpu}


def listed(task: Task, seeds: range) -> Iterator[dict]:
    """Search, for each seed, with the table's own validation accuracy as the reward: no network is built."""
    for seed in seeds:
        for name, strategy in (
            ("transfer", TransferPredictor(task.space, task.sources(seed), seed=seed, batch_size=BATCH)),
            ("scratch", PredictorSearch(task.space, seed=seed, initial=INITIAL, batch_size=BATCH)),
        ):
            begin, best = time.process_time(), (-1.0, -1.0, -1.0)
            for _ in range(EVALUATIONS):
                genotype = strategy.ask()
                row = task.space.to_table(genotype)
                reward = task.table.lookup(row, "valid_1")
                strategy.tell(genotype, reward)
                test = task.table.lookup(row, "test_1")
                best = max(best, (reward, test, 100 * float(np.mean(task.listed > test))))
            accuracies = {"validation": best[0] / 100, "test": best[1] / 100, "listed": best[1], "top": best[2]}
            cpu = time.process_time() - begin
            yield {"what": f"{name}, by the table's validation accuracy", "seed": seed, **accuracies, "cpu": cpu}


def restarts(task: Task, seeds: range, seconds: float) -> Iterator[dict]:
    """Train, for each seed, the hand-made network from scratch until the processor seconds are used up."""
    for seed in seeds:
        runs = [_hand_made(task, 1000 * seed)]
        while sum(run.cpu for run in runs) < seconds:
            runs.append(_hand_made(task, 1000 * seed + len(runs)))
        row = {"seed": seed, "cpu": sum(run.cpu for run in runs), "trainings": len(runs)}
        yield {"what": "two convolutions, best", **max(runs, key=lambda run: run.reward).accuracies, **row}
        yield {"what": "two convolutions, all", **together(runs).accuracies, **row}


def relaxations(task: Task, seeds: range) -> Iterator[dict]:
    """Run gradient searches; read out each derived architecture as in the other searches."""
    data = task.data
    for seed in seeds:
        for name in sorted(RELAXATIONS):
            begin, space = time.process_time(), GraphSpace(data.graph, filters=SEARCH_FILTERS)
            supernet = space.build_supernet(data.input_shape, data.num_classes, relaxation=name, seed=seed)
            trainer = kerasnas.BilevelTrainer(supernet)
            weights = keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.02, global_clipnorm=5.0)
            alphas = keras.optimizers.Adam(0.05, beta_1=0.5, beta_2=0.999)
            trainer.compile(weights, architecture_optimizer=alphas, metrics=[])
            trainer.fit(data.pairs(steps=SEARCH_STEPS // 4), epochs=4, verbose=0)
            derived = trainer.derive()
            probabilities = ReadoutScore(task.space, data, seed=1000 * seed).probabilities(derived)
            found = Training(task, probabilities, 0.0)
            cpu = time.process_time() - begin + task.reducing
            standing = {**task.standing(derived), "cell": _cell(task, derived)}
            yield {"what": f"gradient, {name}", "seed": seed, **found.accuracies, "cpu": cpu, **standing}


def product(folder: Path, name: str, seeds: range) -> Iterator[dict]:
    """Run, for each seed, what a user gets, and record its parts."""
    for seed in seeds:
        begin = time.process_time()
        classifier = kerasnas.GraphClassifier(cpu_minutes=1, seed=seed, log=lambda line: None)
        mixture = classifier.fit(skeleton.find(folder, f"{name}.npz")).result["mixture"]
        more = {"seed": seed, "weights": mixture["weights"], "smoothed": mixture["smoothed"]}
        more["evaluations"] = len(classifier.result["search"]["history"]["score"])
        cpu = time.process_time() - begin
        for part, reached in mixture["parts"].items():
            accuracies = {"validation": reached["val_accuracy"], "test": reached["test_accuracy"]}
            yield {"what": f"product, {PRODUCT[part]}", **accuracies, "cpu": cpu, **more}


def _cell(task: Task, genotype: kerasnas.Genotype) -> list[list]:
    return [list(edge) for edge in task.space.to_table(genotype)["cell"]]


def summarize(arguments: Any, rows: list[dict]) -> None:
    """Print the tables of an output, and record them."""
    products, rows = ([row for row in rows if (row["part"] == "product") == wanted] for wanted in (True, False))
    if products:
        summarize_product(arguments, products)
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        own = [row for row in rows if row["dataset"] == dataset]
        print()
        columns = ["validation", "test, least to most", "95 % of one test", "top % of the table, mean", "of each seed"]
        shown = tracked.Table(["what", "seeds", *columns, "CPU s"])
        for what in dict.fromkeys(row["what"] for row in own if "what" in row):
            runs = [row for row in own if row.get("what") == what]
            tops = [run["top"] for run in runs if "top" in run]
            each = ", ".join(f"{one:.1f}" for one in tops) if len(tops) <= 5 else f"median {np.median(tops):.1f}"
            top = [f"{np.mean(tops):.1f}", each] if tops else ["", ""]
            *accuracies, cpu = _cells(runs)
            shown.add([what, len(runs), *accuracies, *top, cpu])
        print()
        question = f"What do searches find on {dataset.capitalize()}, beside methods that need no search?"
        runs = [row for row in own if "what" in row]
        more = {"code": CODE, "runs": runs, "question": question, "seeds": sorted({row.get("seed", 0) for row in runs})}
        more["command"] = _commands(runs)
        tracked.record(arguments, shown.rows, intervals="Minimum and maximum in brackets", part=dataset, **more)


def summarize_product(arguments: Any, rows: list[dict]) -> None:
    """Print the table of what a user gets, of all data sets together."""
    columns = ["validation", "test, least to most", "95 % of one test", "regression's weight, %", "smoothed", "CPU s"]
    shown = tracked.Table(["data", "what", "seeds", *columns])
    for dataset, what in dict.fromkeys((row["dataset"], row["what"]) for row in rows):
        runs = [row for row in rows if (row["dataset"], row["what"]) == (dataset, what)]
        shares = [100 * run["weights"]["regression"] / sum(run["weights"].values()) for run in runs]
        whole = what == f"product, {PRODUCT['mixture']}"
        mixed = [f"{min(shares):.0f} to {max(shares):.0f}", sum(run["smoothed"] for run in runs)] if whole else ["", ""]
        *accuracies, cpu = _cells(runs)
        shown.add([dataset, what, len(runs), *accuracies, *mixed, cpu])
    print()
    question = "What does `kerasnas search graph.npz` return?"
    code = (*CODE, "kerasnas/methods/nodes")
    more = {"code": code, "runs": rows, "question": question, "seeds": sorted({row["seed"] for row in rows})}
    more["note"] = (
        "The model and its two parts alone, from the same runs. The number of averaged networks, and the choice of "
        "weights and smoothing, were decided on validation nodes of seeds 10 to 12, each half choosing for the "
        "other. Unlike `propagated` in the tables below, the regression divides rows by their length, not their sum, "
        "and uses another solver; test nodes played no part in that."
    )
    intervals = "Minimum and maximum in brackets"
    tracked.record(arguments, shown.rows, intervals=intervals, part="product", command=_commands(rows), **more)


def _cells(runs: list[dict]) -> list[str]:
    """Return the validation accuracy of runs, that on the test nodes, the interval of one test, and the CPU seconds."""
    test = [run["test"] for run in runs]
    validation, cpu = (np.mean([run[key] for run in runs]) for key in ("validation", "cpu"))
    low, high = wilson_interval(float(np.mean(test)), 1000)
    spread = f"{np.mean(test):.3f} ({min(test):.3f} to {max(test):.3f})"
    return [f"{validation:.3f}", spread, f"{low:.3f} to {high:.3f}", f"{cpu:.0f}"]


def _commands(runs: list[dict]) -> str:
    """Return the command lines that made the runs."""
    lines = []
    for dataset, part in dict.fromkeys((row["dataset"], row["part"]) for row in runs):
        own = [row for row in runs if (row["dataset"], row["part"]) == (dataset, part)]
        seeds = {row.get("seed") for row in own}
        line = f"python benchmarks/graphs.py DATA --dataset={dataset} --part={part}"
        lines.append(line + (f" --seeds={len(seeds)}" if part != "references" else ""))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
