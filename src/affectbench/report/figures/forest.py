"""Systems side by side: each value a mark, its interval a line through it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from math import isfinite, nan
from typing import TYPE_CHECKING, Final, NamedTuple

from affectbench.report.figures.sheet import (
    ACCENT,
    INK,
    MUTED,
    PAPER,
    ROW,
    SMALL,
    WIDTH,
    Sheet,
    blank,
    number,
    sheet,
    width_of,
)
from affectbench.report.figures.svg import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABEL: Final = 24  # characters of a label on one line
LINES: Final = 3  # of a label; the rest is left to the words of the figure
LEADING: Final = 14  # px from line to line
MARGIN: Final = 0.04  # of the range of the values, on both sides


class Mark(NamedTuple):
    """A row of a forest plot."""

    label: str
    value: float  # NaN: undefined
    low: float  # NaN: no interval
    high: float
    kind: str  # "published": a hollow mark; anything else: a full one


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
        rows: label, value, low, high and kind of each; see ``Mark``.
        name: which the ids begin with.
        metric: what the axis shows.
        title: of the figure.
        ceiling: value that no system can pass, for instance by the noise of the ratings.
        chance: value of a system that knows nothing.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    title = title or f"Systems by {metric}"
    marks = [Mark(*row) for row in rows]
    if not marks:
        return blank(name, title, "No systems.")
    limits = {
        "ceiling": nan if ceiling is None else ceiling,
        "chance": nan if chance is None else chance,
    }
    lines = {key: value for key, value in limits.items() if isfinite(value)}
    labels = [wrapped(mark.label) for mark in marks]
    heights = [heights_of(label) for label in labels]
    top = 8 + 16 * len(lines)
    both = len({mark.kind == "published" for mark in marks}) == 2
    bottom = 62 if both else 40
    with sheet(WIDTH, top + sum(heights) + bottom) as page:
        axes = page.axes(label_width(labels), top, 56, bottom)
        page.rows(axes)
        axes.set_xlim(*span([*marks_of(marks), *lines.values()]))
        for index, (key, value) in enumerate(sorted(lines.items(), key=lambda one: one[1])):
            limit_line(page, axes, f"{key} {number(value)}", value, 10 + 16 * index)
        draw_rows(page, axes, marks, labels, heights, top)
        axes.set_xlabel(plain(metric))
        if both:
            draw_key(page)
        told = f"{title}. " + " ".join(in_words(mark) for mark in marks)
        told += "".join(f" {key.capitalize()}: {number(value)}." for key, value in lines.items())
        return page.svg(name=name, title=title, told=told)


def draw_rows(
    page: Sheet,
    axes: Axes,
    marks: Sequence[Mark],
    labels: Sequence[str],
    heights: Sequence[float],
    top: float,
) -> None:
    """Label, interval, mark and value of each row, one below the other."""
    y = 0.0
    for mark, label, height in zip(marks, labels, heights, strict=True):
        middle = y + height / 2
        draw_mark(axes, mark, middle)
        page.text(0, top + middle, label, linespacing=LEADING / 12 / 1.2)
        shade = INK if isfinite(mark.value) else MUTED
        page.text(page.width, top + middle, number(mark.value), ha="right", color=shade)
        y += height


def draw_mark(axes: Axes, mark: Mark, y: float) -> None:
    """One value, full or hollow, and its interval."""
    if not isfinite(mark.value):
        return
    hollow = mark.kind == "published"
    if isfinite(mark.low) and isfinite(mark.high):
        width = 1 if hollow else 2.2
        axes.plot([mark.low, mark.high], [y, y], color=ACCENT, linewidth=width, clip_on=False)
    axes.plot(
        [mark.value],
        [y],
        marker="D" if hollow else "o",
        markersize=6 if hollow else 7.5,
        markerfacecolor=PAPER if hollow else ACCENT,
        markeredgecolor=ACCENT,
        markeredgewidth=1.4,
        clip_on=False,
        zorder=3,
    )


def limit_line(page: Sheet, axes: Axes, label: str, value: float, y: float) -> None:
    """A dashed line at a value, from its label at ``y`` pixels down to the axis."""
    box = axes.get_position()
    left, right = axes.get_xlim()
    share = (value - left) / (right - left)
    x = (box.x0 + share * box.width) * page.width
    side = "left" if share < 0.25 else "right" if share > 0.75 else "center"
    axes.plot(
        [value, value],
        [y + 8 - (1 - box.y1) * page.height, axes.get_ylim()[0]],
        color=INK,
        linewidth=1,
        dashes=(4, 3),
        clip_on=False,
        zorder=1,
    )
    page.text(x, y, label, ha=side, size=SMALL, color=INK)


def draw_key(page: Sheet) -> None:
    """What full and hollow marks are, at the bottom."""
    from matplotlib.lines import Line2D

    y = 1 - (page.height - 10) / page.height
    entries = (("o", ACCENT, 7.5, "measured, with its interval"), ("D", PAPER, 6, "published"))
    x = 6.0
    for marker, face, size, label in entries:
        handle = Line2D(
            [x / page.width], [y], marker=marker, markersize=size, markerfacecolor=face,
            markeredgecolor=ACCENT, markeredgewidth=1.4, transform=page.figure.transFigure,
        )  # fmt: skip
        page.figure.add_artist(handle)
        page.text(x + 10, page.height - 10, label, size=SMALL, color=MUTED)
        x += 40 + width_of(label, SMALL)


def in_words(mark: Mark) -> str:
    """A row as a sentence."""
    published = ", published" if mark.kind == "published" else ""
    interval = isfinite(mark.low) and isfinite(mark.high)
    between = f", interval {number(mark.low)} to {number(mark.high)}" if interval else ""
    return f"{plain(mark.label)}{published}: {number(mark.value)}{between}."


def marks_of(marks: Sequence[Mark]) -> list[float]:
    """All numbers of some rows that have a value."""
    return [x for mark in marks if isfinite(mark.value) for x in mark[1:4]]


def span(values: Sequence[float]) -> tuple[float, float]:
    """Limits of an axis that shows all values which are finite; 0 to 1 where there are none."""
    known = [value for value in values if isfinite(value)]
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    room = MARGIN * (high - low) or 0.05 * (abs(low) or 1)
    return low - room, high + room


def wrapped(label: str, characters: int = LABEL) -> str:
    """A label on lines of so many characters, three at most."""
    return "\n".join(textwrap.wrap(plain(label), characters, max_lines=LINES, placeholder="…"))


def heights_of(label: str) -> float:
    """Height of a row in pixels, by the lines of its label."""
    return ROW + LEADING * label.count("\n")


def label_width(labels: Sequence[str]) -> float:
    """Pixels of the column that labels take, with the gap behind it."""
    lines = [line for label in labels for line in label.split("\n")]
    return max(map(width_of, lines), default=0) + 18
