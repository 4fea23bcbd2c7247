"""The adapter to TensorFlow Lite Micro: a folder of C that a microcontroller compiles, checked by its interpreter."""

from __future__ import annotations

import bisect
import math
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kerasnas.export import litert
from kerasnas.export.classifier import Classifier
from kerasnas.export.loaded import Loaded, Quantization
from kerasnas.export.micro_sources import CODE, HEADER, write_sources

PACKAGES = ("tflite_micro",)
"""Required packages, those of the extra `kerasnas[micro]`."""
_LARGEST = 1 << 28  # bytes of an arena that is tried: far more than any microcontroller has
_PLANNING = 1 << 16  # bytes, more than the interpreter plans in
_STEP = 64  # bytes, up to which the smallest arena is found
_METHODS = {  # of operators whose words the resolver joins in its own way
    "BATCH_MATMUL": "BatchMatMul",
    "CUMSUM": "CumSum",
    "PADV2": "PadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTM",
}


def write(classifier: Classifier, path: Path, samples: np.ndarray) -> None:
    """Write the model in integers of 8 bits to the folder `path`, as C for TensorFlow Lite Micro.

    Args:
        classifier: raw samples -> probabilities.
        path: the folder.
        samples: raw samples of the training data, as for `litert.write_int8`; the first one is that of `main.cc`.

    Raises:
        ValueError: if TensorFlow Lite Micro lacks an operator of the network, which is named.
    """
    content, stored = litert.int8_content(classifier, samples)
    answered = Quantization.of(interpreter_of(content, _LARGEST).get_output_details(0))
    write_sources(
        path,
        content,
        classifier.classes,
        stored,
        answered,
        arena_of(content),
        [_METHODS.get(name, _camel(name)) for name in operators(content)],
        stored.store(samples[0]),
    )


def load(path: Path) -> Loaded:
    """Run the array of `model_data.c` as a microcontroller does, in an arena of the size that `model_data.h` has."""
    content = array_of(path)
    arena = int(re.findall(r"MODEL_ARENA_SIZE (\d+)", (path / HEADER).read_text(encoding="utf-8"))[0])
    interpreter = interpreter_of(content, arena)
    stored = Quantization.of(interpreter.get_input_details(0), channels_of(path))
    answered = Quantization.of(interpreter.get_output_details(0))

    def predict(samples: np.ndarray) -> np.ndarray:
        interpreter.set_input(stored.store(samples), 0)
        interpreter.invoke()
        return answered.restore(interpreter.get_output(0))

    return Loaded(predict, threads=1, batch=1, flash=len(content), memory=arena)


def twin(path: Path) -> Loaded:
    """Run the same array by LiteRT's reference kernels, whose answers those of `load` have to be.

    XNNPACK, which LiteRT uses by default, rounds otherwise: of a trained network, 6 of 1,000 classes differed.
    """
    return litert.read(array_of(path), channels_of(path), reference=True)


def array_of(path: Path) -> bytes:
    """Return the bytes of the array in `model_data.c`."""
    code = (path / CODE).read_text(encoding="utf-8")
    return bytes(int(byte, 16) for byte in re.findall(r"\b0x([0-9a-f]{2})\b", code))


def channels_of(path: Path) -> list[tuple[float, float]]:
    """Return the scale and the offset of each channel of the input in `model_data.h`; none where all have one scale."""
    arrays = re.findall(r"model_input_\w+\[\w+\] = {([^}]*)}", (path / HEADER).read_text(encoding="utf-8"))
    numbers = ([float(number) for number in re.findall(r"([^\s,]+)f,", array)] for array in arrays)
    return list(zip(*numbers, strict=True))


def operators(content: bytes) -> list[str]:
    """Return the names of the operators of a file of LiteRT, each once, in alphabetical order."""
    from tflite_micro.python.tflite_micro import runtime

    known = {code: name for name, code in vars(runtime.schema_fb.BuiltinOperator).items() if not name.startswith("_")}
    codes = runtime.convert_bytearray_to_object(content).operatorCodes
    return sorted({known[runtime.get_builtin_code_from_operator_code(code)] for code in codes})


def _camel(name: str) -> str:
    """Return the name of an operator as the methods of `MicroMutableOpResolver` have it: `CONV_2D` -> `Conv2D`."""
    return "".join(part if part[0].isdigit() else part.capitalize() for part in name.split("_"))


def interpreter_of(content: bytes, arena: int) -> Any:
    """Return the interpreter of a model with an arena of this many bytes."""
    from tflite_micro.python.tflite_micro import runtime

    try:
        return _logged(lambda: runtime.Interpreter.from_bytes(content, arena_size=arena))[0]
    except RuntimeError as error:
        reason = str(error)
        if missing := re.findall(r"op for builtin opcode '(\w+)'", reason):
            reason = (
                f"it has no operator {missing[0]}. Use --format=litert-int8 where LiteRT runs, or "
                "search a space of convolutions: --space=macro for images, --space=signals for signals."
            )
        raise ValueError(reason) from None


def arena_of(content: bytes) -> int:
    """Return the bytes of the smallest arena that the interpreter starts with, up to 64.

    What it then uses may be less: while it starts, it plans the activations in the same arena.
    """
    _, log = _logged(interpreter_of(content, _LARGEST).print_allocations)
    (used,) = re.findall(r"Arena allocation total (\d+) bytes", log)
    least = math.ceil(int(used) / _STEP)
    sizes = range(least, 2 * least + _PLANNING // _STEP)
    return _STEP * sizes[bisect.bisect_left(sizes, True, key=lambda size: _starts(content, _STEP * size))]


def _starts(content: bytes, arena: int) -> bool:
    """Return True if the interpreter starts in an arena of this size."""
    try:
        interpreter_of(content, arena)
    except ValueError:
        return False
    return True


def _logged(call: Callable[[], Any]) -> tuple[Any, str]:
    """Call a function of the interpreter, which writes to the standard error of the process; return that too.

    Raises:
        RuntimeError: with what was written, where the call raises one.
    """
    from kerasnas.backend.tensorflow_lite import stderr_to

    with tempfile.TemporaryFile() as file:

        def log() -> str:
            file.seek(0)
            return file.read().decode("utf-8", "replace")

        with stderr_to(file):
            try:
                return call(), log()
            except RuntimeError as error:
                raise RuntimeError(log().strip() or str(error)) from error
