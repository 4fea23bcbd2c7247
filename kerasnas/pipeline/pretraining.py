"""Joint pre-training as a stage: a network that learns several data sets at once, to begin later searches from."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from kerasnas import checks, datasets
from kerasnas.datasets.joint import JointBatches, as_color
from kerasnas.meta.initializer import ReptileInitializer
from kerasnas.meta.pretraining import JointCrossentropy, within_groups
from kerasnas.networks.chosen import discrete_model
from kerasnas.pipeline.racing.contestant import Contestant
from kerasnas.pipeline.racing.portfolio import portfolio
from kerasnas.pipeline.recipe import TrainingRecipe
from kerasnas.pipeline.training_loop import EVALUATION_BATCH
from kerasnas.spaces import MacroSpace

SIZE = 32
DECAY = 0.5  # last part of the training, in which the learning rate falls to 0
_MOST_TEST = 500  # images of each data set that the initialization is evaluated on


def pretrain(
    network: str,
    data: Sequence[datasets.ImageDataset],
    minutes: float,
    clock: Callable[[], float],
    seed: int = 0,
    log: Callable[[str], Any] = print,
) -> ReptileInitializer:
    """Train a network of the macro space on several data sets at once: one body, a head for each.

    Args:
        network: the name of a reference or default network: `vgg_3x3`, `residual_pool`, ...
        data: data sets of images.
        minutes: for the training, by `clock`.
        clock: returns seconds.
        seed: Defaults to 0.
        log: called with each line of progress. Defaults to `print`.

    Returns:
        The initialization, without the heads.

    Raises:
        ValueError: for an unknown network, or no data.
    """
    space = MacroSpace.for_data((SIZE, SIZE, 3), 10, 1000)
    known = {one.name: one.genotype for one in portfolio(space, 40) if one.kind != "random"}
    genotype = known[checks.one_of("network", network, sorted(known))]
    batches = JointBatches(data, size=SIZE, seed=seed)
    classes = len(batches.groups)
    model = space.build_network(genotype, (SIZE, SIZE, 3), classes, seed=seed)
    recipe = TrainingRecipe(learning_rate=0.1, weight_decay=5e-3, compile=_compile(batches.groups))
    contestant = Contestant(recipe.compile_network(model, None), batches)
    start, seconds = clock(), 60 * checks.number("minutes", minutes, above=0)
    while (past := clock() - start) < seconds:

        def schedule(since: float, past: float = past) -> float:
            return min(1.0, max(0.0, 1 - (past + since) / seconds) / DECAY)

        contestant.advance(clock, min(30.0, seconds - past), schedule=schedule)
        log(f"{contestant.steps:,} steps, {clock() - start:.0f} s: loss {contestant.history['loss'][-1]:.3f}")
    contestant.average.apply()
    accuracies = _accuracies(model, data, batches.groups)
    for name, accuracy in accuracies.items():
        log(f"  {name}: {100 * accuracy:.1f} % of test images")
    return ReptileInitializer(
        _body(model, seed),
        description={
            "space": space.name,
            "learner": "joint_pretraining",
            "network": network,
            "genotype": json.loads(genotype.to_json()),
            "image_size": SIZE,
            "datasets": {name: round(value, 4) for name, value in accuracies.items()},
            "steps": contestant.steps,
            "seconds": round(contestant.seconds, 1),
            "seed": seed,
        },
    )


def _compile(groups: np.ndarray) -> Callable[[keras.Model], None]:
    def compile_network(model: keras.Model) -> None:
        optimizer = keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=5e-3, global_clipnorm=5.0)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        model.compile(optimizer, JointCrossentropy(groups.tolist()), jit_compile=False)

    return compile_network


def _accuracies(model: keras.Model, data: Sequence[datasets.ImageDataset], groups: np.ndarray) -> dict[str, float]:
    """For each data set the accuracy on its test images among its own classes."""
    found = {}
    for index, one in enumerate(data):
        first = int(np.argmax(groups == index))
        rows = np.random.default_rng(0).permutation(len(one.y_test))[:_MOST_TEST]
        labels = one.y_test[rows] + first
        x = as_color(one.x_test[rows], SIZE).astype(np.float32) / 255
        logits = model.predict(x, batch_size=EVALUATION_BATCH, verbose=0)
        found[one.name] = float(np.mean(within_groups(logits, labels, groups) == labels))
    return found


def _body(model: keras.Model, seed: int) -> keras.Model:
    """The network with a head of one class, which is nothing to start from."""
    *_, dense = model.layers
    weights = model.get_weights()[: -len(dense.get_weights())]
    outputs = keras.layers.Dense(1)(dense.input)
    body = discrete_model(model.input, outputs, seed)
    body.set_weights([*weights, *body.layers[-1].get_weights()])
    return body
