"""Two gradients of a search step, as pure functions of lists of tensors."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
from keras import ops

from kerasnas.annotations import Tensor
from kerasnas.backend import all_reduce, first_order_only, replicas, share, shared_trace, unscaled, value_and_grad
from kerasnas.backend.keras_internals import seed_states
from kerasnas.relaxations import Relaxation
from kerasnas.relaxations.base import is_alphas, split_variables
from kerasnas.trainers.compiling import batch_size_of
from kerasnas.trainers.curvature import top_eigenvalue
from kerasnas.trainers.drawn_paths import drawn_mask, rescaled, within_drawn
from kerasnas.trainers.hypergradients import InnerStep, finite_difference, first_order, unrolled
from kerasnas.trainers.warmup import AlphaWarmup


class BilevelGradients(keras.Model):
    """A model whose trainable variables are of two levels, and the gradient of each level's loss.

    The mathematics of `BilevelTrainer`. `w` are values of the network weights, `a` of the architecture parameters,
    `state` of the non-trainable variables (moving statistics, random state), in the order of the model; `data` is a
    pair of batches, the one that trains the weights first. Optimizers' values (rate, momentum, loss scale) are read
    from the surrounding `keras.StatelessScope`.

    On several replicas each sees its part of a batch. A loss is then the replica's part of the loss over the global
    batch, such that the parts, and their gradients, add up to that of one device; returned gradients are already
    summed.
    """

    supernet: Any
    _hypergradient: Callable
    objective: Callable | None = None
    _class_weight: list[float] | None = None
    _batch_size: int | None = None
    architecture_warmup: AlphaWarmup
    relaxations: Callable[[], list[Relaxation]]
    _searched: Callable[[], Any]
    _pass: Callable | None = None

    @property
    def network_weights(self) -> list[Any]:
        """Trainable variables that are not alphas."""
        return split_variables(self.trainable_variables)[0]

    @property
    def architecture_parameters(self) -> list[Any]:
        """Alphas."""
        return split_variables(self.trainable_variables)[1]

    def partition(self, values: Sequence[Tensor]) -> tuple[list[Any], list[Any]]:
        """Split values in the order of `trainable_variables` into (network weights, alphas)."""
        flags = [is_alphas(variable) for variable in self.trainable_variables]
        pairs = list(zip(values, flags, strict=True))
        return [value for value, flag in pairs if not flag], [value for value, flag in pairs if flag]

    def merge(self, weights: Sequence[Tensor], alphas: Sequence[Tensor]) -> list[Any]:
        """Invert `partition`."""
        sources = iter(weights), iter(alphas)
        return [next(sources[is_alphas(variable)]) for variable in self.trainable_variables]

    def _loss(self, state: Sequence[Tensor], batch: Any, scale: Tensor, objective: Callable | None = None) -> Callable:
        """Return `loss(w, a) -> (scale * objective, (value, predictions, new state))` on a batch.

        The objective is the value of the loss, or `objective` of it. On several replicas the value is that of this
        replica's samples, and the first result its part of the objective of all samples.
        """
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
        own, every = self._shares(x)

        def part_of(value: Any) -> Any:
            sums = getattr(self.loss, "reduction", None) in ("sum", "none", None) and hasattr(self.loss, "reduction")
            part = value / replicas() if sums else value * (ops.cast(own, value.dtype) / ops.cast(every, value.dtype))
            if objective is None:
                return part
            return objective(all_reduce(part), self.supernet) / replicas()

        def loss(w: Sequence[Tensor], a: Sequence[Tensor]) -> tuple[Any, Any]:
            variables = [*self.trainable_variables, *self.non_trainable_variables]
            mapping = list(zip(variables, [*self.merge(w, a), *state], strict=True))
            with keras.StatelessScope(state_mapping=mapping, collect_losses=True) as scope:
                predictions = self(x, training=True)
                # Inside the scope, so that the regularizers of a user's layers see `w` too.
                value = unscaled(self.compute_loss(x=x, y=y, y_pred=predictions, sample_weight=sample_weight))
                if replicas() > 1:
                    # Of no samples Keras makes no mean, or one that is not a number.
                    value = value if isinstance(own, int) else ops.where(own > 0, ops.sum(value), 0)
                    total = part_of(value)
                else:
                    total = value if objective is None else objective(value, self.supernet)
            new_state = [scope.get_current_value(variable) for variable in self.non_trainable_variables]
            return scale * total, (value, predictions, new_state)

        return loss

    def active_in(self, state: Sequence[Tensor]) -> Any:
        """Return the value of the warm-up's variable in `state`."""
        active = self.architecture_warmup.active
        return state[[variable is active for variable in self.non_trainable_variables].index(True)]

    @contextlib.contextmanager
    def one_pass(self) -> Iterator[None]:
        """A context in which both gradients are traced as one function if they are of one function.

        The weights' step and, in first order, that of the alphas differentiate the same loss, on another batch and at
        other alphas. One function computes its gradients with respect to both; each step takes one of them, and the
        unused one is pruned from the graph. Nothing is shared if the two losses differ, or with sampled paths, whose
        functions stay whole in the graph.
        """
        sampled = any(relaxation.paths is not None for relaxation in self.relaxations())
        scaled = any(not isinstance(scale, float) for scale in self.optimizer.loss_scales)
        differ = self.objective is not None or self._class_weight is not None or scaled
        if self._hypergradient is first_order and not (sampled or differ):
            self._pass = shared_trace(self._value_and_both_gradients)
        try:
            yield
        finally:
            self._pass = None

    def _value_and_both_gradients(
        self, w: Sequence[Tensor], a: Sequence[Tensor], state: Sequence[Tensor], batch: Any
    ) -> Any:
        """Return `(value, predictions, new state)` of the loss on a batch, and its gradients: of `w`, of `a`."""
        loss, count = self._loss(state, batch, 1.0), len(w)
        with first_order_only():
            (_, results), gradients = value_and_grad(lambda both: loss(both[:count], both[count:]))([*w, *a])
        return results, gradients[:count], gradients[count:]

    def architecture_gradients(
        self, w: Sequence[Tensor], a: Sequence[Tensor], state: Sequence[Tensor], data: Any
    ) -> tuple[tuple[Any, tuple[Any, list[Any]]], list[Any]]:
        """Return `((validation loss, (predictions, new state)), gradient)` with respect to the alphas.

        Of the state, only the random one advances: moving statistics belong to the weights' step. A second-order
        hypergradient makes several passes, on either batch; all of them draw the same random numbers. Its validation
        loss and predictions are those one step ahead. With loss scaling the gradient is that of the scaled loss.
        """
        training, validation = data
        training_scale, scale = self.optimizer.loss_scales
        validation_loss = self._loss(state, validation, scale, self.objective)
        training_loss = self._loss(state, self._weighted(training), training_scale)
        inner_step, seeds = self._inner_step(), self._seed_positions()

        def learning() -> Any:
            if self._pass is not None:
                (value, predictions, new_state), _, gradients = self._pass(w, a, state, validation)
            else:
                with first_order_only() if self._hypergradient is first_order else contextlib.nullcontext():
                    (_, (value, predictions, new_state)), gradients = self._hypergradient(
                        validation_loss, training_loss, w, a, inner_step
                    )
            gradients = self._summed(gradients, validation)
            decay = scale * self.architecture_weight_decay
            decayed = [g + decay * p for g, p in zip(gradients, a, strict=True)]
            moving = within_drawn(decayed, a, self.drawn(a, state))
            return value, predictions, [new_state[seed] for seed in seeds], moving

        def frozen() -> Any:
            if self._pass is not None:
                (value, predictions, new_state), *_ = self._pass(w, a, state, validation)
            else:
                _, (value, predictions, new_state) = validation_loss(w, a)
            return value, predictions, [new_state[seed] for seed in seeds], [ops.zeros_like(p) for p in a]

        active = self.active_in(state)
        value, predictions, seeded, gradients = self.architecture_warmup.choose(active, learning, frozen)
        advanced = dict(zip(seeds, seeded, strict=True))
        return (value, (predictions, [advanced.get(i, old) for i, old in enumerate(state)])), gradients

    def network_gradients(
        self, w: Sequence[Tensor], a: Sequence[Tensor], state: Sequence[Tensor], data: Any
    ) -> tuple[tuple[tuple[Any, Any], list[Any]], list[Any]]:
        """Return `(((training loss, predictions), new state), gradient)` with respect to the network weights.

        With loss scaling the gradient is that of the scaled loss.
        """
        scale, _ = self.optimizer.loss_scales
        if self._pass is not None:
            (value, predictions, new_state), gradients, _ = self._pass(w, a, state, data[0])
        else:
            loss = self._loss(state, self._weighted(data[0]), scale)
            with contextlib.ExitStack() as stack:
                stack.enter_context(first_order_only())
                for relaxation in self.relaxations():
                    stack.enter_context(relaxation.for_weights())
                (_, (value, predictions, new_state)), gradients = value_and_grad(lambda weights: loss(weights, a))(w)
        gradients = self._summed(gradients, data[0])
        decay = scale * self.weight_decay
        decayed = [g + decay * p for g, p in zip(gradients, w, strict=True)]
        return ((value, predictions), new_state), decayed

    def drawn(self, a: Sequence[Tensor], state: Sequence[Tensor]) -> list[Any]:
        """Return for each alpha table the mask of the primitives that a pass from `state` draws; None if all may move.

        The draws are functions of the random state; they are made again, which costs a few numbers per edge.
        """
        masks: dict[int, Any] = {}
        if any(relaxation.keeps_others for relaxation in self.relaxations()):
            variables = [*self.architecture_parameters, *self.non_trainable_variables]
            with keras.StatelessScope(state_mapping=list(zip(variables, [*a, *state], strict=True))):
                drawn = self._searched().drawn_paths()
            masks = {id(alphas): drawn_mask(active, alphas.shape[-1]) for alphas, active in drawn}
        return [masks.get(id(alphas)) for alphas in self.architecture_parameters]

    after_architecture_step = staticmethod(rescaled)  # with the masks of `drawn`

    def architecture_curvature(
        self,
        w: Sequence[Tensor],
        a: Sequence[Tensor],
        state: Sequence[Tensor],
        batch: Any,
        start: Sequence[Any],
        iterations: int,
    ) -> tuple[Any, list[Any]]:
        """Return the largest eigenvalue, and its vector, of the Hessian of the loss on `batch` in the alphas.

        A relaxation that draws is taken at its mean. Other objectives do not count.
        """
        loss = self._loss(state, batch, 1.0)
        with self.supernet.at_expected_weights():
            return top_eigenvalue(lambda alphas: loss(w, alphas)[0], a, start, iterations)

    def _shares(self, x: Tensor) -> tuple[Any, Any]:
        """Return the numbers of samples of this replica and of all."""
        if self._batch_size is not None and self._batch_size % replicas() == 0:
            return share(self._batch_size // replicas())
        return share(ops.convert_to_tensor(batch_size_of(x), "int32"))

    def _summed(self, gradients: list[Any], batch: Any) -> list[Any]:
        """Sum gradients over the replicas; one without samples adds 0."""
        if replicas() == 1:
            return gradients
        own, _ = self._shares(batch[0])
        if not isinstance(own, int):
            gradients = [ops.where(own > 0, gradient, 0) for gradient in gradients]
        return all_reduce(gradients)

    def _inner_step(self) -> InnerStep | None:
        """Return the weights' next step as a function; None for first order, which does not read the optimizer.

        Raises:
            ValueError: if the hypergradient needs one and the optimizer has none.
        """
        if self._hypergradient is first_order:
            return None
        function = getattr(self._hypergradient, "func", self._hypergradient)  # of a partial
        return self.optimizer.inner_step(self.weight_decay, required=function in (unrolled, finite_difference))

    def _seed_positions(self) -> list[int]:
        """Return the positions of random generators' values in the state."""
        states = set(map(id, seed_states(self)))
        return [position for position, v in enumerate(self.non_trainable_variables) if id(v) in states]

    def _weighted(self, batch: Any) -> Any:
        if self._class_weight is None:
            return batch
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
        labels = ops.cast(ops.argmax(y, axis=-1) if len(y.shape) > 1 and y.shape[-1] > 1 else y, "int32")
        factor = ops.take(ops.convert_to_tensor(self._class_weight), ops.reshape(labels, (-1,)))
        return x, y, factor if sample_weight is None else factor * sample_weight
