"""The samples that an estimator is given: images or texts, as arrays, tables or paths."""

from __future__ import annotations

import abc
import dataclasses
import os
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.datasets.columns import Columns, columns_of, labels_in, samples_in
from kerasnas.datasets.csv_labels import PATH_COLUMNS, TEXT_COLUMNS
from kerasnas.datasets.folders import pixels_of_files, pixels_of_images
from kerasnas.deployment.predictions import classify, read_texts
from kerasnas.export import Classifier
from kerasnas.runs.shared_settings import pixel_size


@dataclasses.dataclass(frozen=True)
class Reading:
    """The way that images of files are read: the size that they are brought to, their channels, the largest value."""

    size: tuple[int, int] | None = None
    fit: str = "stretch"
    channels: int | None = None
    scale: float = 255.0

    @classmethod
    def of(cls, network: Classifier) -> Reading:
        """As a network takes them."""
        if len(network.input_shape) != 3:
            return cls()
        height, width, channels = network.input_shape
        return cls((height, width), network.image_fit, channels, network.scale)

    def scaled(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels from 0 to `scale`."""
        return pixels if self.scale == 255 else pixels * np.float32(self.scale / 255)


class SampleKind(abc.ABC):
    """A kind of samples: makes arrays of them, and has a network answer them.

    Args:
        settings: of the search, which say how samples of files and tables are read. Defaults to None: as they come.
    """

    plural: str

    def __init__(self, settings: Any = None):
        self.settings = settings

    def arrays(self, x: Any, y: Any, like: Classifier | np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Samples and labels as arrays.

        Args:
            x: samples, or a table of them with their labels; see `kerasnas.datasets.columns`.
            y: labels; None where `x` has them.
            like: a network or other samples, to whose size images of files are brought. Defaults to None: as the
                settings say.

        Raises:
            ValueError: if they do not belong together.
        """
        columns = columns_of(x)
        if columns is not None:
            if y is not None:
                raise ValueError(checks.invalid("y", f"None, as `x` is a dataset of {self.plural} and labels", y))
            sample = self._column(columns)
            x, y = columns[sample], labels_in(columns, sample, self._setting("target", ()))
        if y is None:
            raise ValueError(checks.invalid("y", "labels, as `x` is an array", y))
        x = self._array(x, self._reading(like))
        y = np.asarray(y) if isinstance(y, (list, tuple)) or hasattr(y, "__array__") else np.zeros(())
        y = y.astype(str) if y.dtype.kind == "O" and all(isinstance(one, str) for one in y.ravel()) else y
        if not x.ndim or not len(x):
            raise ValueError(checks.invalid("x", f"{self.plural}, at least one", f"shape {x.shape}"))
        y = y[:, 0] if y.shape[1:] == (1,) else y  # the shape in keras.datasets
        if y.ndim not in (1, 2) or len(x) != len(y):
            expected = f"one label, or a row of them, for each of the {len(x)} {self.plural}"
            raise ValueError(checks.invalid("y", expected, f"shape {y.shape}"))
        return x, y

    def _reading(self, like: Classifier | np.ndarray | None) -> Reading:
        fit = self._setting("image_fit", "stretch")
        if isinstance(like, Classifier):
            return Reading.of(like)
        if like is not None and like.ndim == 4:
            return Reading((like.shape[1], like.shape[2]), fit, like.shape[3])
        return Reading(pixel_size(self._setting("image_size", "auto")), fit)

    def _setting(self, name: str, default: Any) -> Any:
        return getattr(self.settings, name, default)

    @abc.abstractmethod
    def _column(self, columns: Columns) -> str:
        """The name of the column of samples of a table."""

    @abc.abstractmethod
    def _array(self, x: Any, reading: Reading) -> np.ndarray:
        """The samples as an array."""

    @abc.abstractmethod
    def answers(self, network: Classifier, x: Any) -> np.ndarray:
        """The answers of a network for each sample: an array `(samples, outputs)`."""


class Images(SampleKind):
    """Images: arrays of numbers, paths of files, or images of Pillow, of one size or not."""

    plural = "images"

    def _column(self, columns: Columns) -> str:
        return samples_in(columns, PATH_COLUMNS, self.plural)

    def _array(self, x: Any, reading: Reading) -> np.ndarray:
        x = _listed(x)
        first = x[0] if isinstance(x, list) and x else next(iter(x), None) if _is_column(x) else None
        known = (reading.size, reading.fit, reading.channels)
        if isinstance(first, str | os.PathLike):
            return reading.scaled(pixels_of_files(x, *known))
        if hasattr(first, "getexif"):
            return reading.scaled(pixels_of_images(x, *known))
        for name, default in (("image_size", "auto"), ("image_fit", "stretch")):
            if (asked := self._setting(name, default)) != default:
                raise ValueError(checks.invalid(name, f"'{default}', as `x` is an array of images", asked))
        return checks.array("x", list(x) if _is_column(x) else x)

    def answers(self, network: Classifier, x: Any) -> np.ndarray:
        columns = columns_of(x)
        x = _listed(x if columns is None else columns[self._column(columns)])
        if _is_column(x) or (isinstance(x, list) and x and hasattr(x[0], "getexif")):
            x = self._array(x, Reading.of(network))
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

    def _column(self, columns: Columns) -> str:
        named = self._setting("text_column", "")
        if named:
            return checks.one_of("text_column", named, columns)
        return samples_in(columns, TEXT_COLUMNS, self.plural)

    def _array(self, x: Any, reading: Reading) -> np.ndarray:
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
        columns = columns_of(x)
        x = x if columns is None else columns[self._column(columns)]
        return network.answers(self._array(x, Reading()).astype(object))


class Nodes(SampleKind):
    """The nodes of a graph, all of them in their order: arrays of features."""

    plural = "nodes"

    def _column(self, columns: Columns) -> str:
        raise ValueError(checks.invalid("x", "a graph, which is no table", sorted(columns)))

    def _array(self, x: Any, reading: Reading) -> np.ndarray:
        return checks.array("x", x, rank=2)

    def answers(self, network: Classifier, x: Any) -> np.ndarray:
        return network.answers(self._array(x, Reading()))


def _listed(x: Any) -> Any:
    """A list of paths, whatever they came in: an array, an iterator or a column of a frame; else `x` as it is."""
    if isinstance(x, np.ndarray):
        return x.tolist() if x.ndim == 1 and x.dtype.kind in "UO" else x
    return list(x) if hasattr(x, "__next__") or hasattr(x, "iloc") else x


def _is_column(x: Any) -> bool:
    """True of a column of a table, which is read row by row, such as one of Hugging Face's."""
    return hasattr(x, "__iter__") and not hasattr(x, "__array__") and not isinstance(x, str | bytes | list | tuple)
