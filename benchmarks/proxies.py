"""Rank correlation of cheap signals with the published accuracy of NAS-Bench-201's cells, beside their price.

    python benchmarks/proxies.py DATA                      # 60 random cells of those a search can return, 60 good ones
    python benchmarks/proxies.py DATA --cells=20 --proxies=synflow,parameters

DATA is a folder with images (`cifar10_16/*.npz`) and the compact table (`nasbench201/`). Good cells are those with a
test accuracy of at least 93. Printed for each proxy: Spearman's correlation with the test accuracy after 200 epochs,
with its bootstrap interval, over random and over good cells, and the CPU seconds a cell. `parameters` is the control.
"""

import argparse
import os
import resource
from pathlib import Path
from typing import Any

import tracked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cells", type=int, default=60, help="random ones, and as many good ones")
    parser.add_argument("--proxies", default="parameters,macs,synflow,naswot,zico")
    parser.add_argument("--filters", type=int, default=4)
    parser.add_argument("--num_cells", type=int, default=1, help="of each stage")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    arguments = tracked.parse(parser)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import numpy as np
    import tensorflow as tf

    import kerasnas
    from kerasnas.proxies import ProxyScore

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    table = kerasnas.tabular.NASBench201.open(arguments.data / "nasbench201")
    (images,) = sorted((arguments.data / "cifar10_16").glob("*.npz"))
    with np.load(images) as file:
        chosen = np.random.default_rng(arguments.seed).permutation(len(file["y_train"]))[: arguments.batch]
        x, y = file["x_train"][chosen].astype("float32") / 255, file["y_train"].reshape(-1)[chosen]
    x = (x - x.mean((0, 1, 2))) / x.std((0, 1, 2))
    space = kerasnas.spaces.NASBench201Space(filters=arguments.filters, num_cells=arguments.num_cells)

    rng = np.random.default_rng(arguments.seed)
    reachable = list(table.space.reachable("auto"))
    accuracy = np.array([table.lookup(genotype, "test_200") for genotype in reachable])
    sets = {
        "random": rng.choice(len(reachable), arguments.cells, replace=False),
        "good": rng.choice(np.flatnonzero(accuracy >= 93), arguments.cells, replace=False),
    }
    shown = tracked.Table(["proxy", "random cells", "good cells (>= 93)", "CPU seconds a cell"])
    for name in arguments.proxies.split(","):
        score, before = ProxyScore(space, name, x, y, 10, seed=arguments.seed), _cpu_seconds()
        found = {kind: np.array([score(reachable[index]) for index in rows]) for kind, rows in sets.items()}
        seconds = (_cpu_seconds() - before) / (2 * arguments.cells)
        texts = []
        for kind, rows in sets.items():
            low, value, high = _spearman(found[kind], accuracy[rows], rng)
            texts.append(f"{value:.2f} ({low:.2f} to {high:.2f})")
        shown.add([name, *texts, f"{seconds:.2f}"])
    intervals = "Spearman's correlation with the test accuracy after 200 epochs, with its 95 % bootstrap interval"
    tracked.record(arguments, shown.rows, code=["kerasnas/proxies"], intervals=intervals)


def _spearman(first: Any, second: Any, rng: Any, draws: int = 1000) -> tuple[float, float, float]:
    """Spearman's correlation between the ends of its 95 % bootstrap interval."""
    import numpy as np

    def ranks(values: Any) -> Any:
        _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
        return (np.cumsum(counts) - (counts - 1) / 2)[inverse]  # ties share their mean rank

    def correlation(rows: Any) -> float:
        a, b = ranks(first[rows]), ranks(second[rows])
        return float(np.corrcoef(a, b)[0, 1]) if a.std() and b.std() else 0.0

    samples = [correlation(rng.integers(len(first), size=len(first))) for _ in range(draws)]
    low, high = np.quantile(samples, [0.025, 0.975])
    return float(low), correlation(np.arange(len(first))), float(high)


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
