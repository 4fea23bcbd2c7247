"""What does a race of tables hand over, beside its parts alone? As Markdown.

    OMP_NUM_THREADS=1 python benchmarks/rows.py DATA --seeds=0,1,2          # 20 minutes of a core

Tables: breast cancer, wine, digits and diabetes of scikit-learn; two that it generates, `friedman1` (numbers) and
`made` (four classes); music, yeast and scene (several labels), in `multilabel.npz` in or below DATA. A quarter is for
testing, drawn by the seed; of the last three the published part, so that seeds differ in the search alone.

- `race`: `kerasnas search` with half a minute of processor time, whose network, linear model and boosted trees are
  mixed by held-out rows.
- `network`: the same without its last ingredient, the network alone (a limit on parameters that no network meets).
- `linear`, `boosting`: the two models, each alone on all training rows.

Scores are accuracy (of classes), micro-F1 (of labels) and R2 (of numbers), in percent.
"""

import tempfile
from pathlib import Path

import numpy as np
import skeleton
import tracked

TABLES = ("breast_cancer", "wine", "digits", "diabetes", "friedman1", "made", "music", "yeast", "scene")
NUMBERS, LABELS = ("diabetes", "friedman1"), ("music", "yeast", "scene")
ARMS = ("race", "network", "linear", "boosting")
_UNLIMITED = 10**9  # parameters


def read(data, name, seed):
    """Return the arrays of a table and its task."""
    if name in LABELS:
        with np.load(skeleton.find(data, "multilabel.npz")) as file:
            x, y, test = file[f"{name}_x"], file[f"{name}_y"], file[f"{name}_split"] == 1
        return {"x_train": x[~test], "y_train": y[~test], "x_test": x[test], "y_test": y[test]}, "multilabel"
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    if name == "friedman1":
        x, y = datasets.make_friedman1(800, noise=1.0, random_state=0)
    elif name == "made":
        shape = {"n_samples": 1500, "n_features": 20, "n_informative": 8, "n_redundant": 4, "n_classes": 4}
        x, y = datasets.make_classification(**shape, flip_y=0.05, random_state=0)
    else:
        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    y = y[:, None] if name in NUMBERS else y
    found = train_test_split(x, y, test_size=0.25, random_state=seed, stratify=None if name in NUMBERS else y)
    task = "regression" if name in NUMBERS else "classification"
    return dict(zip(("x_train", "x_test", "y_train", "y_test"), found, strict=True)), task


def one_run(data, name, seed):
    """Return the scores of all arms."""
    from kerasnas import methods

    arrays, task = read(data, name, seed)
    scores, kept = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{name}.npz"
        np.savez(file, kind="tables", **arrays)
        for arm, limits in (("race", {}), ("network", {"max_parameters": _UNLIMITED})):
            settings = methods.RaceConfig(dataset=str(file), task=task, cpu_minutes=0.5, seed=seed, **limits)
            result = methods.search(settings, Path(folder) / arm, lambda line: None)
            metric = {"classification": "accuracy", "multilabel": "f1", "regression": "r2"}[task]
            scores[arm] = result["searched"][f"test_{metric}"]
            kept = kept or {"linear": result["searched"].get("linear"), "references": result["race"]["references"]}
    scores |= dict(zip(("linear", "boosting"), (one["score"] for one in kept["references"]), strict=True))
    return {"table": name, "seed": seed, **scores, "weights": (kept["linear"] or {}).get("weights")}


def report(arguments, records):
    """Print the table, and what the race is ahead of its parts, over tables."""
    table, means = tracked.Table(["table", *ARMS]), {}
    for name in skeleton.names(arguments.tables, TABLES):
        own = [one for one in records if one["table"] == name]
        means[name] = {arm: 100 * np.mean([one[arm] for one in own]) for arm in ARMS}
        table.add([name, *(tracked.mean([one[arm] for one in own], 100) for arm in ARMS)])
    ahead = [tracked.mean([one["race"] - one[arm] for one in means.values()]) for arm in ARMS[1:]]
    best = tracked.mean([one["race"] - max(one["linear"], one["boosting"]) for one in means.values()])
    table.add(["**race less each**, over tables", best, *ahead])
    tracked.record(
        arguments,
        table.rows,
        code=["kerasnas/companions/rows.py", "kerasnas/networks/trees.py", "kerasnas/modalities/tables.py"],
        intervals="Test scores in percent; mean ± 95 % interval over the seeds, in the last row over tables",
        note="The first number of the last row is the lead over the better of the two models alone.",
        runs=records,
    )


def main():
    arguments = skeleton.arguments(
        __doc__,
        "data",
        tables=skeleton.listed(TABLES),
        seeds="0,1,2",
        raw=(Path("runs/rows.jsonl"), "a line for each table and seed; kept"),
    )
    skeleton.prepare(1)
    runs = skeleton.Runs(arguments.raw, "table", "seed")
    for seed in skeleton.numbers(arguments.seeds):
        for name in skeleton.names(arguments.tables, TABLES):
            if not runs.has(name, seed):
                runs.add(one_run(arguments.data, name, seed))
    report(arguments, runs.records)


if __name__ == "__main__":
    main()
