"""Contract check of search spaces."""

from __future__ import annotations

from functools import partial

import keras
import numpy as np
from keras import ops

from kerasnas import checks
from kerasnas.genotypes import Edge, Genotype
from kerasnas.spaces import SearchSpace
from kerasnas.testing.common import no_error, refuses, require


@checks.arguments(space=SearchSpace, input_shape=checks.shape, num_classes=checks.size, samples=checks.size)
def check_space(
    space: SearchSpace, input_shape: tuple[int, ...] = (8, 8, 3), num_classes: int = 3, samples: int = 50
) -> None:
    """Check that `space` satisfies the contract of search spaces.

    Its choices are ordered and non-empty; its samples are valid, and survive JSON and the conversion to an assignment
    and back; a mutation changes one choice; genotypes of other spaces and unknown primitives are rejected. Its
    networks have the promised output; its supernet divides its variables into architecture parameters and network
    weights, and derives a valid genotype. A supernet of shared weights alone has neither architecture parameters nor
    `derive`; a space without a supernet raises a ValueError that says "no supernet".

    Args:
        space: a small space: a network and a supernet are built.
        input_shape: shape of an image, or of a signal, for the networks. Defaults to `(8, 8, 3)`.
        num_classes: number of classes for the networks. Defaults to 3.
        samples: number of genotypes to draw. Defaults to 50.

    Raises:
        AssertionError: naming the first violation.

    Example:

    >>> from kerasnas.spaces import DARTSSpace
    >>> check_space(DARTSSpace(filters=2, num_cells=3, num_nodes=1, primitives=["none", "skip_connect"]))
    """
    what = f"Space '{space.name}'"
    _check_choices(what, space)
    rng = np.random.default_rng(0)
    drawn = [space.sample(rng) for _ in range(samples)]
    again = np.random.default_rng(0)
    require(
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
    require(len(choices) > 0, f"{what}: `choices` is empty.")
    require(list(choices) == list(space.choices), f"{what}: the order of `choices` changes from call to call.")
    for name, options in choices.items():
        require(
            isinstance(options, tuple) and len(options) > 0 and all(isinstance(option, str) for option in options),
            f"{what}: expected a non-empty tuple of strings as options of choice '{name}'. Received: {options!r}",
        )
        require(len(set(options)) == len(options), f"{what}: choice '{name}' repeats an option: {options}")


def _check_genotype(what: str, space: SearchSpace, genotype: Genotype) -> None:
    require(
        genotype.space == space.name,
        f"{what}: expected its name in the genotypes it makes. Received: '{genotype.space}'",
    )
    with no_error(f"{what}: `validate` refuses a sampled genotype"):
        space.validate(genotype)
    assignment = space.assignment(genotype)
    require(
        list(assignment) == list(space.choices),
        f"{what}: expected an assignment with the choices in their order. Received: {list(assignment)}",
    )
    back = space.genotype(assignment)
    require(back == genotype, f"{what}: `genotype` does not undo `assignment`: from\n{genotype}\nto\n{back}")
    require(
        Genotype.from_json(genotype.to_json()) == genotype, f"{what}: this genotype changes through JSON:\n{genotype}"
    )


def _check_mutation(what: str, space: SearchSpace, genotype: Genotype, rng: np.random.Generator) -> None:
    if all(len(options) == 1 for options in space.choices.values()):
        return
    before, mutant = space.assignment(genotype), space.mutate(genotype, rng)
    after = space.assignment(mutant)
    changed = [name for name in before if before[name] != after[name]]
    if type(space).key is SearchSpace.key:
        require(len(changed) == 1, f"{what}: expected `mutate` to change one choice. Received: {changed}")
    else:  # one edit of the network may move many choices, where several combinations are the same one
        require(changed, f"{what}: expected `mutate` to change something. Received the same again:\n{genotype}")
    space.validate(mutant)


def _check_refusals(what: str, space: SearchSpace, genotype: Genotype) -> None:
    (kind, edges), *rest = genotype.cells
    unknown = [Edge("no_such_primitive", edges[0].source, edges[0].target), *edges[1:]]
    refused = {
        "of another space": Genotype(f"not {space.name}", genotype.cells),
        "with an unknown primitive": Genotype(space.name, [(kind, unknown), *rest]),
    }
    for description, wrong in refused.items():
        refuses(partial(space.validate, wrong), f"{what}: `validate` accepts a genotype {description}.")


def _check_network(what: str, model: keras.Model, input_shape: tuple[int, ...], num_classes: int) -> None:
    logits = ops.convert_to_numpy(model(np.ones((2, *input_shape), "float32"), training=False))
    require(
        logits.shape == (2, num_classes),
        f"{what}: expected logits {(2, num_classes)} of `{model.name}`. Received: {logits.shape}",
    )
    require(np.isfinite(logits).all(), f"{what}: the logits of `{model.name}` are not finite.")


def _check_supernet(what: str, space: SearchSpace, input_shape: tuple[int, ...], num_classes: int) -> None:
    try:
        supernet = space.build_supernet(input_shape, num_classes)
    except ValueError as error:
        if "no supernet" in str(error):  # as a space without one has to say
            return
        raise
    _check_network(what, supernet, input_shape, num_classes)
    alphas, weights = supernet.architecture_parameters, supernet.network_weights
    derives = hasattr(supernet, "derive")  # a supernet of shared weights alone does not: a strategy chooses
    require(
        weights and bool(alphas) == derives, f"{what}: the supernet lacks architecture parameters or network weights."
    )
    parts = sorted(id(variable) for variable in [*alphas, *weights])
    require(
        parts == sorted(id(variable) for variable in supernet.trainable_variables),
        f"{what}: `architecture_parameters` and `network_weights` do not divide the supernet's trainable variables.",
    )
    if not derives:
        return
    derived = supernet.derive()
    with no_error(f"{what}: the supernet derives a genotype that is not valid"):
        space.validate(derived)
