"""Tiny searches in float64, the same whatever strategy they run under; used by the scripts of this folder."""

import keras
import numpy as np

import kerasnas

SHAPE, CLASSES = (8, 8, 1), 3
PRIMITIVES = ["none", "skip_connect", "sep_conv_3x3"]


def images(count, seed=1):
    rng = np.random.default_rng(seed)
    return rng.random((count, *SHAPE)), rng.permutation(np.arange(count) % CLASSES)


def make_search(strategy, **arguments):
    """A compiled trainer, built under `strategy`. Clipping acts in every step, so that its place shows."""
    space = kerasnas.DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=PRIMITIVES)
    with strategy.scope():
        supernet = space.build_supernet(SHAPE, CLASSES, seed=0, relaxation=arguments.pop("relaxation", None))
        arguments = {
            "architecture_warmup_epochs": 0,
            "weight_decay": 0.01,
            "architecture_weight_decay": 0.1,
            **arguments,
        }
        search = kerasnas.BilevelTrainer(supernet, curvature_ratio=None, **arguments)
        search.compile(
            optimizer=keras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=0.5),
            architecture_optimizer=keras.optimizers.Adam(0.01, beta_1=0.5, beta_2=0.999),
        )
    return search


def result(search, history=None):
    """Weights, alphas, statistics, optimizer state and metrics as one flat list of arrays."""
    groups = {
        "weights": search.network_weights,
        "alphas": search.architecture_parameters,
        "state": search.non_trainable_variables,
        "optimizer": search.optimizer.variables,
    }
    found = {name: [np.array(v) for v in variables] for name, variables in groups.items()}
    logs = {} if history is None else history.history
    found["logs"] = [np.array(logs[name], "float64") for name in sorted(logs)]
    return found


def distance(found, expected):
    """For each group, the largest difference relative to the norm of its array."""
    return {
        name: max(
            (
                float(
                    np.linalg.norm(a.astype("float64") - b) / max(np.linalg.norm(b), 1e-6)
                )  # some are zeros but for rounding
                for a, b in zip(found[name], expected[name], strict=True)
            ),
            default=0.0,
        )
        for name in expected
    }


def spread(variables):
    """The largest difference between the copies that the replicas hold of a variable."""
    worst = 0.0
    for variable in variables:
        copies = [np.array(copy) for copy in getattr(variable.value, "values", [variable.value])]
        worst = max(worst, *(float(np.abs(copy - copies[0]).max(initial=0.0)) for copy in copies))
    return worst
