"""Mean of a network's answers to several views of an image: its mirror images, quarter turns and shifts by a pixel."""

from __future__ import annotations

from collections.abc import Collection

import keras
from keras import ops

_TURNS = {"flip": (0, True), "flip_vertical": (2, True), "rotate": (1, False)}
_MOST = 8  # views: those of all mirrors and turns
_LEAST = 8  # pixels of the shorter side: a shift by one is nothing, which of fewer is a part of the image

Turn = tuple[int, bool]
"""Number of quarter turns, and whether the image is mirrored left to right before them."""


def turns_of(augment: Collection[str], square: bool) -> list[Turn]:
    """Return the mirrors and turns of an image that some augmentations lead to, one after the other; first, none.

    Example:

    >>> turns_of(["shift", "flip"], square=True), len(turns_of(["flip", "rotate"], square=True))
    ([(0, False), (0, True)], 8)
    """
    steps = [step for name, step in _TURNS.items() if name in augment]
    if not square:
        steps = [(2 * bool(turns), mirrored) for turns, mirrored in steps]
    found = [(0, False)]
    for turns, mirrored in found:  # grows meanwhile
        for more, mirrors in steps:
            reached = (turns + (-more if mirrored else more)) % 4, mirrored != mirrors
            if reached not in found:
                found.append(reached)
    return found


def number_of_views(augment: Collection[str], shape: tuple[int, ...]) -> int:
    """Return the number of views of `over_views`, of samples of a shape; 1 without augmentations."""
    if not augment:
        return 1
    height, width = shape[:2]
    turns = len(turns_of(augment, height == width))
    return 2 * turns if "shift" in augment and turns < _MOST and min(height, width) >= _LEAST else turns


def over_views(model: keras.Model, augment: Collection[str]) -> keras.Model:
    """Return a network whose answers are the means of those of `model` to views that it has been trained on alike.

    Views are the mirror images and turns of an image that the flips and `"rotate"` of `augment` allow. Where they are
    fewer than eight, `"shift"` adds two for each of them, a pixel down and right, and a pixel up and left, filled up
    with zeros, in place of the image itself: a network that halves its resolution sees other pixels together then.
    Other augmentations make no views. The network shares the layers of `model`, and adds standard ones.

    Args:
        model: functional, of images `(height, width, channels)`; its outputs are logits, or numbers.
        augment: names of the augmentations of its training.

    Returns:
        `model` itself, if there is but one view.

    Reference:
        Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", 2012, section 4.1. There,
        probabilities are averaged, over five crops and their mirror images; here, logits.
    """
    shape = model.input_shape[1:]
    number = number_of_views(augment, shape)
    if number == 1:
        return model
    inputs, turns = keras.Input(shape, name="inputs"), turns_of(augment, shape[0] == shape[1])
    views = [_turned(inputs, *turn) for turn in turns]
    if number > len(turns):
        views = [_shifted(view, direction) for view in views for direction in (False, True)]
    one = keras.Model(model.inputs[0], model.outputs[0], name="view")
    return keras.Model(inputs, keras.layers.Average()([one(view) for view in views]), name="views")


def _turned(x: keras.KerasTensor, turns: int, mirrored: bool) -> keras.KerasTensor:
    half = turns >= 2  # by flips: Keras takes every turn of a symbolic image for a quarter
    for axis, flipped in ((1, half), (2, half != mirrored)):  # one axis at a time, as LiteRT has it
        x = ops.flip(x, axis=axis) if flipped else x
    return ops.flip(ops.transpose(x, (0, 2, 1, 3)), axis=1) if turns % 2 else x


def _shifted(x: keras.KerasTensor, back: bool) -> keras.KerasTensor:
    """Shift images by a pixel along both axes, padded with zeros."""
    first, last = (0, 1) if back else (1, 0)
    x = keras.layers.ZeroPadding2D(((first, last), (first, last)))(x)
    return keras.layers.Cropping2D(((last, first), (last, first)))(x)
