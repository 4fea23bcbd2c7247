"""ReptileInitializer: a meta-learned initialization, saved to files and assigned to the next search."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import keras
import numpy as np
from keras import ops

from kerasnas import checks
from kerasnas.files import leftovers, untrusted
from kerasnas.files.storage import atomic_path, write_json
from kerasnas.meta.base import MetaLearner
from kerasnas.meta.fitting import assign
from kerasnas.meta.functional import clone
from kerasnas.meta.maml import MAML
from kerasnas.meta.metanas import MetaNAS
from kerasnas.meta.protonet import ProtoNet
from kerasnas.meta.reptile import Reptile
from kerasnas.networks.saved import read_model
from kerasnas.search import SearchStrategy
from kerasnas.spaces import SearchSpace

MODEL, ARRAYS, LEARNED, RECORD = "model.keras", "policy.npz", "learner.npz", "initializer.json"
FORMAT = 1


@runtime_checkable
class Parametric(Protocol):
    """A strategy whose parameters can be warm-started, such as `Reinforce` or `Controller`."""

    space: SearchSpace

    def get_parameters(self) -> dict[str, np.ndarray]:
        """Return copies of the parameters by name."""

    def set_parameters(self, parameters: Mapping[str, np.ndarray]) -> None:
        """Assign the `get_parameters` of a strategy of the same space."""


class ReptileInitializer:
    """A meta-learned initialization and the description of its space; `warm_start` assigns it to a new search.

    It holds a supernet (or any other Keras model) with meta-learned weights and alphas, and further values of its
    learner, such as inner rates; or the parameters of a controller or another strategy; or both.

    Args:
        model: the meta-learned model, which is copied. Defaults to None.
        parameters: name -> array, the parameters of a strategy. Defaults to None.
        description: JSON-serializable facts about the initialization; `warm_start` checks `space`. Defaults to None:
            the space of the model, if it has one.
        learned: name -> array, further values that the learner learned. Defaults to None.

    Raises:
        TypeError: if an argument is of the wrong type, or `description` is not JSON-serializable.
        ValueError: if there is neither a model nor parameters, or the model is not built.

    Example:

    >>> from kerasnas.spaces import NASBench201Space
    >>> space = NASBench201Space(filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "nor_conv_1x1"])
    >>> initializer = ReptileInitializer(space.build_supernet((8, 8, 1), num_classes=5))
    >>> target = space.build_supernet((16, 16, 1), num_classes=3, seed=1)
    >>> print(warm_start(target, initializer))
    42 of 44 variables start from the initialization; initialized from scratch: dense/kernel, dense/bias

    Reference:
        Nichol et al., "On First-Order Meta-Learning Algorithms", 2018 (arXiv 1803.02999); Elsken et al., "Meta-Learning
        of Neural Architectures for Few-Shot Learning", 2020 (arXiv 1911.11090).
    """

    @checks.arguments(model=keras.Model, parameters=Mapping, description=Mapping, learned=Mapping)
    def __init__(
        self,
        model: keras.Model | None = None,
        parameters: Mapping[str, Any] | None = None,
        description: Mapping[str, Any] | None = None,
        learned: Mapping[str, Any] | None = None,
    ):
        if model is None and not parameters:
            raise ValueError("Expected a model, or the parameters of a strategy, or both. Received neither")
        if model is not None and not model.built:
            raise ValueError(f"Expected a built model. Received: {model.name}")
        self.model = None if model is None else clone(model)
        self.parameters = {name: np.asarray(value) for name, value in (parameters or {}).items()}
        self.learned = {name: np.asarray(value) for name, value in (learned or {}).items()}
        space = getattr(model, "space", None)  # supernets have one
        known = {"space": getattr(space, "name", space), **(description or {})}
        try:
            self.description = json.loads(json.dumps(known))  # equals the description that `load` reads
        except (TypeError, ValueError) as error:
            expected = f"a JSON-serializable mapping ({error})"
            raise TypeError(checks.invalid("description", expected, description)) from None

    @classmethod
    def from_learner(cls, learner: Any, **description: Any) -> ReptileInitializer:
        """Return the initialization that a `MetaLearner` has learned so far, a copy.

        Args:
            learner: a `MetaLearner`.
            **description: further JSON-serializable facts: data, seeds, results.
        """
        checks.instance("learner", learner, MetaLearner)
        settings = {key: value for key, value in learner.get_config().items() if key not in ("name", "model")}
        made = {"learner": type(learner).__name__, "meta_steps": int(learner.meta_steps), "settings": settings}
        learned = {name: np.array(ops.convert_to_numpy(own)) for name, own in learned_variables(learner).items()}
        return cls(learner.model, description={**made, **description}, learned=learned)

    def learner(self, **settings: Any) -> MetaLearner:
        """Return a learner like the one that this initialization came from. Compile it, and `adapt` it to a task.

        Args:
            **settings: settings that differ from the original learner's, such as `adaptation_steps`.

        Raises:
            ValueError: if the initialization did not come from a learner, or does not fit these settings, such as
                another number of `inner_steps`; states the difference.
        """
        kinds: dict[str, Callable[..., MetaLearner]] = {
            kind.__name__: kind for kind in (MAML, Reptile, MetaNAS, ProtoNet)
        }
        kind = kinds.get(self.description.get("learner", ""))
        if kind is None or self.model is None:
            raise ValueError(f"Expected an initialization made `from_learner`. Received: {self.description}")
        known = {key: tuple(v) if isinstance(v, list) else v for key, v in self.description["settings"].items()}
        learner = kind(clone(self.model), **(known | settings))
        check_learned(learner, self.learned, self.description)
        assign_learned(learner, self.learned)
        return learner

    @classmethod
    @checks.arguments(strategy=SearchStrategy)
    def from_strategy(cls, strategy: SearchStrategy, **description: Any) -> ReptileInitializer:
        """Return the current parameters of a strategy; raises ValueError if it has none."""
        parametric = _parametric(strategy)
        made = {"space": parametric.space.name, "strategy": type(strategy).__name__}
        return cls(parameters=parametric.get_parameters(), description={**made, **description})

    @checks.arguments(folder=checks.path)
    def save(self, folder: str | os.PathLike) -> None:
        """Write `initializer.json` and those of `model.keras`, `policy.npz` and `learner.npz` that it needs.

        Files of an earlier initialization are replaced.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if self.model is not None:
            with atomic_path(folder / MODEL) as temporary:
                self.model.save(temporary)
        for name, arrays in ((ARRAYS, self.parameters), (LEARNED, self.learned)):
            if arrays:
                with atomic_path(folder / name) as temporary:
                    np.savez(temporary, **arrays)  # type: ignore[arg-type]
        parts = {MODEL: self.model is not None, ARRAYS: bool(self.parameters), LEARNED: bool(self.learned)}
        for name in (name for name, present in parts.items() if not present):
            (folder / name).unlink(missing_ok=True)
        files = [name for name, present in parts.items() if present]
        write_json(folder / RECORD, {"format": FORMAT, "files": files, **self.description})

    @classmethod
    @checks.arguments(folder=checks.path)
    def load(cls, folder: str | os.PathLike) -> ReptileInitializer:
        """Read the files that `save` wrote.

        Raises:
            FileNotFoundError: if the folder has no `initializer.json`.
            ValueError: if the files are damaged or of another format.
        """
        folder = Path(folder)
        leftovers.remove(folder)
        if not (folder / RECORD).is_file():
            raise FileNotFoundError(
                f"Expected a folder with {RECORD}, as `ReptileInitializer.save` makes. Received: {folder}"
            )
        try:
            record = untrusted.read_json(folder / RECORD)
            version, files = record.pop("format"), record.pop("files")
            if type(version) is not int or version != FORMAT:
                raise ValueError(f"expected format {FORMAT}, received {version}")
            model = read_model(folder / MODEL, compile=False) if MODEL in files else None
            parameters, learned = (
                untrusted.read_arrays(folder / name) if name in files else {} for name in (ARRAYS, LEARNED)
            )
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise ValueError(f"{folder} holds no complete initialization: {error}") from None
        return cls(model, parameters, record, learned)


def warm_start(search: Any, initializer: ReptileInitializer) -> str:
    """Start a search from an initialization: assign its values to the search's variables, in place.

    A model receives weights and alphas, except for the head if the number of classes differs; a first kernel for
    another number of channels is adapted (`kerasnas.meta.fitting.rechannel`). A meta-learner also receives inner rates
    and other learned values, a strategy its parameters. Call it before `fit`, or before the first `ask`.

    Args:
        search: a `BilevelTrainer`, an `ENASTrainer`, a meta-learner, a strategy with parameters, a supernet or any
            other Keras model.
        initializer: an initialization of the same space.

    Returns:
        A sentence that states which variables start from the initialization, and which from scratch.

    Raises:
        TypeError: if an argument is of the wrong type.
        ValueError: if a strategy has no parameters, or space or number of inner steps differ; states the difference.
    """
    checks.instance("initializer", initializer, ReptileInitializer)
    if isinstance(search, SearchStrategy):
        return _warm_strategy(search, initializer)
    sentences = []
    controller = getattr(search, "controller", None)
    if controller is not None and initializer.parameters:
        sentences.append(_warm_strategy(controller, initializer))
    model = getattr(search, "supernet", None) or getattr(search, "model", None) or search
    checks.instance("search", model, keras.Model, "a search, a strategy or a Keras model")
    if initializer.model is not None:
        if isinstance(search, MetaLearner):
            check_learned(search, initializer.learned, initializer.description)
        sentences.append(assign(model, initializer.model))
        if isinstance(search, MetaLearner) and (names := assign_learned(search, initializer.learned)):
            sentences.append(f"learned before: {', '.join(names)}")
    elif not sentences:
        raise ValueError(
            "Expected an initialization with a model. Received: the parameters of "
            f"{initializer.description.get('strategy', 'a strategy')} alone"
        )
    return "; ".join(sentences)


def _warm_strategy(strategy: SearchStrategy, initializer: ReptileInitializer) -> str:
    parametric = _parametric(strategy)
    if not initializer.parameters:
        raise ValueError("Expected an initialization with the parameters of a strategy. Received: only a model")
    theirs, ours = initializer.description.get("space"), parametric.space.name
    if theirs != ours:
        raise ValueError(f"This initialization is of space '{theirs}', the strategy searches '{ours}'")
    mine = {name: value.shape for name, value in parametric.get_parameters().items()}
    other = {name: value.shape for name, value in initializer.parameters.items()}
    if mine != other:
        differing = sorted(name for name in mine.keys() | other.keys() if mine.get(name) != other.get(name))
        raise ValueError(
            f"This initialization does not fit {type(strategy).__name__}: they differ in "
            + ", ".join(f"{name}: {other.get(name)}, expected {mine.get(name)}" for name in differing[:4])
        )
    parametric.set_parameters(initializer.parameters)
    return f"{type(strategy).__name__} starts from {len(mine)} meta-learned arrays"


def _parametric(strategy: SearchStrategy) -> Parametric:
    if not isinstance(strategy, Parametric):
        raise ValueError(
            "Expected a strategy with parameters to start from, such as `Reinforce` or `Controller`. Received: "
            f"{type(strategy).__name__}, which has none"
        )
    return strategy


_NAMES = ("inner_rates", "statistics_", "shifts_")  # beginnings of the names of these variables


def learned_variables(learner: Any) -> dict[str, Any]:
    """Return by name the variables that a meta-learner learns for its own inner loop."""
    of_model = {id(variable) for variable in learner.model.variables}
    variables = [variable for variable in learner.variables if id(variable) not in of_model]
    return {variable.name: variable for variable in variables if variable.name.startswith(_NAMES)}


def check_learned(learner: Any, arrays: Mapping[str, np.ndarray], description: Mapping[str, Any]) -> None:
    """Raise ValueError if `arrays` do not fit `learner`; compares `settings` of the initialization's `description`."""
    shapes = {name: tuple(variable.shape) for name, variable in learned_variables(learner).items()}
    wrong = [name for name, array in arrays.items() if name in shapes and array.shape != shapes[name]]
    if not wrong:
        return
    settings, config = description.get("settings", {}), learner.get_config()
    differing = [
        f"{name} {settings[name]!r}, expected {config[name]!r}"
        for name in ("inner_steps", "inner_variables")
        if name in settings and settings[name] != config[name]
    ]
    differing += [f"{name} {arrays[name].shape}, expected {shapes[name]}" for name in wrong[:3]]
    raise ValueError(f"This initialization is of a learner with another inner loop: it has {'; '.join(differing)}")


def assign_learned(learner: Any, arrays: Mapping[str, np.ndarray]) -> list[str]:
    """Assign `arrays` to the learner's variables of these names; return the names assigned."""
    variables = learned_variables(learner)
    names = [name for name in variables if name in arrays]
    for name in names:
        variables[name].assign(arrays[name])
    return names
