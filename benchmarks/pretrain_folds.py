"""Pre-train networks jointly on domains, for a leave-domains-out comparison (see initializations.py).

    python benchmarks/pretrain_folds.py DATA OUTPUT --fold=A --network=vgg_3x3 --cpu_minutes=8

Writes OUTPUT/<network>_<fold>/initializer.json and model.keras, learned from every domain outside of the fold.
`--fold=shelf` makes what lies in `kerasnas/meta/initializers`: it learns from those domains whose licence allows it,
and from the images that `free_images.py` wrote to `--free`. One thread; its processor time counts.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import skeleton

FOLDS = {
    "A": ("gtsrb", "bccd_cells", "chula_rbc", "kannada", "kannada_writers"),
    "B": ("caltech101", "neu_steel", "notmnist"),
    "C": ("pacs", "sign_digits", "fashion_mnist_mini"),
    "D": ("cifar10_mini", "cifar10_16", "rsscn7"),
}
DOMAINS = [name for names in FOLDS.values() for name in names] + ["omniglot"]
SHELF = {  # the embedded data set stays new to what comes along
    "bccd_cells": "MIT",
    "chula_rbc": "MIT",
    "sign_digits": "Apache-2.0",
    "omniglot": "MIT",
    "crops": "photographs under CC0 and CC BY or in the public domain, emoji under OFL, clusters of features of"
    " EfficientNet-Lite0 under Apache-2.0",
    "fractals": "generated",
    "glyphs": "fonts under OFL and Apache-2.0",
}
NOTE = (
    "The photographs: 18 of Budgie's backgrounds (CC0), 10 of Lomiri's wallpapers (CC0; CC BY 4.0 by Aitzol "
    "Berasategi, Trevor Freespace, Jakub Mede and Abhishek Mudgal), 11 of scikit-image (CC0, public domain), 2 of "
    "scikit-learn (CC BY 2.0 by danielbuechele and vultilion). The emoji are Noto's; the fonts are 107 files of "
    "Debian's packages."
)


def meta_learned(arguments, data):
    """Meta-learn the network on 5-way tasks of every domain with enough classes, for the time."""
    import keras

    from kerasnas.datasets import EpisodeSampler
    from kerasnas.datasets.joint import as_color
    from kerasnas.datasets.mixture import TaskMixture
    from kerasnas.meta import MAML, Reptile, ReptileInitializer
    from kerasnas.methods.pretraining import SIZE
    from kerasnas.racing.portfolio import named_networks
    from kerasnas.spaces import MacroSpace

    shots, queries = (10, 0) if arguments.method == "reptile" else (5, 10)
    families = []
    for one in data:
        counts = np.bincount(one.y_train)
        classes = np.flatnonzero(counts >= shots + queries)
        if len(classes) >= 5:
            x = as_color(one.x_train, SIZE)
            families.append(EpisodeSampler(x, one.y_train, 5, shots, queries, classes=classes, seed=arguments.seed))
    space = MacroSpace.for_data((SIZE, SIZE, 3), 10, 1000)
    network = named_networks(space)[arguments.network]
    model = space.build_network(network, (SIZE, SIZE, 3), 5, seed=arguments.seed)
    if arguments.method == "reptile":
        learner = Reptile(model)  # the paper's settings of Omniglot
    else:
        inner = {"inner_variables": "head"} if arguments.method == "anil" else {}
        learner = MAML(model, arguments.method == "fomaml", inner_steps=5, inner_learning_rate=0.05, **inner)
    learner.compile()
    end = time.process_time() + 60 * arguments.cpu_minutes

    class Clock(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = time.process_time() >= end

    learner.fit(TaskMixture(families), arguments.steps, steps_per_epoch=50, verbose=2, callbacks=[Clock()])
    made = {"network": arguments.network, "datasets": {}, "method": arguments.method, "seconds": 0}
    return ReptileInitializer.from_learner(learner, **made)


def main():
    arguments = skeleton.arguments(
        __doc__,
        "data",
        "output",
        record=False,
        fold={"choices": [*FOLDS, "shelf"], "default": "shelf"},
        free=(Path, "folder that free_images.py wrote to"),
        network="vgg_3x3",
        cpu_minutes=8.0,
        precision=skeleton.one_of("float32", "bfloat16"),
        method=skeleton.one_of("joint", "reptile", "fomaml", "anil"),
        steps=(1000, "maximum number of meta-steps, over which Reptile's step falls"),
        seed=0,
    )
    import initialization_data as sources

    from kerasnas.methods.pretraining import pretrain_network
    from kerasnas.racing.budget import Budget

    names = SHELF if arguments.fold == "shelf" else [name for name in DOMAINS if name not in FOLDS[arguments.fold]]
    folders = dict.fromkeys(("crops", "fractals", "glyphs"), arguments.free)
    data = [sources.dataset(folders.get(name, arguments.data), name) for name in names]
    suffix = "" if arguments.method == "joint" else f"_{arguments.method}"
    folder = Path(arguments.output, f"{arguments.network}_{arguments.fold}{suffix}")
    if arguments.method == "joint":
        budget = Budget(arguments.cpu_minutes, cpu=True)
        initializer = pretrain_network(arguments.network, data, budget, arguments.seed, precision=arguments.precision)
    else:
        initializer = meta_learned(arguments, data)
    if arguments.fold == "shelf":
        initializer.description |= {"licences": SHELF, "note": NOTE, "command": " ".join(["python", *sys.argv])}
    initializer.save(folder)
    print(folder, initializer.description["seconds"])


if __name__ == "__main__":
    main()
