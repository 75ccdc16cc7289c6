"""How training went: a number after each epoch, of one run or of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike

from affectbench.errors import BadData
from affectbench.report.figures.sheet import (
    ACCENT,
    INK,
    MUTED,
    PAPER,
    SECOND,
    SMALL,
    THIRD,
    WIDTH,
    blank,
    number,
    sheet,
)
from affectbench.report.figures.svg import plain
from affectbench.types import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEIGHT: Final = 230
STYLES: Final[tuple[dict[str, Any], ...]] = (
    {"color": ACCENT, "linestyle": "solid", "marker": "o"},
    {"color": SECOND, "linestyle": (0, (5, 2)), "marker": "s"},
    {"color": THIRD, "linestyle": (0, (1, 1.5)), "marker": "D"},
    {"color": INK, "linestyle": (0, (6, 2, 1, 2)), "marker": "^"},
)


def curve(
    epochs: ArrayLike,
    series: Mapping[str, ArrayLike],
    *,
    name: str,
    kept: int | Sequence[int] | None = None,
    label: str = "",
    title: str = "",
) -> str:
    """Values over epochs, a line for each series and run, the kept epoch marked on each.

    Losses and metrics have different scales: give each a figure.

    Args:
        epochs: [E], ascending.
        series: name to [E], or [R, E] of R runs; NaN where a run has ended or is undefined. Four
            series at most.
        name: which the ids begin with.
        kept: the epoch that was kept, one for all runs or one a run.
        label: of the vertical axis.
        title: of the figure.

    Raises:
        BadData: a series is not [E] or [R, E], or there are more than four.
        MissingExtra: matplotlib is not installed.
    """
    title = title or "Training"
    at = np.asarray(epochs, dtype=np.float64)
    runs = {plain(key): np.atleast_2d(np.asarray(v, dtype=np.float64)) for key, v in series.items()}
    bad = [key for key, values in runs.items() if values.ndim != 2 or values.shape[1] != len(at)]
    if bad or len(runs) > len(STYLES):
        raise BadData(
            f"{len(runs)} series over {len(at)} epochs, of another length: {bad or 'none'}; "
            f"expected {len(STYLES)} at most, each [E] or [R, E]."
        )
    if not any(np.isfinite(values).any() for values in runs.values()):
        return blank(name, title, "No epochs.")
    with sheet(WIDTH, HEIGHT) as page:
        from matplotlib.ticker import MaxNLocator

        axes = page.axes(56, 46, 12, 40)
        axes.grid(visible=False)
        axes.grid(axis="y")
        axes.set(xlabel="epoch", ylabel=plain(label))
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.locator_params(axis="y", nbins=5)
        told = [
            _draw(axes, key, at, values, kept, style)
            for (key, values), style in zip(runs.items(), STYLES, strict=False)
        ]
        page.text(0, 12, plain(title), weight="bold")
        _key(axes, kept is not None)
        return page.svg(name=name, title=title, told=" ".join(told))


def _draw(
    axes: Axes,
    key: str,
    epochs: Floats,
    values: Floats,
    kept: int | Sequence[int] | None,
    style: Mapping[str, Any],
) -> str:
    """The runs of a series [R, E], and what there is to tell of them."""
    marks = np.broadcast_to(np.nan if kept is None else kept, len(values))
    told = []
    alone = len(epochs) == 1
    for run, (line, keeps) in enumerate(zip(values, marks, strict=True)):
        axes.plot(
            epochs, line, color=style["color"], linestyle=style["linestyle"], linewidth=1.5,
            marker=style["marker"] if alone else "", markersize=4,
            label=key if run == 0 else "_", clip_on=False,
        )  # fmt: skip
        at = epochs == keeps
        axes.plot(
            epochs[at], line[at], linestyle="", marker=style["marker"], markersize=6.5,
            markerfacecolor=PAPER, markeredgecolor=style["color"], markeredgewidth=1.6,
            clip_on=False, zorder=4,
        )  # fmt: skip
        known = line[np.isfinite(line)]
        if len(known):
            keeping = f", {number(line[at][0])} at epoch {keeps:g}" if at.any() else ""
            told.append(f"from {number(known[0])} to {number(known[-1])}{keeping}")
    return f"{key}: {'; '.join(told) or 'n/a'}."


def _key(axes: Axes, kept: bool) -> None:
    """What the lines are, above them."""
    from matplotlib.lines import Line2D

    handles, labels = axes.get_legend_handles_labels()
    if kept:
        handles.append(
            Line2D([], [], linestyle="", marker="o", markersize=6.5, markerfacecolor=PAPER,
                   markeredgecolor=MUTED, markeredgewidth=1.6)
        )  # fmt: skip
        labels.append("kept epoch")
    axes.legend(
        handles, labels, ncols=len(handles), loc="lower left", bbox_to_anchor=(0, 1.02),
        borderaxespad=0, borderpad=0, fontsize=SMALL, columnspacing=1.4, handlelength=2.4,
    )  # fmt: skip
