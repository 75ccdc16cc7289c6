"""Systems side by side: each value a mark, its interval a line through it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING

from affectbench.report.figures.rows import (
    MARGIN,
    PUBLISHED,
    VALUES,
    Mark,
    draw_rows,
    face,
    height_of_rows,
    in_words,
    label_width,
    numbers_of,
)
from affectbench.report.figures.sheet import (
    INK,
    ROW,
    SMALL,
    WIDTH,
    Sheet,
    blank,
    number,
    sheet,
    span,
)
from affectbench.report.figures.svg import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def forest(
    rows: Sequence[Mark | tuple[str, float, float, float, str]],
    *,
    name: str,
    metric: str,
    title: str = "",
    ceiling: float | None = None,
    chance: float | None = None,
) -> str:
    """Systems with their intervals, in the order given.

    Args:
        rows: label, value, low, high and kind of each; see ``Mark``. Their numbers are finite or
            NaN.
        name: which the ids begin with.
        metric: what the axis shows.
        title: above the figure; where empty there is none.
        ceiling: value that no system can pass, for instance by the noise of the ratings.
        chance: value of a system that knows nothing.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    marks = [Mark(*row) for row in rows]
    heading = title or f"Systems by {metric}"
    if not marks:
        return blank(name, heading, "No systems.")
    limits = {"chance": chance, "ceiling": ceiling}
    known = {key: x for key, x in limits.items() if x is not None and isfinite(x)}
    head = ROW if title else 0
    top = head + (24 if known else 8)
    both = len({mark.kind == PUBLISHED for mark in marks}) == 2
    bottom = 66 if both else 40
    with sheet(WIDTH, top + height_of_rows(marks) + bottom) as page:
        axes = page.axes(label_width([mark.label for mark in marks]), top, VALUES, bottom)
        page.rows(axes)
        axes.set_xlim(*span([*numbers_of(marks), *known.values()], MARGIN))
        axes.set_xlabel(plain(metric))
        page.text(0, 10, plain(title), weight="bold")
        draw_rows(page, axes, marks, top)
        draw_limits(page, axes, known, head + 10)
        if both:
            entries = [("measured, with interval", face(False)), (PUBLISHED, face(True))]
            page.key(0, page.height - 10, entries)
        told = f"{heading}. " + " ".join(in_words(mark) for mark in marks)
        told += "".join(f" {key.capitalize()}: {number(x)}." for key, x in known.items())
        return page.svg(name=name, title=heading, told=told)


def draw_limits(page: Sheet, axes: Axes, limits: Mapping[str, float], y: float) -> None:
    """A dashed line at each value, named above it; of two that are close, side by side."""
    box = axes.get_position()
    left, right = axes.get_xlim()
    places = sorted((value, f"{key} {number(value)}") for key, value in limits.items())
    for index, (value, label) in enumerate(places):
        share = (value - left) / (right - left)
        side = "left" if share < 0.25 else "right" if share > 0.75 else "center"
        if len(places) == 2:
            side = ("left" if share < 0.25 else "right", "right" if share > 0.75 else "left")[index]
        page.text((box.x0 + share * box.width) * page.width, y, label, ha=side, size=SMALL)
        ends = (axes.get_ylim()[0], y + 8 - (1 - box.y1) * page.height)
        axes.plot([value] * 2, ends, color=INK, linewidth=1, dashes=(4, 3), clip_on=False, zorder=1)
