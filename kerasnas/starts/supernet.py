"""Supernet of adaptations: every stage of a pretrained network is a mixture of the ways to tune it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.genotypes import Genotype
from kerasnas.primitives import MixedOp
from kerasnas.relaxations.base import Relaxation, get_relaxation, split_variables
from kerasnas.starts.adapted import ADAPTER, FROZEN, MODES, Adaptation, adapted, set_mode


class StageVersion(keras.layers.Layer):
    """Stage of a start in one mode: a candidate of `MixedStage`.

    Args:
        body: the stage, a model of one map, whose last output is the end of the stage.
        number: of its first outputs, which a head reads.
        adapters: model of the maps that a head reads. Defaults to None: no adapters.
    """

    def __init__(self, body: keras.Model, number: int, adapters: keras.Model | None = None):
        super().__init__(autocast=False)
        self.body, self.number, self.adapters = body, number, adapters
        self.built = True

    def mix(self, inputs: Tensor, scale: Tensor, training: bool | None, shared: dict[Any, Any]) -> list[Any]:
        """Return the outputs times `scale`; versions of one body share its computation."""
        if id(self.body) not in shared:
            shared[id(self.body)] = keras.tree.flatten(self.body(inputs, training=training))
        outputs = shared[id(self.body)]
        maps = outputs[: self.number]
        if self.adapters is not None:
            maps = keras.tree.flatten(self.adapters(maps))
        return [y * ops.cast(scale, y.dtype) for y in (*maps, outputs[-1])]


class MixedStage(MixedOp):
    """Mixed operation of the modes of one stage, which share no weights but those that stay frozen.

    Call arguments:
        inputs: the map with which the stage before ends.

    Returns:
        List of tensors: the maps that a head reads, then the map with which the stage ends.
    """

    def __init__(self, versions: Mapping[str, StageVersion], relaxation: Relaxation, seed: int, **kwargs: Any):
        self._versions = dict(versions)
        super().__init__(tuple(versions), filters=1, relaxation=relaxation, seed=seed, **kwargs)

    @staticmethod
    def _known(primitives: Sequence[str], on_graph: bool = False) -> tuple[str, ...]:
        return checks.names("modes", primitives, MODES)

    def _candidate(self, name: str, copies: int) -> StageVersion:
        return self._versions[name]

    def compute_output_shape(self, inputs_shape: tuple, weights_shape: Any = None) -> Any:
        version = self._versions[self.primitives[0]]
        shapes = [tuple(y.shape) for y in version.body.outputs]
        return [*shapes[: version.number], shapes[-1]]


@keras.saving.register_keras_serializable(package="kerasnas")
class AdaptationSupernet(keras.Model):
    """Supernet of `kerasnas.starts.AdaptationSpace`: for each stage, the weighted sum of its modes.

    Every mode has its own copy of the stage, and all copies start from the pretrained weights, so that the mixture is
    the pretrained network at first, whatever the alphas (but for `drawn`). Modes whose kernels stay as they are share
    one computation. `kerasnas.starts.begin` fits the head.

    Args: as for `AdaptationSpace.build_supernet`, after the space or its serialized form.

    Raises:
        ValueError: for a space with other choices than modes, or one mode; for images that the start cannot see; for a
            relaxation that samples paths; and if the start cannot be cut into stages.

    Reference:
        Liu et al., "DARTS: Differentiable Architecture Search", 2019 (arXiv 1806.09055); the choices are those of
        Eustratiadis et al., "Neural Fine-Tuning Search for Few-Shot Learning", 2024 (arXiv 2306.09295).

    Differences from the papers:
        - Stages, not cells or layers, are what is chosen for, and their outputs are mixed.
    """

    def __init__(
        self,
        space: Any,
        input_shape: tuple[int, ...],
        num_classes: int,
        relaxation: Any = "softmax",
        seed: int = 0,
        **kwargs: Any,
    ):
        space = keras.saving.deserialize_keras_object(space) if isinstance(space, dict) else space
        adaptation = _only(space)
        adaptation.check(input_shape)
        relaxation = get_relaxation(relaxation, seed)
        if relaxation.paths is not None:
            raise ValueError(checks.invalid("relaxation", "one that computes every option", relaxation.name))
        stages = _mixed_stages(adaptation, space.modes, relaxation, seed)
        inputs = keras.Input(input_shape)
        x, maps = adaptation.pixels(inputs), []
        for stage in stages.values():
            *read, x = stage(x)
            maps += read
        super().__init__(inputs, adaptation.logits(maps, num_classes, learns=True), **kwargs)
        self.space, self.num_classes, self.relaxation, self.seed = space, num_classes, relaxation, seed
        self.image_shape, self._stages = tuple(input_shape), stages

    @property
    def architecture_parameters(self) -> list[Any]:
        """Alphas, one table `(1, modes)` for each stage."""
        return split_variables(self.trainable_variables)[1]

    @property
    def network_weights(self) -> list[Any]:
        """Trainable variables that are not alphas."""
        return split_variables(self.trainable_variables)[0]

    def mixing_weights(self) -> dict[str, np.ndarray]:
        """Return the relaxed choices: name of a choice of the space -> weights `(1, modes)`."""
        weights = {name: stage.relaxation.expected(stage.alphas) for name, stage in self._stages.items()}
        return {name: ops.convert_to_numpy(table) for name, table in weights.items()}

    def derive(self) -> Genotype:
        """Return the genotype of the strongest mode of each stage; a stage without layers has the first one."""
        modes = {name: self.space.modes[int(table.argmax())] for name, table in self.mixing_weights().items()}
        return self.space.genotype({name: modes.get(name, options[0]) for name, options in self.space.choices.items()})

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "space": keras.saving.serialize_keras_object(self.space),
            "input_shape": list(self.image_shape),
            "num_classes": self.num_classes,
            "relaxation": keras.saving.serialize_keras_object(self.relaxation),
            "seed": self.seed,
        }


def _only(space: Any) -> Adaptation:
    """Return the adaptation of a space in which modes alone are open; raise ValueError if others are, or none."""
    stages = {name for name in space.choices if name.startswith("stage/")}
    several = [name for name, options in space.choices.items() if name not in stages and len(options) > 1]
    if several or len(space.modes) < 2:
        received = f"several options of {', '.join(several)}" if several else f"modes {list(space.modes)}"
        raise ValueError(
            "This space has no supernet. Expected one start, size, depth and head, and at least two modes. "
            f"Received: {received}"
        )
    return space.adaptation(space.decode((0,) * len(space.choices)))


def _mixed_stages(
    adaptation: Adaptation, modes: tuple[str, ...], relaxation: Relaxation, seed: int
) -> dict[str, MixedStage]:
    """Return the mixed stages by the names of their choices; every mode but `adapter` has a copy of the start."""
    rng, bodies = np.random.default_rng([seed, 32]), {}
    for mode in dict.fromkeys(FROZEN if mode == ADAPTER else mode for mode in modes):
        backbone = adaptation.start.build(adaptation.side)
        for layer in backbone.layers:
            set_mode(layer, mode, rng)
        bodies[mode] = adaptation.cut(backbone)
    stages = {}
    for number in next(iter(bodies.values())):
        versions = {mode: StageVersion(*bodies[mode][number]) for mode in modes if mode != ADAPTER}
        if ADAPTER in modes:
            body, read = bodies[FROZEN][number]
            maps = [keras.Input(y.shape[1:]) for y in body.outputs[:read]]
            adapters = keras.Model(maps, [adapted(x, rng) for x in maps]) if maps else None
            versions[ADAPTER] = StageVersion(body, read, adapters)
        named = {mode: versions[mode] for mode in modes}
        stages[f"stage/{number}"] = MixedStage(named, relaxation, seed + number, name=f"stage_{number}")
    return stages
