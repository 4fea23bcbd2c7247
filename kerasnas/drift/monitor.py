"""DriftMonitor: drift in a deployed model's inputs, outputs and accuracy."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.drift import files
from kerasnas.drift.accuracy import AccuracyTest
from kerasnas.drift.report import DriftReport
from kerasnas.drift.two_sample import FEWEST, rate
from kerasnas.drift.view import ModelView
from kerasnas.drift.windows import WindowedTest

_MOST_REFERENCE = 2000
_SETTINGS = ("false_alarms", "window", "rise", "seed")


class DriftMonitor:
    """A monitor of drift around a trained model, with a stated rate of false alarms.

    It keeps statistics and model outputs of each reference sample, not the sample. `observe` collects new samples; each
    full window is compared with the reference by a two-sample test of all columns at once (`MaximumTest`), which
    without drift raises an alarm in a share of `false_alarms` of the windows. With labels, a CUSUM of the errors
    (`ErrorSum`) also raises, without drift, one alarm in `window / false_alarms` labels on average; its reference error
    rate is the upper end of the one-sided 95 % interval. An answer of several labels is right if all of them are; one
    of numbers, if its error is at most that of nine in ten reference answers.

    Args:
        model: a built Keras model that answers `(samples, outputs)`: probabilities of classes or labels, or numbers; it
            is not changed.
        x_reference: samples as the model takes them, arrays or strings, at least 40, which it was not trained on: on
            training samples it is surer than on others, which looks like drift. Of more than 2,000 that many are drawn.
        y_reference: their class numbers, `(samples,)`; of other tasks `(samples, outputs)`. Defaults to None:
            accuracy is not watched.
        false_alarms: the rate of false alarms of a window, from 0.001 to 0.5. Defaults to 0.01.
        window: samples that are compared at once, at least 20. Defaults to 100.
        rise: the rise of the error rate that is to be found as fast as possible. Defaults to 0.05.
        classes: names of the classes, labels or numbers, for the report. Defaults to None: their numbers.
        seed: of what is drawn. Defaults to 0.
        task: name of the task in `kerasnas.tasks.TASKS`. Defaults to `"classification"`.
        outputs: what the model answers for `x_reference`, where that is known. Defaults to None: it is asked.

    Raises:
        TypeError: if `model` is no Keras model.
        ValueError: if the reference or the outputs do not fit the model, or a number is out of range.

    Attributes:
        alarms: number of reports of drift so far, by any of the `observe` methods.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> head = keras.layers.Dense(3, activation="softmax", kernel_initializer=keras.initializers.GlorotNormal(0))
    >>> model = keras.Sequential([keras.Input((8,)), head])
    >>> monitor = DriftMonitor(model, rng.normal(size=(400, 8)))
    >>> monitor.observe(rng.normal(size=(100, 8))).drift
    False
    >>> report = monitor.observe(rng.normal(size=(100, 8)) + 1)
    >>> report.drift, report.kinds, any(change.name == "input 1" for change in report.changes)
    (True, ('inputs', 'outputs'), True)

    Reference:
        Rabanser et al., "Failing Loudly: An Empirical Study of Methods for Detecting Dataset Shift", 2019 (arXiv
        1810.11953); Lipton et al., "Detecting and Correcting for Label Shift with Black Box Predictors", 2018 (arXiv
        1802.03916).

    Differences from the paper:
    - Statistics of the inputs stand beside the outputs of the model, and the threshold is that of all of them together.
    - Windows follow each other, and labels are watched too.
    """

    def __init__(
        self,
        model: keras.Model,
        x_reference: Any,
        y_reference: Any = None,
        *,
        false_alarms: float = 0.01,
        window: int = 100,
        rise: float = 0.05,
        classes: Sequence[str] | None = None,
        seed: int = 0,
        task: str = "classification",
        outputs: Any = None,
    ) -> None:
        self._set(false_alarms=false_alarms, window=window, rise=rise, seed=seed)
        self._view = ModelView(model, classes, task=task)
        reading = self._view.reading
        x = self._view.samples("x_reference", x_reference, least=2 * FEWEST)
        y = None if y_reference is None else reading.labels("y_reference", y_reference, len(x))
        if outputs is not None and len(outputs := self._view.checked("outputs", outputs)) != len(x):
            raise ValueError(checks.invalid("outputs", f"those for {len(x)} samples", f"shape {outputs.shape}"))
        chosen = np.sort(np.random.default_rng(self.seed).permutation(len(x))[:_MOST_REFERENCE])
        x, y = x[chosen], None if y is None else y[chosen]
        outputs = self._view.outputs(x) if outputs is None else outputs[chosen]
        reading.watch(outputs)
        errors = None
        if y is not None:
            reading.tolerance = reading.usual_error(reading.errors(outputs, y))
            errors = int(reading.wrong(outputs, y).sum()), len(y)
        self._begin(self._view.columns(x, outputs), errors)

    def _set(self, false_alarms: Any, window: Any, rise: Any, seed: Any) -> None:
        self.false_alarms = rate("false_alarms", false_alarms)
        self.window = checks.integer("window", window, FEWEST)
        self.rise = checks.number("rise", rise, above=0, below=1)
        self.seed = checks.seed(seed)

    def _begin(self, reference: np.ndarray, errors: tuple[int, int] | None) -> None:
        """Take the columns of the reference, and how many of how many labels the model did not meet."""
        self._reference, self.alarms = reference, 0
        names = (self._view.input_names, self._view.output_names)
        kinds = ["inputs"] * len(names[0]) + ["outputs"] * len(names[1])
        options: dict[str, Any] = {"window": self.window, "false_alarms": self.false_alarms, "seed": self.seed}
        own = len(names[0])
        self._streams = {
            "samples": WindowedTest(reference, [*names[0], *names[1]], kinds, **options),
            "outputs": WindowedTest(reference[:, own:], names[1], kinds[own:], **options),
        }
        self._accuracy = None
        if errors is not None:
            self._accuracy = AccuracyTest(*errors, self.false_alarms, self.window, self.rise)

    @property
    def model(self) -> keras.Model:
        """Monitored model."""
        return self._view.model

    @property
    def task(self) -> str:
        """Name of the model's task."""
        return self._view.task

    @property
    def labeled(self) -> bool:
        """True if the reference has labels, so that accuracy is monitored."""
        return self._accuracy is not None

    @property
    def reference_accuracy(self) -> float | None:
        """Accuracy on the reference; None without labels."""
        return None if self._accuracy is None else self._accuracy.accuracy

    def observe(self, x: Any, y: Any = None) -> DriftReport:
        """Take new samples in the order in which they come, and test every window that they fill.

        Args:
            x: samples as the model takes them, any number of them.
            y: their labels, as of `y_reference`, where they are known. Defaults to None.

        Raises:
            ValueError: if they do not fit the model, a sample is not finite, or labels are given and the reference has
                none; nothing is observed then.
        """
        x, y = self._checked(x, y)
        outputs = self._view.outputs(x)
        report = self._streams["samples"].observe(self._view.columns(x, outputs))
        if y is not None:
            report = self._labeled("y").observe(report, self._view.reading.wrong(outputs, y))
        return self._counted(report)

    def observe_outputs(self, outputs: Any) -> DriftReport:
        """As `observe`, of the outputs of the model alone: what `kerasnas.callbacks.DriftCallback` sees of `predict`.

        Args:
            outputs: what the model answered, `(samples, classes)`.
        """
        columns = self._view.reading.columns(self._view.checked("outputs", outputs))
        return self._counted(self._streams["outputs"].observe(columns))

    def observe_errors(self, errors: Any) -> DriftReport:
        """As `observe`, of labels that come later than their samples.

        Args:
            errors: `(labels,)`, True where the model was wrong, in the order in which they came.
        """
        errors = checks.array("errors", errors, rank=1, kinds="b")
        report = DriftReport(waiting=len(self._streams["samples"].waiting))
        return self._counted(self._labeled("errors").observe(report, errors))

    def examine(self, x: Any, y: Any = None) -> DriftReport:
        """Compare samples with the reference as a single window; the streams do not notice.

        The accuracy is compared by Fisher's exact test, one-sided, at the level `false_alarms`.

        Args:
            x: at least 20 samples.
            y: their labels, as of `y_reference`, where they are known. Defaults to None.

        Raises:
            ValueError: as for `observe`, and if there are fewer samples.
        """
        x, y = self._checked(x, y, least=FEWEST)
        outputs = self._view.outputs(x)
        report = self._streams["samples"].examine(self._view.columns(x, outputs))
        if y is None:
            return report
        return self._labeled("y").examine(report, int(self._view.reading.wrong(outputs, y).sum()), len(y))

    @checks.arguments(model=keras.Model)
    def output_distance(self, x: Any, model: keras.Model | None = None) -> float:
        """Return the largest scaled distance of an output column on `x` from the reference.

        Args:
            x: at least 20 samples.
            model: whose outputs. Defaults to None: the monitor's own.
        """
        x = self._view.samples("x", x, least=FEWEST)
        columns = self._view.reading.columns(self._view.outputs(x, model))
        return float(self._streams["outputs"].test.statistics(columns).max())

    def renewed(self, model: keras.Model, x_reference: Any, y_reference: Any = None) -> DriftMonitor:
        """Return a monitor of an adapted model with the settings of this one and a new reference."""
        settings = {name: getattr(self, name) for name in _SETTINGS}
        return DriftMonitor(model, x_reference, y_reference, classes=self._view.names, task=self.task, **settings)

    @checks.arguments(folder=checks.path)
    def save(self, folder: str | os.PathLike) -> None:
        """Write the monitor, without its model, to `drift.npz` and `drift.json` in `folder`, each atomically.

        What it has seen so far is in them: a monitor that is loaded continues the stream.

        Raises:
            OSError: if they cannot be written.
        """
        view, test = self._view, self._accuracy
        record = {
            **{name: getattr(self, name) for name in _SETTINGS},
            "task": self.task,
            "classes": None if view.names is None else list(view.names),
            "watched": list(view.reading.watched),
            "tolerance": view.reading.tolerance,
            "columns": [*view.input_names, *view.output_names],
            "reference_errors": None if test is None else [test.wrong, test.labels],
            "error_sum": None if test is None or test.errors is None else test.errors.value,
            "alarms": self.alarms,
        }
        waiting = {name: stream.waiting for name, stream in self._streams.items()}
        files.write(folder, {"reference": self._reference, **waiting}, record)

    @classmethod
    @checks.arguments(folder=checks.path, model=keras.Model)
    def load(cls, folder: str | os.PathLike, model: keras.Model) -> DriftMonitor:
        """Read what `save` wrote.

        Args:
            folder: where it was saved.
            model: the model that it was made for.

        Raises:
            FileNotFoundError: if a file is missing.
            ValueError: if one is malformed, or was written for another model.
        """
        arrays, record = files.read(folder)
        try:
            return cls._restored(folder, model, arrays, record)
        except (KeyError, TypeError, IndexError, AttributeError, OverflowError) as error:
            problem = f"{type(error).__name__}, {error}"
            raise ValueError(f"The drift monitor in {folder} is malformed: {problem}. Delete its files.") from None

    @classmethod
    def _restored(
        cls, folder: str | os.PathLike, model: keras.Model, arrays: Mapping[str, np.ndarray], record: Mapping[str, Any]
    ) -> DriftMonitor:
        own = cls.__new__(cls)
        own._set(**{name: record[name] for name in _SETTINGS})
        watched = [checks.integer("watched", one, 0) for one in record["watched"]]
        own._view = view = ModelView(model, record["classes"], watched, record["task"])
        view.reading.tolerance = checks.number("tolerance", record["tolerance"], least=0)
        if [*view.input_names, *view.output_names] != record["columns"]:
            raise ValueError(f"The drift monitor in {folder} was written for another model than {model.name}.")
        errors = record["reference_errors"]
        if errors is not None:
            errors = tuple(checks.integer("reference_errors", one, 0) for one in errors)
        own._begin(arrays["reference"], errors)
        for name, stream in own._streams.items():
            waiting = checks.array(name, arrays[name], rank=stream.waiting.ndim)
            if waiting.shape[1:] != stream.waiting.shape[1:]:
                raise TypeError(f"{name} has rows of shape {waiting.shape[1:]}, expected {stream.waiting.shape[1:]}")
            stream.waiting = waiting
        own.alarms = checks.integer("alarms", record["alarms"], 0)
        if own._accuracy is not None and own._accuracy.errors is not None:
            own._accuracy.errors.value = checks.integer("error_sum", record["error_sum"], 0)
        return own

    def _checked(self, x: Any, y: Any, least: int = 0) -> tuple[np.ndarray, np.ndarray | None]:
        x = self._view.samples("x", x, least)
        if y is None:
            return x, None
        self._labeled("y")
        return x, self._view.reading.labels("y", y, len(x))

    def _labeled(self, argument: str) -> AccuracyTest:
        if self._accuracy is None:
            raise ValueError(checks.invalid(argument, "None, as the monitor was made without `y_reference`", "labels"))
        return self._accuracy

    def _counted(self, report: DriftReport) -> DriftReport:
        self.alarms += report.drift
        return report
