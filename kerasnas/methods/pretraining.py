"""Joint pre-training: a network that learns several data sets at once, for later races to begin from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnas import checks, datasets
from kerasnas.annotations import Log
from kerasnas.cost.counting import parameters
from kerasnas.datasets.joint import JointBatches, as_color
from kerasnas.files import storage
from kerasnas.files.stages import Stages
from kerasnas.genotypes import as_entry
from kerasnas.meta.initializer import RECORD, ReptileInitializer
from kerasnas.meta.pretraining import JointCrossentropy, within_groups
from kerasnas.methods.plan import plan_text
from kerasnas.modalities.lazy_images import predicted
from kerasnas.networks.chosen import discrete_model
from kerasnas.networks.precision import FLOAT32
from kerasnas.racing.budget import Budget
from kerasnas.racing.entrants.contestant import Contestant
from kerasnas.racing.portfolio import named_networks
from kerasnas.reporting.initializer_card import write_initializer_card
from kerasnas.reporting.tables import duration
from kerasnas.runs.method import Context, Method
from kerasnas.runs.settings import Settings, setting
from kerasnas.spaces import MacroSpace
from kerasnas.training.loop import EVALUATION_BATCH
from kerasnas.training.recipe import TrainingRecipe

SIZE = 32
DECAY = 0.5  # last part of the training, in which the learning rate falls to 0
STAGE = "pretrained"
_RECIPE = TrainingRecipe(learning_rate=0.1, weight_decay=5e-3)
_MOST_TEST = 500  # images of each data set that the initialization is evaluated on
_PIECE = 25.0  # seconds between two checkpoints, each with a line


@dataclasses.dataclass(frozen=True)
class PretrainingConfig(Settings):
    """Settings of `kerasnas pretrain`: one network that learns several data sets, for later races to begin from."""

    datasets: tuple[str, ...] = setting((), "The data sets, comma-separated: names, `.npz` files, folders of images.")
    network: str = setting(
        "vgg_3x3", "The network: one of those with names in the races of the macro space, such as residual_pool."
    )
    minutes: float = setting(20.0, "Budget: wall-clock minutes.", above=0)
    seed: int = setting(0, "Seed of everything drawn at random.", least=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("datasets", len(self.datasets) >= 1, "at least one data set")


class Pretraining(Method[PretrainingConfig, list[datasets.Dataset]]):
    """A network that learns several data sets at once, for later races to start from."""

    name, words, settings, command = "pretrain", "a pretraining", PretrainingConfig, "pretrain"
    data = ("datasets",)

    def load(self, settings: PretrainingConfig) -> list[datasets.Dataset]:
        return [datasets.load(name) for name in settings.datasets]

    def budget(self, settings: PretrainingConfig, stages: Stages, spent: float) -> Budget:
        saved = stages.store(STAGE, log=lambda line: None).load_latest()
        before = checks.number("spent", saved[2]["spent"], least=0) if saved else 0.0
        return Budget(settings.minutes, spent=spent + before)

    def plan(self, context: Context[PretrainingConfig, list[datasets.Dataset]]) -> str:
        budget, names = context.budget, ", ".join(data.name for data in context.data)
        assert budget is not None
        network = f"{context.settings.network} on {names}, at {SIZE}x{SIZE} pixels"
        left = f"{duration(round(budget.left()))} for everything, wall-clock."
        return plan_text(left, ("training", network), ("report", f"accuracy on at most {_MOST_TEST} images of each"))

    def finished(self, context: Context[PretrainingConfig, list[datasets.Dataset]]) -> dict[str, Any] | None:
        return context.keep(_description_in)

    def run(self, context: Context[PretrainingConfig, list[datasets.Dataset]]) -> dict[str, Any]:
        """Train from the last checkpoint, at most half a minute before the interruption; write the initialization."""
        config, progress, budget = context.settings, context.progress, context.budget
        assert budget is not None
        store = context.stages.store(STAGE, log=progress)
        progress.phase("pretraining")
        with progress.following(context.state):
            initializer = pretrain_network(config.network, context.data, budget, config.seed, progress, store)
        initializer.description["command"] = context.command
        context.keep(initializer.save)
        context.keep(write_initializer_card)
        context.stages.finish(STAGE, initializer.description)
        return initializer.description

    def conclude(self, context: Context[PretrainingConfig, list[datasets.Dataset]], record: Mapping[str, Any]) -> None:
        context.progress(f"Start from it: kerasnas search my_images/ --initializer={context.place}")


def _description_in(folder: Path) -> dict[str, Any] | None:
    """Return the description of the initialization in a folder; None if there is none."""
    return ReptileInitializer.load(folder).description if (folder / RECORD).exists() else None


def pretrain_network(
    network: str,
    data: Sequence[datasets.Dataset],
    budget: Budget,
    seed: int,
    log: Log = print,
    store: storage.CheckpointStore | None = None,
    precision: str = FLOAT32,
) -> ReptileInitializer:
    """Train a network of the macro space on several data sets at once: one body, a head for each.

    In bfloat16, steps of wide networks are faster on processors that have it, and those of narrow ones slower.
    """
    for one in data:
        if not one.modality.resizes:
            raise ValueError(f"{one.name} holds {one.modality.plural}. Expected data sets of images.")
    space = MacroSpace.for_data((SIZE, SIZE, 3), 10, 1000)
    known = named_networks(space)
    genotype = known[checks.one_of("network", network, list(known))]
    batches = JointBatches(data, size=SIZE, seed=seed)
    model = space.build_network(genotype, (SIZE, SIZE, 3), len(batches.groups), seed=seed)
    model.compile(_RECIPE.optimizer(None), JointCrossentropy(batches.groups.tolist()), jit_compile=False)
    contestant = Contestant(model, batches, precision=precision)
    saved = None if store is None else store.load_latest()
    if saved is not None:
        contestant.set_state(saved[1], saved[2]["training"])
    while budget.left() > 0:
        left = budget.left()

        def schedule(past: float, left: float = left) -> float:
            return min(1.0, max(0.0, (left - past) / budget.seconds) / DECAY)

        contestant.advance(budget.clock, min(_PIECE, left), schedule=schedule)
        log(f"  {contestant.steps:,} steps: loss {contestant.history['loss'][-1]:.3f}")
        if store is not None:
            arrays, record = contestant.state()
            store.save(contestant.steps, arrays, {"training": record, "spent": budget.spent()})
    contestant.average.apply()
    accuracies = _accuracies(model, data, batches.groups)
    for name, accuracy in accuracies.items():
        log(f"  {name}: {100 * accuracy:.1f} % of at most {_MOST_TEST} test images")
    body = _body(model, seed)
    description = {
        "space": genotype.space,
        "network": network,
        "parameters": parameters(body),
        "genotype": as_entry(genotype),
        "image_size": SIZE,
        "datasets": {name: round(value, 4) for name, value in accuracies.items()},
        "steps": contestant.steps,
        "seconds": round(contestant.seconds, 1),
        "seed": seed,
    }
    return ReptileInitializer(body, None, description)


def _accuracies(model: keras.Model, data: Sequence[datasets.Dataset], groups: np.ndarray) -> dict[str, float]:
    """For each data set the accuracy on its test images among its own classes."""
    found = {}
    for index, one in enumerate(data):
        rows = np.random.default_rng(0).permutation(len(one.y_test))[:_MOST_TEST]
        labels = one.y_test[rows] + int(np.argmax(groups == index))
        x = as_color(one.x_test[rows], SIZE).astype(np.float32) / 255
        logits = predicted(model, x, EVALUATION_BATCH)
        found[one.name] = float(np.mean(within_groups(logits, labels, groups) == labels))
    return found


def _body(model: keras.Model, seed: int) -> keras.Model:
    """Return the network with a head of one class, which is nothing to start from."""
    *_, dense = model.layers
    weights = model.get_weights()[: -len(dense.get_weights())]
    body = discrete_model(model.input, keras.layers.Dense(1)(dense.input), seed)
    body.set_weights([*weights, *body.layers[-1].get_weights()])
    return body
