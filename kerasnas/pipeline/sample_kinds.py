"""The samples that an estimator is given: images or texts, as arrays, datasets or paths."""

from __future__ import annotations

import abc
import os
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.export import Classifier
from kerasnas.pipeline.deployment import classify, read_texts


class SampleKind(abc.ABC):
    """A kind of samples: makes arrays of them, and has a network answer them."""

    plural: str

    def arrays(self, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """Samples and labels as arrays.

        Raises:
            ValueError: if they do not belong together.
        """
        if hasattr(x, "as_numpy_iterator"):  # a `tf.data.Dataset`, in batches or not
            if y is not None:
                raise ValueError(checks.invalid("y", f"None, as `x` is a dataset of {self.plural} and labels", y))
            pairs = list(x.as_numpy_iterator())
            if not pairs or not isinstance(pairs[0], tuple) or len(pairs[0]) != 2:
                raise ValueError(checks.invalid("x", "a dataset of pairs (sample, label), not empty", x))
            join = np.concatenate if np.ndim(pairs[0][1]) else np.stack
            x, y = (join(part) for part in zip(*pairs, strict=True))
        if y is None:
            raise ValueError(checks.invalid("y", "labels, as `x` is an array", y))
        x = self._array(x)
        y = np.asarray(y) if isinstance(y, (list, tuple)) or hasattr(y, "__array__") else np.zeros(())
        if not x.ndim or not len(x):
            raise ValueError(checks.invalid("x", f"{self.plural}, at least one", f"shape {x.shape}"))
        y = y[:, 0] if y.shape[1:] == (1,) else y  # the shape in keras.datasets
        if y.ndim not in (1, 2) or len(x) != len(y):
            expected = f"one label, or a row of them, for each of the {len(x)} {self.plural}"
            raise ValueError(checks.invalid("y", expected, f"shape {y.shape}"))
        return x, y

    @abc.abstractmethod
    def _array(self, x: Any) -> np.ndarray:
        """The samples as an array."""

    @abc.abstractmethod
    def answers(self, network: Classifier, x: Any) -> np.ndarray:
        """The answers of a network for each sample: an array `(samples, outputs)`."""


class Images(SampleKind):
    """Images: arrays of numbers, or paths of files."""

    plural = "images"

    def _array(self, x: Any) -> np.ndarray:
        return checks.array("x", x)

    def answers(self, network: Classifier, x: Any) -> np.ndarray:
        paths = [x] if isinstance(x, str | os.PathLike) else x if isinstance(x, list | tuple) else None
        if paths is not None and all(isinstance(path, str | os.PathLike) for path in paths):
            predictions, failed = classify(network, paths)
            if failed:
                raise ValueError("; ".join(failed.values()))
            return np.array([list(one.probabilities.values()) for one in predictions])
        images = checks.array("x", x)
        if not images.ndim or not len(images):
            raise ValueError(checks.invalid("x", "images, at least one", f"shape {images.shape}"))
        images = images[..., None] if images.ndim == 3 and images.shape[1:] == network.input_shape[:-1] else images
        if images.shape[1:] != network.input_shape:
            raise ValueError(checks.invalid("x", f"images of shape {network.input_shape}", images.shape[1:]))
        return network.answers(images)


class Texts(SampleKind):
    """Texts: strings, in any sequence or array, bytes in UTF-8 among them, as `tf.data` has them."""

    plural = "texts"

    def _array(self, x: Any) -> np.ndarray:
        found = np.asarray(list(x) if hasattr(x, "__iter__") and not isinstance(x, str | bytes) else x, object)
        try:
            texts = [one.decode() if isinstance(one, bytes) else one for one in found.ravel()]
        except UnicodeDecodeError as error:
            raise ValueError(checks.invalid("x", "texts in UTF-8", str(error))) from None
        if found.ndim != 1 or not all(isinstance(text, str) for text in texts):
            kinds = ", ".join(sorted({type(text).__name__ for text in texts if not isinstance(text, str)}))
            received = f"shape {found.shape}" + (f" of {kinds}" if kinds else "")
            raise ValueError(checks.invalid("x", "texts, a sequence of strings", received))
        return np.array(texts, dtype=str)

    def answers(self, network: Classifier, x: Any) -> np.ndarray:
        if isinstance(x, str):
            return network.answers(np.array(read_texts([x]), object))
        return network.answers(self._array(x).astype(object))
