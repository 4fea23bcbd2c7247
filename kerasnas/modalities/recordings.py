"""Recordings: sound, whose networks see log-mel spectrograms as images."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.modalities.base import PARTS, Modality, Reading, TextLimits, dataset_arguments
from kerasnas.modalities.columns import as_list
from kerasnas.modalities.csv_labels import PATH_COLUMNS
from kerasnas.modalities.decoding import Decoded
from kerasnas.modalities.fronts import LogMel
from kerasnas.modalities.parts import WINDOWS, Parts, blocks
from kerasnas.modalities.shapes import part_means
from kerasnas.modalities.sound_files import SUFFIXES, TRAITS, read_sounds
from kerasnas.tasks import Task

_STATISTICS = ("loudness", "sharpness", "the loudest tenth")
_TENTHS, _SILENCE = 10, 1e-6
_PARTS = 16  # of time and of frequency, on which the nearest spectrogram is found


class Recordings(Modality):
    """Recordings `(samples,)` at one rate; to networks they are images, spectrograms `(frames, bands, 1)`.

    Args:
        rate: samples a second, which files are brought to. Defaults to 0: that of most.
        length: samples of a recording, which files are brought to. Defaults to 0: what most need.
    """

    name = "recordings"
    singular, plural = "recording", "recordings"
    input_plural = "spectrograms"
    inputs = "image"
    axes = ("frames", "bands", "channels")
    augmentations = ("shift", "zoom")
    gradient_space, race_space = "darts", "macro"
    near = 0.995
    exact_layers = (LogMel.name,)
    suffixes = SUFFIXES
    columns = PATH_COLUMNS
    traits = TRAITS
    example = "recording.wav"
    hub_tasks = {"classification": "audio-classification"}
    in_words = "{frames:g} frames of {bands} bands"

    def __init__(self, rate: int = 0, length: int = 0):
        self.rate = checks.integer("rate", rate, least=0)
        self.length = checks.integer("length", length, least=0)

    def restored(self, record: Mapping[str, Any]) -> Modality:
        front = record.get("front") or {}
        return type(self)(front.get("rate", 0), front.get("samples", 0))

    def decode(self, paths: Sequence[Path], root: Path | None, reading: Reading, cache: Path | None = None) -> Decoded:
        if reading.size is not None:
            raise ValueError(checks.invalid("image_size", "None, as recordings have no size", reading.size))
        length = self.length or (reading.shape[0] if reading.shape else 0)
        return read_sounds(paths, root, self.rate, length)

    def gathered(self, x: Any, reading: Reading) -> tuple[Any, dict[str, np.ndarray]]:
        files = as_list(x)
        if isinstance(files, list | tuple) and files and isinstance(files[0], str | os.PathLike):
            samples, more = self.decoded([*map(Path, files)], Path(), reading)
            return samples, {"kind": np.array(self.name), **more}
        return self.samples(x, reading), {"kind": np.array(self.name)}

    def queries(self, x: Any, reading: Reading) -> np.ndarray:
        x = self.column(x, reading)
        found = self.of_paths(x, reading)
        return self.samples(x, reading) if found is None else found

    def statistics(self, x: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        energy = part_means(np.square(x[..., None], dtype="float32"), (_TENTHS,))
        level = np.sqrt(energy.mean(axis=1)) + _SILENCE
        change = np.abs(np.diff(x, axis=1, prepend=x[:, :1])).mean(axis=1)
        columns = [np.log10(level), change / level, energy.max(axis=1) / level**2]
        return np.stack(columns, axis=1).astype("float32"), _STATISTICS

    def small(self, x: np.ndarray) -> np.ndarray:
        return part_means(x, (_PARTS, _PARTS))

    def parts(self, raw: Any) -> Parts:
        rate = self.rate or len(raw)
        return blocks(raw, WINDOWS, lambda steps: f"{steps[0] / rate:.2f} to {steps[1] / rate:.2f} s")

    def read(self, arrays: Mapping[str, np.ndarray], task: Task, limits: TextLimits) -> dict[str, Any]:
        rate = np.ravel(arrays.get("rate", ()))
        if rate.size != 1 or not float(rate[0]) >= 1:
            raise ValueError("Expected the array `rate`, the number of samples a second, with audio. There is none")
        length, expected = np.shape(arrays["x_train"])[1:], "audio, (recordings, samples), all of one length"
        raw, y = self.raw_parts(
            arrays, task, lambda x: x.ndim == 2 and x.dtype.kind in "if" and x.shape[1:] == length, expected
        )
        for part, what in PARTS:
            x = raw[part]
            raw[part] = x.astype("float32") / 32768 if x.dtype == np.int16 else x.astype("float32", copy=False)
            if bad := int((~np.isfinite(raw[part]).all(axis=1)).sum()):
                raise ValueError(
                    f"Expected finite samples. Received: NaN or infinity in {bad} of {len(x)} {what} recordings"
                )
        front = LogMel.fitted(raw["train"], int(rate[0]))
        frames = {part: front.frames(x) for part, x in raw.items()}
        number, bands, _ = frames["train"].shape[1:]
        note = f"Log-mel spectrograms: {number} frames of {bands} bands, at {front.rate:,} samples a second"
        bound = type(self)(front.rate, front.samples)
        return dataset_arguments(frames, y, task, raw, front=front, notes=(note,), modality=bound)
