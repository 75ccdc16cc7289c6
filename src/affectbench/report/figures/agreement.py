"""Predicted against true, and the concordance correlation drawn as what it is.

    CCC = r * C_b,  C_b = 2 / (v + 1 / v + u²),  v = s_p / s_t,  u = (m_p - m_t) / sqrt(s_t s_p)

with means m and standard deviations s (over n) of truth t and prediction p (Lin 1989,
doi:10.2307/2532051). r says how close the points are to a line through both means with the slope
v, the line of spread, and C_b how close that line is to the identity. The figure shows both
lines, and a cross at the means with arms of one standard deviation.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, nan, sqrt
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectbench.errors import BadData
from affectbench.metrics.agreement import ccc
from affectbench.metrics.correlation import pearson
from affectbench.report.figures.sheet import (
    ACCENT,
    INK,
    MUTED,
    SECOND,
    SMALL,
    blank,
    checked,
    clips,
    number,
    sheet,
)
from affectbench.report.figures.svg import plain
from affectbench.types import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIDE: Final = 270  # px of the plot
LEFT, TOP, RIGHT = 46, 32, 14
BELOW: Final = 66  # px of axis and key
LINE_HEIGHT: Final = 17
GRID: Final = 26  # hexagons across
SHADES: Final = (0.16, 0.34, 0.54, 0.76, 1.0)  # opacity, from few clips to many
POINTS: Final = 500
IDENTITY: Final[dict[str, Any]] = {"color": INK, "linewidth": 1, "dashes": (4, 3)}
SPREAD: Final[dict[str, Any]] = {"color": SECOND, "linewidth": 1.5}
KEY: Final = (
    ("identity", IDENTITY),
    ("means ± SD, their line", SPREAD | {"marker": "+", "markersize": 12, "markeredgewidth": 2.4}),
)


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a CCC is made of. NaN where undefined."""

    clips: int  # pairs of which both are known
    ccc: float
    r: float
    bias: float  # C_b, in 0..1
    scale: float  # v: below 1 the predictions are spread less than the truth
    location: float  # u: above 0 the predictions are too high
    means: tuple[float, float]  # truth, prediction
    deviations: tuple[float, float]


def agreement(truth: Floats, prediction: Floats) -> Agreement:
    """The parts of the CCC of pairs that are known, [N] and [N]."""
    if not len(truth):
        return Agreement(0, nan, nan, nan, nan, nan, (nan, nan), (nan, nan))
    r = pearson(truth, prediction)
    means = float(truth.mean()), float(prediction.mean())
    spread = float(truth.std()), float(prediction.std())
    defined = isfinite(r)  # neither is constant
    scale = spread[1] / spread[0] if defined else nan
    location = (means[1] - means[0]) / (sqrt(spread[0]) * sqrt(spread[1])) if defined else nan
    return Agreement(
        clips=len(truth),
        ccc=ccc(truth, prediction),
        r=r,
        bias=2 / (scale + 1 / scale + location**2),
        scale=scale,
        location=location,
        means=means,
        deviations=spread,
    )


def scatter_agreement(
    truth: ArrayLike,
    prediction: ArrayLike,
    *,
    name: str,
    title: str,
    limits: tuple[float, float],
    points: int = POINTS,
) -> str:
    """Predictions over the truth, with the identity and what the CCC is made of.

    Args:
        truth: [N]; what is not finite is left out with its pair, and counted in the figure.
        prediction: [N]
        name: which the ids begin with.
        title: of the figure, above it.
        limits: of both axes, the range of the label. Pairs outside are counted in the figure,
            and belong to the CCC.
        points: how many pairs are drawn one by one; more are counted in hexagons. 0: always
            hexagons, for labels that must not be read off.

    Raises:
        BadData: the two are not vectors of one length, or the limits are none.
        MissingExtra: matplotlib is not installed.
    """
    x, y = _vectors(truth, prediction)
    low, high = checked(limits)
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if not len(x):
        return blank(name, title, "No clip with both truth and prediction.")
    found = agreement(x, y)
    inside = (np.minimum(x, y) >= low) & (np.maximum(x, y) <= high)
    lines = [*_parts(found), clips(len(x)), *_left_out(known, inside)]
    bottom = BELOW + LINE_HEIGHT * len(lines)
    with sheet(LEFT + SIDE + RIGHT, TOP + SIDE + bottom) as page:
        axes = page.axes(LEFT, TOP, RIGHT, bottom, grid="both")
        axes.set(xlim=(low, high), ylim=(low, high), xlabel="truth", ylabel="prediction")
        if len(x) <= points:
            axes.scatter(x[inside], y[inside], s=12, color=ACCENT, alpha=0.5, linewidths=0)
        else:
            most = _hexagons(axes, x[inside], y[inside])
            lines[len(_parts(found))] += f", in hexagons of up to {most:,}"
        axes.axline((low, low), slope=1, **IDENTITY)
        _spread(axes, found)
        page.text(0, 12, plain(title), weight="bold")
        page.key(LEFT, TOP + SIDE + 48, KEY)
        for index, line in enumerate(lines):
            down = TOP + SIDE + BELOW + 6 + LINE_HEIGHT * index
            page.text(LEFT, down, line, size=SMALL, color=MUTED if index else INK)
        told = f"Prediction against truth. {'. '.join(lines)}."
        return page.svg(name=name, title=title, told=told)


def _vectors(truth: ArrayLike, prediction: ArrayLike) -> tuple[Floats, Floats]:
    x, y = np.asarray(truth, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise BadData(f"Truth {x.shape} and prediction {y.shape}; expected [N] and [N].")
    return x, y


def _left_out(known: NDArray[np.bool_], inside: NDArray[np.bool_]) -> list[str]:
    """How many clips are not in the figure, and why."""
    outside, unknown = int((~inside).sum()), int((~known).sum())
    notes = [f"{outside:,} outside the axes"] if outside else []
    return [*notes, f"{unknown:,} left out: no finite pair"] if unknown else notes


def _hexagons(axes: Axes, x: Floats, y: Floats) -> int:
    """Clips counted in hexagons, the darker the more, by a scale of ratios.

    Returns:
        The count of the fullest.
    """
    from matplotlib.collections import PathCollection
    from matplotlib.path import Path
    from matplotlib.transforms import Affine2D

    low, high = axes.get_xlim()
    bins = axes.hexbin(x, y, gridsize=GRID, extent=(low, high, low, high), mincnt=1)
    counts, centres = np.asarray(bins.get_array()), np.asarray(bins.get_offsets())
    shape = np.asarray(bins.get_paths()[0].vertices) * SIDE / (high - low)
    bins.remove()
    most = counts.max(initial=0)
    level = np.ceil(np.log(counts) / np.log(most) * len(SHADES)) if most > 1 else counts
    level = np.clip(level.astype(int) - 1, 0, len(SHADES) - 1)
    for shade, opacity in enumerate(SHADES):
        axes.add_collection(
            PathCollection(
                [Path(shape)],
                offsets=centres[level == shade],
                offset_transform=axes.transData,
                transform=Affine2D(),
                facecolor=ACCENT,
                alpha=opacity,
                linewidths=0,
            ),
            autolim=False,
        )
    return int(most)


def _spread(axes: Axes, found: Agreement) -> None:
    """The line of spread, and the means with one standard deviation each."""
    (x, y), (across, up) = found.means, found.deviations
    if isfinite(found.scale):
        slope = found.scale if found.r >= 0 else -found.scale
        axes.axline((x, y), slope=slope, **SPREAD)
    axes.plot([x - across, x + across], [y, y], color=SECOND, linewidth=2.4)
    axes.plot([x, x], [y - up, y + up], color=SECOND, linewidth=2.4)


def _parts(found: Agreement) -> list[str]:
    """The CCC and its parts in words."""
    parts = f"CCC {number(found.ccc)} = r {number(found.r)} × C_b {number(found.bias)}"
    if not isfinite(found.scale):
        return [f"CCC {number(found.ccc)}, r n/a: no spread in truth or prediction"]
    apart = found.means[1] - found.means[0]
    side = "higher" if apart > 0 else "lower"
    return [
        parts,
        f"scale shift {number(found.scale, 2)}: spread of predictions / of truth",
        f"location shift {number(found.location, 2)}: mean {number(abs(apart))} {side}",
    ]
