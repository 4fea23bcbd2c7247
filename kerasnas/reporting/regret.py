"""Plots of black-box searches: regret curves."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from kerasnas.reporting.style import INK, SERIES, new_figure, save, tidy

_COLOURS = [SERIES[index] for index in (0, 5, 4, 1, 6, 3, 2, 7, 8, 9)]  # grey first: the baseline


def plot_regret(regrets: Mapping[str, np.ndarray], path: str | os.PathLike, title: str = "") -> None:
    """Draw mean regret against the number of evaluations, one curve a strategy, and write it as PNG.

    The bands are two standard errors of the mean over the seeds to either side.

    Args:
        regrets: strategy -> array `(seeds, evaluations)`: what the best found so far lacks to the best there is.
        path: the file to write.
        title: above the plot. Defaults to none.

    Raises:
        ValueError: if there is no curve, or one is not an array of two axes.
    """
    if not regrets or any(np.ndim(values) != 2 or not np.size(values) for values in regrets.values()):
        shapes = {name: np.shape(values) for name, values in regrets.items()}
        raise ValueError(f"Expected for each strategy regrets (seeds, evaluations). Received: {shapes}")
    figure = new_figure(7.5, 4.5)
    axes = figure.subplots()
    tidy(axes, title, "evaluations", "regret, percentage points")
    floor = min(np.mean(values, 0)[np.mean(values, 0) > 0].min(initial=np.inf) for values in regrets.values())
    for index, (name, values) in enumerate(regrets.items()):
        mean, error = np.mean(values, 0), np.std(values, 0) / np.sqrt(len(values))
        evaluations = np.arange(1, len(mean) + 1)
        colour = _COLOURS[index % len(_COLOURS)]
        axes.fill_between(evaluations, mean - 2 * error, mean + 2 * error, color=colour, alpha=0.15, linewidth=0)
        axes.plot(evaluations, mean, color=colour, linewidth=1.8, label=f"{name}: {mean[-1]:.2f}")
    if np.isfinite(floor):
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.7 * floor)
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("{x:g}")
        axes.tick_params(axis="y", which="minor", labelsize=6)
    axes.legend(frameon=False, fontsize=8, labelcolor=INK, title="mean at the end", title_fontsize=8)
    save(figure, path)
