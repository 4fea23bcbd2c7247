"""Saved networks: Keras files of anybody, read so that whatever is wrong with them is an error of one line."""

from __future__ import annotations

import os

import keras

from kerasnas import backend
from kerasnas.files import untrusted

_PASSED_ON: tuple[type[BaseException], ...] = (OSError, *backend.OUT_OF_MEMORY)


def read_model(path: str | os.PathLike, compile: bool = True) -> keras.Model:
    """The model of a `.keras` file; no code in it is run, which is Keras' default.

    Args:
        path: the file.
        compile: as for `keras.models.load_model`. Defaults to True.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is damaged, or claims more memory than half of the machine's.
    """
    try:
        untrusted.archive_names(path)
        return keras.models.load_model(path, compile=compile)
    except _PASSED_ON:
        raise
    except Exception as error:  # of a damaged file Keras and h5py raise nearly anything
        words = str(error).strip() or type(error).__name__
        raise ValueError(f"{os.fspath(path)} is no whole Keras model: {words.splitlines()[0]}") from error
