"""KerasNAS: neural architecture search for Keras.

A search space says what may be built; a relaxation makes the choice soft; a trainer makes the choice;
a genotype is what comes out. See the README for a first search.

What the names stand for is imported when it is first used: `import kerasnas` alone loads neither Keras nor TensorFlow.

Public is what stands in an `__all__`: of this package, of one of its packages, of `genotypes` and
`search`, and of `tuners`. All else may change without notice.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerasnas import (
        callbacks,
        cost,
        datasets,
        distribution,
        drift,
        federated,
        genotypes,
        meta,
        networks,
        relaxations,
        search,
        spaces,
        tabular,
    )
    from kerasnas.deployment import (
        GraphClassifier,
        ImageClassifier,
        ImageRegressor,
        Preset,
        TableClassifier,
        TableRegressor,
        TextClassifier,
        load,
        presets,
        push,
        readapt,
    )
    from kerasnas.drift import DriftMonitor
    from kerasnas.genotypes import Edge, Genotype
    from kerasnas.primitives import MixedOp, register_primitive
    from kerasnas.search import BilevelTrainer
    from kerasnas.spaces import DARTSSpace, SearchSpace

__version__ = "0.1.0"

_HOMES = {
    "BilevelOptimizer": "trainers.compiling",
    "BilevelTrainer": "search",
    "DARTSSpace": "spaces",
    "DriftMonitor": "drift",
    "Edge": "genotypes",
    "Genotype": "genotypes",
    "GraphClassifier": "deployment",
    "ImageClassifier": "deployment",
    "ImageRegressor": "deployment",
    "MixedOp": "primitives",
    "Preset": "deployment",
    "SearchSpace": "spaces",
    "TableClassifier": "deployment",
    "TableRegressor": "deployment",
    "TextClassifier": "deployment",
    "load": "deployment",
    "presets": "deployment",
    "push": "deployment",
    "readapt": "deployment",
    "register_primitive": "primitives",
}

__all__ = [
    "BilevelTrainer",
    "DARTSSpace",
    "DriftMonitor",
    "Edge",
    "Genotype",
    "GraphClassifier",
    "ImageClassifier",
    "ImageRegressor",
    "MixedOp",
    "Preset",
    "SearchSpace",
    "TableClassifier",
    "TableRegressor",
    "TextClassifier",
    "callbacks",
    "cost",
    "datasets",
    "distribution",
    "drift",
    "federated",
    "genotypes",
    "load",
    "meta",
    "networks",
    "presets",
    "push",
    "readapt",
    "register_primitive",
    "relaxations",
    "search",
    "spaces",
    "tabular",
]


def __getattr__(name: str) -> Any:
    place = f"{__name__}.{_HOMES.get(name, name)}"
    try:
        if name.startswith("_"):
            raise ModuleNotFoundError(name=place)
        module = importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name != place:  # one that this module needs
            raise
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'") from None
    found = getattr(module, name) if name in _HOMES else module
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
