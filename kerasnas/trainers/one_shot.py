"""ENAS: children that share weights, and the controller that learns which of them to build."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np

from kerasnas import backend, checks
from kerasnas.annotations import Tensor
from kerasnas.constraints import Instance
from kerasnas.distribution.scope import check_global_batch, check_scope, replicas_of
from kerasnas.executors import Executor
from kerasnas.executors.base import Local
from kerasnas.genotypes import Genotype
from kerasnas.modalities.lookup import check_images
from kerasnas.networks.shared import WeightSharingSupernet
from kerasnas.spaces import SearchSpace
from kerasnas.spaces.base import Indices
from kerasnas.strategies.base import SearchStrategy
from kerasnas.strategies.controller import Controller, PolicyGradient
from kerasnas.tasks import Task
from kerasnas.tasks.known import task_of_loss
from kerasnas.trainers import arguments
from kerasnas.trainers.compiling import (
    build_metrics,
    check_compiled,
    compile_trainer,
    default_loss,
    default_metrics,
    papers_cosine,
)
from kerasnas.trainers.data_split import pair_halves
from kerasnas.trainers.one_shot_phases import ChildBatches, Children, ENASGuard, Phases, mean_reward

CONTROLLER_LEARNING_RATE = 3.5e-4  # the paper's, for 2,000 steps per epoch


class ENASTrainer(backend.SharedStep, keras.Model):
    """ENAS: searches with children that share the weights of one supernet.

    Two phases alternate. For an epoch of the training half, each step draws a child from the controller and moves the
    shared weights down its loss. Then the controller learns from rewards: the accuracies of children that it proposes,
    each on a batch of the held-out half, with the shared weights fixed. For several labels the reward is the fraction
    of correct ones, for regression the explained fraction of the variance, by the compiled loss. `ENASCheckpoint` saves
    a search; saving the supernet saves only the shared weights.

    Args:
        supernet: from the space's `build_supernet`.
        space: a space whose supernet shares weights, such as `ENASMicroSpace`.
        controller: any strategy with `unique=False`. Defaults to `Controller`, with the paper's learning rate.
        seed: seed of the default controller. Defaults to 0.

    Attributes:
        controller: the strategy that chooses.

    Raises:
        ValueError: if supernet, space and controller do not belong together.

    Example:

    >>> from kerasnas.search import RandomSearch
    >>> from kerasnas.spaces import ENASMicroSpace
    >>> space = ENASMicroSpace(filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "max_pool_3x3"])
    >>> supernet = space.build_supernet(input_shape=(8, 8, 1), num_classes=2)
    >>> search = ENASTrainer(supernet, space, RandomSearch(space, unique=False))
    >>> search.compile(run_eagerly=True)
    >>> x, y = np.random.default_rng(0).random((16, 8, 8, 1), "float32"), np.arange(16) % 2
    >>> history = search.fit(x, y, batch_size=8, epochs=1, controller_steps=1, verbose=0)
    >>> sorted(history.history)
    ['accuracy', 'loss', 'reward']
    >>> space.validate(search.derive(n=2))

    Reference:
        Pham et al., "Efficient Neural Architecture Search via Parameter Sharing", 2018 (arXiv 1802.03268).

    Differences from the paper:
        - One cosine of the learning rate over the search, where the paper restarts it.
        - Half of the images are held out for the rewards by default; the original code has a tenth.
        - One reward per held-out batch and epoch, where the paper has 2,000 steps of the controller.
        - No auxiliary head, drop-path or dropout in the search.
        - `derive` evaluates 100 children on all held-out images; the paper a few, on one batch.
        - For the controller see `kerasnas.search.Controller`.
    """

    @checks.arguments(space=SearchSpace, controller=SearchStrategy, seed=checks.seed)
    def __init__(
        self,
        supernet: WeightSharingSupernet,
        space: SearchSpace,
        controller: SearchStrategy | None = None,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if not Instance((WeightSharingSupernet,)).accepts(supernet):
            expected = "one whose children share weights, of `build_supernet` of a space such as ENASMicroSpace"
            raise ValueError(checks.invalid("supernet", expected, supernet))
        if supernet.num_choices != len(space.choices):
            expected = f"the one that built the supernet, with {supernet.num_choices} choices"
            raise ValueError(checks.invalid("space", expected, f"{space.name} with {len(space.choices)}"))
        if controller is None:
            controller = Controller(space, seed, learning_rate=CONTROLLER_LEARNING_RATE, unique=False)
        if controller.unique or controller.space.cardinalities != space.cardinalities:
            raise ValueError(
                "Invalid value received for argument `controller`. Expected a strategy of the same space with "
                "`unique=False`, as children are evaluated again while the weights change. Received: "
                f"{type(controller).__name__} of space '{controller.space.name}' with unique={controller.unique}"
            )
        self.supernet, self.space, self.controller = supernet, space, controller
        self._children = Children(supernet, space)
        self._held_out: tuple[np.ndarray, np.ndarray] | None = None
        self._initial_learning_rate: float | None = None
        self._batch_size: int | None = None
        check_scope(self, supernet.variables, f"The supernet '{supernet.name}'")
        self.built = True

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        images, architecture = inputs
        if len(architecture.shape) > 1:
            architecture = architecture[0]
        return self.supernet(images, architecture=architecture, training=training)

    @checks.arguments(**arguments.COMPILE, controller_learning_rate=checks.positive, learning_rate=checks.positive)
    def compile(
        self,
        optimizer: Any = None,
        controller_learning_rate: float | None = None,
        loss: Any = None,
        metrics: Any = None,
        learning_rate: float = 0.05,
        jit_compile: bool | str | None = None,
        **kwargs: Any,
    ) -> None:
        """Set optimizers, loss and metrics; defaults are the paper's.

        Args:
            optimizer: for the shared weights. Defaults to SGD with Nesterov momentum 0.9 and weight decay 1e-4 at
                `learning_rate`, annealed to 0.001 by a cosine over the epochs of `fit` (the paper restarts its cosine).
            controller_learning_rate: rate of the controller's optimizer, Adam in NumPy. Defaults to None: the
            controller's own.
            loss: Defaults to sparse categorical cross-entropy from logits.
            metrics: of the children in training. Defaults to `["accuracy"]`.
            learning_rate: first rate of the default optimizer. Defaults to 0.05.
            jit_compile: whether to compile with XLA. Defaults to None: False on TensorFlow and True on JAX, as for
                `BilevelTrainer`.
            kwargs: as for `keras.Model.compile`.

        Raises:
            ValueError: if a rate is not positive, if the controller has no rate because it is not a policy gradient, or
                if the optimizer or a metric was made outside the strategy's scope.
        """
        if controller_learning_rate is not None:
            if not isinstance(self.controller, PolicyGradient):
                expected = f"None, as {type(self.controller).__name__} has no optimizer"
                raise ValueError(checks.invalid("controller_learning_rate", expected, controller_learning_rate))
            self.controller.optimizer.learning_rate = float(controller_learning_rate)
        self._initial_learning_rate = learning_rate if optimizer is None else None

        def default() -> Any:
            options = {"momentum": 0.9, "nesterov": True, "weight_decay": 1e-4, "global_clipnorm": 5.0}
            return keras.optimizers.SGD(learning_rate, **options)

        loss, metrics = default_loss(loss), default_metrics(metrics)
        compile_trainer(self, super().compile, optimizer, default, loss, metrics, jit_compile, **kwargs)

    @checks.arguments(**arguments.SEARCH_FIT, controller_steps=checks.count)
    def fit(
        self,
        x: Tensor = None,
        y: Tensor = None,
        batch_size: int | None = None,
        epochs: int = 150,
        verbose: Any = "auto",
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
        validation_split: float | None = None,
        validation_data: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        controller_steps: int | None = None,
        augment: Callable | None = None,
        seed: int = 0,
    ) -> keras.callbacks.History:
        """Search. `loss` and metrics are the children's in training, `reward` is the mean over the controller's steps.

        Arguments that are not listed are as for `BilevelTrainer.fit`, with arrays.

        Args:
            x: images `(n, height, width, channels)`. Integers from 0 to 255 are scaled to `x / 255`, with a warning.
            y: class numbers `(n,)`; labels `(n, outputs)` for a binary cross-entropy; numbers for a squared error.
            batch_size: of either half, over all replicas together. Defaults to 64, or to the size of the smaller half
                if that is less. Each of several workers measures all rewards, so that their controllers learn the same.
            epochs: epoch at which the search ends. Defaults to 150.
            callbacks: as in Keras; `ENASCheckpoint` is one.
            validation_split: fraction of every class held out for the rewards. Defaults to 0.5, unless
                `validation_data` is given.
            validation_data: data for the rewards instead: `(x, y)`, not the test set.
            steps_per_epoch: steps of the shared weights per epoch; the data are read repeatedly. Defaults to one pass.
            validation_steps: number of held-out batches that an epoch uses for its rewards, repeatedly. Defaults to
            all.
            controller_steps: rewards reported to the controller after each epoch (the paper: 2,000). Defaults to one
                for each held-out batch used.

        Returns:
            Keras' `History`, with `reward`, and with `controller_entropy` (nats) if the controller has a policy.

        Raises:
            ValueError: for data that cannot be searched on; states what was expected.
            NonFiniteError: when a loss stops being finite; the state of the epoch's start is restored.
        """
        check_compiled(self, "fit")
        if y is None:
            expected = "labels, with `x` an array of images: children are rewarded on arrays, not on datasets"
            raise ValueError(checks.invalid("y", expected, y))
        pairs = pair_halves(
            x,
            y,
            validation_data,
            validation_split,
            batch_size=batch_size,
            initial_epoch=initial_epoch,
            augment=augment,
            seed=seed,
            input_shape=self.supernet.image_shape,
            num_classes=self.supernet.num_classes,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            replicas=replicas_of(self),
            task=self._task(y),
        )
        batch_size = pairs.training.batch_size
        check_global_batch("batch_size", batch_size, replicas_of(self))
        if batch_size != self._batch_size:  # a constant of the step's graph
            self._batch_size, self.train_function = batch_size, None
        self._held_out = pairs.validation.x, pairs.validation.y
        build_metrics(self, (None, *self._held_out[1].shape[1:]), (None, self.supernet.num_classes))
        children = ChildBatches(pairs.training, self.supernet.num_choices, steps_per_epoch)
        rewarding = min(len(pairs.validation), validation_steps or len(pairs.validation))
        steps = rewarding if controller_steps is None else controller_steps
        added: list[keras.callbacks.Callback] = [ENASGuard(), Phases(children, pairs.validation, steps, rewarding)]
        if self._initial_learning_rate is not None:
            added.append(papers_cosine(self._initial_learning_rate))
        return super().fit(
            children,
            epochs=epochs,
            verbose=verbose,
            callbacks=[*added, *(callbacks or [])],
            initial_epoch=initial_epoch,
            shuffle=False,
        )

    @checks.arguments(n=checks.size)
    def draw(self, n: int) -> list[Indices]:
        """Draw `n` children, as indices, from the controller without waiting for their rewards."""
        proposals = iter(self.controller.propose, None)
        feasible = filter(self.space.feasible, proposals)
        return [next(feasible) for _ in range(n)]

    @checks.arguments(n=checks.size)
    def sample(self, n: int) -> list[Genotype]:
        """Draw `n` genotypes from the controller."""
        return [self.space.decode(indices) for indices in self.draw(n)]

    @checks.arguments(genotype=Genotype, x=checks.tensor, y=checks.tensor)
    def reward(self, genotype: Genotype, x: Tensor, y: Tensor) -> float:
        """Return one child's accuracy on one batch with the shared weights; NaN if its logits are not finite.

        For labels other than classes it is their mean score, `kerasnas.tasks.Task.scores`.
        """
        task = self._task(y)
        labels = task.label_shape(self.supernet.num_classes)
        if tuple(x.shape[1:]) != self.supernet.image_shape or tuple(y.shape) != (x.shape[0], *labels):
            expected = f"images of shape {self.supernet.image_shape}, with a label `y` each"
            raise ValueError(checks.invalid("x", expected, f"shapes {tuple(x.shape)} and {tuple(y.shape)}"))
        return self._children.reward(genotype, x, y, task, self.run_eagerly)

    def _task(self, y: Tensor) -> Task:
        """Return the task of these labels, by the compiled loss."""
        return task_of_loss(getattr(self, "loss", None), y)

    @checks.arguments(genotypes=checks.each(Genotype), batch_size=checks.size, executor=Executor)
    def evaluate_children(
        self,
        genotypes: Sequence[Genotype],
        x: Tensor,
        y: Tensor,
        batch_size: int = 64,
        executor: Executor | None = None,
    ) -> np.ndarray:
        """Return the rewards of children on all of `x`, in batches of nearly equal size, as batch norm depends on it.

        Args:
            genotypes: of the space.
            x, y: images and their labels.
            batch_size: maximum size of a batch. Defaults to 64.
            executor: evaluates the children; each worker receives the shared weights and the data once. Defaults to
                None: this process.

        Returns:
            A reward for each of `genotypes`.
        """
        x, y = np.asarray(x), np.asarray(y)
        classes, shape = self.supernet.num_classes, self.supernet.image_shape
        task, executor = self._task(y), Local() if executor is None else executor
        check_images(x, y, num_classes=classes, input_shape=shape, what="test", task=task)
        remote = partial(self._children.reward, task=task, eagerly=self.run_eagerly)
        shared = (self.reward if executor.here else remote, x, y, batch_size)
        return np.array(executor.map(mean_reward, list(genotypes), shared))

    @checks.arguments(n=checks.size, executor=Executor)
    def rank(
        self, n: int = 100, x: Tensor = None, y: Tensor = None, executor: Executor | None = None
    ) -> list[tuple[Genotype, float]]:
        """Return the distinct ones of `n` sampled children with their rewards, the best first.

        Args:
            n: number of samples. Defaults to 100.
            x, y: images and labels for the rewards. Default to the held-out half of the last `fit`.
            executor: as for `evaluate_children`. Defaults to None: this process.

        Raises:
            ValueError: if there is no data for the rewards.
        """
        if x is None and y is None and self._held_out is not None:
            x, y = self._held_out
        if x is None or y is None:
            raise ValueError("Pass `x` and `y` for the rewards: there is no held-out half of an earlier `fit`.")
        children = list(dict.fromkeys(self.sample(n)))
        rewards = self.evaluate_children(children, x, y, executor=executor)
        order = np.argsort(-np.nan_to_num(rewards, nan=-np.inf), kind="stable")
        return [(children[index], float(rewards[index])) for index in order]

    def derive(self, n: int = 100, x: Tensor = None, y: Tensor = None, executor: Executor | None = None) -> Genotype:
        """Return the best of `n` children that the controller samples, by `rank`."""
        return self.rank(n, x, y, executor)[0][0]
