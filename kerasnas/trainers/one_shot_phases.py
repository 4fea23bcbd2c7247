"""Phases of an ENAS epoch as data and callbacks, their guard and their checkpoint."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import backend
from kerasnas.annotations import Tensor
from kerasnas.callbacks import TrainingCheckpoint
from kerasnas.callbacks.stopping import NonFiniteError, NonFiniteGuard
from kerasnas.datasets.batches import ArrayBatches
from kerasnas.genotypes import Genotype
from kerasnas.networks.shared import WeightSharingSupernet
from kerasnas.spaces import SearchSpace
from kerasnas.strategies.controller import PolicyGradient
from kerasnas.tasks import Task


class ChildBatches(keras.utils.PyDataset):
    """Batches `((images, child), labels)`, with the child repeated for every image, so that each replica gets it."""

    def __init__(self, batches: ArrayBatches, num_choices: int, steps: int | None = None):
        super().__init__()
        self.batches, self.steps = batches, steps
        self.children = np.zeros((len(self), num_choices), "int32")  # until an epoch starts

    def __len__(self) -> int:
        return len(self.batches) if self.steps is None else self.steps

    def __getitem__(self, index: int) -> Any:
        x, y = self.batches.at(self.batches.epoch * len(self) + index)
        return (x, np.repeat(self.children[index][None], len(x), axis=0)), y


class Phases(keras.callbacks.Callback):
    """Draws the children of an epoch at its start; lets the controller learn at its end."""

    def __init__(self, children: ChildBatches, held_out: ArrayBatches, steps: int, batches: int):
        super().__init__()
        self.children, self.held_out, self.steps, self.batches = children, held_out, steps, batches

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.children.batches.set_epoch(epoch)
        self.children.children = np.array(self.model.draw(len(self.children)), "int32")

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = {} if logs is None else logs
        self.held_out.set_epoch(epoch)
        controller, rewards = self.model.controller, []
        for step in range(self.steps):
            genotype = controller.ask()
            rewards.append(self.model.reward(genotype, *self.held_out[step % self.batches]))
            controller.tell(genotype, rewards[-1])
        if rewards:
            logs["reward"] = float(np.mean(rewards))
        if isinstance(controller, PolicyGradient):
            logs["controller_entropy"] = float(controller.policy.sample(np.random.default_rng(epoch), 32)[2].mean())


class ENASGuard(NonFiniteGuard):
    """`NonFiniteGuard` of an `ENASTrainer`, which also restores the controller."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        super().on_epoch_begin(epoch, logs)
        self._controller = self.model.controller.get_state()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        try:
            super().on_train_batch_end(batch, logs)
        except NonFiniteError:
            self.model.controller.set_state(self._controller)
            raise


class ENASCheckpoint(TrainingCheckpoint):
    """`TrainingCheckpoint` of an `ENASTrainer`, which also saves the controller.

    Example:

        checkpoint = ENASCheckpoint("runs/checkpoints")
        search.fit(x, y, initial_epoch=checkpoint.restore(search), epochs=20, callbacks=[checkpoint])
    """

    _controller: dict[str, Any] | None = None

    def restore(self, model: keras.Model) -> int:
        epoch = super().restore(model)
        if self._controller is not None:
            model.controller.set_state(self._controller)
        return epoch

    def _take_own(self, arrays: dict[str, np.ndarray]) -> None:
        self._controller = json.loads(arrays.pop("controller").tobytes().decode())

    def _own_arrays(self) -> dict[str, np.ndarray]:
        state = json.dumps(self.model.controller.get_state()).encode()
        return {"controller": np.frombuffer(state, np.uint8)}


Reward = Callable[[Genotype, Tensor, Tensor], float]


class Children:
    """Children of `supernet`, built by `space`. A worker receives both and traces its own graph."""

    def __init__(self, supernet: WeightSharingSupernet, space: SearchSpace):
        self.supernet, self.space = supernet, space
        self._compiled_logits = backend.traced_once(self._logits)

    def reward(self, genotype: Genotype, x: Tensor, y: Tensor, task: Task, eagerly: bool) -> float:
        """Return one child's mean score on one batch; NaN if its logits are not finite."""
        logits = self._logits if eagerly else self._compiled_logits
        architecture = ops.convert_to_tensor(self.space.encode(genotype), "int32")
        images = ops.convert_to_tensor(x, self.supernet.compute_dtype)
        outputs = ops.convert_to_numpy(logits(backend.values(self.supernet.trainable_variables), images, architecture))
        return float(np.mean(task.scores(outputs, np.asarray(y)))) if np.isfinite(outputs).all() else math.nan

    def _logits(self, weights: list[Any], images: Tensor, architecture: Any) -> Any:
        return self.supernet.stateless_call(weights, [], images, architecture=architecture)[0]

    def __reduce__(self) -> tuple[Any, ...]:
        return Children, (self.supernet, self.space)


def mean_reward(shared: tuple[Reward, np.ndarray, np.ndarray, int], genotype: Genotype) -> float:
    """Return a child's reward on all of the data, in batches of nearly equal size: a function for an executor.

    `shared` holds the reward of a child on a batch; images, their labels, and the maximum size of a batch.
    """
    reward, x, y, batch_size = shared
    parts = np.array_split(np.arange(len(y)), -(-len(y) // batch_size))
    rewards = [reward(genotype, x[part], y[part]) for part in parts]
    return float(np.average(rewards, weights=[len(part) for part in parts]))
