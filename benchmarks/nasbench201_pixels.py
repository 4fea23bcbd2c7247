"""Search the NAS-Bench-201 space on real CIFAR-10 pixels and look the derived cell up in the published table.

    python benchmarks/nasbench201_pixels.py DATA                                  # every relaxation, seeds 0, 1, 2
    python benchmarks/nasbench201_pixels.py DATA --relaxations=softmax --seeds=0 --epochs=6

DATA is a folder with the images (`cifar10_16/*.npz` with x_train, y_train; or --images=PATH) and the compact table of
NAS-Bench-201 (`nasbench201/`; or --table=PATH). One cell a stage, 8 filters, the training images halved between weights
and alphas. Printed: the test accuracy, after the official 200 epochs, of the cell that the search derived, beside that
of random cells, of the cell with the most parameters and the best there is. CPU minutes are of the search alone.
"""

import argparse
import json
import os
import resource
import statistics
import sys
from pathlib import Path
from typing import Any

PARTIAL = "partial_channels"  # PC-DARTS: softmax on a part of the channels, with edge normalisation
RELAXATIONS = ("softmax", "gumbel", PARTIAL, "binary_gates", "dirichlet", "sigmoid")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--relaxations", default=",".join(RELAXATIONS), help="comma-separated")
    parser.add_argument("--seeds", default="0,1,2", help="comma-separated")
    parser.add_argument("--epochs", type=int, default=6, help="of 25,000 images of either half: 390 steps each")
    parser.add_argument("--filters", type=int, default=8)
    parser.add_argument("--learning_rate", type=float, default=0.05)
    parser.add_argument("--architecture_learning_rate", type=float, default=6e-3)
    parser.add_argument("--warmup_epochs", type=int, default=0)
    arguments = parser.parse_args()

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as the command line does; see kerasnas/cli.py
    import numpy as np

    import kerasnas

    table = kerasnas.tabular.NASBench201.open(arguments.table or arguments.data / "nasbench201")
    (images,) = [arguments.images] if arguments.images else sorted((arguments.data / "cifar10_16").glob("*.npz"))
    with np.load(images) as file:
        x, y = file["x_train"].astype("float32") / 255, file["y_train"].reshape(-1)
    x = (x - x.mean((0, 1, 2))) / x.std((0, 1, 2))

    test = table.column("test_200")
    rng = np.random.default_rng(0)
    drawn = [table.lookup(table.space.sample(rng), "test_200") for _ in range(1000)]
    largest = int(np.argmax(table.column("params")))
    print(f"{len(x):,} images of {x.shape[1:]}. The best cell there is: {test.max():.2f}; random cells: mean "
          f"{statistics.mean(drawn):.2f}, median {statistics.median(drawn):.2f}; the cell with the most parameters: "
          f"{test[largest]:.2f}, {table.space.to_string(table.genotype(largest))}", flush=True)  # fmt: skip

    print("\n| relaxation | test_200 by seed | mean | worst | CPU minutes a run |\n| --- | --- | --- | --- | --- |")
    for name in arguments.relaxations.split(","):
        runs = [_search(name, int(seed), x, y, table, arguments) for seed in arguments.seeds.split(",")]
        accuracies = [run["test_200"] for run in runs]
        minutes = [run["cpu_minutes"] for run in runs]
        print(
            f"| {name} | {', '.join(f'{value:.2f}' for value in accuracies)} | {statistics.mean(accuracies):.2f} | "
            f"{min(accuracies):.2f} | {', '.join(f'{value:.1f}' for value in minutes)} |",
            flush=True,
        )


def _search(name: str, seed: int, x: Any, y: Any, table: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    import keras

    import kerasnas

    before = _cpu_seconds()
    partial = {"partial_channels": 4, "edge_normalization": True} if name == PARTIAL else {}
    space = kerasnas.spaces.NASBench201Space(filters=arguments.filters, num_cells=1)
    supernet = space.build_supernet(x.shape[1:], 10, "softmax" if partial else name, seed=seed, **partial)
    search = kerasnas.BilevelTrainer(supernet, architecture_warmup_epochs=arguments.warmup_epochs)
    search.compile(
        learning_rate=arguments.learning_rate,
        architecture_optimizer=keras.optimizers.Adam(arguments.architecture_learning_rate, beta_1=0.5),
        metrics=["accuracy"],
    )
    derived: list[str] = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            genotype = search.derive()
            derived.append(f"{table.lookup(genotype, 'test_200'):.2f}")

    search.fit(
        x, y, validation_split=0.5, batch_size=64, epochs=arguments.epochs, seed=seed, verbose=0, callbacks=[Watch()]
    )  # fmt: skip
    genotype = search.derive()
    record = {
        "relaxation": name,
        "seed": seed,
        "test_200": table.lookup(genotype, "test_200"),
        "cell": space.to_string(genotype),
        "by_epoch": derived,
        "accuracy": search.history.history["val_accuracy"][-1],
        "cpu_minutes": round((_cpu_seconds() - before) / 60, 2),
    }
    print(json.dumps(record), file=sys.stderr, flush=True)
    return record


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
