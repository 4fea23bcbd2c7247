"""Fronts: what stands before a network in a deployed model, so that it takes samples as they come."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.modalities.lazy_images import in_parts
from kerasnas.modalities.token_vectors import TokenVectors
from kerasnas.tasks.splits import spread_rows

SPLITS = ("words", "characters")
_FIRST = 2  # ids of padding and of words that are not in the vocabulary
_SHARE_UNSPACED = 0.5  # of texts without a space in so many characters
_LONG = 12
_QUANTILE, _LONGEST = 0.98, 256  # of the lengths of texts
_BINS, _STRIDE, _FRAMES = 40, 0.016, 200  # of a spectrogram: bands; seconds from frame to frame, unless of too many
PICTURES = (0.5, 0.2)  # mean and deviation of pixels from 0 to 1


class Front(abc.ABC):
    """The step from raw samples to the inputs of a network, in standard Keras layers.

    Attributes:
        name: how it is recorded.
        sizes: arguments of a space that follow from it.
        source: what is pretrained in it, and its license, as entries of the record. Defaults to none.
    """

    name: str
    source: Mapping[str, str] = {}

    @property
    def sizes(self) -> Mapping[str, int]:
        """Arguments of a search space that follow from the data: none."""
        return {}

    def raw_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of a raw sample, given that of the network's inputs: the same, unless a front changes it."""
        return tuple(input_shape)

    @abc.abstractmethod
    def apply(self, x: Any) -> Any:
        """The inputs of the network, a KerasTensor, of raw samples `x`, a KerasTensor."""

    def get_config(self) -> dict[str, Any]:
        """The name and the arguments, as a JSON-serializable mapping."""
        return {"name": self.name}

    def input(self, input_shape: tuple[int, ...]) -> Any:
        """The input of a deployed model whose network takes samples of this shape."""
        return keras.Input(self.raw_shape(input_shape), name="inputs")


class Scaling(Front):
    """A division: of images of 8 bits by 255.

    Args:
        scale: what raw samples are divided by, above 0. Defaults to 1: nothing is done.
    """

    name = "scaling"

    def __init__(self, scale: float = 1.0):
        self.scale = checks.number("scale", scale, above=0)

    def apply(self, x: Any) -> Any:
        return x if self.scale == 1 else keras.layers.Rescaling(1 / self.scale, dtype="float32", name="scaling")(x)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "scale": self.scale}


class Levels(Front):
    """Values of any range, each channel shifted and scaled: `(x - low) / span`, by two of Keras' `Rescaling`.

    Args:
        low, span: values of each channel that become 0, and those above them that become 1.

    Raises:
        ValueError: if there are not as many of both, or a span is not above 0.

    Example:

    >>> front = Levels.fitted(np.array([-3.0, 1.0]).reshape(2, 1, 1), mean=0, deviation=1)
    >>> front.inputs(np.array([-3.0, -1.0, 5.0]).reshape(3, 1, 1)).ravel().tolist()
    [-1.0, 0.0, 3.0]
    """

    name = "levels"

    def __init__(self, low: Sequence[float], span: Sequence[float]):
        self.low = tuple(checks.number("low", value) for value in low)
        self.span = tuple(checks.number("span", value, above=0) for value in span)
        if len(self.low) != len(self.span):
            raise ValueError(checks.invalid("span", f"{len(self.low)} numbers", self.span))

    @classmethod
    def fitted(cls, x: np.ndarray, mean: float, deviation: float) -> Levels:
        """The front that brings each channel of training samples, NaN left out, to a mean and a deviation."""
        some = np.asarray(x[spread_rows(len(x), 500)], dtype=float)
        axes = tuple(range(some.ndim - 1))
        return cls(*map(np.ndarray.tolist, _extent(some, mean, deviation, axes)))

    def inputs(self, x: np.ndarray) -> np.ndarray:
        """The network's inputs of samples, float32."""
        return (x.astype("float32") - np.array(self.low, "float32")) * (1 / np.array(self.span)).astype("float32")

    def apply(self, x: Any) -> Any:
        shifted = keras.layers.Rescaling(1.0, [-low for low in self.low], dtype="float32", name="shifting")(x)
        return keras.layers.Rescaling([1 / span for span in self.span], dtype="float32", name="scaling")(shifted)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "low": list(self.low), "span": list(self.span)}


class Padding(Front):
    """Signals whose ends are missing, NaN in all channels, with zeros in their place.

    Args:
        levels: what their values go through before. Defaults to None: nothing.
    """

    name = "padding"

    def __init__(self, levels: Levels | None = None):
        self.levels = checks.optional(checks.instance, "levels", levels, Levels)

    def apply(self, x: Any) -> Any:
        return keras.ops.nan_to_num(x if self.levels is None else self.levels.apply(x))

    def get_config(self) -> dict[str, Any]:
        return {**({} if self.levels is None else self.levels.get_config()), "name": self.name}


class Vocabulary(Front):
    """Texts as the ids of their words, or characters: Keras' `TextVectorization`, with a vocabulary.

    Letters become lower case and ASCII punctuation is left out. Id 0 is padding, 1 a word that is not in the
    vocabulary. Texts of more words than `length` are cut.

    Args:
        words: the vocabulary, the most frequent first.
        length: number of ids of every text.
        split: `"words"`, between spaces, or `"characters"`. Defaults to `"words"`.
        learned: number of the first words, which the training texts teach; a network takes the others, which have
            vectors, for unknown ones. Defaults to None: all.
        vectors: a vector for each id, `(2 + words, dimensions)`, zeros where there is none. Defaults to None.
        source: what the vectors are from, as entries of the record. Defaults to none.

    Raises:
        ValueError: for no words, or a length below 1; and on another backend than TensorFlow, which alone has strings.

    Example:

    >>> Vocabulary(["good", "film"], length=4).ids(["A good film!"]).tolist()
    [[1, 2, 3, 0]]
    """

    name = "vocabulary"

    def __init__(
        self,
        words: Sequence[str],
        length: int,
        split: str = "words",
        learned: int | None = None,
        vectors: np.ndarray | None = None,
        source: Mapping[str, str] | None = None,
    ):
        check_backend()
        self.words = checks.names("words", words)
        self.length = checks.size("length", length)
        self.split = checks.one_of("split", split, SPLITS)
        self.learned_words = len(self.words) if learned is None else checks.size("learned", learned)
        self.vectors = checks.optional(checks.array, "vectors", vectors)
        self.source = dict(checks.optional(checks.mapping, "source", source) or {})

    @classmethod
    def learned(
        cls,
        texts: Sequence[str],
        size: int = 20_000,
        length: int = 0,
        split: str = "auto",
        pretrained: TokenVectors | None = None,
    ) -> tuple[Vocabulary, str]:
        """The vocabulary of training texts, and a note on it.

        A word that occurs once tells nothing of others, and is left out: what is not in the vocabulary is one word,
        which is learned from these. Where all words occur once, all are kept. Pretrained vectors tell of words that
        occur once or never: with them these follow.

        Args:
            texts: the training texts.
            size: the most words, the most frequent ones. Defaults to 20000.
            length: number of ids of a text. Defaults to 0: as many as 98 % of the texts have, 256 at most.
            split: `"words"`, `"characters"`, or `"auto"`, the default: characters where most texts have next to no
                spaces, as in Chinese or Japanese.
            pretrained: vectors of tokens. Defaults to None.

        Raises:
            ValueError: if no text has a word.
        """
        check_backend()
        array = np.asarray(texts, object)
        split = _split_of(array) if split == "auto" else checks.one_of("split", split, SPLITS)
        layer = _layer(split, max_tokens=checks.integer("size", size, least=1) + _FIRST)
        layer.adapt(array)
        words = [str(word) for word in layer.get_vocabulary()[_FIRST:]]
        if not words:
            raise ValueError(f"Expected texts with words in them. Received: {len(array)} training texts without a word")
        ids = keras.ops.convert_to_numpy(layer(array))
        often = np.bincount(ids.ravel(), minlength=len(words) + _FIRST)[_FIRST:] > 1
        single, words = words, [word for word, kept in zip(words, often, strict=True) if kept] or words
        found = (ids != 0).sum(axis=1)
        if not length:
            length = int(np.clip(np.ceil(np.quantile(found, _QUANTILE)), 1, _LONGEST))
        front = cls(words, length, split)
        if pretrained is not None:
            front = front.with_vectors(pretrained, single)
        cut = int((found > length).sum())
        longer = f"; {cut:,} of {len(array):,} training texts are longer, and are cut" if cut else ""
        return front, f"Vocabulary: {len(words):,} {split}, of texts of {length} at most{longer}"

    def with_vectors(self, pretrained: TokenVectors, others: Sequence[str] = ()) -> Vocabulary:
        """Return this vocabulary with the vectors of its words, followed by `others` and by all words that have one.

        It is this vocabulary itself if none of its words has a vector.
        """
        known, further = set(self.words), dict.fromkeys([*others, *pretrained.whole(self.split)])
        words = [*self.words, *(word for word in further if word not in known)]
        vectors = pretrained.of_words(words)
        has_one = np.asarray(vectors.any(axis=1))
        if not has_one[: len(self.words)].any():
            return self
        has_one[: len(self.words)] = True
        words = [word for word, kept in zip(words, has_one, strict=True) if kept]
        vectors = np.concatenate([np.zeros((_FIRST, vectors.shape[1])), vectors[has_one]]).astype("float16")
        source = {"vectors": pretrained.name, "license": pretrained.license, "origin": pretrained.origin}
        return Vocabulary(words, self.length, self.split, len(self.words), vectors, source)

    @property
    def sizes(self) -> Mapping[str, int]:
        """The number of ids that an embedding learns."""
        return {"vocabulary": self.learned_words + _FIRST}

    @property
    def ngrams(self) -> int:
        """The tokens of the longest runs that tell more than single ones: 2 words, 4 characters."""
        return 2 if self.split == "words" else 4

    def raw_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return ()

    def input(self, input_shape: tuple[int, ...]) -> Any:
        return keras.Input((), dtype="string", name="inputs")

    def apply(self, x: Any) -> Any:
        return self._vectorization()(x)

    def ids(self, texts: Sequence[str]) -> np.ndarray:
        """The ids of each text, int32 `(samples, length)`."""
        return keras.ops.convert_to_numpy(self._vectorization()(np.asarray(texts, object))).astype("int32")

    def _vectorization(self) -> keras.layers.Layer:
        return _layer(self.split, output_sequence_length=self.length, vocabulary=list(self.words))

    def get_config(self) -> dict[str, Any]:
        found = self.vectors
        more = {} if found is None else {**self.source, "words with vectors": int(found.any(axis=1).sum())}
        return {"name": self.name, "words": self.learned_words, "length": self.length, "split": self.split, **more}


class LogMel(Front):
    """Sound as a picture, a log-mel spectrogram `(frames, bins, 1)`: Keras' `MelSpectrogram`, shifted and scaled.

    It has 40 frequency bands, and frames of 32 ms every 16 ms. Recordings above 3.2 s have 200 longer frames: training
    takes the longer the more pixels there are.

    Args:
        samples: number of samples of a recording.
        rate: samples a second.
        low, span: decibels that become 0, and those above it that become 1. Default to decibels as they are.

    Example:

    >>> front = LogMel(samples=8000, rate=8000)
    >>> front.frames(np.zeros((1, 8000), "float32")).shape
    (1, 63, 40, 1)
    """

    name = "log_mel"

    def __init__(self, samples: int, rate: int, low: float = 0.0, span: float = 1.0):
        self.samples, self.rate = checks.size("samples", samples), checks.size("rate", rate)
        self.low, self.span = checks.number("low", low), checks.number("span", span, above=0)

    @classmethod
    def fitted(cls, x: np.ndarray, rate: int) -> LogMel:
        """The front of training recordings `(recordings, samples)`: their mean becomes 0.5, their deviation 0.2."""
        plain = cls(x.shape[1], rate)
        low, span = _extent(plain.frames(x[spread_rows(len(x), 500)]), *PICTURES)
        return cls(x.shape[1], rate, float(low), float(span))

    def raw_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (self.samples,)

    def apply(self, x: Any) -> Any:
        return _through(self._layers(), x)

    @property
    def stride(self) -> float:
        """Seconds from one frame to the next."""
        return max(_STRIDE, self.samples / self.rate / _FRAMES)

    def frames(self, x: np.ndarray) -> np.ndarray:
        """The network's inputs of recordings `(recordings, samples)`, float32 `(recordings, frames, bins, 1)`."""
        layers = self._layers()
        parts = (keras.ops.convert_to_tensor(part.astype("float32")) for part in in_parts(x, 100))
        return np.concatenate([keras.ops.convert_to_numpy(_through(layers, part)) for part in parts])

    def _layers(self) -> list[keras.layers.Layer]:
        stride = max(1, round(self.stride * self.rate))
        length = 2 * stride
        spectrogram = keras.layers.MelSpectrogram(
            fft_length=1 << (length - 1).bit_length(),
            sequence_length=length,
            sequence_stride=stride,
            sampling_rate=self.rate,
            num_mel_bins=_BINS,
            min_freq=20.0,
            top_db=1000.0,  # below the largest value of the whole batch: no answer may depend on other recordings
            name=self.name,
        )
        scaling = keras.layers.Rescaling(1 / self.span, -self.low / self.span, name="scaling")
        picture = keras.layers.Reshape((-1, _BINS, 1), name="picture")
        return [spectrogram, keras.layers.Permute((2, 1), name="time_first"), scaling, picture]

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("samples", "rate", "low", "span")}
        return {"name": self.name, **own, "bins": _BINS, "stride": self.stride}


def _extent(
    x: np.ndarray, mean: float, deviation: float, axes: tuple[int, ...] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return what becomes 0, and what above it becomes 1, where the mean and the deviation of `x` become these."""
    own = np.nanstd(x, axes, dtype=float)
    span = np.where(own > 0, own, 1.0) / deviation
    return np.nanmean(x, axes, dtype=float) - mean * span, span


def _through(layers: Sequence[keras.layers.Layer], x: Any) -> Any:
    for layer in layers:
        x = layer(x)
    return x


def check_backend() -> None:
    """Raise ValueError on a backend that has no strings."""
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "Texts are split into words by Keras' TextVectorization, whose strings only the TensorFlow backend has. "
            f"Received: KERAS_BACKEND={keras.backend.backend()}"
        )


def _layer(split: str, **options: Any) -> keras.layers.Layer:
    return keras.layers.TextVectorization(
        split="whitespace" if split == "words" else "character", name="vocabulary", **options
    )


def _split_of(texts: np.ndarray) -> str:
    """Words, or characters where most texts have next to no spaces."""
    long = [len(text) / max(len(text.split()), 1) > _LONG for text in texts if len(text) > _LONG]
    return "characters" if long and np.mean(long) > _SHARE_UNSPACED else "words"
