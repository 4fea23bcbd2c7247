"""Networks of `keras.applications` as starts: Keras itself downloads their weights, and checks them."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import keras

from kerasnas.starts.base import STARTS, Start, reading_weights

# Name of the start: its title, its function in `keras.applications`, the file of its weights in Keras' cache.
_APPLICATIONS = {
    "mobilenet_v3_small": (
        "MobileNetV3 small",
        "MobileNetV3Small",
        "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
    ),
    "mobilenet_v3_large": (
        "MobileNetV3 large",
        "MobileNetV3Large",
        "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
    ),
    "efficientnet_v2_b0": ("EfficientNetV2-B0", "EfficientNetV2B0", "efficientnetv2-b0_notop.h5"),
    "convnext_tiny": ("ConvNeXt-Tiny", "ConvNeXtTiny", "convnext_tiny_notop.h5"),
}


class KerasApplication(Start):
    """A network of `keras.applications` with the weights of ImageNet, which scales its pixels itself.

    MobileNetV3 small and large have 0.9 and 3 million parameters, EfficientNetV2-B0 5.9, ConvNeXt-Tiny 28; the last one
    has layer norms, so that its stages stay frozen as `batch_norm`.

    Args:
        name: in `STARTS`.
        title: the network, in words.
        function: name of the function of `keras.applications` that builds it.
        file: name of the file of its weights without the layer of classes, as Keras names it in its cache.

    Reference:
        Howard et al., "Searching for MobileNetV3", 2019 (arXiv 1905.02244); Tan and Le, "EfficientNetV2: Smaller Models
        and Faster Training", 2021 (arXiv 2104.00298); Liu et al., "A ConvNet for the 2020s", 2022 (arXiv 2201.03545).
    """

    learned_from = "ImageNet-1k"
    licence = "Apache-2.0"
    source = "keras.applications"
    downloads = True

    def __init__(self, name: str, title: str, function: str, file: str):
        self.name, self.title, self.function, self.file = name, title, function, file
        self.hint = f"--starts={name}, with a connection: Keras downloads them once"

    def available(self) -> bool:
        home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
        return (home / "models" / self.file).is_file()

    def build(self, size: int) -> keras.Model:
        function = getattr(keras.applications, self.function)
        with reading_weights(self.title):
            model = function(include_top=False, weights="imagenet", input_shape=(size, size, 3))
        model.trainable = False
        return model


for _name, _of_it in _APPLICATIONS.items():
    STARTS.register(_name, functools.partial(KerasApplication, _name, *_of_it))
