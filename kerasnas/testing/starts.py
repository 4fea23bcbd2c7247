"""Contract check of starts."""

from __future__ import annotations

import json

import keras
import numpy as np

from kerasnas import checks
from kerasnas.starts.adapted import BODY, FROZEN, TUNED, Adaptation
from kerasnas.starts.base import STAGES, Start, stage_of
from kerasnas.starts.heads import FEATURES, HEAD
from kerasnas.testing.common import require


@checks.arguments(start=Start, size=checks.size)
def check_start(start: Start, size: int = 64) -> None:
    """Check that `start` satisfies the contract of starts.

    It says where it comes from and under which licence; its network sees images of the size asked for, has no
    layer of classes, is frozen, is the same each time, and has its readouts; every number of stages makes a network of
    logits that saves, and of which tuning changes the stages that are tuned alone.

    Args:
        start: whose weights are here.
        size: of images, in pixels. Defaults to 64.

    Raises:
        AssertionError: naming the first violation.
    """
    what = f"Start '{start.name}'"
    require(bool(start.name and start.title and start.licence and start.source), f"{what}: a description is empty.")
    require(json.loads(json.dumps(start.description)) == start.description, f"{what}: `description` is no JSON.")
    require(start.available(), f"{what}: its weights are not here.")
    model, again = start.build(size), start.build(size)
    require(tuple(model.input_shape) == (None, size, size, 3), f"{what}: expected images of {size}x{size}x3.")
    require(len(model.output_shape) == 4, f"{what}: expected a map of features as output.")
    require(not model.trainable_variables, f"{what}: expected a frozen network.")
    pairs = zip(model.get_weights(), again.get_weights(), strict=True)
    require(
        all(np.array_equal(one, other) for one, other in pairs), f"{what}: `build` returns other weights each time."
    )
    names = {layer.name for layer in model.layers}
    missing = [name for name in start.readouts if name not in names]
    require(not missing, f"{what}: it has no layer {missing[:1]} of `readouts`.")
    stages = {stage_of(layer, size) for layer in model.layers}
    require(STAGES in stages, f"{what}: expected its last map to be halved {STAGES} times. Received stages {stages}")
    x = np.random.default_rng(0).random((2, size // 2, size // 2, 1), np.float32)
    for depth in (3, STAGES):
        modes = (*(FROZEN,) * (depth - 1), TUNED)
        network = Adaptation(start, size, modes).build(x.shape[1:], 3)
        require(tuple(network.output_shape) == (None, 3), f"{what}: of {depth} stages, expected logits.")
        tuned = {stage_of(layer, size) for layer in _layers(network) if layer.trainable_variables}
        require(tuned == {depth}, f"{what}: of {depth} stages, the last is tuned, and {tuned} learn.")
        require(bool(np.isfinite(network(x)).all()), f"{what}: its outputs are not finite.")
        require(network.get_layer(FEATURES).output.shape[-1] == network.get_layer(HEAD).input.shape[-1], what)


def _layers(network: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers of the start in a network."""
    return network.get_layer(BODY).layers
