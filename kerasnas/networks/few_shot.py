"""The convolutional network of the few-shot literature, and a linear head in closed form: class means as weights."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.networks.chosen import discrete_model
from kerasnas.networks.skeleton import check_input_shape
from kerasnas.primitives.normalization import BatchNorm

_ABSENT = -1e9  # logit of a class without samples: finite, so that losses and weights are


@checks.arguments(pooling=checks.boolean, seed=checks.seed)
def few_shot_network(
    input_shape: tuple[int, ...],
    num_classes: int,
    filters: int = 64,
    blocks: int = 4,
    pooling: bool = False,
    seed: int = 0,
) -> keras.Model:
    """Build blocks of a 3x3 convolution, batch norm and ReLU that each halve the image, and a linear head.

    Batch norm is `kerasnas.primitives.normalization.BatchNorm`: on the fused kernel, and exact to second order.

    Args:
        input_shape: `(height, width, channels)`.
        num_classes: number of logits: the ways of the tasks.
        filters: of every convolution. Defaults to 64.
        blocks: number of blocks. Defaults to 4.
        pooling: whether a block halves the image by max pooling, as for miniImageNet, and not by the strides of its
            convolution, as for Omniglot. Defaults to False.
        seed: of the initial weights. Defaults to 0.

    Returns:
        A functional `keras.Model`.

    Raises:
        ValueError: for a size that is not positive.

    Example:

    >>> model = few_shot_network((28, 28, 1), num_classes=5)
    >>> sum(np.prod(variable.shape) for variable in model.trainable_variables).item()
    112965

    Reference:
        Finn et al., "Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks", 2017 (arXiv 1703.03400),
        section 5.2; Vinyals et al., "Matching Networks for One Shot Learning", 2016 (arXiv 1606.04080).
    """
    for name, size in (("num_classes", num_classes), ("filters", filters), ("blocks", blocks)):
        checks.size(name, size)
    x = inputs = keras.Input(check_input_shape(input_shape, 0))
    for _ in range(blocks):
        x = keras.layers.Conv2D(
            filters, 3, strides=1 if pooling else 2, padding="same", use_bias=False, data_format="channels_last"
        )(x)  # batch norm cancels a bias
        x = keras.layers.ReLU()(BatchNorm()(x))
        if pooling:
            x = keras.layers.MaxPooling2D(2, padding="same", data_format="channels_last")(x)
    x = keras.layers.Flatten(data_format="channels_last")(x)
    head = keras.layers.Dense(num_classes)
    model = discrete_model(inputs, head(x), seed)
    # Logits start near 0, so that the first inner steps are not spent on unlearning a random head.
    head.kernel.assign(0.01 * np.random.default_rng([seed, blocks]).standard_normal(head.kernel.shape))
    return model


def prototype_head(features: Tensor, labels: Tensor, classes: int) -> tuple[Any, Any]:
    """Return the kernel and the bias of the linear head that chooses the nearest class mean.

    The squared distance is `|f - m|^2 = |f|^2 - (2 m f - |m|^2)`, and `|f|^2` is the same for all classes: with the
    kernel `2 m` and the bias `-|m|^2`, softmax of the logits is softmax of the negative squared distances.

    Args:
        features: `(samples, features)`.
        labels: integers `(samples,)`.
        classes: number of outputs; those without a sample have a bias of -1e9.

    Returns:
        `(kernel, bias)`, of shapes `(features, classes)` and `(classes,)`.

    Reference:
        Snell et al., "Prototypical Networks for Few-shot Learning", 2017 (arXiv 1703.05175), equation 8.
    """
    features = ops.convert_to_tensor(features)
    members = ops.one_hot(labels, classes, dtype=features.dtype)
    counts = ops.sum(members, axis=0)
    means = ops.matmul(ops.transpose(features), members) / ops.maximum(counts, 1)
    return 2 * means, ops.where(counts > 0, -ops.sum(means**2, axis=0), _ABSENT)
