"""Networks of `keras.applications` as starts: Keras itself downloads their weights, and checks them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import keras

from kerasnas.starts.base import STARTS, Start, StartError


class KerasApplication(Start):
    """A network of `keras.applications` with the weights of ImageNet, which scales its pixels itself.

    A subclass names the function and the file of its weights, as Keras names it in its cache.

    Attributes:
        function: builds the network.
        file: name of the file of weights without the layer of classes.
        options: further arguments of the function.
    """

    function: ClassVar[Callable[..., keras.Model]]
    file = ""
    options: ClassVar[dict[str, Any]] = {}
    learned_from = "ImageNet-1k"
    licence = "Apache-2.0"
    source = "keras.applications"
    downloads = True

    @property
    def hint(self) -> str:  # type: ignore[override]
        """How to get the weights."""
        return f"--starts={self.name}, with a connection: Keras downloads them once"

    def available(self) -> bool:
        home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
        return (home / "models" / self.file).is_file()

    def build(self, size: int) -> keras.Model:
        try:
            model = type(self).function(
                include_top=False, weights="imagenet", input_shape=(size, size, 3), **self.options
            )
        except Exception as error:  # of a failing connection, and of a damaged file, nearly anything is raised
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise StartError(f"The weights of {self.title} could not be downloaded or read: {reason}") from error
        model.trainable = False
        return model


@STARTS.register("mobilenet_v3_small")
class MobileNetV3Small(KerasApplication):
    """MobileNetV3 small: 0.9 million parameters.

    Reference:
        Howard et al., "Searching for MobileNetV3", 2019 (arXiv 1905.02244).
    """

    name, title = "mobilenet_v3_small", "MobileNetV3 small"
    function = staticmethod(keras.applications.MobileNetV3Small)
    file = "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5"


@STARTS.register("mobilenet_v3_large")
class MobileNetV3Large(KerasApplication):
    """MobileNetV3 large: 3 million parameters.

    Reference:
        Howard et al., "Searching for MobileNetV3", 2019 (arXiv 1905.02244).
    """

    name, title = "mobilenet_v3_large", "MobileNetV3 large"
    function = staticmethod(keras.applications.MobileNetV3Large)
    file = "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5"


@STARTS.register("efficientnet_v2_b0")
class EfficientNetV2B0(KerasApplication):
    """EfficientNetV2-B0: 5.9 million parameters.

    Reference:
        Tan and Le, "EfficientNetV2: Smaller Models and Faster Training", 2021 (arXiv 2104.00298).
    """

    name, title = "efficientnet_v2_b0", "EfficientNetV2-B0"
    function = staticmethod(keras.applications.EfficientNetV2B0)
    file = "efficientnetv2-b0_notop.h5"


@STARTS.register("convnext_tiny")
class ConvNeXtTiny(KerasApplication):
    """ConvNeXt-Tiny: 28 million parameters, with layer norms: as `batch_norm`, its stages stay frozen.

    Reference:
        Liu et al., "A ConvNet for the 2020s", 2022 (arXiv 2201.03545).
    """

    name, title = "convnext_tiny", "ConvNeXt-Tiny"
    function = staticmethod(keras.applications.ConvNeXtTiny)
    file = "convnext_tiny_notop.h5"
