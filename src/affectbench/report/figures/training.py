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
    {"color": ACCENT, "linestyle": "solid"},
    {"color": SECOND, "linestyle": (0, (5, 2))},
    {"color": THIRD, "linestyle": (0, (1, 1.5))},
    {"color": INK, "linestyle": (0, (6, 2, 1, 2))},
)
MARKERS: Final = ("o", "s", "D", "^")  # of the kept epoch, one a series
KEPT: Final[dict[str, Any]] = {
    "linestyle": "",
    "markersize": 6.5,
    "markerfacecolor": PAPER,
    "markeredgewidth": 1.6,
}


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
        BadData: a series is not [E] or [R, E], there are more than four, or there is a kept epoch
            for another number of runs.
        MissingExtra: matplotlib is not installed.
    """
    title = title or "Training"
    at = np.asarray(epochs, dtype=np.float64)
    runs = {plain(key): np.atleast_2d(np.asarray(v, dtype=np.float64)) for key, v in series.items()}
    _check(at, runs)
    if not any(np.isfinite(values).any() for values in runs.values()):
        return blank(name, title, "No epochs.")
    with sheet(WIDTH, HEIGHT) as page:
        axes = page.axes(56, 46, 12, 40, grid="y")
        axes.set(xlabel="epoch", ylabel=plain(label))
        _ticks(axes, at)
        told = [
            _draw(axes, at, values, _kept(kept, len(values)), index)
            for index, values in enumerate(runs.values())
        ]
        entries = [(key, {**style, "linewidth": 1.5}) for key, style in zip(runs, STYLES)]  # noqa: B905
        if kept is not None:
            entries.append(("kept epoch", {**KEPT, "marker": "o", "markeredgecolor": MUTED}))
        page.text(0, 12, plain(title), weight="bold")
        page.key(56, 34, entries)
        words = " ".join(f"{key}: {text}." for key, text in zip(runs, told, strict=True))
        return page.svg(name=name, title=title, told=words)


def _check(epochs: Floats, runs: Mapping[str, Floats]) -> None:
    """Raise where a series does not belong to the epochs, or there are too many."""
    shape = epochs.shape[-1:]
    bad = [key for key, values in runs.items() if values.ndim != 2 or values.shape[1:] != shape]
    if epochs.ndim != 1 or bad or len(runs) > len(STYLES):
        raise BadData(
            f"{len(runs)} series over epochs {epochs.shape}, of another length: {bad or 'none'}; "
            f"expected {len(STYLES)} at most, each [E] or [R, E]."
        )


def _kept(kept: int | Sequence[int] | None, runs: int) -> Floats:
    """The kept epoch of each run, NaN where none is known."""
    each = np.asarray(np.nan if kept is None else kept, dtype=np.float64)
    if each.ndim and each.shape != (runs,):
        raise BadData(f"{len(each)} kept epochs for {runs} runs; expected one for all or one each.")
    return np.broadcast_to(each, runs)


def _ticks(axes: Axes, epochs: Floats) -> None:
    """Whole epochs along the axis, with room around a single one."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    if len(epochs) == 1:
        axes.set_xlim(epochs[0] - 1, epochs[0] + 1)


def _draw(axes: Axes, epochs: Floats, values: Floats, kept: Floats, index: int) -> str:
    """The runs of a series [R, E], and what there is to tell of them."""
    style, marker = STYLES[index], MARKERS[index]
    told = []
    for line, keeps in zip(values, kept, strict=True):
        dot: dict[str, Any] = {"marker": marker, "markersize": 4} if len(epochs) == 1 else {}
        axes.plot(epochs, line, linewidth=1.5, clip_on=False, **style, **dot)
        at = (epochs == keeps) & np.isfinite(line)
        ring = KEPT | {"marker": marker, "markeredgecolor": style["color"]}
        axes.plot(epochs[at], line[at], clip_on=False, zorder=4, **ring)
        known = line[np.isfinite(line)]
        if len(known):
            keeping = f", {number(line[at][0])} at epoch {keeps:g}, kept" if at.any() else ""
            told.append(f"from {number(known[0])} to {number(known[-1])}{keeping}")
    return "; ".join(told) or "n/a"
