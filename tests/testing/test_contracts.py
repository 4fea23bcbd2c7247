"""Every registered member of a family keeps its contract, and a broken one is caught."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from kerasnas import relaxations, testing
from kerasnas.genotypes import Genotype
from kerasnas.primitives import PRIMITIVES, Graph, register_primitive
from kerasnas.primitives.convolutions import ReLUConvBN, SepConv
from kerasnas.relaxations import RELAXATIONS
from kerasnas.search import STRATEGIES, RegularizedEvolution
from kerasnas.spaces import SPACES, DARTSSpace

CHANGES_CHANNELS = ["relu_conv_bn", "factorized_reduce", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"]
CHANGES_CHANNELS += ["mbconv_3x3_e1", "mbconv_5x5_e3"]
FOR_SIGNALS = ["conv_3", "conv_5", "sep_conv_3", "sep_conv_5", "sep_conv_7", "dil_conv_3", "dil_conv_5"]
FOR_SIGNALS += ["max_pool_3", "avg_pool_3"]
FOR_SIGNALS += [name for name in PRIMITIVES if name.startswith(("masked_", "self_attention_"))]
FOR_SIGNALS += ["gru", "lstm", "bi_gru", "bi_lstm"]
FOR_BOTH = ["skip_connect", "none", "factorized_reduce", "relu_conv_bn"]
SMALL = {
    "darts": {"filters": 2, "num_cells": 2, "num_nodes": 1, "primitives": ["none", "skip_connect", "nor_conv_1x1"]},
    "enas_macro": {"filters": 2, "num_layers": 2, "primitives": ["nor_conv_3x3", "max_pool_3x3", "avg_pool_3x3"]},
    "enas_micro": {"filters": 2, "num_cells": 2, "num_nodes": 1, "primitives": ["nor_conv_1x1", "max_pool_3x3"]},
    "graphs": {"graph": Graph([[0, 1]], num_nodes=2), "filters": 4, "num_nodes": 2},
    "macro": {"filters": 4, "widths": (0.5, 1.0), "max_halvings": 2},
    "nasbench101": {"filters": 8, "num_stacks": 2, "cells_per_stack": 1},
    "nasbench201": {
        "filters": 2,
        "num_cells": 1,
        "num_nodes": 2,
        "primitives": ["none", "skip_connect", "nor_conv_1x1"],
    },
    "padded_signals": {"filters": 2, "num_cells": 1, "num_nodes": 2, "primitives": ["skip_connect", "masked_conv_3"]},
    "planning": {"filters": 4, "widths": (0.5, 1.0), "iterations": (1, 2)},
    "proxyless": {"filters": 2, "strides": (2,), "primitives": ["mbconv_3x3_e3", "mbconv_5x5_e3"]},
    "signals": {"filters": 2, "num_cells": 1, "num_nodes": 2, "primitives": ["skip_connect", "conv_3"]},
    "tables": {"filters": 8},
    "text": {
        "vocabulary": 20,
        "dimensions": 4,
        "filters": 4,
        "num_nodes": 2,
        "primitives": ["skip_connect", "masked_conv_3", "self_attention_4"],
    },
}  # a name not listed is made with its defaults
SHAPES = {"signals": (9, 2), "padded_signals": (9, 2), "text": (9,), "tables": (6,), "graphs": (3,)}
# Of those that differ in a size alone, one runs by default; of recurrent ones and attention, the tests/primitives.
SIZES = {"sep_conv_5x5", "dil_conv_5x5", "nor_conv_5x5", "mbconv_3x3_e1", "mbconv_3x3_e6", "mbconv_5x5_e6"}
SIZES |= {"mbconv_7x7_e3", "mbconv_7x7_e6", "conv_5", "sep_conv_5", "sep_conv_7", "dil_conv_5", "self_attention_1"}
SIZES |= {"self_attention_2", "self_attention_4", "self_attention_8"}
SIZES |= {"masked_conv_5", "masked_sep_conv_5", "masked_dil_conv_5"}
SIZES |= {"gru", "lstm", "bi_gru", "bi_lstm", "nor_conv_1x1", "masked_sep_conv_3", "masked_dil_conv_3"}
SIZES |= {"sep_conv_3", "dil_conv_3", "dil_conv_3x3", "nor_conv_3x3", "avg_pool_3", "mbconv_5x5_e3"}


def some_slow(names, slow):
    return [pytest.param(name, marks=pytest.mark.slow) if name in slow else name for name in names]


@pytest.mark.parametrize("name", some_slow(sorted(PRIMITIVES), SIZES | set(CHANGES_CHANNELS)))
def test_primitive(name):
    testing.check_primitive(name, rank=1 if name in FOR_SIGNALS else 2)


@pytest.mark.parametrize("name", some_slow(FOR_BOTH, {"relu_conv_bn"}))
def test_primitive_on_signals(name):
    testing.check_primitive(name, rank=1)


@pytest.mark.parametrize("name", some_slow(CHANGES_CHANNELS, SIZES))
def test_primitive_that_changes_channels(name):
    testing.check_primitive(name, filters=5, channels=3)


@pytest.mark.parametrize("name", sorted(RELAXATIONS))
def test_relaxation(name):
    testing.check_relaxation(name, distribution=name not in ("sigmoid",))


@pytest.mark.parametrize("name", sorted(set(SPACES) - {"adaptation"}))  # tests/starts has it, with a start that is here
def test_space(name):
    shape = {"input_shape": SHAPES[name]} if name in SHAPES else {}
    testing.check_space(SPACES[name](**SMALL.get(name, {})), samples=2, **shape)


MODEL_BASED = {"bananas", "controller", "ehvi", "predictor", "tpe"}  # tests/tuners/oracles asks, kills and resumes them


@pytest.mark.parametrize("name", some_slow(sorted(STRATEGIES), MODEL_BASED))
def test_strategy(name):
    testing.check_strategy(name)


@pytest.mark.parametrize("name", some_slow(sorted(STRATEGIES), MODEL_BASED))
def test_strategy_that_may_repeat_itself(name):
    testing.check_strategy(lambda space, seed: STRATEGIES[name](space, seed=seed, unique=False))


# Broken members -----------------------------------------------------------------------------------
class WrongShape(ReLUConvBN):
    def compute_output_shape(self, inputs_shape, scale_shape=None):
        return (*super().compute_output_shape(inputs_shape)[:-1], 99)


@keras.saving.register_keras_serializable(package="tests")
class ForgetsKernelSize(SepConv):
    def __init__(self, *args, kernel_size=5, **kwargs):
        super().__init__(*args, kernel_size=kernel_size, **kwargs)

    def get_config(self):
        config = super().get_config()
        config["kernel_size"] = 3
        return config


@keras.saving.register_keras_serializable(package="tests")
class WrongExpansion(ReLUConvBN):
    def expand(self, x):
        return keras.layers.ReLU()(super().expand(x))


class IgnoresScale(ReLUConvBN):
    def mix(self, inputs, scale, training, shared):
        return super().mix(inputs, None, training, shared)


class DeadWeight(keras.layers.Layer):
    def build(self, shape):
        self.kernel = self.add_weight(name="dead", shape=(shape[-1],))

    def call(self, inputs):
        return inputs

    def compute_output_shape(self, inputs_shape):
        return inputs_shape


def _skip(layer):
    def factory(filters, strides, affine):
        if strides != 1:
            raise ValueError("only strides 1")
        return layer()

    return factory


def _refuse(filters, strides, affine):
    raise ValueError("never")


def _always_affine(filters, strides, affine):
    return keras.Sequential([keras.layers.Conv2D(filters, 1, strides=strides), keras.layers.BatchNormalization()])


def _ignores_strides(filters, strides, affine):
    return keras.layers.Conv2D(filters, 1)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (_refuse, "neither at strides 1 nor at strides 2"),
        (_ignores_strides, r"strides=2.*expected shape \(2, 3, 3, 4\)"),
        (_always_affine, "affine=False"),
        (lambda filters, strides, affine: "not a layer", "expected the factory to return"),
        (_skip(DeadWeight), "no gradient reaches .*dead"),
        (_skip(lambda: keras.layers.Rescaling(np.inf)), "not finite"),
        (WrongShape, "compute_output_shape"),
        (ForgetsKernelSize, "configuration"),
        (WrongExpansion, "`expand` with the same weights"),
        (IgnoresScale, "mixing weight"),
    ],
)
def test_broken_primitive_is_caught(factory, message):
    register_primitive("broken")(factory)
    try:
        with pytest.raises(AssertionError, match=f"(?s){message}"):
            testing.check_primitive("broken")
    finally:
        PRIMITIVES.unregister("broken")


def test_user_primitive_that_refuses_strides_2_passes():
    register_primitive("half")(_skip(lambda: keras.layers.Rescaling(0.5)))
    try:
        testing.check_primitive("half")
    finally:
        PRIMITIVES.unregister("half")


def test_unregistered_names_are_refused():
    for check in (testing.check_primitive, testing.check_relaxation, testing.check_strategy):
        with pytest.raises(AssertionError, match="registered"):
            check("no_such")


FAULTY_CALLS = {
    "bare": (lambda weights, active: weights, "the pair"),
    "nan": (lambda weights, active: (weights * np.nan, active), "finite"),
    "shape": (lambda weights, active: (weights[:1], active), r"expected weights \(3, 4\)"),
    "half": (lambda weights, active: (ops.cast(weights, "bfloat16"), active), "float32"),
    "sum": (lambda weights, active: (2 * weights, active), "sum to one"),
    "sign": (lambda weights, active: (-weights, active), "negative"),
    "stop": (lambda weights, active: (ops.stop_gradient(weights), active), "gradient"),
    "active": (lambda weights, active: (weights, ops.zeros((3, 1), "int32")), "expected None for `active`"),
    "expected": (None, "expected: the weights are not finite"),
    "penalty": (None, "a finite scalar as penalty"),
    "config": (None, "serialize"),  # Softmax's configuration lacks `fault`
}


class Broken(relaxations.Softmax):
    def __init__(self, fault, temperature=1.0):
        super().__init__(temperature)
        self.fault = fault

    def __call__(self, alphas, training=None):
        break_it, _ = FAULTY_CALLS[self.fault]
        pair = super().__call__(alphas, training=training)
        return break_it(*pair) if break_it else pair

    def expected(self, alphas):
        return super().expected(alphas) * (np.nan if self.fault == "expected" else 1)

    def penalty(self, alphas):
        return ops.zeros(2) if self.fault == "penalty" else None


@pytest.mark.parametrize("fault", FAULTY_CALLS)
def test_broken_relaxation_is_caught(fault):
    with pytest.raises(AssertionError, match=FAULTY_CALLS[fault][1]):
        testing.check_relaxation(Broken(fault))


FAULTY_PATHS = {
    "missing": (lambda active: None, r"expected `active` to be integers \(3, 1\)"),
    "outside": (lambda active: active + 4, r"expected `active` to be integers \(3, 1\)"),
    "another": (lambda active: (active + 1) % 4, "primitives that are not active have a weight"),
    "repeated": (lambda active: ops.concatenate([active, active], axis=-1), "expected distinct `active` primitives"),
}


class BrokenPaths(relaxations.Gumbel):
    def __init__(self, fault):
        super().__init__()
        self.fault, self.paths = fault, 2 if fault == "repeated" else 1

    def call(self, alphas, training=None):
        weights, active = super().call(alphas, training=training)
        return weights, FAULTY_PATHS[self.fault][0](active)


@pytest.mark.parametrize("fault", FAULTY_PATHS)
def test_broken_paths_are_caught(fault):
    with pytest.raises(AssertionError, match=FAULTY_PATHS[fault][1]):
        testing.check_relaxation(BrokenPaths(fault))


def test_relaxation_that_is_no_distribution():
    with pytest.raises(AssertionError, match="serialize"):  # the sums pass, the missing `fault` does not
        testing.check_relaxation(Broken("sum"), distribution=False)


class BrokenSpace(DARTSSpace):
    def __init__(self, fault):
        super().__init__(filters=2, num_cells=3, num_nodes=1, primitives=["none", "max_pool_3x3", "skip_connect"])
        self.fault = fault

    @property
    def choices(self):
        if self.fault == "empty":
            return {}
        if self.fault == "list":
            return {name: list(options) for name, options in super().choices.items()}
        return super().choices

    def sample(self, rng):
        return super().sample(np.random.default_rng() if self.fault == "unseeded" else rng)

    def assignment(self, genotype):
        assignment = super().assignment(genotype)
        if self.fault == "inverse":
            assignment["normal/2/first"] = "skip_connect"
        if self.fault == "order":
            return dict(reversed(assignment.items()))
        return assignment

    def mutate(self, genotype, rng):
        return genotype if self.fault == "mutate" else super().mutate(genotype, rng)

    def validate(self, genotype):
        if self.fault == "lenient":
            return
        if self.fault == "strict":
            raise ValueError("refused")
        super().validate(Genotype(self.name, genotype.cells) if self.fault == "foreign" else genotype)

    def build_network(self, genotype, input_shape, num_classes, **kwargs):
        return super().build_network(genotype, input_shape, num_classes + (self.fault == "classes"), **kwargs)

    def build_supernet(self, input_shape, num_classes, **kwargs):
        supernet = super().build_supernet(input_shape, num_classes, **kwargs)
        if self.fault == "parts":
            supernet.classifier.trainable = False
            frozen = supernet.classifier.kernel
            supernet.__class__ = type(
                "Parts",
                (type(supernet),),
                {"network_weights": property(lambda self: [*super(type(self), self).network_weights, frozen])},
            )
        if self.fault == "derive":
            supernet.derive = lambda: Genotype("darts", {"normal": [("skip_connect", 0, 2)]})
        return supernet


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("empty", "`choices` is empty"),
        ("list", "non-empty tuple"),
        ("unseeded", "same seed"),
        ("inverse", "does not undo"),
        ("order", "in their order"),
        ("mutate", "change one choice"),
        ("strict", "refuses a sampled genotype"),
        ("lenient", "accepts a genotype of another space"),
        ("foreign", "accepts a genotype of another space"),
        ("classes", "expected logits"),
        ("parts", "do not divide"),
        ("derive", "derives a genotype that is not valid"),
    ],
)
def test_broken_space_is_caught(fault, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_space(BrokenSpace(fault), samples=2)


class BrokenStrategy(RegularizedEvolution):
    def __init__(self, space, seed=0, fault=None):
        super().__init__(space, seed)
        if fault == "unseeded":
            self.rng = np.random.default_rng()
        self.fault, self.told = fault, []

    def propose(self):
        if self.fault == "error" and len(self.observations) == 20:
            raise IndexError("out of it")
        if self.fault == "gives up" and len(self.observations) > 10 and not self.population:
            raise ValueError("no population")
        return super().propose()

    def ask(self, n=None):
        if self.fault == "infeasible" and self.space.constrained and len(self._seen) == 4:
            return self.space.decode((0,) * len(self.space.cardinalities))
        if self.fault == "repeats" and n is None and self.pending:
            return self.space.decode(self.pending[0])
        if self.fault == "never ends" and len(self._seen) == self.space.size:
            return self.space.decode(next(iter(self.space)))
        if self.fault == "batch" and n:
            return super().ask(n)[: n - 1]
        return super().ask(n)

    def tell(self, genotype, reward):
        if self.fault == "only asked" and self.space.encode(genotype) not in self.pending:
            return
        if self.fault == "lenient" and genotype.space != self.space.name:
            return
        super().tell(genotype, reward)

    def check_reward(self, reward):
        return reward if self.fault == "infinite" and reward == math.inf else super().check_reward(reward)

    @property
    def best(self):
        found = super().best
        return found and (found[0], found[1] - 1) if self.fault == "best" else found

    def observe(self, indices, reward):
        super().observe(indices, reward)
        self.told.append(reward)

    def state(self):
        if self.fault == "no JSON":
            return {"population": self.population}
        return {"told": self.told if self.fault == "alias" else list(self.told)}

    def restore(self, state):
        self.told = state["told"]
        if self.fault != "forgets":
            super().restore(state)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("unseeded", "same seed"),
        ("error", "IndexError: out of it"),
        ("gives up", "no population"),
        ("infeasible", "asks for an infeasible architecture"),
        ("repeats", "asks for an architecture twice"),
        ("never ends", "SpaceExhaustedError after all"),
        ("batch", "list of 7"),
        ("only asked", "never asked for is not"),
        ("lenient", "no ValueError for a genotype of another space"),
        ("infinite", "not finite is `best`: .*inf"),
        ("best", "highest reward"),
        ("no JSON", "not JSON serializable"),
        ("alias", "the result of `get_state` changes"),
        ("forgets", "does not resume identically"),
    ],
)
def test_broken_strategy_is_caught(fault, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_strategy(lambda space, seed: BrokenStrategy(space, seed, fault))


def test_the_whole_strategy_passes():
    testing.check_strategy(BrokenStrategy)
