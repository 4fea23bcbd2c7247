"""The public modules, and where each public name is at home."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from types import ModuleType
from typing import Any

import kerasnas

# What one of them has under two names is at home under its own.
MODULES = {
    "kerasnas.search": "Search",
    "kerasnas.spaces": "Spaces",
    "kerasnas.primitives": "Primitives",
    "kerasnas.relaxations": "Relaxations",
    "kerasnas.networks": "Networks",
    "kerasnas.genotypes": "Genotypes",
    "kerasnas.cost": "Costs",
    "kerasnas.proxies": "Zero-cost proxies",
    "kerasnas.callbacks": "Callbacks",
    "kerasnas.racing": "Races",
    "kerasnas.runs": "Runs",
    "kerasnas.methods": "Methods of a run",
    "kerasnas.deployment": "Deployment",
    "kerasnas.meta": "Meta-learning",
    "kerasnas.starts": "Pretrained networks",
    "kerasnas.federated": "Federated search",
    "kerasnas.federated.flower": "Federated search on Flower",
    "kerasnas.drift": "Drift",
    "kerasnas.datasets": "Data",
    "kerasnas.modalities": "Modalities",
    "kerasnas.tasks": "Tasks",
    "kerasnas.tabular": "Tables of published results",
    "kerasnas.distribution": "Devices",
    "kerasnas.platforms.optuna_study": "Optuna",
    "kerasnas.platforms.ray_tune": "Ray Tune",
    "kerasnas.platforms.tensorboard_log": "TensorBoard",
    "kerasnas.executors": "Executors",
    "kerasnas.platforms.ray_executor": "Executor on Ray",
    "kerasnas.testing": "Contract checks",
    "tuners": "KerasTuner",
}


@dataclasses.dataclass(frozen=True)
class Entry:
    """A public name: its module, and what it is."""

    module: str
    name: str
    value: Any

    @property
    def place(self) -> str:
        """The dotted name."""
        return f"{self.module}.{self.name}"


def public(module: ModuleType) -> list[str]:
    """The names of `__all__`, and those that `kerasnas` takes from here; without one, what it defines and documents."""
    if hasattr(module, "__all__"):
        handed_on = [name for name in kerasnas.__all__ if f"kerasnas.{kerasnas.HOMES[name]}" == module.__name__]
        return sorted({*module.__all__, *handed_on}, key=lambda name: (not name[0].isupper(), name))
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__ and value.__doc__
    ]


def entries() -> dict[str, list[Entry]]:
    """Module -> its names, those of `kerasnas` itself last; each object once, where it is at home."""
    seen: dict[int, str] = {}
    found: dict[str, list[Entry]] = {}
    for place in [*MODULES, "kerasnas"]:
        module = importlib.import_module(place)
        found[place] = []
        own = {name: getattr(module, name) for name in public(module)}
        for name, value in sorted(own.items(), key=lambda pair: getattr(pair[1], "__name__", pair[0]) != pair[0]):
            if inspect.ismodule(value):
                continue
            known = inspect.isclass(value) or callable(value)
            if known and seen.setdefault(id(value), f"{place}.{name}") != f"{place}.{name}":
                continue
            found[place].append(Entry(place, name, value))
        found[place].sort(key=lambda entry: list(own).index(entry.name))
    return found


def homes(found: dict[str, list[Entry]]) -> dict[str, str]:
    """Every way to write a public name -> the dotted name under which the reference has it."""
    by_value = {id(entry.value): entry.place for several in found.values() for entry in several}
    result, twice = {}, set()
    for place in [*MODULES, "kerasnas"]:
        module = importlib.import_module(place)
        for name in public(module):
            value = getattr(module, name)
            if inspect.ismodule(value) or id(value) not in by_value:
                continue
            home = by_value[id(value)]
            result[f"{place}.{name}"] = home
            if result.setdefault(name, home) != home:
                twice.add(name)
            if inspect.isclass(value):
                result.update(
                    (f"{prefix}.{member}", f"{home}.{member}")
                    for prefix in (name, f"{place}.{name}")
                    for member in members(value)
                )
    return {name: home for name, home in result.items() if name not in twice}


def members(owner: type) -> dict[str, Any]:
    """The public methods and properties that a class itself documents."""
    return {
        name: value
        for name, value in vars(owner).items()
        if not name.startswith("_") and getattr(value, "__doc__", None) and _is_member(value)
    }


def _is_member(value: Any) -> bool:
    return inspect.isfunction(value) or isinstance(value, (property, classmethod, staticmethod))
