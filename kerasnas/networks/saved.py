"""Saved networks: Keras files from untrusted sources, read so that any defect is a one-line error."""

from __future__ import annotations

import contextlib
import math
import os
import zipfile

import keras

from kerasnas import backend
from kerasnas.backend.keras_internals import shapes_alone
from kerasnas.files import untrusted
from kerasnas.wording import first_line

_RERAISED: tuple[type[BaseException], ...] = (OSError, *backend.OUT_OF_MEMORY)


def read_model(path: str | os.PathLike, compile: bool = True) -> keras.Model:
    """Load the model of a `.keras` file without running code in it, which is Keras' default."""
    try:
        untrusted.archive_names(path)
        _check_weights(path)
        return keras.models.load_model(path, compile=compile)
    except _RERAISED:
        raise
    except Exception as error:  # Keras and h5py raise nearly anything for a damaged file
        raise ValueError(f"{os.fspath(path)} is not a complete Keras model: {first_line(error)}") from error


def _check_weights(path: str | os.PathLike) -> None:
    """Raise ValueError if the layers of a file need more weights than it holds, before memory is taken for them."""
    needed, held = _weights(path)
    if needed > held:  # a weight takes a byte or more
        raise ValueError(f"its layers have {needed:,} weights, and the file has {held:,} bytes of them")


def _weights(path: str | os.PathLike) -> tuple[int, int]:
    """Return how many weights the layers of a file need, and the bytes that it has of them; zeros for a damaged one."""
    with contextlib.suppress(Exception), zipfile.ZipFile(path) as archive:  # other faults are those of `load_model`
        config = untrusted.parse_json(archive.read("config.json"), dict)
        with shapes_alone():
            model = keras.saving.deserialize_keras_object({**config, "compile_config": None})
        needed = sum(math.prod(variable.shape) for variable in model.variables)
        return needed, archive.getinfo("model.weights.h5").file_size
    return 0, 0
