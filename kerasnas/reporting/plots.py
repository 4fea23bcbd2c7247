"""Plots of cells and curves as PNG files. Nothing global is touched: no pyplot, no rcParams."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasnas.genotypes import Genotype
from kerasnas.intervals import mean_interval
from kerasnas.reporting.cell_layout import FONT_SIZE, Box, CellLayout, count_inputs, layout_cell, node_name
from kerasnas.reporting.style import GREY, INK, SERIES, new_figure, save, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which most colour-blind readers can tell apart, darkened to be read on white.
_FAMILIES = {"sep_conv": "#0b66ad", "dil_conv": "#c45100", "pool": "#00795a", "skip": "#9b3f86", "other": "#5c6570"}


def family(primitive: str) -> str:
    """Return the family whose colour a primitive is drawn in.

    Example:

    >>> family("dil_conv_5x5"), family("max_pool_3x3"), family("nor_conv_1x1")
    ('dil_conv', 'pool', 'other')
    """
    for name in ("sep_conv", "dil_conv", "skip"):
        if primitive.startswith(name):
            return name
    return "pool" if "pool" in primitive else "other"


def _title(kind: str) -> str:
    return kind if kind.endswith("cell") else f"{kind} cell"


def _epoch_axis(axes: Axes, last: int) -> None:
    from matplotlib.ticker import MaxNLocator

    margin = 0.02 * last or 0.5
    axes.set_xlim(-margin, last + margin)
    if last:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    else:
        axes.set_xticks([0])


def plot_cell(genotype: Genotype, kind: str, path: str | os.PathLike) -> None:
    """Draw one cell as a PNG: inputs on the left, nodes in topological columns, the output on the right."""
    save(cell_figure(genotype, kind, layout_cell(genotype, kind)), path)


def cell_figure(genotype: Genotype, kind: str, layout: CellLayout) -> Figure:
    """Return the figure that `plot_cell` saves; its axes are in the layout's coordinates."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.lines import Line2D
    from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon
    from matplotlib.path import Path

    title, legend = 0.4, 0.45  # inches above and below
    width, height = max(layout.width, 5.5), layout.height + title + legend
    shift = (width - layout.width) / 2
    figure = new_figure(width, height, layout=None)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(-shift, width - shift)
    axes.set_ylim(layout.height + legend, -title)
    axes.set_axis_off()
    axes.text(-shift + 0.2, -title + 0.25, _title(kind), fontsize=12, color=INK, va="center", parse_math=False)

    def draw_box(box: Box, face: str, line: str, radius: float, gid: str, zorder: float, **text: Any) -> None:
        style = f"round,pad=0,rounding_size={radius}"
        corner = (box.left, box.top)
        axes.add_patch(
            FancyBboxPatch(
                corner,
                box.width,
                box.height,
                boxstyle=style,
                facecolor=face,
                edgecolor=line,
                linewidth=1.1,
                zorder=zorder,
            )
        )
        axes.text(box.x, box.y, box.text, ha="center", va="center", zorder=zorder + 0.1, gid=gid, **text)

    for wire in layout.wires:
        colour = _FAMILIES[family(wire.edge.primitive)] if wire.edge else GREY
        tip, head = wire.end, 0.1
        vertices, codes = [wire.start], [Path.MOVETO]
        for left, right, y in [*wire.levels, (tip[0] - head, tip[0] - head, tip[1])]:
            x0, y0 = vertices[-1]
            vertices += [((x0 + left) / 2, y0), ((x0 + left) / 2, y), (left, y), (right, y)]
            codes += [Path.CURVE4] * 3 + [Path.LINETO]
        axes.add_patch(PathPatch(Path(vertices, codes), fill=False, edgecolor=colour, linewidth=1.3, zorder=1))
        corners = [tip, (tip[0] - head, tip[1] - 0.045), (tip[0] - head, tip[1] + 0.045)]
        axes.add_patch(Polygon(corners, closed=True, facecolor=colour, edgecolor="none", zorder=1))
    mono = FontProperties(family="DejaVu Sans Mono", size=FONT_SIZE)
    for index, label in enumerate(layout.labels):
        colour = _FAMILIES[family(label.text)]
        draw_box(label, "white", colour, 0.05, f"edge-{index}", 2, fontproperties=mono, color=INK, parse_math=False)
    for node, box in layout.nodes.items():
        face = "#e7edf3" if box.text.startswith("$") else "#fff4d6"
        draw_box(box, face, INK, 0.1, f"node-{node}", 3, fontsize=11, color=INK)
    draw_box(layout.output, "#e7edf3", INK, 0.1, "output", 3, fontsize=10, color=INK)

    present = {family(edge.primitive) for edge in genotype[kind]}
    handles = [Line2D([], [], color=_FAMILIES[name], linewidth=3, label=name) for name in _FAMILIES if name in present]
    figure.legend(handles=handles, loc="lower center", ncols=len(handles), frameon=False, fontsize=9)
    return figure


def plot_alphas(
    history: Mapping[str, Any],
    path: str | os.PathLike,
    primitives: Mapping[str, Sequence[str]],
    edges: Mapping[str, Sequence[tuple[int, int]]],
) -> None:
    """Draw how the softmax weights moved, and where they ended, as a PNG.

    For each kind of cell: every primitive's mean weight over the edges by epoch with the band from the
    lowest to the highest edge, and below it the final weights of every edge.

    Args:
        history: mapping from the kind of cell to softmax weights of shape `(epochs + 1, edges, primitives)`;
            the first entry is the start of the search.
        path: the PNG file to write, atomically.
        primitives: mapping from the kind of cell to the names of its primitives, in the order of the last axis.
        edges: mapping from the kind of cell to its `(source, target)` pairs, in the order of the middle axis.
    """
    weights = {kind: np.asarray(values, dtype=float) for kind, values in history.items()}
    rows = max(values.shape[1] for values in weights.values())
    names = list(dict.fromkeys(name for kind in weights for name in primitives[kind]))
    column, below = max(4.6, 0.56 * len(names) + 1.2), 0.27 * rows + 1.3
    figure = new_figure(column * len(weights), 3.4 + below)
    grid = figure.subplots(2, len(weights), squeeze=False, gridspec_kw={"height_ratios": [3.0, below]})
    highest = max(float(values.max()) for values in weights.values())
    for index, (kind, values) in enumerate(weights.items()):
        _alpha_curves(grid[0, index], kind, values, primitives[kind], names, highest)
        _alpha_table(grid[1, index], values[-1], primitives[kind], edges[kind], highest)
    found = [axes.get_legend_handles_labels() for axes in grid[0]]
    by_name = {label: handle for handles, labels in found for handle, label in zip(handles, labels, strict=True)}
    lines = math.ceil(len(names) * 1.6 / (column * len(weights)))
    ncols = math.ceil(len(names) / lines)  # lines of equal length
    figure.legend(
        [by_name[name] for name in names], names, loc="outside lower center", ncols=ncols, fontsize=8, frameon=False
    )
    save(figure, path)


def _alpha_curves(
    axes: Axes, kind: str, values: np.ndarray, primitives: Sequence[str], names: Sequence[str], highest: float
) -> None:
    epochs = np.arange(len(values))
    for i, primitive in enumerate(primitives):
        place = names.index(primitive)  # one colour for a primitive in all kinds of cells
        colour, line = SERIES[place % len(SERIES)], ("-", "--", ":")[place // len(SERIES) % 3]
        low, high = values[:, :, i].min(axis=1), values[:, :, i].max(axis=1)
        # Faint bands with an outline: many of them lie over each other, and the means must stay on top.
        axes.fill_between(epochs, low, high, color=colour, alpha=0.06, linewidth=0, zorder=1)
        for bound in (low, high):
            axes.plot(epochs, bound, ":", color=colour, linewidth=0.8, alpha=0.7, zorder=1.5)
        if len(epochs) == 1:  # a band over one epoch has no width to see
            axes.vlines(epochs, low, high, color=colour, alpha=0.35)
        marker = "o" if len(epochs) < 12 else None
        mean = values[:, :, i].mean(axis=1)
        axes.plot(epochs, mean, line, color=colour, marker=marker, markersize=3.5, linewidth=2, label=primitive)
    tidy(axes, f"{_title(kind)}: mean and range over the edges", "epoch", "softmax weight")
    axes.set_ylim(0, min(1.02, highest * 1.08) or 1)
    _epoch_axis(axes, len(values) - 1)


def _alpha_table(
    axes: Axes, final: np.ndarray, primitives: Sequence[str], edges: Sequence[tuple[int, int]], highest: float
) -> None:
    top = highest if highest > 0 else 1.0
    axes.imshow(final, cmap="Blues", vmin=0, vmax=top, aspect="auto")
    num_inputs = count_inputs(target for _, target in edges)
    names = [f"{node_name(source, num_inputs)} → {node_name(target, num_inputs)}" for source, target in edges]
    axes.set_yticks(range(len(edges)), names, fontsize=8)
    axes.set_xticks(range(len(primitives)), primitives, rotation=40, ha="right", rotation_mode="anchor", fontsize=8)
    axes.tick_params(length=0)
    axes.set_title("final weights", loc="left", fontsize=10, color=INK)
    for (row, column), value in np.ndenumerate(final):
        bold = "bold" if value == final[row].max() and np.ptp(final[row]) > 0 else "normal"
        colour = "white" if value > 0.68 * top else INK
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7.5, color=colour, fontweight=bold)
    for spine in axes.spines.values():
        spine.set_visible(False)


_COLOURS = [SERIES[index] for index in (0, 5, 4, 1, 6, 3, 2, 7, 8, 9)]  # grey first: the baseline


def plot_regret(regrets: Mapping[str, np.ndarray], path: str | os.PathLike, title: str) -> None:
    """Draw mean regret against the number of evaluations, one curve a strategy, and write it as PNG.

    The bands are 95 % intervals of the mean over the seeds; a single seed has none.

    Args:
        regrets: strategy -> array `(seeds, evaluations)`: what the best found so far lacks to the best there is.
        path: the file to write.
        title: above the plot.
    """
    figure = new_figure(7.5, 4.5)
    axes = figure.subplots()
    tidy(axes, title, "evaluations", "regret, percentage points")
    floor = min(np.mean(values, 0)[np.mean(values, 0) > 0].min(initial=np.inf) for values in regrets.values())
    for index, (name, values) in enumerate(regrets.items()):
        mean, half = np.transpose([mean_interval(column) for column in np.transpose(values)])
        evaluations = np.arange(1, len(mean) + 1)
        colour = _COLOURS[index % len(_COLOURS)]
        if len(values) > 1:
            axes.fill_between(evaluations, mean - half, mean + half, color=colour, alpha=0.15, linewidth=0)
        axes.plot(evaluations, mean, color=colour, linewidth=1.8, label=f"{name}: {mean[-1]:.2f}")
    if np.isfinite(floor):
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.7 * floor)
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("{x:g}")
        axes.tick_params(axis="y", which="minor", labelsize=6)
    axes.legend(frameon=False, fontsize=8, labelcolor=INK, title="mean at the end", title_fontsize=8)
    save(figure, path)
