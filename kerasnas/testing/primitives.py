"""Contract check of primitives."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import backend, checks
from kerasnas.backend.keras_internals import flatten_layers, seed_states
from kerasnas.primitives import PRIMITIVES, MixedOp
from kerasnas.primitives.base import Primitive
from kerasnas.primitives.normalization import EPSILON, BatchNorm
from kerasnas.testing.common import POLICIES, SIZES, dtype_policy, noise, remade, require, scatter, training_argument

Sizes = tuple[tuple[int, ...], ...]


@checks.arguments(name=checks.name, filters=checks.size, channels=checks.size)
def check_primitive(name: str, filters: int = 4, channels: int | None = None, rank: int = 2) -> None:
    """Check that the primitive registered as `name` satisfies the contract of primitives.

    At strides 1 and 2 (one of which the factory may reject with a ValueError), on even and odd sizes: the output has
    the promised shape and is finite, in float32 and in mixed bfloat16; with `affine=False` no batch norm learns a
    scale; every trainable weight has a gradient; `MixedOp` can use it, with copies. For a built-in `Primitive` also:
    its configuration recreates the same layer, and `expand` computes the same result with the same number of
    parameters.

    Args:
        name: the name under which it is registered.
        filters: number of output channels. Defaults to 4.
        channels: number of input channels. Defaults to `filters`.
        rank: 2 to check it on images, 1 on signals. Defaults to 2.

    Raises:
        AssertionError: naming the first violation.

    Example:

    >>> check_primitive("relu_conv_bn", filters=6, channels=3)
    >>> check_primitive("max_pool_3", rank=1)
    """
    require(name in PRIMITIVES, f"No primitive is registered as {name!r}. Registered: {sorted(PRIMITIVES)}")
    channels, sizes = filters if channels is None else channels, SIZES[checks.size("rank", rank, (1, 2))]
    refused = {}
    for strides in (1, 2):
        try:
            layer = PRIMITIVES[name](filters=filters, strides=strides, affine=True)
        except ValueError as error:
            refused[strides] = str(error)
            continue
        what = f"Primitive '{name}' (filters={filters}, strides={strides}, {channels} channels)"
        require(
            isinstance(layer, keras.layers.Layer),
            f"{what}: expected the factory to return a `keras.layers.Layer`. Received: {layer!r}",
        )
        arguments = {"filters": filters, "strides": strides}
        for policy in POLICIES:
            _check_outputs(what, name, arguments, channels, sizes, policy)
        _check_affine(what, name, arguments, noise(sizes[0], channels))
        _check_gradients(what, name, arguments, noise(sizes[0], channels))
        _check_mixed(what, name, arguments, noise(sizes[1], channels))
        if isinstance(layer, Primitive):
            _check_config(what, layer, noise(sizes[0], channels))
            _check_expansion(what, name, arguments, channels, sizes)
    require(len(refused) < 2, f"Primitive '{name}' works neither at strides 1 nor at strides 2: {refused}")


def _where(size: tuple[int, ...]) -> str:
    return f"on {' x '.join(map(str, size))} {'pixels' if len(size) == 2 else 'steps'}"


def _make(name: str, arguments: dict[str, int], x: np.ndarray, affine: bool = True) -> keras.layers.Layer:
    layer = PRIMITIVES[name](**arguments, affine=affine)
    layer(x)  # built by a call, since not every layer has a `build` of its own
    return layer


def _outputs_shape(x: np.ndarray, arguments: dict[str, int], copies: int = 1) -> tuple[int, ...]:
    samples, *sizes, _ = x.shape
    return samples, *(-(-size // arguments["strides"]) for size in sizes), copies * arguments["filters"]


def _check_outputs(what: str, name: str, arguments: dict[str, int], channels: int, sizes: Sizes, policy: str) -> None:
    with dtype_policy(policy):
        for size in sizes:
            x = noise(size, channels)
            layer = _make(name, arguments, x)
            expected, where = _outputs_shape(x, arguments), _where(size)
            for training in (False, True):
                y = layer(x, **training_argument(layer, training))
                case = f"{what} {where} in {policy}, training={training}"
                require(tuple(y.shape) == expected, f"{case}: expected shape {expected}. Received: {tuple(y.shape)}")
                require(
                    np.isfinite(ops.convert_to_numpy(ops.cast(y, "float32"))).all(),
                    f"{case}: the output is not finite.",
                )
                dtype = keras.backend.standardize_dtype(y.dtype)
                require(dtype == layer.compute_dtype, f"{case}: expected {layer.compute_dtype}. Received: {dtype}")
            promised = tuple(layer.compute_output_shape(x.shape))
            require(
                promised == expected,
                f"{what} {where}: expected `compute_output_shape` {expected}. Received: {promised}",
            )


def _check_affine(what: str, name: str, arguments: dict[str, int], x: np.ndarray) -> None:
    for layer in flatten_layers(_make(name, arguments, x, affine=False)):
        stock = isinstance(layer, keras.layers.BatchNormalization) and (layer.scale or layer.center)
        own = isinstance(layer, BatchNorm) and layer.affine
        require(not (stock or own), f"{what}: with affine=False, batch norm '{layer.name}' learns a scale or offset.")


def _check_gradients(what: str, name: str, arguments: dict[str, int], x: np.ndarray) -> None:
    layer = _make(name, arguments, x)
    scatter(layer.trainable_variables)
    state = [ops.convert_to_tensor(variable) for variable in layer.non_trainable_variables]
    cotangent = np.random.default_rng(1).standard_normal(layer(x).shape).astype("float32")

    def loss(parameters: list[Any]) -> tuple[Any, None]:
        y, _ = layer.stateless_call(parameters, state, x, **training_argument(layer, True))
        return ops.sum(y * cotangent), None

    if not layer.trainable_variables:
        return
    values = [ops.convert_to_tensor(variable) for variable in layer.trainable_variables]
    _, gradients = backend.value_and_grad(loss)(values)
    for variable, gradient in zip(layer.trainable_variables, gradients, strict=True):
        received = ops.convert_to_numpy(gradient)
        require(np.isfinite(received).all(), f"{what}: the gradient of weight '{variable.path}' is not finite.")
        require(received.any(), f"{what}: no gradient reaches the trainable weight '{variable.path}'.")


def _check_mixed(what: str, name: str, arguments: dict[str, int], x: np.ndarray) -> None:
    names = [name] if name != "none" else [name, "relu_conv_bn"]
    mixed = MixedOp(names, arguments["filters"], arguments["strides"], copies=2)
    weights = np.ones((2, len(names)), "float32")
    plain = ops.convert_to_numpy(mixed(x, weights=weights, training=False))
    weights[1] = 0.25
    scaled = ops.convert_to_numpy(mixed(x, weights=weights, training=False))
    expected = _outputs_shape(x, arguments, copies=2)
    require(plain.shape == expected, f"{what} in a MixedOp with copies=2: expected {expected}. Received: {plain.shape}")
    plain[..., arguments["filters"] :] *= 0.25
    require(
        np.allclose(scaled, plain, rtol=1e-4, atol=1e-5),
        f"{what} in a MixedOp: the mixing weight of a copy does not scale its output, or that of another copy does.",
    )


def _check_config(what: str, layer: Primitive, x: np.ndarray) -> None:
    shapes = []
    for one in (layer, remade(what, layer, keras.saving.deserialize_keras_object)):
        one.build((None, *x.shape[1:]))
        shapes.append([tuple(variable.shape) for variable in one.variables])
    require(
        shapes[0] == shapes[1],
        f"{what}: recreated from its configuration, the layer has other weights. Expected {shapes[0]}. "
        f"Received: {shapes[1]}",
    )


def _check_expansion(what: str, name: str, arguments: dict[str, int], channels: int, sizes: Sizes) -> None:
    layer = PRIMITIVES[name](**arguments, affine=True)
    shape = (*[None] * len(sizes[0]), channels)
    layer.build((None, *shape))
    inputs = keras.Input(shape)
    model = keras.Model(inputs, layer.expand(inputs))
    foreign = [one for one in model.layers if not type(one).__module__.startswith("keras.")]
    require(not foreign, f"{what}: `expand` uses layers that are not Keras' own: {foreign}")
    counts = [
        sum(int(np.prod(v.shape)) for v in variables)
        for variables in (layer.trainable_variables, model.trainable_variables)
    ]
    require(counts[0] == counts[1], f"{what}: {counts[0]} trainable parameters, but `expand` has {counts[1]}.")

    scatter(layer.trainable_variables)
    pairs = list(zip(layer.trainable_variables, model.trainable_variables, strict=True))
    drawing = {id(state) for state in seed_states(model)}  # Keras' recurrent layers have one, of a dropout of 0
    if statistics := [variable for variable in model.non_trainable_variables if id(variable) not in drawing]:
        scatter(layer.non_trainable_variables)
        pairs += zip(layer.non_trainable_variables, statistics, strict=True)
    else:  # pools drop their batch norm in a discrete network: make it the identity
        for variable in layer.non_trainable_variables:
            variable.assign(ops.full(variable.shape, 1 - EPSILON if "variance" in variable.name else 0.0))
    for source, target in pairs:
        target.assign(ops.reshape(source, target.shape))
    for size in sizes:
        x = noise(size, channels)
        expected, received = (ops.convert_to_numpy(one(x, training=False)) for one in (layer, model))
        require(
            expected.shape == received.shape and np.allclose(expected, received, rtol=1e-4, atol=1e-5),
            f"{what} {_where(size)}: `expand` with the same weights computes another result.",
        )
