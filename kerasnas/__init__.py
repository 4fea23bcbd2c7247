"""KerasNAS: neural architecture search for Keras.

A search space says what may be built; a relaxation makes the choice soft; a trainer makes the choice;
a genotype is what comes out. See the README for a first search.

What the names stand for is imported when it is first used: `import kerasnas` alone loads neither Keras nor TensorFlow.

Public is what stands in an `__all__`: of this package, of one of its packages, of `genotypes` and
`search`, and of `tuners`. Each name stands in one of them. All else may change without notice.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerasnas import callbacks as callbacks
    from kerasnas import cost as cost
    from kerasnas import datasets as datasets
    from kerasnas import distribution as distribution
    from kerasnas import drift as drift
    from kerasnas import federated as federated
    from kerasnas import genotypes as genotypes
    from kerasnas import meta as meta
    from kerasnas import networks as networks
    from kerasnas import relaxations as relaxations
    from kerasnas import search as search
    from kerasnas import spaces as spaces
    from kerasnas import tabular as tabular
    from kerasnas.deployment import (
        AutoClassifier,
        AutoRegressor,
        GraphClassifier,
        ImageClassifier,
        ImageRegressor,
        SignalClassifier,
        SignalRegressor,
        TableClassifier,
        TableRegressor,
        TextClassifier,
        TextRegressor,
        load,
        presets,
        push,
        readapt,
    )
    from kerasnas.drift import DriftMonitor
    from kerasnas.genotypes import Genotype
    from kerasnas.primitives import MixedOp, register_primitive
    from kerasnas.search import BilevelTrainer
    from kerasnas.spaces import DARTSSpace, SearchSpace

__version__ = "0.1.0"

__all__ = [
    "AutoClassifier",
    "AutoRegressor",
    "BilevelTrainer",
    "DARTSSpace",
    "DriftMonitor",
    "Genotype",
    "GraphClassifier",
    "ImageClassifier",
    "ImageRegressor",
    "MixedOp",
    "SearchSpace",
    "SignalClassifier",
    "SignalRegressor",
    "TableClassifier",
    "TableRegressor",
    "TextClassifier",
    "TextRegressor",
    "load",
    "presets",
    "push",
    "readapt",
    "register_primitive",
]
HOMES = dict.fromkeys(__all__, "deployment") | {
    "BilevelTrainer": "search",
    "DARTSSpace": "spaces",
    "DriftMonitor": "drift",
    "Genotype": "genotypes",
    "MixedOp": "primitives",
    "SearchSpace": "spaces",
    "register_primitive": "primitives",
}
"""The package of each of these names."""


def __getattr__(name: str) -> Any:
    place = f"{__name__}.{HOMES.get(name, name)}"
    try:
        if name.startswith("_"):
            raise ModuleNotFoundError(name=place)
        module = importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name != place:  # one that this module needs
            raise
        from kerasnas.other_tools import ANSWERS

        raise AttributeError(ANSWERS.get(name, f"module '{__name__}' has no attribute '{name}'")) from None
    found = getattr(module, name) if name in HOMES else module
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
