"""The space of adaptations: which pretrained network to begin with, and how much of it to tune."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Self

import keras
import numpy as np

from kerasnas import checks
from kerasnas.genotypes import Edge, Genotype
from kerasnas.networks.skeleton import check_input_shape
from kerasnas.spaces.base import SPACES, Indices, SearchSpace
from kerasnas.spaces.skeleton_space import chain_of, distinct
from kerasnas.starts.adapted import MODES, Adaptation
from kerasnas.starts.base import STAGES, STARTS, available_starts, start
from kerasnas.starts.heads import COMPARED, HEADS
from kerasnas.starts.supernet import AdaptationSupernet
from kerasnas.wording import nearest

SIZES = (64, 96, 128, 176, 224, 288)
_MOST = 10  # times the side of the data, to which images are enlarged


@keras.saving.register_keras_serializable(package="kerasnas.spaces")
@SPACES.register("adaptation")
class AdaptationSpace(SearchSpace):
    """Networks made from pretrained ones: the start, the size of its images, how many of its stages, how each is tuned.

    A genotype is a chain: the start and its size; one of `kerasnas.starts.adapted.MODES` for each stage that is kept;
    the head. Every network begins as good as ridge regression on the features of its start, which
    `kerasnas.starts.begin` gives it.

    Args:
        starts: names of `kerasnas.starts.STARTS`. Defaults to None: all whose weights are here, or all.
        sizes: sides of the images that enter the start, in pixels. Defaults to 64, 96, 128, 176, 224 and 288.
        depths: numbers of stages that are kept. Defaults to 3, 4 and 5, all of them.
        modes: options of each stage. Defaults to all five.
        heads: options of the head. Defaults to the linear ones, `"last"`, `"stages"` and `"grid"`; `"compared"` is for
            images whose quarters are images of their own: it tells how alike they are.

    Raises:
        ValueError: for unknown, repeated or no options.

    Example:

    >>> space = AdaptationSpace(starts=["efficientnet_lite0"])
    >>> print(space.network("efficientnet_lite0", 96, ("frozen", "frozen", "tuned", "tuned", "tuned")))
    Genotype of space 'adaptation'
      network:
        0 -> 1  efficientnet_lite0_96
        1 -> 2  frozen
        2 -> 3  frozen
        3 -> 4  tuned
        4 -> 5  tuned
        5 -> 6  tuned
        6 -> 7  head_stages

    Reference:
        Eustratiadis et al., "Neural Fine-Tuning Search for Few-Shot Learning", 2024 (arXiv 2306.09295), which chooses
        for each layer whether it is frozen, tuned or adapted; sizes, cuts and heads are added here, and stages, not
        layers, are what is chosen for. Kumar et al., "Fine-Tuning can Distort Pretrained Features and Underperform
        Out-of-Distribution", 2022 (arXiv 2202.10054): begin with the head.
    """

    name = "adaptation"
    shapes_network = resizes = True
    defaults: Mapping[str, Any] = {"algorithm": "adam", "learning_rate": 3e-4, "weight_decay": 0.0}

    def __init__(
        self,
        starts: Sequence[str] | None = None,
        sizes: Sequence[int] = SIZES,
        depths: Sequence[int] = (3, 4, 5),
        modes: Sequence[str] = MODES,
        heads: Sequence[str] = HEADS,
    ):
        self.starts = checks.names("starts", available_starts() or tuple(STARTS) if starts is None else starts, STARTS)
        self.sizes_of_images = tuple(checks.size("sizes", size) for size in distinct("sizes", sizes))
        self.depths = tuple(checks.integer("depths", depth, 1, STAGES) for depth in distinct("depths", depths))
        self.modes = checks.names("modes", modes, MODES)
        self.heads = checks.names("heads", heads, (*HEADS, COMPARED))

    @classmethod
    def for_data(cls, input_shape: tuple[int, ...], num_classes: int, samples: int, **arguments: Any) -> Self:
        """Return the space whose images are no more than ten times as large as those of the data.

        Args:
            input_shape: `(height, width, channels)` of one image.
            num_classes, samples: of the data; they change nothing.
            arguments: of the constructor; they take precedence.

        Raises:
            ValueError: for no image, and as the constructor does.
        """
        side = max(check_input_shape(input_shape, halvings=1)[:2])
        sizes = tuple(size for size in SIZES if size <= max(_MOST * side, SIZES[0]))
        return cls(**{"sizes": sizes, **arguments})

    def network(self, name: str, size: int, stages: Sequence[str], head: str = "stages") -> Genotype:
        """Return the genotype of these choices; see `kerasnas.starts.adapted.Adaptation`.

        Raises:
            ValueError: if the space has no such network; names the nearest option.
        """
        return self.genotype(self._plan(name, size, stages, head))

    def _plan(self, name: str, size: int | str, stages: Sequence[str], head: str) -> dict[str, str]:
        """Return an option for each choice; stages that are cut off have their first one."""
        plan = {choice: options[0] for choice, options in self.choices.items()}
        plan |= {"start": name, "size": str(size), "stages": str(len(stages)), "head": head}
        return plan | {f"stage/{number}": mode for number, mode in enumerate(stages, start=1)}

    def adaptation(self, genotype: Genotype) -> Adaptation:
        """Return what a genotype says."""
        plan = self.assignment(genotype)
        stages = tuple(plan[f"stage/{number}"] for number in range(1, 1 + int(plan["stages"])))
        return Adaptation(start(plan["start"]), int(plan["size"]), stages, plan["head"])

    @checks.arguments(genotype=Genotype, input_shape=checks.shape, num_classes=checks.size, seed=checks.seed)
    def build_network(
        self, genotype: Genotype, input_shape: tuple[int, ...], num_classes: int, seed: int = 0, **sizes: Any
    ) -> keras.Model:
        """Build the network of `genotype`, for images from 0 to 1; its head is zero until `kerasnas.starts.begin`.

        Raises:
            ValueError: for images that the start cannot see, and if its weights are not there; says how to get them.
        """
        self.validate(genotype)
        return self.adaptation(genotype).build(input_shape, num_classes, seed)

    @checks.arguments(input_shape=checks.shape, num_classes=checks.size, seed=checks.seed)
    def build_supernet(
        self, input_shape: tuple[int, ...], num_classes: int, relaxation: Any = "softmax", seed: int = 0, **kwargs: Any
    ) -> AdaptationSupernet:
        """Build the supernet that mixes the modes of each stage; the start, its size, the depth and the head are given.

        Args:
            input_shape: `(height, width, channels)` of the data's images, from 0 to 1; with 1 or 3 channels.
            num_classes: number of outputs; the head is zero until `kerasnas.starts.begin`.
            relaxation: how alphas become mixing weights: a name or a callable. Defaults to `"softmax"`.
            seed: seed of drawn weights and of the alphas. Defaults to 0.
            kwargs: as for `keras.Model`.

        Raises:
            ValueError: if this space has several starts, sizes, depths or heads, or one mode alone; and as
                `build_network` does.

        Example:

            space = AdaptationSpace(["efficientnet_lite0"], [64], [5], ["frozen", "adapter", "tuned"], ["stages"])
            supernet = space.build_supernet((32, 32, 3), num_classes=10)
            begin(supernet, x, y, data.task)
            search = kerasnas.BilevelTrainer(supernet, weight_decay=0.0)
            search.compile(keras.optimizers.Adam(3e-4))
            search.fit(x, y, epochs=4)
            genotype = search.derive()
        """
        return AdaptationSupernet(self, input_shape, num_classes, relaxation, seed, **kwargs)

    @functools.cached_property
    def choices(self) -> Mapping[str, tuple[str, ...]]:
        """`start`, `size`, `stages`, `stage/<n>` for each stage, and `head`."""
        return {
            "start": self.starts,
            "size": tuple(map(str, self.sizes_of_images)),
            "stages": tuple(map(str, self.depths)),
            **{f"stage/{number}": self.modes for number in range(1, 1 + max(self.depths))},
            "head": self.heads,
        }

    def genotype(self, assignment: Mapping[str, str]) -> Genotype:
        self.check_assignment(assignment)
        stages = [assignment[f"stage/{number}"] for number in range(1, 1 + int(assignment["stages"]))]
        chain = [f"{assignment['start']}_{assignment['size']}", *stages, f"head_{assignment['head']}"]
        return Genotype(self.name, {"network": [Edge(name, node, node + 1) for node, name in enumerate(chain)]})

    def assignment(self, genotype: Genotype) -> dict[str, str]:
        """Invert `genotype`; stages that are cut off have their first option."""
        chain = chain_of(genotype)
        if len(chain) < 3:
            raise ValueError("Expected a start, at least one stage and a head.")
        first, *stages, last = chain
        known = {f"{name}_{size}": (name, size) for name in self.starts for size in self.choices["size"]}
        heads = {f"head_{head}": head for head in self.heads}
        for received, options in ((first, known), (last, heads)):
            if received not in options:
                raise ValueError(f"This space has no {received!r}. {nearest(received, options)}")
        plan = self._plan(*known[first], stages, heads[last])
        self.check_assignment(plan)
        return plan

    def key(self, indices: Indices) -> Indices:
        """Return the combination with the first option of every stage that is cut off."""
        kept, last = self.depths[indices[2]], len(indices) - 1
        return tuple(index if at < 3 + kept or at == last else 0 for at, index in enumerate(indices))

    def sample_indices(self, rng: np.random.Generator) -> Indices:
        return self.key(super().sample_indices(rng))

    def mutate_indices(self, indices: Indices, rng: np.random.Generator) -> Indices:
        """Change one choice that has an effect."""
        while (mutant := self.key(super().mutate_indices(indices, rng))) == self.key(indices):
            pass
        return mutant

    @property
    def size(self) -> int:
        others = len(self.starts) * len(self.sizes_of_images) * len(self.heads)
        return others * sum(len(self.modes) ** depth for depth in self.depths)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        sizes = {"starts": list(self.starts), "sizes": list(self.sizes_of_images)}
        return {**sizes, **{name: list(getattr(self, name)) for name in ("depths", "modes", "heads")}}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Invert `get_config`."""
        return cls(**config)
