"""MixedOp against an independent NumPy formulation: its output, and its gradients by central differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnas.primitives import PRIMITIVES, MixedOp, register_primitive

REDUCTION = ["factorized_reduce", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"]
NORMAL = ["none", "skip_connect", "avg_pool_3x3", "sep_conv_3x3", "dil_conv_5x5"]
EPSILON = 1e-5


# The formulation, from the paper's definitions and nothing of KerasNAS ------------------------------
def relu(x):
    return np.maximum(x, 0)


def windows(x, size, stride, dilation):
    """(value, inside the image) of each position of a window, with TensorFlow's "same" padding."""
    height, width = x.shape[1:3]
    span = (size - 1) * dilation + 1
    rows, columns = -(-height // stride), -(-width // stride)
    top = max((rows - 1) * stride + span - height, 0) // 2
    left = max((columns - 1) * stride + span - width, 0) // 2
    for i in range(size):
        for j in range(size):
            value, inside = np.zeros((len(x), rows, columns, x.shape[-1])), np.zeros((rows, columns), bool)
            for row in range(rows):
                for column in range(columns):
                    y, z = row * stride + i * dilation - top, column * stride + j * dilation - left
                    if 0 <= y < height and 0 <= z < width:
                        value[:, row, column], inside[row, column] = x[:, y, z], True
            yield i, j, value, inside


def depthwise(x, kernel, stride=1, dilation=1):
    return sum(value * kernel[i, j, :, 0] for i, j, value, _ in windows(x, len(kernel), stride, dilation))


def pointwise(x, kernel):
    return np.einsum("bhwc,cf->bhwf", x, kernel[0])


def batch_norm(x, gamma=1.0, beta=0.0):
    mean = x.mean((0, 1, 2))
    variance = ((x - mean) ** 2).mean((0, 1, 2))
    return gamma * (x - mean) / np.sqrt(variance + EPSILON) + beta


def take_norm(weights, affine):
    return (weights.pop(0), weights.pop(0)) if affine else ()


def factorized_reduce(x, weights, stride, affine):
    x = relu(x)
    shifted = np.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))[:, 1:, 1:]
    halves = [pointwise(half[:, ::2, ::2], weights.pop(0)) for half in (x, shifted)]
    return batch_norm(np.concatenate(halves, -1), *take_norm(weights, affine))


def sep_conv(x, weights, stride, affine):
    for step in (stride, 1):
        x = pointwise(depthwise(relu(x), weights.pop(0), step), weights.pop(0))
        x = batch_norm(x, *take_norm(weights, affine))
    return x


def dil_conv(x, weights, stride, affine):
    x = depthwise(relu(x), weights.pop(0), dilation=2)[:, ::stride, ::stride]
    return batch_norm(pointwise(x, weights.pop(0)), *take_norm(weights, affine))


def average_pool(x, weights, stride, affine):
    parts = list(windows(x, 3, stride, 1))
    count = sum(inside for *_, inside in parts)[..., None]
    return batch_norm(sum(value for _, _, value, _ in parts) / count)


def skip_connect(x, weights, stride, affine):
    return x if stride == 1 else factorized_reduce(x, weights, stride, affine)


REFERENCE = {
    "factorized_reduce": factorized_reduce,
    "sep_conv_3x3": sep_conv,
    "sep_conv_5x5": sep_conv,
    "dil_conv_3x3": dil_conv,
    "dil_conv_5x5": dil_conv,
    "avg_pool_3x3": average_pool,
    "skip_connect": skip_connect,
    "none": lambda x, weights, stride, affine: 0.0,
}


def mixed(x, alphas, weights, names, stride, affine):
    """The mixed operation; `weights` maps a primitive's name to the list of its weights."""
    mixing = np.exp(alphas[0] - alphas[0].max())
    mixing /= mixing.sum()
    terms = [REFERENCE[name](x, list(weights[name]), stride, affine) for name in names]
    return sum(weight * term for weight, term in zip(mixing, terms, strict=True))


# The layer under test --------------------------------------------------------------------------------
def layer_and_values(names, strides, affine, size, channels, filters):
    rng = np.random.default_rng(7)
    layer = MixedOp(names, filters=filters, strides=strides, affine=affine, dtype="float64")
    x = rng.standard_normal((3, *size, channels))
    layer(x)
    layer.alphas.assign(rng.standard_normal(layer.alphas.shape))
    for variable in layer.trainable_variables:
        if variable is not layer.alphas:
            variable.assign(rng.standard_normal(variable.shape))
    weights = {name: list(c.trainable_variables) for name, c in layer.candidates.items()}
    return layer, x, weights, rng


def numbers(variable):
    return tf.convert_to_tensor(variable).numpy()


CASES = [
    (REDUCTION, 2, False, (6, 6), 3, 4),
    (REDUCTION, 2, False, (7, 5), 3, 5),
    (REDUCTION, 2, True, (5, 6), 3, 4),
    (NORMAL, 1, False, (6, 6), 4, 4),
    (NORMAL, 1, False, (5, 7), 3, 3),
    (NORMAL, 1, True, (4, 5), 3, 3),
]
NAMED = pytest.mark.parametrize(
    ("names", "strides", "affine", "size", "channels", "filters"),
    [pytest.param(*case, marks=[pytest.mark.slow] * (number in (0, 3, 5))) for number, case in enumerate(CASES)],
    ids=[f"strides{strides}-{h}x{w}-affine{affine}" for _, strides, affine, (h, w), *_ in CASES],
)


@NAMED
def test_output_equals_the_formulation(names, strides, affine, size, channels, filters):
    layer, x, weights, _ = layer_and_values(names, strides, affine, size, channels, filters)
    values = {name: [numbers(v) for v in variables] for name, variables in weights.items()} | {"none": []}
    expected = mixed(x, numbers(layer.alphas), values, names, strides, affine)
    received = layer(x, training=True)
    assert received.dtype == "float64"
    np.testing.assert_allclose(received.numpy(), expected, rtol=1e-10, atol=1e-11)


@NAMED
def test_gradients_equal_central_differences_of_the_formulation(names, strides, affine, size, channels, filters):
    layer, x, weights, rng = layer_and_values(names, strides, affine, size, channels, filters)
    owners = [(name, index) for name, variables in weights.items() for index in range(len(variables))]
    variables = [layer.alphas, *(weights[name][index] for name, index in owners)]
    assert len(variables) == len(layer.trainable_variables)  # every trainable variable is compared
    cotangent = rng.standard_normal(layer(x).shape)

    image = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(image)
        loss = tf.reduce_sum(layer(image, training=True) * cotangent)
    gradients = [g.numpy() for g in tape.gradient(loss, [image, *(variable.value for variable in variables)])]

    def loss_of(values):
        image, alphas, *rest = values
        table = {name: [] for name in names}
        for (name, _), value in zip(owners, rest, strict=True):
            table[name].append(value)
        return (mixed(image, alphas, table, names, strides, affine) * cotangent).sum()

    point = [x, *(numbers(variable) for variable in variables)]
    np.testing.assert_allclose(loss.numpy(), loss_of(point), rtol=1e-9)

    def difference(index, direction, step=1e-5):
        ends = []
        for sign in (1, -1):
            moved = list(point)
            moved[index] = point[index] + sign * step * direction
            ends.append(loss_of(moved))
        return (ends[0] - ends[1]) / (2 * step)

    for index, gradient in enumerate(gradients):
        scale = np.linalg.norm(gradient)
        assert scale > 0
        # One direction of random sign; then the gradient's own, where the error is relative to the whole gradient.
        for direction in (rng.choice([-1.0, 1.0], gradient.shape), gradient / scale):
            along = (gradient * direction).sum()
            assert abs(difference(index, direction) - along) <= 1e-7 * max(abs(along), scale)
        for flat in rng.choice(gradient.size, min(2, gradient.size), replace=False):
            direction = np.zeros(gradient.size)
            direction[flat] = 1.0
            along = gradient.reshape(-1)[flat]
            received = difference(index, direction.reshape(gradient.shape))
            assert abs(received - along) <= 1e-7 * max(abs(along), np.abs(gradient).max())


# Copies ----------------------------------------------------------------------------------------------
def slice_of(variable, shape, copy):
    """The part of a variable of `copies` instances that belongs to one of them."""
    value = numbers(variable)
    for axis, size in enumerate(shape):
        if value.shape[axis] != size:
            return np.take(value, range(copy * size, (copy + 1) * size), axis)
    return value


@pytest.mark.parametrize(  # up to 3 filters by block-diagonal kernels, 18 are split
    ("names", "strides", "filters"),
    [
        *((REDUCTION, 2, 3), (NORMAL, 1, 18)),
        *(pytest.param(*one, marks=pytest.mark.slow) for one in ((REDUCTION, 2, 18), (NORMAL, 1, 3))),
    ],
)
def test_copies_equal_separate_layers(names, strides, filters):
    rng = np.random.default_rng(3)
    x = rng.standard_normal((2, 5, 6, filters))
    together = MixedOp(names, filters, strides, affine=True, copies=3, dtype="float64")
    together(x)
    for variable in together.variables:
        variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    separate = []
    for copy in range(3):
        one = MixedOp(names, filters, strides, affine=True, dtype="float64")
        one(x)
        for source, target in zip(together.variables, one.variables, strict=True):
            target.assign(slice_of(source, target.shape, copy))
        separate.append(one)
    for training in (False, True):
        received = together(x, training=training).numpy()
        expected = np.concatenate([one(x, training=training).numpy() for one in separate], -1)
        np.testing.assert_allclose(received, expected, rtol=1e-10, atol=1e-10)


# Weights ---------------------------------------------------------------------------------------------
def images(channels=4, size=6):
    return np.random.default_rng(0).standard_normal((2, size, size, channels)).astype("float32")


def test_own_alphas_equal_fed_weights():
    own = MixedOp(NORMAL, 4)
    x = images()
    own(x)
    own.alphas.assign([[0.3, -1.0, 2.0, 0.0, 1.0]])
    fed = MixedOp(NORMAL, 4)
    weights = tf.nn.softmax(own.alphas.value)
    fed(x, weights=weights)
    assert fed.alphas is None
    assert len(fed.trainable_variables) == len(own.trainable_variables) - 1
    pairs = zip([v for v in own.variables if v is not own.alphas], fed.variables, strict=True)
    for source, target in pairs:
        target.assign(source.value)
    np.testing.assert_allclose(own(x), fed(x, weights=weights), rtol=1e-6)
    with pytest.raises(ValueError, match="without them"):
        fed(x)


def test_seed_sets_the_alphas():
    layers = [MixedOp(NORMAL, 4, seed=seed) for seed in (1, 1, 2)]
    for layer in layers:
        layer(images())
    first, same, other = (numbers(layer.alphas) for layer in layers)
    np.testing.assert_array_equal(first, same)
    assert (first != other).all()
    assert 0 < np.abs(first).max() < 1e-2


def test_none_adds_exactly_nothing():
    x = images()
    x[0, 0, 0, 0] = np.inf  # zero times it would be NaN
    layer = MixedOp(["none", "skip_connect"], 4)
    received = layer(x, weights=np.array([[0.75, 0.25]], "float32")).numpy()
    np.testing.assert_array_equal(received, x * 0.25)


# Saving ----------------------------------------------------------------------------------------------
def test_model_with_a_mixed_op_is_saved_and_loaded(tmp_path):
    inputs = keras.Input((6, 6, 4))
    x = MixedOp(["none", "sep_conv_3x3", "max_pool_3x3"], 4, copies=2)(inputs)
    outputs = MixedOp(REDUCTION[:1], 3, strides=2, affine=True)(x)
    model = keras.Model(inputs, outputs)
    rng = np.random.default_rng(0)
    for variable in model.variables:
        variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(model(images(), training=False), loaded(images(), training=False), rtol=1e-6)
    assert sum(getattr(v, "is_architecture_parameter", False) for v in loaded.variables) == 2


# Primitives of the user ------------------------------------------------------------------------------
@pytest.fixture
def scaled_conv():
    @register_primitive("scaled_conv")
    def factory(filters, strides, affine):
        return keras.layers.Conv2D(filters, 1, strides=strides, padding="same")

    yield "scaled_conv"
    PRIMITIVES.unregister("scaled_conv")


def test_user_primitive_by_name_and_with_copies(scaled_conv):
    layer = MixedOp([scaled_conv, "factorized_reduce"], 5, strides=2, copies=3)
    x = images(3)
    weights = np.array([[1, 0], [0.5, 0], [0, 0]], "float32")
    received = layer(x, weights=weights, training=False).numpy()
    convs = layer.candidates[scaled_conv].layers
    assert len(convs) == 3
    np.testing.assert_allclose(received[..., :5], convs[0](x), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(received[..., 5:10], 0.5 * convs[1](x), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(received[..., 10:], 0)


@pytest.mark.parametrize("dtype", ["float64", "mixed_bfloat16"])
def test_user_primitive_joins_in_another_precision(scaled_conv, dtype):
    layer = MixedOp([scaled_conv, "skip_connect"], 4, dtype=dtype)
    assert layer(images()).dtype == ("float64" if dtype == "float64" else "bfloat16")


# Precision -------------------------------------------------------------------------------------------
def test_mixed_bfloat16_keeps_alphas_in_float32():
    layer = MixedOp(NORMAL, 4, dtype="mixed_bfloat16")
    x = images()
    with tf.GradientTape() as tape:
        y = layer(x, training=True)
        loss = tf.reduce_sum(tf.cast(y, "float32") * x)
    assert y.dtype == "bfloat16"
    assert layer.alphas.dtype == "float32"
    gradient = tape.gradient(loss, layer.alphas.value)
    assert gradient.dtype == "float32"
    assert np.isfinite(gradient).all() and np.any(gradient)
    reference = MixedOp(NORMAL, 4)
    reference(x)
    for source, target in zip(layer.variables, reference.variables, strict=True):
        target.assign(source.value)
    error = np.abs(tf.cast(layer(x), "float32").numpy() - reference(x).numpy()).max()
    assert error < 0.05


# Errors ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"primitives": ["sep_conv_3x"]}, "`primitives`. Expected a known name. Received: 'sep_conv_3x' Did"),
        ({"primitives": "skip_connect"}, "`primitives`. Expected a non-empty sequence of names"),
        ({"primitives": ["none"]}, "Expected a name other than 'none'"),
        ({"primitives": ["skip_connect", "skip_connect"]}, "distinct names"),
        ({"primitives": ["factorized_reduce"]}, "`strides`. Expected 2"),
        ({"relaxation": "softmx"}, "Did you mean 'softmax'"),
    ],
)
def test_wrong_arguments_are_reported(arguments, message):
    with pytest.raises(ValueError) as caught:
        MixedOp(**{"primitives": ["skip_connect"], "filters": 4, **arguments})
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["skip_connect", "max_pool_3x3", "avg_pool_3x3"])
def test_primitives_that_keep_channels_say_so(name):
    with pytest.raises(ValueError, match=r"keeps the number of channels.*`filters=3`"):
        MixedOp([name], 4)(images(3))


# Primitives that copies have dropped ----------------------------------------------------------------
KEPT = [["skip_connect", "sep_conv_3x3"], ["none", "dil_conv_5x5"], ["sep_conv_3x3", "dil_conv_5x5"]]


def kept_and_whole(strides=1):
    """A layer whose copies have dropped primitives, and the one with all, with the same weights."""
    settings = {"filters": 2, "strides": strides, "copies": 3, "dtype": "float64"}
    kept, whole = MixedOp(NORMAL, kept=KEPT, **settings), MixedOp(NORMAL, **settings)
    for layer, columns in ((kept, 2), (whole, len(NORMAL))):
        layer.build((None, 5, 5, 2), (3, columns))
    for name, candidate in kept.candidates.items():
        parts = whole.candidates[name].part([tf.convert_to_tensor(v) for v in whole.candidates[name].variables])
        own = candidate.join([part for part, names in zip(parts, KEPT, strict=True) if name in names])
        for variable, value in zip(candidate.variables, own, strict=True):
            variable.assign(value)
    return kept, whole


@pytest.mark.parametrize("strides", [1, 2])
def test_what_copies_dropped_has_a_weight_of_0(strides):
    rng = np.random.default_rng(0)
    kept, whole = kept_and_whole(strides)
    x, weights = rng.standard_normal((2, 5, 5, 2)), rng.random((3, 2))
    full = np.zeros((3, len(NORMAL)))
    for row, names in enumerate(KEPT):
        full[row, [NORMAL.index(name) for name in names]] = weights[row]
    for training in (False, True):
        np.testing.assert_allclose(
            kept(x, weights=weights, training=training), whole(x, weights=full, training=training), atol=1e-12
        )


def test_what_copies_dropped_has_no_layer():
    kept, whole = kept_and_whole()
    assert "avg_pool_3x3" not in kept.candidates
    assert {name: one.copies for name, one in kept.candidates.items()} == {
        "skip_connect": 1,
        "sep_conv_3x3": 2,
        "dil_conv_5x5": 2,
    }
    assert kept.count_params() < whole.count_params()


def test_kept_survives_its_config_and_owns_fitting_alphas():
    layer = MixedOp(NORMAL, filters=2, copies=3, kept=KEPT, skip_dropout=0.5)
    again = MixedOp.from_config(layer.get_config())
    assert again.kept == layer.kept and again.skip_dropout == 0.5
    again(np.zeros((1, 5, 5, 2), "float32"))
    assert again.alphas.shape == (3, 2)


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (KEPT[:2], "each of 3 edges"),
        ([["skip_connect"], *KEPT[1:]], "as many for each edge"),
        ([["none"]] * 3, "not 'none' alone"),
        ([["skip_conect", "none"]] * 3, "skip_connect"),
    ],
)
def test_impossible_kept_primitives_are_named(kept, words):
    with pytest.raises(ValueError, match=words):
        MixedOp(NORMAL, filters=2, copies=3, kept=kept)


def test_drawn_paths_need_all_primitives():
    with pytest.raises(ValueError, match="draws paths"):
        MixedOp(NORMAL, filters=2, copies=3, kept=KEPT, relaxation="gumbel")


# Dropout after skip connections ---------------------------------------------------------------------
def test_skip_dropout_drops_values_of_skips_alone_and_scales_the_others():
    layer = MixedOp(["skip_connect", "avg_pool_3x3"], filters=8, skip_dropout=0.75)
    x = np.ones((64, 6, 6, 8), "float32")
    skips, pools = (np.array([[float(skip), 1.0 - skip]], "float32") for skip in (True, False))
    dropped = np.array(layer(x, weights=skips, training=True))
    assert set(np.unique(dropped)) == {0.0, 4.0}
    assert np.mean(dropped == 0) == pytest.approx(0.75, abs=0.02)
    assert np.all(np.array(layer(x, weights=skips, training=False)) == 1)
    layer.dropout.rate.assign(0.0)
    assert np.all(np.array(layer(x, weights=skips, training=True)) == 1)
    np.testing.assert_array_equal(
        layer(x, weights=pools, training=True), MixedOp(["avg_pool_3x3"], filters=8)(x, training=True)
    )


def test_skip_dropout_leaves_skips_that_halve_alone():
    assert MixedOp(["skip_connect"], filters=2, strides=2, skip_dropout=0.5).dropout is None
