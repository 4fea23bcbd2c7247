"""MetaNAS: Reptile over network weights and architecture parameters, an initialization of both for a new task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor, Tensors
from kerasnas.backend import value_and_grad, values
from kerasnas.distribution.scope import scope_of
from kerasnas.genotypes import Genotype
from kerasnas.meta.base import MetaLearner, Task
from kerasnas.meta.functional import FunctionalModel, clone
from kerasnas.meta.reptile import reptile_gradients
from kerasnas.meta.training import until_fit
from kerasnas.networks import Supernet
from kerasnas.relaxations.base import is_alphas
from kerasnas.trainers.bilevel_optimizer import BilevelOptimizer
from kerasnas.trainers.compiling import check_compiled
from kerasnas.trainers.protocol import is_supernet

OUT_OF_CHOICE = -1e9  # an alpha whose softmax is 0 at every temperature
ANNEALINGS = ("task", "training")


@keras.saving.register_keras_serializable(package="kerasnas")
class MetaNAS(MetaLearner):
    """MetaNAS: a meta-learned initialization of the weights and the architecture parameters of a supernet.

    The inner loop is a search on the task: a step of the alphas, then a step of the weights, while the temperature of
    the softmax falls, so that the choice is nearly discrete at its end and needs no retraining. Reptile moves the
    initial values of both, each at its own rate.

    Args:
        model: a supernet with a `Softmax` relaxation, of any space. If nodes of the space select some of their edges,
            build it with `input_alphas=True`, as in the paper: edges are then chosen softly too, at the same
            temperature, and hardening leaves out only edges of no weight.
        inner_steps: Defaults to 5.
        inner_learning_rate: inner learning rate of the weights. Defaults to 1e-3.
        inner_optimizer: Defaults to `"adam"`, without momentum.
        architecture_learning_rate: inner learning rate of the alphas. Defaults to 0.1, much more than that of the
            weights.
        inner_batch_size: Defaults to 20.
        architecture_step: rate at which the initial alphas move towards those that tasks end with, above 0 and at most
            1; that of the weights is 1. Defaults to 0.6.
        architecture_warmup: fraction of the meta-steps, from 0 to 1, in which the alphas are frozen; with 1 only the
            weights are meta-learned. Defaults to 0.5.
        temperatures: first and last temperature of the softmax. Defaults to `(1.0, 0.05)`.
        annealing: the loop over which the temperature falls. `"task"`: from the first to the last inner step of each
            task, the paper's. `"training"`: over the meta-steps after the warm-up, constant within a task; the initial
            weights are then learned for the nearly discrete network that they are adapted in. Defaults to `"task"`.
        joint: whether one gradient updates alphas and weights together (T-NAS), at half the cost. Defaults to False.
        search: whether the inner loop updates the alphas. Defaults to True.
        adaptation_steps, adaptation_batch_size: those of `adapt` and `evaluate`. Defaults to None: as in training.
        **kwargs: `name` and others of `keras.Model`.

    Raises:
        TypeError: if `model` is not a supernet.
        ValueError: if the supernet has no architecture parameters or no temperature, for a wrong number, boolean or
            name, and as `MetaLearner` does.

    Example:

    >>> from kerasnas.datasets import EpisodeSampler
    >>> from kerasnas.spaces import DARTSSpace
    >>> space = DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["none", "skip_connect"])
    >>> learner = MetaNAS(space.build_supernet((8, 8, 1), num_classes=2), inner_steps=1)
    >>> learner.compile(run_eagerly=True)
    >>> x, y = np.random.default_rng(0).random((20, 8, 8, 1), "float32"), np.repeat([0, 1], 10)
    >>> sampler = EpisodeSampler(x, y, ways=2, shots=3, query_shots=3)
    >>> history = learner.fit(sampler, steps=1, tasks=1, verbose=0)
    >>> genotype, model = learner.harden(learner.adapt(sampler.episode(5)))
    >>> space.validate(genotype)

    Reference:
        Elsken et al., "Meta-Learning of Neural Architectures for Few-Shot Learning", 2020 (arXiv 1911.11090),
        algorithm 1. Lian et al., "Towards Fast Adaptation of Neural Architectures with Meta Learning", 2020: T-NAS,
        which is `joint=True`; with MAML outside instead, `MAML(supernet, first_order=True)`.

    Differences from the paper:
        - The temperature falls geometrically; linearly in the original code.
    """

    default_tasks = 5
    needs_query = False

    def __init__(
        self,
        model: keras.Model,
        inner_steps: int = 5,
        inner_learning_rate: float = 1e-3,
        inner_optimizer: Any = "adam",
        inner_batch_size: int | None = 20,
        architecture_learning_rate: float = 0.1,
        architecture_step: float = 0.6,
        architecture_warmup: float = 0.5,
        temperatures: tuple[float, float] = (1.0, 0.05),
        annealing: str = "task",
        joint: bool = False,
        search: bool = True,
        adaptation_steps: int | None = None,
        adaptation_batch_size: int | None = None,
        **kwargs: Any,
    ):
        if not is_supernet(model):
            raise TypeError(checks.invalid("model", "a supernet, of a space's `build_supernet`", model))
        super().__init__(
            model,
            inner_steps,
            inner_learning_rate,
            inner_optimizer,
            inner_batch_size=inner_batch_size,
            inner_variables="all",
            architecture_learning_rate=architecture_learning_rate,
            adaptation_steps=adaptation_steps,
            adaptation_batch_size=adaptation_batch_size,
            **kwargs,
        )
        if model.relaxation.temperature is None:
            raise ValueError(
                "Expected a supernet whose relaxation has a temperature, such as 'softmax'. Received: "
                f"{type(model.relaxation).__name__}"
            )
        self.architecture_step = checks.number("architecture_step", architecture_step, above=0, most=1)
        self.architecture_warmup = checks.number("architecture_warmup", architecture_warmup, least=0, most=1)
        if not isinstance(temperatures, Sequence) or len(temperatures) != 2:
            raise ValueError(checks.invalid("temperatures", "a pair of numbers", temperatures))
        self.temperatures = tuple(checks.number("temperatures", temperature, above=0) for temperature in temperatures)
        self.annealing = checks.one_of("annealing", annealing, ANNEALINGS)
        self.joint, self.search = checks.boolean("joint", joint), checks.boolean("search", search)
        # Meta-steps of the warm-up and of the whole training; `fit` sets both.
        self.warmup_steps, self.training_steps = (
            self.add_weight(name=name, shape=(), initializer="zeros", trainable=False)
            for name in ("warmup_steps", "training_steps")
        )
        self._is_alphas = [is_alphas(variable) for variable in model.trainable_variables]

    task_gradients = reptile_gradients  # of weights and alphas

    def default_optimizer(self) -> Any:
        """Return gradient descent on `w - mean(w')` and `a - mean(a')`, each at its own rate."""
        first, second = (keras.optimizers.SGD(until_fit(rate)) for rate in (1.0, self.architecture_step))
        return BilevelOptimizer(first, second)

    def compile(self, optimizer: Any = None, *args: Any, **kwargs: Any) -> None:
        """Set the optimizer of the initialization and others; see `MetaTraining.compile`.

        A single optimizer is copied for the alphas, so that theirs can pause during the warm-up.
        """
        if optimizer is not None and not isinstance(optimizer, BilevelOptimizer):
            with scope_of(self):
                first = keras.optimizers.get(optimizer)
                optimizer = BilevelOptimizer(first, type(first).from_config(first.get_config()))
        super().compile(optimizer, *args, **kwargs)

    def set_schedule(self, steps: int) -> None:
        """Set the schedule: both rates fall linearly to 0 over all meta-steps, the warm-up included."""
        decay = keras.optimizers.schedules.PolynomialDecay
        learning = steps - int(ops.convert_to_numpy(self.warmup_steps))  # those that the alphas' optimizer counts
        first, second = self.optimizer.inner
        first.learning_rate = decay(1.0, steps, end_learning_rate=0.0)
        initial = self.architecture_step * learning / steps
        second.learning_rate = decay(initial, max(learning, 1), end_learning_rate=0.0)

    def fit(self, sampler: Any, steps: int = 1000, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        self.warmup_steps.assign(round(self.architecture_warmup * steps))
        self.training_steps.assign(steps)
        return super().fit(sampler, steps, *args, **kwargs)

    def start(self, trainable: Tensors, state: Tensors) -> Task:
        """Return the start of the inner loop; with `annealing="training"`, at this meta-step's temperature."""
        task = super().start(trainable, state)
        if self.annealing == "task":
            return task
        counters = [self.meta_steps, self.warmup_steps, self.training_steps]
        now, warmup, last = self.values_of(counters, trainable, state)
        share = ops.clip((now - warmup) / ops.maximum(last - 1 - warmup, 1), 0, 1)
        return task._replace(state=self._tempered(task.state, share))

    def inner_rates(self, trainable: Tensors, state: Tensors, step: Any) -> list[Any]:
        """Return the inner rates; those of frozen alphas are 0."""
        steps, warmup = self.values_of([self.meta_steps, self.warmup_steps], trainable, state)
        learns = ops.cast(steps >= warmup, "float32") if self.search else 0.0
        return [
            rate * learns if alphas else rate
            for rate, alphas in zip(super().inner_rates(trainable, state, step), self._is_alphas, strict=True)
        ]

    def frozen(self, trainable: Tensors, state: Tensors) -> tuple[list[Any], Any]:
        """Return the alphas and all variables of their optimizer, which would count its steps; True in the warm-up."""
        if not self.architecture_warmup:
            return [], False
        steps, warmup = self.values_of([self.meta_steps, self.warmup_steps], trainable, state)
        return [*self.model.architecture_parameters, *self.optimizer.inner[1].variables], steps < warmup

    def inner_step(
        self, task: Task, batch: Any, rates: Tensors, step: Any = 0, steps: int = 1, first_order: bool = True
    ) -> tuple[Task, tuple[Any, Any]]:
        """Take a step of the alphas at this inner step's temperature, then a step of the weights."""
        if self.annealing == "task":
            share = ops.cast(step, "float32") / max(steps - 1, 1)
            task = task._replace(state=self._tempered(task.state, share))
        if self.joint:
            return super().inner_step(task, batch, rates, step, steps, first_order)

        def loss(w: Tensors) -> tuple[Any, Any]:
            return self.function.loss(w, task.state, batch)

        _, at_start = value_and_grad(loss)(task.w)
        moved, _ = self._step(task.w, at_start, rates, task.slots)
        ahead = self._choose(moved, task.w)
        (value, (predictions, state)), gradients = value_and_grad(loss)(ahead)
        w, slots = self._step(task.w, self._choose(at_start, gradients), rates, task.slots)
        return Task(w, slots, state), (value, predictions)

    def end(self, task: Task, state: Tensors) -> list[Any]:
        """Return `state` after a task, with the temperature reset."""
        (before,) = self.values_of([self.model.relaxation.temperature], self.trainable_variables, state)
        return self.with_values([self.model.relaxation.temperature], [before], super().end(task, state))

    @checks.arguments(model=Supernet, x=checks.array)
    def harden(self, model: keras.Model, x: Tensor = None) -> tuple[Genotype, keras.Model]:
        """Return the genotype of an adapted supernet, and a copy that computes this genotype alone, without retraining.

        Args:
            model: a model that `adapt` returned.
            x: the inputs of the support set. The moving statistics of batch norm become those of the hardened network
                on these inputs; without them, they remain those of the mixture, which costs accuracy. Defaults to None.

        Raises:
            ValueError: if the genotype leaves out edges, which needs alphas of the inputs or a primitive `"none"`.
        """
        check_compiled(self, "harden")
        if x is not None and tuple(np.shape(x)[1:]) != model.image_shape:
            raise ValueError(checks.invalid("x", f"inputs of shape {model.image_shape}", f"shape {np.shape(x)}"))
        genotype, hard = model.derive(), clone(model)
        for kind, variable in hard.alphas.items():
            choice, chosen = hard.choices[kind], {(e.source, e.target): e.primitive for e in genotype[kind]}
            table = np.full(choice.shape, OUT_OF_CHOICE, "float32")
            rows = [row for row, edge in enumerate(choice.edges) if edge in chosen]
            decided = hard.inputs is not None and hard.inputs.decide(kind, rows, OUT_OF_CHOICE)
            for row, edge in enumerate(choice.edges):
                if decided and edge not in chosen:  # its weight is 0, whatever its primitive
                    table[row] = 0.0
                    continue
                primitive = chosen.get(edge, "none")
                if primitive not in choice.primitives:
                    raise ValueError(
                        f"The genotype leaves out edge {edge[0]} -> {edge[1]}. Expected 'none' among the primitives of "
                        "the supernet, or a supernet built with `input_alphas=True`, to leave it out. Received: "
                        f"{list(choice.primitives)}"
                    )
                table[row, choice.primitives.index(primitive)] = 0.0
            variable.assign(table)
        if x is not None:
            w, state = values(hard.trainable_variables), values(hard.non_trainable_variables)
            state = FunctionalModel(hard, self.task_loss).with_statistics_of(ops.convert_to_tensor(x), w, state)
            for variable, value in zip(hard.non_trainable_variables, state, strict=True):
                variable.assign(value)
        return genotype, hard

    def _tempered(self, state: Tensors, share: Any) -> list[Any]:
        """Return `state` with the temperature after this fraction of its fall."""
        first, last = self.temperatures
        value = first * ops.power(last / first, share)
        variable = self.model.relaxation.temperature
        return [
            ops.cast(value, old.dtype) if other is variable else old
            for other, old in zip(self.model.non_trainable_variables, state, strict=True)
        ]

    def _choose(self, of_alphas: Tensors, of_weights: Tensors) -> list[Any]:
        return [a if alphas else w for alphas, a, w in zip(self._is_alphas, of_alphas, of_weights, strict=True)]

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("inner_variables")
        names = "architecture_step", "architecture_warmup", "temperatures", "annealing", "joint", "search"
        return {**config, **{name: getattr(self, name) for name in names}}
