"""The adapter to TensorBoard: a run, and the architecture parameters of a search per epoch."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.histogram.summary_v2 import histogram_pb
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from kerasnas import checks
from kerasnas.genotypes import Genotype
from kerasnas.platforms import Tracker
from kerasnas.reporting.plots import plot_alphas, plot_cell

_SCALARS = ("alpha_entropy", "skips")


class ArchitectureLog(keras.callbacks.Callback):
    """Writes a search's alphas, mixing weights and derivable cells to TensorBoard after each epoch.

    Histograms `alphas/...` and `mixing_weights/...`, scalars `alpha_entropy` (nats, mean over the edges) and `skips`,
    and for supernets with cells images of each cell and of the mixing weights over time, which take about a second.
    Keras' own `TensorBoard`, with the same folder, adds losses and metrics.

    Args:
        log_dir: the folder for `tensorboard --logdir`; events are written to its subfolder `architecture`.

    Raises:
        TypeError: if it is passed to the `fit` of a model that is not a search.

    Example:

        search.fit(x, y, epochs=25, callbacks=[kerasnas.callbacks.ArchitectureLog("logs")])
    """

    def __init__(self, log_dir: str | os.PathLike):
        super().__init__()
        self.log_dir = checks.path("log_dir", log_dir)
        self._writer: EventFileWriter | None = None
        self._history: dict[str, list[np.ndarray]] = {}

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        if not hasattr(self.model, "mixing_weights") or not hasattr(self.model, "architecture_parameters"):
            raise TypeError(
                "ArchitectureLog logs the architecture parameters of a search. Expected the `fit` of a "
                f"`kerasnas.BilevelTrainer`. Received: that of a {type(self.model).__name__}"
            )
        self._writer = EventFileWriter(str(self.log_dir / "architecture"))
        if not self._history:
            self._remember()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        for variable in self.model.architecture_parameters:
            alphas = keras.ops.convert_to_numpy(variable).astype("float64")
            self._write(histogram_pb(f"alphas/{variable.path}", alphas), epoch)
        for kind, weights in self._remember().items():
            self._write(histogram_pb(f"mixing_weights/{kind}", weights.astype("float64")), epoch)
        for name in _SCALARS:
            if name in (logs or {}):
                self._write(scalar_pb(name, float(logs[name])), epoch)  # type: ignore[index]
        choices = getattr(getattr(self.model, "supernet", None), "choices", None)
        if choices and self.model.can_derive:
            self._draw(choices, self.model.derive(), epoch)
        assert self._writer is not None
        self._writer.flush()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        if self._writer is not None:
            self._writer.close()

    def _remember(self) -> dict[str, np.ndarray]:
        tables = {kind: np.asarray(table) for kind, table in self.model.mixing_weights().items()}
        for kind, table in tables.items():
            self._history.setdefault(kind, []).append(table)
        return tables

    def _draw(self, choices: Mapping[str, Any], genotype: Genotype, epoch: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "drawn.png")
            names = {kind: choice.primitives for kind, choice in choices.items()}
            plot_alphas(self._history, file, names, {kind: choice.edges for kind, choice in choices.items()})
            self._write(_image("mixing_weights", file), epoch)
            for kind in genotype:
                plot_cell(genotype, kind, file)
                self._write(_image(f"cell/{kind}", file), epoch)

    def _write(self, summary: Summary, epoch: int) -> None:
        assert self._writer is not None
        _add(self._writer, summary, epoch)


class TensorBoardTracker(Tracker):
    """A run in TensorBoard, in `tensorboard` of its folder: settings, curves, results, plots, the genotype, the alphas.

    Args:
        folder, name, settings, state: as for `kerasnas.platforms.Tracker`.
    """

    def __init__(self, folder: Path, name: str, settings: Mapping[str, Any], state: Mapping[str, Any]):
        self._folder, self.state = folder / "tensorboard", dict(state) or {"run": name}
        self._writer = EventFileWriter(str(self._folder))
        if not state:
            table = "\n".join(f"| {key} | {value} |" for key, value in settings.items())
            _add(self._writer, text_pb("settings", f"| setting | value |\n|---|---|\n{table}"), 0)

    def metrics(self, group: str, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            _add(self._writer, scalar_pb(f"{group}/{name}", value), step)
        self._writer.flush()

    def result(self, values: Mapping[str, float], files: Sequence[Path]) -> None:
        self.metrics("result", values, 0)
        for file in files:
            if file.suffix == ".png":
                _add(self._writer, _image(f"plots/{file.stem}", file), 0)
            elif file.name in ("card.md", "genotype.json"):
                _add(self._writer, text_pb(file.stem, file.read_text(encoding="utf-8")), 0)

    def callbacks(self) -> list[keras.callbacks.Callback]:
        return [ArchitectureLog(self._folder)]

    def close(self, outcome: str) -> None:
        self._writer.close()


def _add(writer: EventFileWriter, summary: Summary, step: int) -> None:
    writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))


def _image(tag: str, file: Path) -> Summary:
    with Image.open(file) as opened:
        width, height = opened.size
    encoded = Summary.Image(height=height, width=width, colorspace=4, encoded_image_string=file.read_bytes())
    return Summary(value=[Summary.Value(tag=tag, image=encoded)])
