"""Every registered member of a family keeps its contract, and a broken one is caught."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasnas import relaxations, testing
from kerasnas.genotypes import Genotype
from kerasnas.primitives import PRIMITIVES, ReLUConvBN, SepConv, register_primitive
from kerasnas.relaxations import RELAXATIONS
from kerasnas.spaces import SPACES, DARTSSpace

CHANGES_CHANNELS = ["relu_conv_bn", "factorized_reduce", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"]
SMALL = {
    "darts": {"filters": 2, "num_cells": 3, "num_nodes": 2},
    "nasbench201": {"filters": 2, "num_cells": 1},
}  # a name not listed is made with its defaults


@pytest.mark.parametrize("name", sorted(PRIMITIVES))
def test_primitive(name):
    testing.check_primitive(name)


@pytest.mark.parametrize("name", CHANGES_CHANNELS)
def test_primitive_that_changes_channels(name):
    testing.check_primitive(name, filters=5, channels=3)


@pytest.mark.parametrize("name", sorted(RELAXATIONS))
def test_relaxation(name):
    testing.check_relaxation(name, distribution=name not in ("sigmoid",))


@pytest.mark.parametrize("name", sorted(SPACES))
def test_space(name):
    testing.check_space(SPACES[name](**SMALL.get(name, {})))


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


def test_unregistered_names_are_told():
    with pytest.raises(AssertionError, match="registered"):
        testing.check_primitive("no_such")
    with pytest.raises(AssertionError, match="registered"):
        testing.check_relaxation("no_such")


class Broken(relaxations.Softmax):
    def __init__(self, fault, temperature=1.0):
        super().__init__(temperature)
        self.fault = fault

    def __call__(self, alphas, training=None):
        weights, active = super().__call__(alphas, training)
        if self.fault == "bare":
            return weights
        if self.fault == "nan":
            weights = weights * np.nan
        if self.fault == "shape":
            weights = weights[:1]
        if self.fault == "half":
            weights = ops.cast(weights, "bfloat16")
        if self.fault == "sum":
            weights = 2 * weights
        if self.fault == "sign":
            weights = -weights
        if self.fault == "stop":
            weights = ops.stop_gradient(weights)
        return weights, active


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("bare", "the pair"),
        ("nan", "finite"),
        ("shape", r"expected weights \(3, 4\)"),
        ("half", "float32"),
        ("sum", "sum to one"),
        ("sign", "negative"),
        ("stop", "gradient"),
        ("config", "serialize"),  # Softmax's configuration lacks `fault`
    ],
)
def test_broken_relaxation_is_caught(fault, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_relaxation(Broken(fault))


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
        ("parts", "do not part"),
        ("derive", "derives a genotype that is not valid"),
    ],
)
def test_broken_space_is_caught(fault, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_space(BrokenSpace(fault))


def test_the_whole_space_passes():
    testing.check_space(BrokenSpace(None))
