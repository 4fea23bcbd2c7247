"""Contract checks: run them on your own primitive, relaxation or space, as KerasNAS does on its own.

Each returns None, or raises AssertionError with what is wrong.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import backend, relaxations
from kerasnas.genotypes import Edge, Genotype
from kerasnas.primitives import PRIMITIVES, BatchNorm, MixedOp, Primitive
from kerasnas.primitives.normalization import EPSILON
from kerasnas.relaxations import RELAXATIONS
from kerasnas.spaces import SearchSpace

_SIZES = ((6, 6), (7, 5))
_POLICIES = ("float32", "mixed_bfloat16")


def _require(condition: Any, message: str) -> None:
    if not condition:  # not `assert`, which Python's -O switch removes
        raise AssertionError(message)


@contextlib.contextmanager
def _dtype_policy(name: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _images(height: int, width: int, channels: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((2, height, width, channels)).astype("float32")


def _training(layer: keras.layers.Layer, training: bool) -> dict[str, bool]:
    return {"training": training} if layer._call_has_training_arg else {}


def _scatter(variables: list[Any], seed: int = 0) -> None:
    """Move variables off their start values, where a zero could hide a fault; variances stay positive."""
    rng = np.random.default_rng(seed)
    for variable in variables:
        variable.assign_add(rng.uniform(0.1, 0.5, tuple(variable.shape)))


def _remade(what: str, thing: Any, deserialize: Callable[[Any], Any]) -> Any:
    try:
        return deserialize(json.loads(json.dumps(keras.saving.serialize_keras_object(thing))))
    except (TypeError, ValueError, AttributeError) as error:
        raise AssertionError(f"{what}: Keras cannot serialize it and make it again: {error}") from error


# Primitives ---------------------------------------------------------------------------------------
def check_primitive(name: str, filters: int = 4, channels: int | None = None) -> None:
    """Check that the primitive registered as `name` keeps the contract of primitives.

    At strides 1 and 2 (one of which the factory may refuse with a ValueError), on even and odd sizes: the
    output's shape is as promised and finite, in float32 and in mixed bfloat16; `affine=False` leaves no batch
    norm with a learned scale; every trainable weight has a gradient; `MixedOp` can use it, with copies.
    Of a built-in `Primitive` also: its configuration makes the same layer again, and `expand` computes the
    same with as many parameters.

    Args:
        name: the name under which it is registered.
        filters: number of output channels to ask for. Defaults to 4.
        channels: number of input channels. Defaults to `filters`.

    Raises:
        AssertionError: saying what the primitive does otherwise.

    Example:

    >>> check_primitive("sep_conv_3x3")
    >>> check_primitive("factorized_reduce", filters=6, channels=3)
    """
    _require(name in PRIMITIVES, f"No primitive is registered as {name!r}. Registered: {sorted(PRIMITIVES)}")
    channels = filters if channels is None else channels
    refused = {}
    for strides in (1, 2):
        try:
            layer = PRIMITIVES[name](filters=filters, strides=strides, affine=True)
        except ValueError as error:
            refused[strides] = str(error)
            continue
        what = f"Primitive '{name}' (filters={filters}, strides={strides}, {channels} channels)"
        _require(
            isinstance(layer, keras.layers.Layer),
            f"{what}: expected the factory to return a `keras.layers.Layer`. Received: {layer!r}",
        )
        arguments = {"filters": filters, "strides": strides}
        for policy in _POLICIES:
            _check_outputs(what, name, arguments, channels, policy)
        _check_affine(what, name, arguments, channels)
        _check_gradients(what, name, arguments, channels)
        _check_mixed(what, name, arguments, channels)
        if isinstance(layer, Primitive):
            _check_config(what, layer, channels)
            _check_expansion(what, name, arguments, channels)
    _require(len(refused) < 2, f"Primitive '{name}' works neither at strides 1 nor at strides 2: {refused}")


def _make(name: str, arguments: dict[str, int], x: np.ndarray, affine: bool = True) -> keras.layers.Layer:
    layer = PRIMITIVES[name](**arguments, affine=affine)
    layer(x)  # built by a call, since not every layer has a `build` of its own
    return layer


def _check_outputs(what: str, name: str, arguments: dict[str, int], channels: int, policy: str) -> None:
    with _dtype_policy(policy):
        for height, width in _SIZES:
            x = _images(height, width, channels)
            layer = _make(name, arguments, x)
            expected = (2, *(-(-size // arguments["strides"]) for size in (height, width)), arguments["filters"])
            for training in (False, True):
                y = layer(x, **_training(layer, training))
                case = f"{what} on {height} x {width} pixels in {policy}, training={training}"
                _require(tuple(y.shape) == expected, f"{case}: expected shape {expected}. Received: {tuple(y.shape)}")
                _require(
                    np.isfinite(ops.convert_to_numpy(ops.cast(y, "float32"))).all(),
                    f"{case}: the output is not finite.",
                )
                dtype = keras.backend.standardize_dtype(y.dtype)
                _require(dtype == layer.compute_dtype, f"{case}: expected {layer.compute_dtype}. Received: {dtype}")
            promised = tuple(layer.compute_output_shape(x.shape))
            _require(
                promised == expected,
                f"{what} on {height} x {width} pixels: expected `compute_output_shape` {expected}. "
                f"Received: {promised}",
            )


def _check_affine(what: str, name: str, arguments: dict[str, int], channels: int) -> None:
    for layer in _make(name, arguments, _images(*_SIZES[0], channels), affine=False)._flatten_layers():
        stock = isinstance(layer, keras.layers.BatchNormalization) and (layer.scale or layer.center)
        own = isinstance(layer, BatchNorm) and layer.affine
        _require(not (stock or own), f"{what}: with affine=False, batch norm '{layer.name}' learns a scale or offset.")


def _check_gradients(what: str, name: str, arguments: dict[str, int], channels: int) -> None:
    x = _images(*_SIZES[0], channels)
    layer = _make(name, arguments, x)
    _scatter(layer.trainable_variables)
    state = [ops.convert_to_tensor(variable) for variable in layer.non_trainable_variables]
    cotangent = np.random.default_rng(1).standard_normal(layer(x).shape).astype("float32")

    def loss(parameters: list[Any]) -> tuple[Any, None]:
        y, _ = layer.stateless_call(parameters, state, x, **_training(layer, True))
        return ops.sum(y * cotangent), None

    if not layer.trainable_variables:
        return
    values = [ops.convert_to_tensor(variable) for variable in layer.trainable_variables]
    _, gradients = backend.value_and_grad(loss)(values)
    for variable, gradient in zip(layer.trainable_variables, gradients, strict=True):
        received = ops.convert_to_numpy(gradient)
        _require(np.isfinite(received).all(), f"{what}: the gradient of weight '{variable.path}' is not finite.")
        _require(received.any(), f"{what}: no gradient reaches the trainable weight '{variable.path}'.")


def _check_mixed(what: str, name: str, arguments: dict[str, int], channels: int) -> None:
    names = [name] if name != "none" else [name, "relu_conv_bn"]
    mixed = MixedOp(names, arguments["filters"], arguments["strides"], copies=2)
    x, weights = _images(*_SIZES[1], channels), np.ones((2, len(names)), "float32")
    plain = ops.convert_to_numpy(mixed(x, weights=weights, training=False))
    weights[1] = 0.25
    scaled = ops.convert_to_numpy(mixed(x, weights=weights, training=False))
    filters = arguments["filters"]
    expected = (2, *(-(-size // arguments["strides"]) for size in _SIZES[1]), 2 * filters)
    _require(
        plain.shape == expected, f"{what} in a MixedOp with copies=2: expected {expected}. Received: {plain.shape}"
    )
    plain[..., filters:] *= 0.25
    _require(
        np.allclose(scaled, plain, rtol=1e-4, atol=1e-5),
        f"{what} in a MixedOp: the mixing weight of a copy does not scale its output, or that of another copy does.",
    )


def _check_config(what: str, layer: Primitive, channels: int) -> None:
    again = _remade(what, layer, keras.saving.deserialize_keras_object)
    _require(
        type(again) is type(layer) and again.get_config() == layer.get_config(),
        f"{what}: its configuration makes another layer. Expected {layer.get_config()}. Received: {again.get_config()}",
    )
    shapes = []
    for one in (layer, again):
        one.build((None, *_SIZES[0], channels))
        shapes.append([tuple(variable.shape) for variable in one.variables])
    _require(
        shapes[0] == shapes[1],
        f"{what}: made again from its configuration, the layer has other weights. Expected {shapes[0]}. "
        f"Received: {shapes[1]}",
    )


def _check_expansion(what: str, name: str, arguments: dict[str, int], channels: int) -> None:
    layer = PRIMITIVES[name](**arguments, affine=True)
    layer.build((None, None, None, channels))
    inputs = keras.Input((None, None, channels))
    model = keras.Model(inputs, layer.expand(inputs))
    foreign = [one for one in model.layers if not type(one).__module__.startswith("keras.")]
    _require(not foreign, f"{what}: `expand` uses layers that are not Keras' own: {foreign}")
    counts = [
        sum(int(np.prod(v.shape)) for v in variables)
        for variables in (layer.trainable_variables, model.trainable_variables)
    ]
    _require(counts[0] == counts[1], f"{what}: {counts[0]} trainable parameters, but `expand` has {counts[1]}.")

    _scatter(layer.trainable_variables)
    pairs = list(zip(layer.trainable_variables, model.trainable_variables, strict=True))
    if model.non_trainable_variables:
        _scatter(layer.non_trainable_variables)
        pairs += zip(layer.non_trainable_variables, model.non_trainable_variables, strict=True)
    else:  # pools drop their batch norm in a discrete network: make it the identity
        for variable in layer.non_trainable_variables:
            variable.assign(ops.full(variable.shape, 1 - EPSILON if "variance" in variable.name else 0.0))
    for source, target in pairs:
        target.assign(ops.reshape(source, target.shape))
    for height, width in _SIZES:
        x = _images(height, width, channels)
        expected, received = (ops.convert_to_numpy(one(x, training=False)) for one in (layer, model))
        _require(
            expected.shape == received.shape and np.allclose(expected, received, rtol=1e-4, atol=1e-5),
            f"{what} on {height} x {width} pixels: `expand` with the same weights computes something else.",
        )


# Relaxations --------------------------------------------------------------------------------------
def check_relaxation(relaxation: Any, distribution: bool = True) -> None:
    """Check that `relaxation` keeps the contract of relaxations.

    It maps float32 alphas `(edges, primitives)` to `(weights, active)` with finite, non-negative float32
    weights of the same shape, in training and outside, under a mixed precision policy too; gradients reach
    the alphas of every edge; Keras can serialize it.

    Args:
        relaxation: a registered name, or the relaxation itself.
        distribution: whether the weights of an edge sum to one. Defaults to True.

    Raises:
        AssertionError: saying what the relaxation does otherwise.

    Example:

    >>> check_relaxation("softmax")
    >>> check_relaxation(relaxations.Softmax(temperature=0.5))
    """
    if isinstance(relaxation, str):
        _require(relaxation in RELAXATIONS, f"No relaxation is registered as {relaxation!r}.")
    relax = relaxations.get(relaxation)
    what = f"Relaxation {relaxation!r}"
    alphas = np.random.default_rng(0).standard_normal((3, 4)).astype("float32")
    for policy in _POLICIES:
        for training in (False, True):
            with _dtype_policy(policy):
                result = relax(ops.convert_to_tensor(alphas), training=training)
            case = f"{what} in {policy}, training={training}"
            _require(
                isinstance(result, tuple) and len(result) == 2,
                f"{case}: expected the pair (weights, active). Received: {result!r}",
            )
            _check_mixing_weights(case, result[0], alphas.shape, distribution)

    cotangent = np.random.default_rng(1).standard_normal(alphas.shape).astype("float32")

    def loss(parameters: list[Any]) -> tuple[Any, None]:
        return ops.sum(relax(parameters[0], training=True)[0] * cotangent), None

    _, (gradient,) = backend.value_and_grad(loss)([ops.convert_to_tensor(alphas)])
    received = ops.convert_to_numpy(gradient)
    _require(
        np.isfinite(received).all() and received.any(axis=1).all(),
        f"{what}: no finite gradient reaches the alphas of every edge. Received: {received.tolist()}",
    )
    _check_relaxation_config(what, relax)


def _check_mixing_weights(case: str, weights: Any, shape: tuple[int, ...], distribution: bool) -> None:
    _require(tuple(weights.shape) == shape, f"{case}: expected weights {shape}. Received: {tuple(weights.shape)}")
    dtype = keras.backend.standardize_dtype(weights.dtype)
    _require(dtype == "float32", f"{case}: expected float32 weights of float32 alphas. Received: {dtype}")
    values = ops.convert_to_numpy(weights)
    _require(np.isfinite(values).all(), f"{case}: the weights are not finite: {values.tolist()}")
    _require((values >= 0).all(), f"{case}: expected no negative weight. Received: {values.tolist()}")
    sums = values.sum(axis=1)
    _require(
        not distribution or np.allclose(sums, 1, atol=1e-5),
        f"{case}: expected the weights of each edge to sum to one. Received sums: {sums.tolist()}",
    )


def _check_relaxation_config(what: str, relax: Any) -> None:
    again = _remade(what, relax, relaxations.get)
    _require(
        type(again) is type(relax) and again.get_config() == relax.get_config(),
        f"{what}: its configuration makes another relaxation. Expected {relax.get_config()}. "
        f"Received: {again.get_config()}",
    )


# Spaces -------------------------------------------------------------------------------------------
def check_space(
    space: SearchSpace, input_shape: tuple[int, int, int] = (8, 8, 3), num_classes: int = 3, samples: int = 50
) -> None:
    """Check that `space` keeps the contract of search spaces.

    Its choices are ordered and non-empty; what it samples is valid, survives JSON and the way to an assignment
    and back; a mutation changes one choice; genotypes of other spaces and unknown primitives are refused. Its
    networks have the promised output, its supernet parts its variables and derives a valid genotype.

    Args:
        space: a small one: a network and a supernet are built.
        input_shape: shape of an image for the networks. Defaults to `(8, 8, 3)`.
        num_classes: number of classes for the networks. Defaults to 3.
        samples: number of genotypes to draw. Defaults to 50.

    Raises:
        AssertionError: saying what the space does otherwise.

    Example:

    >>> from kerasnas.spaces import DARTSSpace
    >>> check_space(DARTSSpace(filters=2, num_cells=3, num_nodes=1, primitives=["none", "skip_connect"]))
    """
    what = f"Space '{space.name}'"
    _check_choices(what, space)
    rng = np.random.default_rng(0)
    drawn = [space.sample(rng) for _ in range(samples)]
    again = np.random.default_rng(0)
    _require(
        drawn == [space.sample(again) for _ in range(samples)],
        f"{what}: generators with the same seed sample different genotypes.",
    )
    for genotype in drawn:
        _check_genotype(what, space, genotype)
    for genotype in drawn:
        _check_mutation(what, space, genotype, rng)
    _check_refusals(what, space, drawn[0])
    _check_network(what, space.build_network(drawn[0], input_shape, num_classes), input_shape, num_classes)
    _check_supernet(what, space, input_shape, num_classes)


def _check_choices(what: str, space: SearchSpace) -> None:
    choices = space.choices
    _require(len(choices) > 0, f"{what}: `choices` is empty.")
    _require(list(choices) == list(space.choices), f"{what}: the order of `choices` changes from call to call.")
    for name, options in choices.items():
        _require(
            isinstance(options, tuple) and len(options) > 0 and all(isinstance(option, str) for option in options),
            f"{what}: expected a non-empty tuple of strings as options of choice '{name}'. Received: {options!r}",
        )
        _require(len(set(options)) == len(options), f"{what}: choice '{name}' repeats an option: {options}")


def _check_genotype(what: str, space: SearchSpace, genotype: Genotype) -> None:
    _require(
        genotype.space == space.name,
        f"{what}: expected its name in the genotypes it makes. Received: '{genotype.space}'",
    )
    try:
        space.validate(genotype)
    except ValueError as error:
        raise AssertionError(f"{what}: `validate` refuses a sampled genotype: {error}\n{genotype}") from error
    assignment = space.assignment(genotype)
    _require(
        list(assignment) == list(space.choices),
        f"{what}: expected an assignment with the choices in their order. Received: {list(assignment)}",
    )
    back = space.genotype(assignment)
    _require(back == genotype, f"{what}: `genotype` does not undo `assignment`: from\n{genotype}\nto\n{back}")
    _require(
        Genotype.from_json(genotype.to_json()) == genotype, f"{what}: this genotype changes through JSON:\n{genotype}"
    )


def _check_mutation(what: str, space: SearchSpace, genotype: Genotype, rng: np.random.Generator) -> None:
    if all(len(options) == 1 for options in space.choices.values()):
        return
    before, mutant = space.assignment(genotype), space.mutate(genotype, rng)
    after = space.assignment(mutant)
    changed = [name for name in before if before[name] != after[name]]
    _require(len(changed) == 1, f"{what}: expected `mutate` to change one choice. Received: {changed}")
    space.validate(mutant)


def _check_refusals(what: str, space: SearchSpace, genotype: Genotype) -> None:
    (kind, edges), *rest = genotype.cells
    unknown = [Edge("no_such_primitive", edges[0].source, edges[0].target), *edges[1:]]
    refused = {
        "of another space": Genotype(f"not {space.name}", genotype.cells),
        "with an unknown primitive": Genotype(space.name, [(kind, unknown), *rest]),
    }
    for description, wrong in refused.items():
        try:
            space.validate(wrong)
        except ValueError:
            continue
        raise AssertionError(f"{what}: `validate` accepts a genotype {description}.")


def _check_network(what: str, model: keras.Model, input_shape: tuple[int, int, int], num_classes: int) -> None:
    logits = ops.convert_to_numpy(model(np.ones((2, *input_shape), "float32"), training=False))
    _require(
        logits.shape == (2, num_classes),
        f"{what}: expected logits {(2, num_classes)} of `{model.name}`. Received: {logits.shape}",
    )
    _require(np.isfinite(logits).all(), f"{what}: the logits of `{model.name}` are not finite.")


def _check_supernet(what: str, space: SearchSpace, input_shape: tuple[int, int, int], num_classes: int) -> None:
    supernet = space.build_supernet(input_shape, num_classes)
    _check_network(what, supernet, input_shape, num_classes)
    alphas, weights = supernet.architecture_parameters, supernet.network_weights
    _require(alphas and weights, f"{what}: the supernet lacks architecture parameters or network weights.")
    parts = sorted(id(variable) for variable in [*alphas, *weights])
    _require(
        parts == sorted(id(variable) for variable in supernet.trainable_variables),
        f"{what}: `architecture_parameters` and `network_weights` do not part the supernet's trainable variables.",
    )
    derived = supernet.derive()
    try:
        space.validate(derived)
    except ValueError as error:
        raise AssertionError(f"{what}: the supernet derives a genotype that is not valid: {error}") from error
