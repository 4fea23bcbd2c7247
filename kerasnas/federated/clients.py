"""A client of a federated search: a Keras trainer on data that stay here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasnas import checks
from kerasnas.callbacks.checkpoints import FollowEpochs
from kerasnas.callbacks.state import restore, snapshot
from kerasnas.datasets.batches import ArrayBatches
from kerasnas.federated.averaging import Update, Values, difference
from kerasnas.federated.channels import ClientInfo
from kerasnas.genotypes import Genotype
from kerasnas.primitives.normalization import batch_norms
from kerasnas.relaxations.base import is_alphas
from kerasnas.search import BilevelTrainer

BATCH_NORM = ("averaged", "local_statistics", "local")
OPTIMIZER_STATES = ("kept", "reset")
_SLOT = "optimizer-"  # prefix of the optimizer's variables in a `snapshot`


class Personal(NamedTuple):
    """A client's own search from a shared start.

    Args:
        genotype: the derived genotype; None for a model without alphas.
        values: its weights and alphas.
    """

    genotype: Genotype | None
    values: Values


class FederatedClient:
    """A client of a federated search: trains on its own data, and sends only values of variables.

    With one client, full participation and a server step of 1, a federated search equals `search.fit` of
    `rounds * local_epochs` epochs: schedules, warm-up and the order of the data depend on the federation's epoch, also
    for a client that left out rounds.

    Optimizer slots, random state and the memory of guards always stay with the client. As to the other variables:

    - weights and alphas are averaged;
    - `batch_norm="averaged"`: moving means and variances too, each as a plain mean over clients; `"local_statistics"`:
      they stay with the client (SiloBN); `"local"`: gamma and beta stay too (FedBN), for clients whose data differ in
      appearance. Models for anyone else then lack the local values;
    - `optimizer_state="kept"`: momentum and moments continue in the client's next round, as a plain search requires;
      `"reset"`: every round starts without, as in federated averaging and in Reptile.

    The guard `curvature_ratio` of a `BilevelTrainer` would end a single client's search: set it to None.

    Args:
        name: unique among the clients.
        search: a compiled `BilevelTrainer`, or any compiled Keras model, such as the network of a genotype. Clients of
            one process may share it: each restores its own state before it trains. With one `batch_size` for all of
            them, the step is traced once.
        x: samples `(n, ...)`, as for `fit`.
        y: labels `(n,)`.
        batch_size: Defaults to None: as `BilevelTrainer.fit`; for another model 32, or all samples if they are fewer.
        local_epochs: epochs per round. Defaults to 1.
        optimizer_state: `"kept"` or `"reset"`. Defaults to `"kept"`.
        batch_norm: `"averaged"`, `"local_statistics"` or `"local"`. Defaults to `"averaged"`.
        validation_split: for a `BilevelTrainer`, the fraction of the data that trains the alphas. Defaults to None:
            0.5.
        augment: `(batch, rng) -> batch` for the images. Defaults to None.
        callbacks: a function that returns further callbacks for each `fit`, such as a `TemperatureSchedule`; they must
            depend on the epoch only, as each round creates new ones. Defaults to None.
        seed: seed of the split and of the order of the data. Defaults to 0.

    Raises:
        TypeError: if `search` is not a Keras model.
        ValueError: if it is not compiled, for an unknown name, a number out of range, or data of differing lengths.

    Example:

    >>> from kerasnas.federated import federate
    >>> def network():
    ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    ...     model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True)
    ...     return model
    >>> rng, model = np.random.default_rng(0), network()
    >>> clients = [
    ...     FederatedClient(name, model, rng.random((8, 2), "float32"), np.arange(8) % 2) for name in ("a", "b")
    ... ]
    >>> federation = federate(clients, shared_values(model), rounds=2)
    >>> federation.bytes_up == federation.bytes_down == 2 * 2 * 4 * (2 * 2 + 2)
    True
    >>> assign_values(model, federation.values)

    Reference:
        Li et al., "FedBN: Federated Learning on Non-IID Features via Local Batch Normalization", 2021 (arXiv
        2102.07623); Andreux et al., "Siloed Federated Learning for Multi-Centric Histopathology Datasets", 2020.
        Federated search of weights and alphas: He et al., "Towards Non-I.I.D. and Invisible Data with FedNAS", 2020
        (arXiv 2004.08546).

    Differences from the paper:
        - FedNAS has the alphas descend a mixture of both losses (MiLeNAS); here the validation loss alone, as in DARTS.
        - FedBN and SiloBN are options; by default everything is averaged.
    """

    def __init__(
        self,
        name: str,
        search: keras.Model,
        x: Any,
        y: Any,
        batch_size: int | None = None,
        local_epochs: int = 1,
        optimizer_state: str = "kept",
        batch_norm: str = "averaged",
        validation_split: float | None = None,
        augment: Callable | None = None,
        callbacks: Callable[[], Sequence[keras.callbacks.Callback]] | None = None,
        seed: int = 0,
    ):
        self.name = checks.instance("name", name, str)
        self.search = checks.instance("search", search, keras.Model, "a compiled Keras model")
        if not search.compiled or not search.built:
            raise ValueError(checks.invalid("search", "a model that is built and compiled", search.name))
        self.x, self.y = checks.array("x", x), checks.array("y", y)
        if not self.x.ndim or self.x.shape[:1] != self.y.shape[:1] or not len(self.x):
            lengths = f"shapes {self.x.shape} and {self.y.shape}"
            raise ValueError(
                f"Expected as many labels as samples, at least one, of client '{name}'. Received: {lengths}"
            )
        self.batch_size = checks.optional(checks.size, "batch_size", batch_size)
        self.local_epochs = checks.size("local_epochs", local_epochs)
        self.optimizer_state = checks.one_of("optimizer_state", optimizer_state, OPTIMIZER_STATES)
        self.batch_norm = checks.one_of("batch_norm", batch_norm, BATCH_NORM)
        self.validation_split = checks.optional(checks.number, "validation_split", validation_split, above=0, below=1)
        self.augment = checks.optional(checks.function, "augment", augment)
        self.callbacks = checks.optional(checks.function, "callbacks", callbacks)
        self.seed = checks.seed(seed)
        if not search.optimizer.built:  # Keras would build it in the first `fit`
            search.optimizer.build(search.trainable_variables)
        self._first = snapshot(search)
        self._state = self._first

    def describe(self) -> ClientInfo:
        """Return name, number of samples, and the shape of a sample."""
        return ClientInfo(self.name, len(self.x), self.x.shape[1:])

    def get_state(self) -> dict[str, np.ndarray]:
        """Return the state that stays with the client between rounds, for clients created again in every round."""
        return dict(self._state)

    @checks.arguments(state=checks.entries(np.ndarray))
    def set_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Continue from a `get_state`; raises ValueError for that of another search."""
        restore(self.search, state)
        self._state = dict(state)

    @checks.arguments(values=Values, number=checks.count, rounds=checks.size)
    def train(self, values: Values, number: int, rounds: int) -> Update:
        """Train from `values`, for `local_epochs` of the federation's `rounds * local_epochs` epochs.

        After an exception the client's state is that before the round.
        """
        self._load(values, self._state if self.optimizer_state == "kept" else self._without_slots(self._state))
        first = number * self.local_epochs
        logs = self._fit(first, first + self.local_epochs, rounds * self.local_epochs)
        self._state = snapshot(self.search)
        return Update(shared_values(self.search, self.batch_norm), len(self.x), logs)

    @checks.arguments(values=Values, epochs=checks.size)
    def personalize(self, values: Values, epochs: int) -> Personal:
        """Search alone for `epochs` epochs, from the shared weights and alphas, for the client's own genotype.

        Optimizers, schedules and warm-up restart. Later rounds of the federation are not affected.
        """
        self._load(values, self._without_slots(self._state))
        self._fit(0, epochs, epochs)
        derive = getattr(self.search, "derive", None)
        return Personal(None if derive is None else derive(), shared_values(self.search, self.batch_norm))

    @checks.arguments(values=Values)
    def evaluate(self, values: Values, x: Any, y: Any) -> dict[str, float]:
        """Return loss and metrics of `values`, combined with local ones, on samples such as held-out ones."""
        x, y = checks.array("x", x), checks.array("y", y)
        if x.shape[1:] != self.x.shape[1:] or not len(x) or len(x) != len(y):
            expected = f"samples of shape {self.x.shape[1:]}, at least one, with a label `y` each"
            raise ValueError(checks.invalid("x", expected, f"shapes {x.shape} and {y.shape}"))
        self._load(values, self._state)
        return self.search.evaluate(x, y, batch_size=min(256, len(x)), verbose=0, return_dict=True)

    def _load(self, values: Values, state: Mapping[str, np.ndarray]) -> None:
        restore(self.search, state)
        assign_values(self.search, values, self.batch_norm)

    def _without_slots(self, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return `state` with the initial values of the optimizer's variables."""
        return {**state, **{name: value for name, value in self._first.items() if name.startswith(_SLOT)}}

    def _fit(self, first: int, last: int, total: int) -> dict[str, float]:
        """Train from epoch `first` to `last` of `total`; return the results of the last one."""
        options: dict[str, Any] = {"initial_epoch": first, "epochs": total, "verbose": 0}
        further = [] if self.callbacks is None else list(self.callbacks())
        further.append(_StopAt(last))
        if isinstance(self.search, BilevelTrainer):
            options |= {"batch_size": self.batch_size, "validation_split": self.validation_split}
            options |= {"augment": self.augment, "seed": self.seed}
            history = self.search.fit(self.x, self.y, callbacks=further, **options)
        else:
            size = self.batch_size or min(32, len(self.x))
            batches = ArrayBatches(self.x, self.y, size, seed=self.seed, augment=self.augment)
            follow = FollowEpochs(batches, None)
            history = self.search.fit(batches, callbacks=[follow, *further], shuffle=False, **options)
        return {name: float(curve[-1]) for name, curve in history.history.items() if curve}


@checks.arguments(search=keras.Model)
def shared_values(search: keras.Model, batch_norm: str = "averaged") -> Values:
    """Return copies of the values that server and clients share.

    Args:
        search: a `BilevelTrainer`, or any built Keras model.
        batch_norm: as for `FederatedClient`. Defaults to `"averaged"`.
    """
    groups = _shared_variables(search, batch_norm)
    return Values(*([np.array(keras.ops.convert_to_numpy(variable)) for variable in group] for group in groups))


@checks.arguments(search=keras.Model, values=Values)
def assign_values(search: keras.Model, values: Values, batch_norm: str = "averaged") -> None:
    """Assign the values of a federation to a search, in place.

    Args:
        search: a `BilevelTrainer`, or any built Keras model, of the same network.
        values: such as the outcome of `federate`.
        batch_norm: as for `FederatedClient`. Defaults to `"averaged"`.

    Raises:
        ValueError: if the values are of another network; nothing is assigned then.
    """
    groups = _shared_variables(search, batch_norm)
    for kind, group, arrays in zip(Values._fields, groups, values, strict=True):
        if wrong := difference(group, arrays):
            raise ValueError(f"Invalid value received for argument `values`. Expected {kind} of this network: {wrong}")
    for group, arrays in zip(groups, values, strict=True):
        for variable, array in zip(group, arrays, strict=True):
            variable.assign(array)


def _shared_variables(search: keras.Model, batch_norm: str) -> tuple[list[Any], list[Any], list[Any]]:
    """Return the averaged variables: weights, alphas and statistics."""
    checks.one_of("batch_norm", batch_norm, BATCH_NORM)
    layers = batch_norms(search)
    statistics = [variable for layer in layers for variable in (layer.moving_mean, layer.moving_variance)]
    local = {id(v) for layer in layers for v in layer.trainable_variables} if batch_norm == "local" else set()
    weights = [v for v in search.trainable_variables if not is_alphas(v) and id(v) not in local]
    alphas = [v for v in search.trainable_variables if is_alphas(v)]
    return weights, alphas, statistics if batch_norm == "averaged" else []


class _StopAt(keras.callbacks.Callback):
    """Ends `fit` at an epoch before its last, so that schedules see the whole length."""

    def __init__(self, epoch: int):
        super().__init__()
        self.epoch = epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if epoch + 1 >= self.epoch:
            self.model.stop_training = True
