"""Texts and evidence of a task: what reports, predictions and evaluations say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class TaskWords:
    """Texts of a task and the evidence that a report shows. The defaults suit numbers on their own scale.

    Attributes:
        name: the name in `TASKS`.
        metric: name of the metric that a result is stated by, such as `"accuracy"` or `"r2"`.
        words: that metric in words.
        percent: True if the metric is shown in per cent. Defaults to False.
        score_words: the mean of `scores` in words. Defaults to `words`.
        scored_on: what follows a mean score in a sentence, before the samples. Defaults to `"of the variance of the"`.
        further: the other entries of `evaluation` that a report shows, in words.
        outputs_words: one output and several, such as `("class", "classes")`.
        described_as: a network of this task, such as `"multi-label classifier"`.
        answer_name: the answer of a network in JSON, such as `"labels"`.
        usage: the variable of answers in example code, and the code that prints them, with `classes`.
        mistakes_words: the title of `mistakes`.
    """

    name: ClassVar[str]
    metric: str
    words: str
    percent: bool = False
    score_words: str = ""
    scored_on: str = "of the variance of the"
    further: Mapping[str, str] = {"mae": "mean absolute error", "rmse": "root mean squared error"}
    outputs_words: ClassVar[tuple[str, str]] = ("number", "numbers")
    described_as: ClassVar[str] = "regressor"
    answer_name: ClassVar[str] = "values"
    usage: ClassVar[tuple[str, str]] = ("values", "print(dict(zip(classes, values)))")
    mistakes_words: ClassVar[str] = "Test samples whose numbers are furthest off, and what the network found."

    def show(self, value: float) -> str:
        """Format a value of `metric`."""
        return f"{100 * value:.2f} %" if self.percent else f"{value:.3f}"

    def value_of(self, score: float) -> float:
        """Return the value of the metric that a mean score stands for. Here: the score."""
        return score

    def show_score(self, score: float) -> str:
        """Format a mean score, as the value of the metric that it stands for."""
        value = self.value_of(score)
        return f"{100 * value:.1f} %" if self.percent else f"{value:.3f}"

    def show_lead(self, difference: float, error: float, digits: int = 1) -> tuple[str, str]:
        """Format a difference of mean scores without its sign, and half of its 95 % interval."""
        if self.percent:
            return f"{100 * abs(difference):.{digits}f} points", f"{196 * error:.{digits}f}"
        unit = abs(self.value_of(1.0) - self.value_of(0.0))
        return f"{unit * abs(difference):.3f}", f"{1.96 * unit * error:.3f}"

    @property
    def axis_scale(self) -> tuple[float, str]:
        """Factor of metrics and scores on an axis, and the end of its label: `" in %"` or nothing."""
        return (100.0, " in %") if self.percent else (1.0, "")

    def in_words(self, answers: Mapping[str, float]) -> str:
        """Format the answers for one sample, by name."""
        numbers = (f"{value:.4g}" if len(answers) == 1 else f"{name} {value:.4g}" for name, value in answers.items())
        return ", ".join(numbers)

    def label_in_words(self, label: Any, names: Sequence[str]) -> str:
        """Format a label of `mistakes`."""
        return self.in_words(dict(zip(names, label, strict=True)))

    def score_in_words(self, score: float, samples: str) -> str:
        """Format a mean score and what it is of; `samples` such as `"held-out images"`."""
        return f"{self.show_score(score)} {self.scored_on} {samples}"

    def interval_in_words(self, record: Mapping[str, Any], value: float | None, samples: int | None) -> str:
        """Format the 95 % interval of `metric`, in brackets; `""` if it is not known."""
        if "interval" not in record:
            return ""
        low, high = record["interval"]
        return f" (95 % interval {self.show(low)} to {self.show(high)})"

    def result_in_words(self, value: float, samples: int, data: str) -> str:
        """Format a value of `metric` and the data that it was measured on, such as "test"."""
        return f"{self.show(value)} on {samples:,} {data} samples"

    def summary_in_words(self, record: Mapping[str, Any]) -> str:
        """Format what `summary` returns, in lines."""
        low, high = map(self.show, record["interval"])
        others = ", ".join(f"{name} {record[name]:.4g}" for name in self.further if name in record)
        return (
            f"{record['dataset']}: {self.words} {self.show(record[self.metric])} on {record['samples']:,} samples "
            f"(95 % interval {low} to {high}), {others}, loss {record['loss']:.4f}\n"
        )

    def purpose(self, kinds: str, dataset: str, names: Sequence[str]) -> str:
        """Describe what a network does with samples of a dataset, for its model card."""
        return f"estimates {', '.join(names)} from {kinds} of {dataset}"

    def json_entries(self, answers: Mapping[str, float]) -> dict[str, Any]:
        """Return the answers for one sample as JSON."""
        return {self.answer_name: self.in_words(answers), "answers": dict(answers)}

    def csv_cells(self, answers: Mapping[str, float]) -> list[tuple[str, str]]:
        """Return the answers for one sample as pairs of a column's name and its text."""
        return [(name, f"{value:.6g}") for name, value in answers.items()]

    def sample_cells(self, answers: Mapping[str, float]) -> list[tuple[str, str]]:
        """Return the answers for one test sample as pairs of a column's name and its text."""
        return [("predicted", self.in_words(answers)), *TaskWords.csv_cells(self, answers)]

    def text_cells(self, answers: Mapping[str, float]) -> tuple[str, ...]:
        """Return the answers for one sample as columns of text."""
        return (self.in_words(answers),)

    def confidence(self, answers: Sequence[float]) -> float | None:
        """Return the probability of the answer for one sample; None if it has none."""
        return None
