"""Pre-train networks jointly on domains, for a leave-domains-out comparison (see initializations.py).

    python benchmarks/pretrain_folds.py DATA OUTPUT --fold=A --network=vgg_3x3 --cpu_minutes=8

Writes OUTPUT/<network>_<fold>/initializer.json and model.keras, learned from every domain outside of the fold;
`--fold=none` learns from all. One thread; its processor time counts.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

FOLDS = {
    "A": ("gtsrb", "bccd_cells", "chula_rbc", "kannada", "kannada_writers"),
    "B": ("caltech101", "neu_steel", "notmnist"),
    "C": ("pacs", "sign_digits", "fashion_mnist_mini"),
    "D": ("cifar10_mini", "cifar10_16", "rsscn7"),
    "none": (),
}
DOMAINS = [name for names in FOLDS.values() for name in names] + ["omniglot"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("output")
    parser.add_argument("--fold", default="none", choices=FOLDS)
    parser.add_argument("--network", default="vgg_3x3")
    parser.add_argument("--cpu_minutes", type=float, default=8.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    import initialization_data as sources
    import numpy as np

    from kerasnas.pipeline.pretraining import pretrain

    held_out = FOLDS[arguments.fold]
    data = [sources.dataset(arguments.data, name) for name in DOMAINS if name not in held_out]
    folder = Path(arguments.output, f"{arguments.network}_{arguments.fold}")
    initializer = pretrain(
        arguments.network, data, arguments.cpu_minutes, time.process_time, seed=arguments.seed, log=print
    )
    initializer.save(folder)
    print(folder, np.round(initializer.description["seconds"]))


if __name__ == "__main__":
    main()
