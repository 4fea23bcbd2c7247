"""The verdict of a drift monitor: whether something has changed, and what."""

from __future__ import annotations

import dataclasses
from typing import Any

from kerasnas import checks

KINDS = ("inputs", "outputs", "accuracy")
"""The parts that can drift: the inputs, the outputs of the model, how often it is right."""


@checks.fields(name=checks.name, before=checks.number, now=checks.number, statistic=checks.number)
@dataclasses.dataclass(frozen=True)
class Change:
    """A column whose distribution has changed.

    Args:
        name: of the column, such as `"brightness"` or `"probability of cat"`.
        before: its mean in the reference.
        now: its mean in the new samples.
        statistic: its scaled Kolmogorov-Smirnov distance.
    """

    name: str
    before: float
    now: float
    statistic: float


@checks.fields(
    kinds=checks.each(checks.name),
    statistic=checks.number,
    threshold=checks.number,
    p_value=checks.share,
    changes=checks.each(Change),
    windows=checks.count,
    waiting=checks.count,
    accuracy=checks.share,
    reference_accuracy=checks.share,
    accuracy_statistic=checks.number,
    accuracy_threshold=checks.number,
)
@dataclasses.dataclass(frozen=True)
class DriftReport:
    """The verdict of a `DriftMonitor`; `str(report)` says it in words.

    Args:
        kinds: those of `"inputs"`, `"outputs"` and `"accuracy"` that drifted; empty where nothing did.
        statistic: the largest scaled Kolmogorov-Smirnov distance of a column in the newest window; None where no window
            is full yet.
        threshold: what it is held to.
        p_value: the probability of so large a `statistic` without drift.
        changes: the columns above the threshold, the largest statistic first.
        windows: how many windows were tested in this call.
        waiting: samples that wait for a window to be full.
        accuracy: share of the labels of this call that the model met; None without labels.
        reference_accuracy: the same of the reference.
        accuracy_statistic: of a stream the sum of errors, else the p-value of Fisher's exact test; None without labels.
        accuracy_threshold: what it is held to.
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

    @classmethod
    def of_stream(cls, report: DriftReport, windows: int, waiting: int) -> DriftReport:
        """`report`, the one of `windows` in a stream that is told, while `waiting` samples wait for the next."""
        return dataclasses.replace(report, windows=windows, waiting=waiting)

    def with_accuracy(self, drifted: bool, **values: Any) -> DriftReport:
        """This report with the fields of accuracy, and its kind where it `drifted`."""
        return dataclasses.replace(self, kinds=(*self.kinds, "accuracy") if drifted else self.kinds, **values)

    @property
    def drift(self) -> bool:
        """True where anything drifted."""
        return bool(self.kinds)

    @property
    def concept(self) -> bool:
        """True where the model errs more often though inputs and outputs are as before: labels mean something else.

        Then what was learned earlier contradicts what is true now, and is not replayed in a re-adaptation.
        """
        return self.kinds == ("accuracy",)

    def to_dict(self) -> dict[str, Any]:
        """All of it, as a JSON-serializable mapping."""
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
        found = [words[kind] for kind in report.kinds]
        return f"Drift: {' and '.join([', '.join(found[:-1]), found[-1]] if found[1:] else found)} changed."
    if report.statistic is None and report.accuracy is None:
        return f"No window is full yet: {report.waiting} samples wait."
    return "No drift: inputs and outputs look as before." if report.accuracy is None else "No drift."
