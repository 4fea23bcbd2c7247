"""Pre-train networks jointly on domains, for a leave-domains-out comparison (see initializations.py).

    python benchmarks/pretrain_folds.py DATA OUTPUT --fold=A --network=vgg_3x3 --cpu_minutes=8

Writes OUTPUT/<network>_<fold>/initializer.json and model.keras, learned from every domain outside of the fold;
`--fold=none` learns from all. One thread; its processor time counts.
"""

from __future__ import annotations

import argparse
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

    from kerasnas.pipeline.pretraining import pretrain_network
    from kerasnas.pipeline.racing import Budget

    held_out = FOLDS[arguments.fold]
    data = [sources.dataset(arguments.data, name) for name in DOMAINS if name not in held_out]
    folder = Path(arguments.output, f"{arguments.network}_{arguments.fold}")
    initializer = pretrain_network(arguments.network, data, Budget(arguments.cpu_minutes, cpu=True), arguments.seed)
    initializer.save(folder)
    print(folder, initializer.description["seconds"])


if __name__ == "__main__":
    main()
