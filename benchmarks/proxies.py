"""Rank correlation of cheap signals with the published accuracy of NAS-Bench-201's cells, beside their price.

    python benchmarks/proxies.py DATA                      # 60 random cells of those a search can return, 60 good ones
    python benchmarks/proxies.py DATA --cells=20 --proxies=synflow,parameters

DATA is a folder with images (`cifar10_16/*.npz`) and the compact table (`nasbench201/`). Good cells are those with a
test accuracy of at least 93. Printed for each proxy: Spearman's correlation with the test accuracy after 200 epochs,
with its bootstrap interval, over random and over good cells, and the CPU seconds a cell. `parameters` is the control.
"""

import time
from typing import Any

import skeleton
import tracked


def main() -> None:
    arguments = skeleton.arguments(
        __doc__,
        "data",
        cells=(60, "random ones, and as many good ones"),
        proxies="parameters,macs,synflow,naswot,zico",
        filters=4,
        num_cells=(1, "of each stage"),
        batch=64,
        seed=0,
    )
    skeleton.prepare(1)
    import numpy as np

    import kerasnas
    from kerasnas.proxies import ProxyScore

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
        score, before = ProxyScore(space, name, x, y, 10, seed=arguments.seed), time.process_time()
        found = {kind: np.array([score(reachable[index]) for index in rows]) for kind, rows in sets.items()}
        seconds = (time.process_time() - before) / (2 * arguments.cells)
        texts = []
        for kind, rows in sets.items():
            low, value, high = _spearman(found[kind], accuracy[rows], rng)
            texts.append(f"{value:.2f} ({low:.2f} to {high:.2f})")
        shown.add([name, *texts, f"{seconds:.2f}"])
    intervals = "Spearman's correlation with the test accuracy after 200 epochs, with its 95 % bootstrap interval"
    tracked.record(arguments, shown.rows, code=["kerasnas/proxies"], intervals=intervals)


def _spearman(first: Any, second: Any, rng: Any, draws: int = 1000) -> tuple[float, float, float]:
    """Return Spearman's correlation between the ends of its 95 % bootstrap interval."""
    import numpy as np

    picks = [rng.integers(len(first), size=len(first)) for _ in range(draws)]
    low, high = np.quantile([skeleton.spearman(first[pick], second[pick]) for pick in picks], [0.025, 0.975])
    return float(low), skeleton.spearman(first, second), float(high)


if __name__ == "__main__":
    main()
