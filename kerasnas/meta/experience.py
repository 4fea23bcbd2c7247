"""SearchExperience: what an earlier search asked and was told, which is what search policies are meta-learned from."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasnas.spaces import SearchSpace
from kerasnas.spaces.base import Indices
from kerasnas.storage import write_text
from kerasnas.strategies import SearchStrategy

FORMAT = 1


@dataclass(frozen=True)
class SearchExperience:
    """The architectures that one search evaluated, as indices, with their rewards; one task of a task distribution.

    Rewards that are not finite are left out: failures say nothing that another task could learn from.

    Args:
        space: name of the space.
        cardinalities: how many options each of its choices has.
        observations: pairs (indices, reward) in the order told.
        name: of the task, such as the data set or the device. Defaults to "".

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
        finite = tuple(
            (tuple(int(index) for index in indices), float(reward))
            for indices, reward in self.observations
            if reward is not None and math.isfinite(reward)
        )
        object.__setattr__(self, "observations", finite)
        object.__setattr__(self, "cardinalities", tuple(int(size) for size in self.cardinalities))
        for indices, _ in finite:
            if len(indices) != len(self.cardinalities) or not all(
                0 <= index < size for index, size in zip(indices, self.cardinalities, strict=True)
            ):
                raise ValueError(
                    f"Invalid value received for argument `observations`. Expected one index for each of the choices, "
                    f"which have {self.cardinalities} options. Received: {indices}"
                )

    @classmethod
    def of(cls, strategy: SearchStrategy, name: str = "") -> SearchExperience:
        """What `strategy` was told so far.

        Raises:
            ValueError: if its rewards have several objectives.
        """
        if strategy.objectives != 1:
            raise ValueError(
                f"Expected a strategy whose reward is one number. Received: {type(strategy).__name__} "
                f"with {strategy.objectives}"
            )
        return cls(strategy.space.name, strategy.space.cardinalities, tuple(strategy.succeeded), name)

    @property
    def architectures(self) -> list[Indices]:
        """The indices of what was evaluated, in the order told."""
        return [indices for indices, _ in self.observations]

    @property
    def rewards(self) -> np.ndarray:
        """The rewards `(n,)` in the same order."""
        return np.array([reward for _, reward in self.observations], float)

    @property
    def ranked(self) -> list[Indices]:
        """The architectures from the highest reward to the lowest, each once."""
        order = np.argsort(-self.rewards, kind="stable")
        return list(dict.fromkeys(self.observations[position][0] for position in order))

    def __len__(self) -> int:
        return len(self.observations)

    def to_config(self) -> dict[str, Any]:
        """As JSON knows it."""
        return {
            "name": self.name,
            "space": self.space,
            "cardinalities": list(self.cardinalities),
            "observations": [[list(indices), reward] for indices, reward in self.observations],
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> SearchExperience:
        """The inverse of `to_config`.

        Raises:
            ValueError: if something is missing or malformed.
        """
        try:
            observations = tuple((tuple(indices), reward) for indices, reward in config["observations"])
            return cls(config["space"], tuple(config["cardinalities"]), observations, config.get("name", ""))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"This is no search experience: {type(error).__name__}, {error}") from None


def save_experiences(path: str | os.PathLike, experiences: Iterable[SearchExperience]) -> None:
    """Write `experiences` to a JSON file that `load_experiences` reads."""
    record = {"format": FORMAT, "experiences": [experience.to_config() for experience in experiences]}
    write_text(path, json.dumps(record) + "\n")


def load_experiences(path: str | os.PathLike) -> list[SearchExperience]:
    """Read what `save_experiences` wrote.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged or of another format.
    """
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
        if record["format"] != FORMAT:
            raise ValueError(f"expected format {FORMAT}, received {record['format']}")
        return [SearchExperience.from_config(config) for config in record["experiences"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} holds no search experiences: {error}") from None


def check_sources(space: SearchSpace, sources: Sequence[SearchExperience]) -> list[SearchExperience]:
    """The `sources` that have something to learn from; they must be of `space`.

    A source needs two different rewards: less ranks nothing.

    Raises:
        TypeError: if one is no `SearchExperience`.
        ValueError: if one is of another space; says what differs.
    """
    for position, source in enumerate(sources):
        what = f"Source {position}" + (f" ({source.name})" if getattr(source, "name", "") else "")
        if not isinstance(source, SearchExperience):
            raise TypeError(f"{what}: expected a `SearchExperience`. Received: {type(source).__name__}")
        if source.space != space.name:
            raise ValueError(f"{what} is of space '{source.space}', the search of '{space.name}'.")
        if source.cardinalities != space.cardinalities:
            raise ValueError(
                f"{what} is of another space '{space.name}': its choices have {source.cardinalities} options, those "
                f"of the search {space.cardinalities}."
            )
    return [source for source in sources if len(set(source.rewards.tolist())) > 1]
