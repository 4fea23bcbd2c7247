"""The adapter to LiteRT (TensorFlow Lite): a file for phones and small devices, in float32 or with 8-bit integers."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnas.backend.keras_internals import flatten_layers, nodes_of
from kerasnas.export.classifier import Classifier
from kerasnas.export.loaded import Loaded, Quantization
from kerasnas.networks.standardization import Standardization

CHANNELS = "input_scale_offset"
"""Name in the metadata of a file of 8 bits, of the scale and the offset of each channel of its input, in float32."""


def write(classifier: Classifier, path: Path, samples: np.ndarray) -> None:
    """Write the model to the file `path`, in float32. `samples` are not needed."""
    classifier.model.export(path, format="litert", verbose=False)


def write_int8(classifier: Classifier, path: Path, samples: np.ndarray) -> None:
    """Write the model to the file `path`, in integers of 8 bits throughout (Jacob et al., 2018, arXiv 1712.05877).

    Input and output are int8 as well: a device without floating-point arithmetic runs it. Whole numbers from 0 to 255
    are stored as themselves minus 128, without a loss. It takes one sample at a time: with a free batch, the reshapes
    of squeeze-excitation are computed from shapes while it runs.

    Where the model starts with a standardization of each channel, the file starts behind it: raw samples are stored by
    the scale and the offset of each channel, the `CHANNELS` in its metadata. So channels of any units keep 256 values
    each, and NaN, the padding of series, becomes the integer that stands for 0.

    Where the modality has layers that 8 bits are too coarse for, such as those that make a spectrogram, these compute
    in float32, and input and output are float32.

    Tensors have no names in the file, which takes less of a device's flash for it.

    Args:
        classifier: raw samples -> probabilities.
        path: the file.
        samples: raw samples of the training data, float32 `(samples, ...)`, by which the ranges of the activations are
            found; 200 are enough.

    Raises:
        ValueError: if the model looks rows of tables up, as its linear models of letters do, or counts the steps of
            padded series.
    """
    from kerasnas.backend.tensorflow_lite import with_metadata

    content, stored = int8_content(classifier, samples)
    if stored.channels:
        content = with_metadata(content, CHANNELS, np.array(stored.channels, "<f4").tobytes())
    path.write_bytes(content)


def int8_content(classifier: Classifier, samples: np.ndarray) -> tuple[bytes, Quantization]:
    """Return the content of the file that `write_int8` writes, without metadata, and how it stores raw samples."""
    import tensorflow as tf

    from kerasnas.backend.tensorflow_lite import interpreter_of, nameless

    if any(isinstance(layer, keras.layers.Embedding) for layer in flatten_layers(classifier.model)):
        raise ValueError(
            "it looks rows of tables up, whose numbers integers of 8 bits cannot hold. Use --format=litert or onnx"
        )

    if {"NanToNum", "NotEqual"} <= {type(operation).__name__ for operation in _operations(classifier.model)}:
        raise ValueError(
            "it counts the steps of series before their padding, which numbers near 0 are like in integers of 8 bits. "
            "Search with a limit, such as --max_flash_kb, for networks that count all steps, or use --format=litert or "
            "onnx"
        )

    samples = np.concatenate([samples, _ends(samples[:1], classifier.scale)])
    model, start = classifier.model, Standardization.of(classifier.model)
    if start is not None:
        model, samples = start.network, start.apply(samples)

    def calibration() -> Iterator[list[np.ndarray]]:
        for sample in samples:
            yield [sample[None]]

    one = [keras.InputSpec("float32", (1, *samples.shape[1:]))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        if exact := classifier.modality.exact_layers:
            path.write_bytes(_partly_int8(model, one, calibration, exact))
        else:
            model.export(
                path,
                format="litert",
                verbose=False,
                input_signature=one,
                inference_input_type=tf.int8,
                inference_output_type=tf.int8,
                optimizations=[tf.lite.Optimize.DEFAULT],
                representative_dataset=calibration,
                target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]},
            )
        content = nameless(path.read_bytes())
    plain = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    (inputs,) = interpreter_of(content, plain).get_input_details()
    stored = Quantization.of(inputs)
    return content, stored if start is None else stored.behind(start.offset, start.scale)


def _operations(model: keras.layers.Layer) -> Iterator[Any]:
    """Yield the operations of a functional model and of those inside of it."""
    for operation, *_ in nodes_of(model):
        yield operation
        yield from _operations(operation)


def _partly_int8(model: keras.Model, signature: list[Any], calibration: Callable, exact: Sequence[str]) -> bytes:
    """Return a file of LiteRT in integers of 8 bits, but for the layers named `exact`."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action="ignore", category=UserWarning):
        model.export(folder, format="tf_saved_model", verbose=False, input_signature=signature)
        plain = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
        tensors = tf.lite.Interpreter(model_content=plain).get_tensor_details()
        kept = [one["name"] for one in tensors if any(f"/{layer}" in one["name"] for layer in exact)]
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations, converter.representative_dataset = [tf.lite.Optimize.DEFAULT], calibration
        options = tf.lite.experimental.QuantizationDebugOptions(denylisted_nodes=kept)
        debugger = tf.lite.experimental.QuantizationDebugger(
            converter=converter, debug_dataset=calibration, debug_options=options
        )
        return debugger.get_nondebug_quantized_model()


def _ends(sample: np.ndarray, scale: float) -> np.ndarray:
    """Return a sample with the ends of the range of images, so that each of their 256 values is an integer of 8 bits.

    Both are single pixels: a black and a white image would widen the ranges of the activations too.
    """
    if scale == 1:  # samples of no fixed range
        return sample[:0]
    sample = sample.copy()
    sample.flat[0], sample.flat[-1] = 0, scale
    return sample


def load(path: Path) -> Loaded:
    """Read what `write` or `write_int8` wrote, as LiteRT's interpreter does, on one thread of the CPU."""
    from kerasnas.backend.tensorflow_lite import metadata

    content = path.read_bytes()
    numbers = np.frombuffer(metadata(content, CHANNELS), "<f4").tolist()
    return read(content, list(zip(numbers[::2], numbers[1::2], strict=True)))


def read(content: bytes, channels: Sequence[tuple[float, float]], reference: bool = False) -> Loaded:
    """Read the content of a file of LiteRT; samples and answers of one of 8 bits are converted by its scales.

    Args:
        content: of the file.
        channels: the scale and the offset of each channel of its input; none where all have the scale of the tensor.
        reference: whether its slow reference kernels compute, which round as those of TensorFlow Lite Micro do.
            Defaults to False: those of XNNPACK, or LiteRT's own where that refuses the file: a layer that is 0 for all
            samples has a scale out of its range.
    """
    import tensorflow as tf

    from kerasnas.backend.tensorflow_lite import interpreter_of

    kinds = tf.lite.experimental.OpResolverType
    try:
        interpreter = interpreter_of(content, kinds.BUILTIN_REF if reference else kinds.AUTO)
    except RuntimeError:
        interpreter = interpreter_of(content, kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
    (inputs,), (outputs,) = interpreter.get_input_details(), interpreter.get_output_details()
    stored, answered = Quantization.of(inputs, channels), Quantization.of(outputs)

    def predict(images: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(inputs["index"], stored.store(images))
        interpreter.invoke()
        return answered.restore(interpreter.get_tensor(outputs["index"]))  # a copy

    return Loaded(predict, threads=1, batch=1)
