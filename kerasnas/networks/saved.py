"""Saved networks: Keras files from untrusted sources, read so that any defect is a one-line error."""

from __future__ import annotations

import os

import keras

from kerasnas import backend
from kerasnas.files import untrusted

_RERAISED: tuple[type[BaseException], ...] = (OSError, *backend.OUT_OF_MEMORY)


def read_model(path: str | os.PathLike, compile: bool = True) -> keras.Model:
    """Load the model of a `.keras` file without running code in it, which is Keras' default."""
    try:
        untrusted.archive_names(path)
        return keras.models.load_model(path, compile=compile)
    except _RERAISED:
        raise
    except Exception as error:  # Keras and h5py raise nearly anything for a damaged file
        words = str(error).strip() or type(error).__name__
        raise ValueError(f"{os.fspath(path)} is not a complete Keras model: {words.splitlines()[0]}") from error
