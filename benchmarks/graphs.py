"""Graph networks: do trainings here rank architectures as the published table does, and what do searches find?

    python benchmarks/graphs.py DATA --dataset=cora --part=fidelity --output=runs/graphs.jsonl
    python benchmarks/graphs.py DATA --dataset=cora --part=references
    python benchmarks/graphs.py DATA --dataset=cora --part=searches --seeds=5
    python benchmarks/graphs.py --summarize=runs/graphs.jsonl

`DATA` holds `cora.npz`, `citeseer.npz` (Planetoid's split) and `nasbench_graph5.npz` (the table). All on one thread;
times are processor seconds. Networks train on the training nodes alone; the checkpoint, the restart and every choice
are by the validation nodes; the test nodes are looked at once, at the end, and so is the table.

- `fidelity`: random rows of the table, drawn uniformly, are trained from scratch in `GraphSpace`; the rank correlation
  (Spearman) of their accuracies here with those in the table.
- `references`: logistic regression on the features; on the features propagated two steps; a hand-made network of two
  graph convolutions (Kipf and Welling's: 16 channels, dropout 0.5, Adam at 0.01). Their settings (strength of the
  penalty, scaling of the rows) are chosen by validation.
- `searches`: for each seed a gradient search of the supernet, whose derived architecture is trained twice, the better
  by validation counts; regularized evolution with short real trainings, in the same processor time. Then the hand-made
  network again, with restarts for as long as the gradient search and its trainings took.
"""

# ruff: noqa: E402
import os

THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
os.environ |= dict.fromkeys(THREADS, "1") | {"TF_CPP_MIN_LOG_LEVEL": "3"}  # before TensorFlow is imported

import argparse
import json
import time
from pathlib import Path

import keras
import numpy as np

import kerasnas
from kerasnas.datasets import graph_dataset
from kerasnas.intervals import wilson_interval
from kerasnas.primitives.graph_stages import Neighbors
from kerasnas.spaces import GraphSpace
from kerasnas.tabular import NASBenchGraph

STEPS, EVERY = 80, 10  # of a training; between two checkpoints
SHORT = 30  # steps of a training that rates an architecture in a search
FILTERS, SEARCH_FILTERS, SEARCH_STEPS = 64, 16, 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--dataset", default="cora", choices=("cora", "citeseer"))
    parser.add_argument("--part", default="fidelity", choices=("fidelity", "references", "searches"))
    parser.add_argument("--architectures", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first_seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("runs/graphs.jsonl"))
    parser.add_argument("--summarize", type=Path, help="print what an output has, and do nothing else")
    arguments = parser.parse_args()
    if arguments.summarize:
        summarize([json.loads(line) for line in arguments.summarize.read_text().splitlines()])
        return
    if arguments.data is None:
        parser.error("DATA is missing: the folder with cora.npz, citeseer.npz and nasbench_graph5.npz in or below it")
    task = Task(arguments.data, arguments.dataset)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    rows = {
        "fidelity": lambda: fidelity(task, arguments.architectures, seeds),
        "references": lambda: references(task, seeds),
        "searches": lambda: searches(task, seeds),
    }[arguments.part]()
    for row in rows:
        line = json.dumps({"dataset": arguments.dataset, "part": arguments.part, **row})
        print(line, flush=True)
        with arguments.output.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


class Task:
    """A data set, its table, and the space on its graph."""

    def __init__(self, folder: Path, name: str):
        self.data = graph_dataset(_found(folder, f"{name}.npz"))
        self.table = NASBenchGraph.open(_found(folder, "nasbench_graph5.npz"), name)
        self.space = GraphSpace(self.data.graph, filters=FILTERS)
        self.batch = [keras.ops.convert_to_tensor(array) for array in self.data.batches("train")[0]]
        self.listed = self.table.column("test_1")

    def build(self, genotype: kerasnas.Genotype, seed: int) -> keras.Model:
        return self.space.build_network(genotype, self.data.input_shape, self.data.num_classes, seed=seed)

    def train(self, model: keras.Model, optimizer: keras.optimizers.Optimizer, steps: int = STEPS) -> dict[str, float]:
        """Accuracies of the checkpoint that is best on the validation nodes, and the processor seconds."""
        begin, best = time.process_time(), {"validation": -1.0, "test": 0.0}
        model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        x, y, weights = self.batch
        forward = keras.ops.convert_to_numpy
        for _ in range(steps // EVERY):
            for _ in range(EVERY):
                model.train_on_batch(x, y, sample_weight=weights)
            outputs = forward(model(x, training=False))
            found = {part: self.data.accuracy(outputs, part) for part in ("validation", "test")}
            best = max(best, found, key=lambda one: one["validation"])
        return {**best, "cpu": time.process_time() - begin}

    def trained(self, genotype: kerasnas.Genotype, seed: int, steps: int = STEPS) -> dict[str, float]:
        return self.train(self.build(genotype, seed), keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.02), steps)

    def best_of(self, genotype: kerasnas.Genotype, seed: int, restarts: int = 2) -> dict[str, float]:
        runs = [self.trained(genotype, 100 * seed + restart) for restart in range(restarts)]
        best = max(runs, key=lambda run: run["validation"])
        return {**best, "cpu": sum(run["cpu"] for run in runs)}

    def standing(self, genotype: kerasnas.Genotype) -> dict[str, float]:
        """What the table says of an architecture: its test accuracy, and the share of rows that are better, percent."""
        accuracy = self.table.lookup(self.space.to_table(genotype), "test_1")
        return {"listed": accuracy, "top": 100 * float(np.mean(self.listed > accuracy))}


def _found(folder: Path, name: str) -> Path:
    paths = sorted(folder.rglob(name))
    if not paths:
        raise FileNotFoundError(f"There is no {name} in or below {folder}.")
    return paths[0]


def fidelity(task: Task, architectures: int, seeds: range):
    """Trainings of random rows; those of one seed after the other, so that it may be stopped."""
    drawn = np.random.default_rng(0).choice(len(task.listed), architectures, replace=False)
    for seed in seeds:
        for row in drawn.tolist():
            genotype = task.space.from_table(task.table.genotype(row))
            table = {name: float(task.table.column(name)[row]) for name in ("valid_1", "test_1")}
            yield {"row": row, "seed": seed, **table, **task.trained(genotype, seed)}


def _propagated(task: Task, hops: int) -> np.ndarray:
    layer, x = Neighbors(task.data.graph, "looped"), keras.ops.convert_to_tensor(task.data.x)
    for _ in range(hops):
        x = layer(x)
    return keras.ops.convert_to_numpy(x)


def _regression(task: Task, hops: int) -> dict[str, float]:
    """Logistic regression on features after so many steps; penalty and scaling of the rows by validation."""
    from sklearn.linear_model import LogisticRegression

    begin, best, data = time.process_time(), {"validation": -1.0}, task.data
    x, train = _propagated(task, hops), task.data.parts["train"]
    for rows in (x, x / np.maximum(x.sum(axis=1, keepdims=True), 1e-9)):
        for strength in (0.01, 0.1, 1, 10, 100, 1000):
            model = LogisticRegression(C=strength, max_iter=300).fit(rows[train], data.y[train])
            outputs = model.decision_function(rows)
            found = {part: data.accuracy(outputs, part) for part in ("validation", "test")}
            best = max(best, found, key=lambda one: one["validation"])
    return {**best, "cpu": time.process_time() - begin}


def _hand_made(task: Task, seed: int) -> dict[str, float]:
    """Two graph convolutions, without batch norm."""
    inputs = keras.Input(task.data.input_shape)
    x, graph = inputs, task.data.graph
    for index, (channels, l2) in enumerate(((16, 5e-4), (task.data.num_classes, 0.0))):
        x = keras.layers.Dropout(0.5, seed=10 * seed + index)(x)
        start = keras.initializers.GlorotUniform(seed=10 * seed + index)
        penalty = keras.regularizers.L2(l2 / 2) if l2 else None
        x = keras.layers.Dense(channels, kernel_initializer=start, kernel_regularizer=penalty, use_bias=False)(x)
        x = Neighbors(graph, "looped")(x)
        x = keras.layers.ReLU()(x) if index == 0 else x
    return task.train(keras.Model(inputs, x), keras.optimizers.Adam(0.01), steps=200)


def references(task: Task, seeds: range):
    """The reference points by themselves."""
    yield {"what": "features", **_regression(task, 0)}
    yield {"what": "propagated", **_regression(task, 2)}
    for seed in seeds:
        yield {"what": "two convolutions", "seed": seed, **_hand_made(task, seed)}


def gradient_search(task: Task, seed: int) -> tuple[kerasnas.Genotype, float]:
    """The derived genotype, and the processor seconds."""
    begin, data = time.process_time(), task.data
    space = GraphSpace(data.graph, filters=SEARCH_FILTERS)
    search = kerasnas.BilevelTrainer(space.build_supernet(data.input_shape, data.num_classes, seed=seed))
    weights = keras.optimizers.SGD(0.3, momentum=0.9, global_clipnorm=5.0)
    alphas = keras.optimizers.Adam(0.05, beta_1=0.5, beta_2=0.999)
    search.compile(weights, architecture_optimizer=alphas, metrics=[], weighted_metrics=["accuracy"])
    search.fit(data.pairs(steps=SEARCH_STEPS // 4), epochs=4, verbose=0)
    return search.derive(), time.process_time() - begin


def evolution(task: Task, seed: int, seconds: float) -> tuple[kerasnas.Genotype, float, int]:
    """The architecture of the best short training, the processor seconds, and how many trainings there were."""
    begin = time.process_time()
    strategy = kerasnas.search.RegularizedEvolution(task.space, seed=seed, population_size=6, sample_size=3)
    count = 0
    while time.process_time() - begin < seconds:
        genotype = strategy.ask()
        strategy.tell(genotype, task.trained(genotype, seed, SHORT)["validation"])
        count += 1
    return strategy.best[0], time.process_time() - begin, count


def searches(task: Task, seeds: range):
    """For each seed both searches, then the hand-made network for as long."""
    for seed in seeds:
        genotype, cpu = gradient_search(task, seed)
        whole = _outcome(task, "gradient search", genotype, seed, cpu)
        yield whole
        found, spent, count = evolution(task, seed, cpu)
        yield {**_outcome(task, "evolution", found, seed, spent), "evaluations": count}
        runs, spent = [], 0.0
        while spent < whole["cpu"]:
            runs.append(_hand_made(task, 1000 * seed + len(runs)))
            spent += runs[-1]["cpu"]
        best = max(runs, key=lambda run: run["validation"])
        yield {"what": "two convolutions, equal time", "seed": seed, **best, "cpu": spent, "evaluations": len(runs)}


def _outcome(task: Task, what: str, genotype: kerasnas.Genotype, seed: int, cpu: float) -> dict:
    result = task.best_of(genotype, seed)
    cell = [list(edge) for edge in task.space.to_table(genotype)["cell"]]
    return {"what": what, "seed": seed, **result, "cpu": cpu + result["cpu"], **task.standing(genotype), "cell": cell}


def summarize(rows: list[dict]) -> None:
    """Tables in Markdown of what an output has."""
    from scipy.stats import spearmanr

    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        own = [row for row in rows if row["dataset"] == dataset]
        trained = [row for row in own if row["part"] == "fidelity"]
        by_row: dict[int, list[dict]] = {}
        for row in trained:
            by_row.setdefault(row["row"], []).append(row)
        if by_row:
            columns = {"valid_1": "validation", "test_1": "test"}
            for listed, here in columns.items():
                table = [runs[0][listed] for runs in by_row.values()]
                found = [np.mean([run[here] for run in runs]) for runs in by_row.values()]
                rho = spearmanr(table, found).statistic
                low, high = _bootstrap(table, found)
                print(
                    f"{dataset}: {len(by_row)} architectures, {len(trained)} trainings, {here} here against {listed}: "
                    f"Spearman {rho:.2f} ({low:.2f} to {high:.2f})"
                )
            print(f"{dataset}: {np.mean([row['cpu'] for row in trained]):.1f} CPU seconds a training")
        print("\n| what | seeds | validation | test, mean (spread) | 95 % of one test | top % of the table | CPU s |")
        print("|---|---|---|---|---|---|---|")
        for what in dict.fromkeys(row["what"] for row in own if "what" in row):
            runs = [row for row in own if row.get("what") == what]
            test = [run["test"] for run in runs]
            low, high = wilson_interval(float(np.mean(test)), 1000)
            tops = [run["top"] for run in runs if "top" in run]
            top = f"{np.mean(tops):.1f} ({', '.join(f'{one:.1f}' for one in tops)})" if tops else ""
            print(
                f"| {what} | {len(runs)} | {np.mean([run['validation'] for run in runs]):.3f} | {np.mean(test):.3f} "
                f"({min(test):.3f} to {max(test):.3f}) | {low:.3f} to {high:.3f} | {top} "
                f"| {np.mean([run['cpu'] for run in runs]):.0f} |"
            )
        print()


def _bootstrap(one: list[float], other: list[float], draws: int = 1000) -> tuple[float, float]:
    """The 95 % interval of Spearman's coefficient over the architectures."""
    from scipy.stats import spearmanr

    rng, first, second = np.random.default_rng(0), np.asarray(one), np.asarray(other)
    picks = [rng.integers(len(first), size=len(first)) for _ in range(draws)]
    low, high = np.nanpercentile([spearmanr(first[pick], second[pick]).statistic for pick in picks], [2.5, 97.5])
    return float(low), float(high)


if __name__ == "__main__":
    main()
