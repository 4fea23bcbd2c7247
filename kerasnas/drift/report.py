"""The verdict of a drift monitor: whether something has changed, and what."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Change:
    """A column whose distribution has changed.

    Args:
        name: name of the column, such as `"brightness"` or `"probability of cat"`.
        before: its mean in the reference.
        now: its mean in the new samples.
        statistic: its scaled Kolmogorov-Smirnov distance.
    """

    name: str
    before: float
    now: float
    statistic: float


@dataclasses.dataclass(frozen=True)
class DriftReport:
    """The verdict of a `DriftMonitor`; `str(report)` puts it into words.

    Args:
        kinds: those of `"inputs"`, `"outputs"` and `"accuracy"` that drifted.
        statistic: the largest scaled Kolmogorov-Smirnov distance of a column in the newest window; None before the
            first full window.
        threshold: threshold of `statistic`.
        p_value: the probability of at least this `statistic` without drift.
        changes: the columns above the threshold, the largest statistic first.
        windows: number of windows tested in this call.
        waiting: number of samples in the next, incomplete window.
        accuracy: the model's accuracy on the labels of this call; None without labels.
        reference_accuracy: its accuracy on the reference.
        accuracy_statistic: the sum of errors for a stream, else the p-value of Fisher's exact test; None without
            labels.
        accuracy_threshold: threshold of `accuracy_statistic`.
    """

    kinds: tuple[str, ...] = ()
    statistic: float | None = None
    threshold: float | None = None
    p_value: float | None = None
    changes: tuple[Change, ...] = ()
    windows: int = 0
    waiting: int = 0
    accuracy: float | None = None
    reference_accuracy: float | None = None
    accuracy_statistic: float | None = None
    accuracy_threshold: float | None = None

    def with_accuracy(self, drifted: bool, **values: Any) -> DriftReport:
        """Return this report with the fields of accuracy, and its kind if it `drifted`."""
        return dataclasses.replace(self, kinds=(*self.kinds, "accuracy") if drifted else self.kinds, **values)

    @property
    def drift(self) -> bool:
        """True if anything drifted."""
        return bool(self.kinds)

    @property
    def concept(self) -> bool:
        """True if the model errs more often on unchanged inputs and outputs: the meaning of labels has changed.

        Earlier samples then contradict the present, and are not replayed in a re-adaptation.
        """
        return self.kinds == ("accuracy",)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as a JSON-serializable mapping."""
        return {"drift": self.drift, "concept": self.concept, **dataclasses.asdict(self), "kinds": list(self.kinds)}

    def __str__(self) -> str:
        lines = [_verdict(self)]
        for change in self.changes[:5]:
            lines.append(f"  {change.name}: {change.before:.4g} on average before, {change.now:.4g} now")
        if len(self.changes) > 5:
            lines.append(f"  and {len(self.changes) - 5} more")
        if self.statistic is not None:
            lines.append(
                f"  largest distance {self.statistic:.2f}, threshold {self.threshold:.2f} (p {self.p_value:.2g})"
            )
        if self.accuracy is not None and self.reference_accuracy is not None:
            lines.append(f"  accuracy {100 * self.reference_accuracy:.1f} % before, {100 * self.accuracy:.1f} % now")
        return "\n".join(lines)


def _verdict(report: DriftReport) -> str:
    if report.concept:
        return "Drift: the model errs more often, on inputs that look as before. Labels may mean something else now."
    if report.drift:
        words = {"inputs": "the inputs", "outputs": "the outputs of the model", "accuracy": "its accuracy"}
        parts = [words[kind] for kind in report.kinds]
        return f"Drift: {' and '.join([', '.join(parts[:-1]), parts[-1]] if parts[1:] else parts)} changed."
    if report.statistic is None and report.accuracy is None:
        return f"No window is full yet: {report.waiting} samples wait."
    return "No drift: inputs and outputs look as before." if report.accuracy is None else "No drift."
