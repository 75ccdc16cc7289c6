"""What support clips of a speaker are worth: the score by their number, one line a system."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from affectbench.errors import BadData
from affectbench.report.figures.rows import MARGIN
from affectbench.report.figures.sheet import PAPER, WIDTH, blank, clips, number, sheet, span
from affectbench.report.figures.svg import plain
from affectbench.report.figures.training import MARKERS, STYLES
from affectbench.types import Score

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEIGHT: Final = 230
APART: Final = 0.04  # between two systems at the same number of clips, so that intervals are seen


def shots(
    curves: Mapping[str, Mapping[int, Score]], *, name: str, metric: str, title: str = ""
) -> str:
    """The score of each system with 0, 1, 2, ... support clips of a speaker, with its intervals.

    The intervals are of the scores. Whether a gain is real is told by the interval of the
    difference, which is narrower: the same speakers are in both.

    Args:
        curves: name of a system, or of a corpus, to its score by number of support clips; four at
            most.
        name: which the ids begin with.
        metric: what the vertical axis shows.
        title: of the figure.

    Raises:
        BadData: there are more than four curves.
        MissingExtra: matplotlib is not installed.
    """
    title = title or "Score by number of support clips"
    if len(curves) > len(STYLES):
        raise BadData(f"{len(curves)} curves; expected {len(STYLES)} at most.")
    scores = [score for curve in curves.values() for score in curve.values()]
    if not any(isfinite(score.value) for score in scores):
        return blank(name, title, "No scores.")
    with sheet(WIDTH, HEIGHT) as page:
        axes = page.axes(56, 46, 12, 40, grid="y")
        axes.set(xlabel="support clips of a speaker", ylabel=plain(metric))
        axes.set_ylim(*span([x for s in scores for x in (s.value, s.low, s.high)], MARGIN))
        counts = sorted({count for curve in curves.values() for count in curve})
        axes.set_xticks(counts)
        axes.set_xlim(counts[0] - 0.25, counts[-1] + 0.25)
        told = []
        for index, (label, curve) in enumerate(curves.items()):
            _draw(axes, curve, index, APART * (index - (len(curves) - 1) / 2))
            told.append(f"{plain(label)}: {_in_words(curve)}.")
        entries = [
            (plain(label), {**STYLES[index], **_mark(index), "linewidth": 1.5})
            for index, label in enumerate(curves)
        ]
        page.text(0, 12, plain(title), weight="bold")
        page.key(56, 34, entries)
        return page.svg(name=name, title=title, told=f"{title}, {plain(metric)}. {' '.join(told)}")


def _draw(axes: Axes, curve: Mapping[int, Score], index: int, aside: float) -> None:
    """The line of a system, its marks and their intervals."""
    known = [(count + aside, s) for count, s in sorted(curve.items()) if isfinite(s.value)]
    at, values = [x for x, _ in known], [score.value for _, score in known]
    axes.plot(at, values, linewidth=1.5, zorder=3, **STYLES[index], **_mark(index))
    for x, score in known:
        if isfinite(score.low) and isfinite(score.high):
            style = {"color": STYLES[index]["color"], "linewidth": 1.2}
            axes.plot([x, x], [score.low, score.high], **style)


def _mark(index: int) -> dict[str, Any]:
    """How the marks of a system look: told apart without colour too."""
    return {
        "marker": MARKERS[index],
        "markersize": 6,
        "markerfacecolor": PAPER if index % 2 else STYLES[index]["color"],
        "markeredgecolor": STYLES[index]["color"],
        "markeredgewidth": 1.4,
    }


def _in_words(curve: Mapping[int, Score]) -> str:
    """The scores as part of a sentence."""
    told = []
    for count, score in sorted(curve.items()):
        interval = isfinite(score.low) and isfinite(score.high)
        between = f", interval {number(score.low)} to {number(score.high)}" if interval else ""
        told.append(f"with {clips(count)} {number(score.value)}{between}")
    return "; ".join(told)
