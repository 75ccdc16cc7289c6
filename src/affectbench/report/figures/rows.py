"""Rows of a name, a mark on the axis with its interval, and the value in figures."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from affectbench.report.figures.sheet import (
    ACCENT,
    INK,
    LEADING,
    MUTED,
    PAPER,
    ROW,
    Sheet,
    number,
    width_of,
)
from affectbench.report.figures.svg import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABEL: Final = 24  # characters of a label on one line
LINES: Final = 3  # of a label; the rest is left to the words of the figure
VALUES: Final = 56  # px of the column of values
MARGIN: Final = 0.04  # share of the range of values that the axis leaves free on either side
PUBLISHED: Final = "published"
LEFT_OUT: Final = "left out"  # stands for rows that are not drawn


class Mark(NamedTuple):
    """A row: what it is called, its value and its interval."""

    label: str
    value: float  # NaN: undefined
    low: float  # NaN: no interval
    high: float
    kind: str  # "published": a hollow mark; anything else: a full one


def draw_rows(page: Sheet, axes: Axes, marks: Sequence[Mark], top: float) -> float:
    """Label, interval, mark and value of each row, one below the other.

    Returns:
        The height of all in pixels.
    """
    y = 0.0
    for mark in marks:
        label = wrapped(mark.label)
        middle = y + height_of(label) / 2
        shade = INK if isfinite(mark.value) else MUTED
        page.text(0, top + middle, label, color=MUTED if mark.kind == LEFT_OUT else INK)
        if mark.kind != LEFT_OUT:
            draw_mark(axes, mark, middle)
            page.text(page.width, top + middle, number(mark.value), ha="right", color=shade)
        y += height_of(label)
    return y


def draw_mark(axes: Axes, mark: Mark, y: float) -> None:
    """One value, full or hollow, and its interval."""
    if not isfinite(mark.value):
        return
    hollow = mark.kind == PUBLISHED
    if isfinite(mark.low) and isfinite(mark.high):
        width = 1.2 if hollow else 2.2
        axes.plot([mark.low, mark.high], [y, y], color=ACCENT, linewidth=width, clip_on=False)
    axes.plot([mark.value], [y], clip_on=False, zorder=3, **face(hollow))


def face(hollow: bool) -> dict[str, Any]:
    """How a mark looks."""
    return {
        "linestyle": "",
        "marker": "D" if hollow else "o",
        "markersize": 6 if hollow else 7.5,
        "markerfacecolor": PAPER if hollow else ACCENT,
        "markeredgecolor": ACCENT,
        "markeredgewidth": 1.4,
    }


def in_words(mark: Mark) -> str:
    """A row as a sentence."""
    published = f", {PUBLISHED}" if mark.kind == PUBLISHED else ""
    interval = isfinite(mark.low) and isfinite(mark.high)
    between = f", interval {number(mark.low)} to {number(mark.high)}" if interval else ""
    return f"{plain(mark.label)}{published}: {number(mark.value)}{between}."


def numbers_of(marks: Sequence[Mark]) -> list[float]:
    """All numbers of the rows that have a value."""
    return [x for mark in marks if isfinite(mark.value) for x in mark[1:4]]


def wrapped(label: str) -> str:
    """A label on three lines at most."""
    return "\n".join(textwrap.wrap(plain(label), LABEL, max_lines=LINES, placeholder="…"))


def height_of(label: str) -> float:
    """Height of a row in pixels, by the lines of its label."""
    return ROW + LEADING * label.count("\n")


def height_of_rows(marks: Sequence[Mark]) -> float:
    """Height of all rows in pixels."""
    return sum(height_of(wrapped(mark.label)) for mark in marks)


def label_width(labels: Sequence[str]) -> float:
    """Pixels of the column that labels take, with the gap behind it."""
    lines = [line for label in labels for line in wrapped(label).split("\n")]
    return max(map(width_of, lines), default=0) + 18
