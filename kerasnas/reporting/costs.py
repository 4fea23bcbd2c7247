"""Accuracy against cost, with the Pareto front."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from kerasnas.pareto import staircase
from kerasnas.reporting.style import GREY, INK, new_figure, save, tidy
from kerasnas.tasks import Task
from kerasnas.tasks.known import CLASSIFICATION


class CostPoint(NamedTuple):
    """A trained network.

    Args:
        name: its label in the plot; networks of one name have one colour.
        cost: what it costs.
        accuracy: its test accuracy, from 0 to 1.
    """

    name: str
    cost: float
    accuracy: float


_COLOURS = ["#00795a", GREY, "#0b66ad", "#c45100", "#9b3f86", "#e69f00"]


def plot_front(
    points: Sequence[CostPoint],
    path: str | os.PathLike,
    cost: str,
    target: float | None = None,
    task: Task = CLASSIFICATION,
) -> None:
    """Draw the test metric of the task against cost, and the Pareto front as a line of steps, as a PNG.

    Args:
        points: the trained networks.
        path: the PNG file to write, atomically.
        cost: what is on the axis below, with its unit.
        target: a limit of the cost, drawn as a line. Defaults to None.
        task: of the networks. Defaults to classification.
    """
    if not points:
        raise ValueError("Invalid value received for argument `points`. Expected at least one. Received: []")
    figure = new_figure(6.6, 4.2)
    axes = figure.subplots()
    factor, unit = task.axis_scale
    tidy(axes, f"test {task.words} and cost", cost, f"test {task.words}{unit}")
    prices, values = [point.cost for point in points], [factor * point.accuracy for point in points]
    front = staircase(prices, values)
    steps = [prices[index] for index in front], [values[index] for index in front]
    axes.step(*steps, where="post", color=INK, linewidth=1.2, zorder=2, label="Pareto front")
    names = list(dict.fromkeys(point.name for point in points))
    for index, name in enumerate(names):
        own = [point for point in points if point.name == name]
        axes.plot(
            [point.cost for point in own],
            [factor * point.accuracy for point in own],
            "o",
            markersize=7,
            zorder=3,
            color=_COLOURS[index % len(_COLOURS)],
            label=name,
        )
    if target is not None:
        axes.axvline(target, color="#c45100", linewidth=1.2, linestyle="--", zorder=1, label=f"target: {target:g}")
    axes.legend(frameon=False, fontsize=8, labelcolor=INK)
    save(figure, path)
