"""Look of the plots: sizes, colours, axes. Nothing global is touched: no pyplot, no rcParams."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from kerasnas.files import storage

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 150
INK, GREY = "#1f2328", "#8b949e"
# Okabe and Ito's colours, which most colour-blind readers can tell apart, darkened to be read on white.
SERIES = ["#9aa0a6", "#00795a", "#56b4e9", "#9b3f86", "#0b66ad", "#e69f00", "#c45100", "#7a5c3e", "#b8b000", "#222222"]


def new_figure(width: float, height: float, layout: Any = "constrained") -> Figure:
    """Make a white figure, in inches, outside of any backend or window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white", layout=layout)
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: str | os.PathLike) -> None:
    """Write `figure` as PNG, atomically."""
    with storage.atomic_path(path) as temporary:
        # Without the software's version, equal plots are equal files.
        figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})


def tidy(axes: Axes, title: str, xlabel: str, ylabel: str) -> None:
    """Title, labels, a light grid, and no box around."""
    axes.set_title(title, loc="left", fontsize=11, color=INK)
    axes.set_xlabel(xlabel, fontsize=9)
    axes.set_ylabel(ylabel, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(axis="y", color="#d0d7de", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
