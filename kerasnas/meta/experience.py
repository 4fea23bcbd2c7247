"""SearchExperience: the record of an earlier search, which warm-starts the next one."""

from __future__ import annotations

import json
import math
import operator
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.files import untrusted
from kerasnas.files.storage import write_text
from kerasnas.search import SearchStrategy
from kerasnas.spaces import SearchSpace
from kerasnas.spaces.base import Indices

FORMAT = 1


@dataclass(frozen=True)
class SearchExperience:
    """The architectures that one search evaluated, as indices, with their rewards.

    Rewards that are not finite are left out: another task learns nothing from failures.

    Args:
        space: name of the space.
        cardinalities: number of options of each of its choices.
        observations: pairs (indices, reward) in the order of the reports; a reward of None is a failure.
        name: name of the task, such as the data set or the device. Defaults to "".

    Raises:
        TypeError: if `space` or `name` is not a string, or an observation is not a pair of indices and a number.
        ValueError: if a cardinality is not positive, or an index is out of the range of its choice.

    Example:

    >>> from kerasnas.search import RandomSearch
    >>> from kerasnas.spaces import NASBench201Space
    >>> strategy = RandomSearch(NASBench201Space(), seed=0)
    >>> for _ in range(5):
    ...     genotype = strategy.ask()
    ...     strategy.tell(genotype, genotype.count("nor_conv_3x3"))
    >>> experience = SearchExperience.of(strategy, "count")
    >>> len(experience), experience.space
    (5, 'nasbench201')
    """

    space: str
    cardinalities: tuple[int, ...]
    observations: tuple[tuple[Indices, float], ...]
    name: str = ""

    def __post_init__(self) -> None:
        checks.name("space", self.space)
        checks.instance("name", self.name, str)
        checks.instance("cardinalities", self.cardinalities, Iterable, "a sequence of integers")
        checks.instance("observations", self.observations, Iterable, "a sequence of pairs (indices, reward)")
        cardinalities = tuple(checks.size("cardinalities", size) for size in self.cardinalities)
        observations = [_observation(pair) for pair in self.observations]
        finite = tuple((indices, reward) for indices, reward in observations if math.isfinite(reward))
        object.__setattr__(self, "observations", finite)
        object.__setattr__(self, "cardinalities", cardinalities)
        for indices, _ in finite:
            within = zip(indices, cardinalities, strict=False)
            if len(indices) != len(cardinalities) or not all(0 <= index < size for index, size in within):
                expected = f"one index for each of the choices, which have {cardinalities} options"
                raise ValueError(checks.invalid("observations", expected, indices))

    @classmethod
    def of(cls, strategy: SearchStrategy, name: str = "") -> SearchExperience:
        """Return the record of `strategy` so far; raises ValueError if it has several objectives."""
        checks.instance("strategy", strategy, SearchStrategy)
        if strategy.objectives != 1:
            raise ValueError(
                f"Expected a strategy whose reward is one number. Received: {type(strategy).__name__} "
                f"with {strategy.objectives}"
            )
        return cls(strategy.space.name, strategy.space.cardinalities, tuple(strategy.succeeded), name)

    @property
    def architectures(self) -> list[Indices]:
        """The evaluated architectures, as indices, in the order of the reports."""
        return [indices for indices, _ in self.observations]

    @property
    def rewards(self) -> np.ndarray:
        """The rewards `(n,)`, in the same order."""
        return np.array([reward for _, reward in self.observations], float)

    @property
    def ranked(self) -> list[Indices]:
        """The architectures from the highest reward to the lowest, without repetitions."""
        order = np.argsort(-self.rewards, kind="stable")
        return list(dict.fromkeys(self.observations[position][0] for position in order))

    def __len__(self) -> int:
        return len(self.observations)

    def to_config(self) -> dict[str, Any]:
        """Return a JSON-serializable description that `from_config` reads."""
        return {
            "name": self.name,
            "space": self.space,
            "cardinalities": list(self.cardinalities),
            "observations": [[list(indices), reward] for indices, reward in self.observations],
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> SearchExperience:
        """Return the experience of `to_config`; raises ValueError if an entry is missing or malformed."""
        try:
            observations = tuple((tuple(indices), reward) for indices, reward in config["observations"])
            return cls(config["space"], tuple(config["cardinalities"]), observations, config.get("name", ""))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"This is no search experience: {type(error).__name__}, {error}") from None


def _observation(pair: Any) -> tuple[Indices, float]:
    try:
        indices, reward = pair
        return tuple(operator.index(index) for index in indices), math.nan if reward is None else float(reward)
    except (TypeError, ValueError):
        expected = "pairs of indices and a reward, such as ((0, 1), 0.5)"
        raise TypeError(checks.invalid("observations", expected, pair)) from None


@checks.arguments(path=checks.path)
def save_experiences(path: str | os.PathLike, experiences: Iterable[SearchExperience]) -> None:
    """Write `experiences` to a JSON file that `load_experiences` reads."""
    checks.instance("experiences", experiences, Iterable, "a sequence of `SearchExperience`s")
    experiences = [checks.instance("experiences", experience, SearchExperience) for experience in experiences]
    record = {"format": FORMAT, "experiences": [experience.to_config() for experience in experiences]}
    write_text(path, json.dumps(record) + "\n")


@checks.arguments(path=checks.path)
def load_experiences(path: str | os.PathLike) -> list[SearchExperience]:
    """Read the file that `save_experiences` wrote.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged or of another format.
    """
    try:
        record = untrusted.read_json(path)
        if type(record["format"]) is not int or record["format"] != FORMAT:
            raise ValueError(f"expected format {FORMAT}, received {record['format']}")
        configs = checks.instance("experiences", record["experiences"], list)
        for config in configs:
            checks.instance("observations", checks.instance("experiences", config, dict)["observations"], list)
        return [SearchExperience.from_config(config) for config in configs]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{path} holds no search experiences: {error}") from None


def check_sources(space: SearchSpace, sources: Sequence[SearchExperience]) -> list[SearchExperience]:
    """Return the `sources` with at least two different rewards, as fewer rank nothing; all must be of `space`."""
    checks.instance("space", space, SearchSpace)
    checks.instance("sources", sources, Sequence, "a sequence of `SearchExperience`s")
    for position, source in enumerate(sources):
        what = f"Source {position}" + (f" ({source.name})" if getattr(source, "name", "") else "")
        if not isinstance(source, SearchExperience):
            raise TypeError(f"{what} of `sources`: expected a `SearchExperience`. Received: {type(source).__name__}")
        if source.space != space.name:
            raise ValueError(f"{what} is of space '{source.space}', the search of '{space.name}'.")
        if source.cardinalities != space.cardinalities:
            raise ValueError(
                f"{what} is of another space '{space.name}': its choices have {source.cardinalities} options, those "
                f"of the search {space.cardinalities}."
            )
    return [source for source in sources if len(set(source.rewards.tolist())) > 1]
