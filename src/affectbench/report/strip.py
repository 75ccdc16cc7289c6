"""A score on a line from the worst value to the best, small enough for a cell."""

from __future__ import annotations

from affectbench.board import number
from affectbench.report.markup import Html, el

WIDTH, HEIGHT = 176, 20  # px
EDGE = 6


def strip(
    value: float,
    low: float | None,
    high: float | None,
    *,
    ceiling: float | None = None,
    published: float | None = None,
) -> Html:
    """A dot with its interval from 0 to 1, a bar for the ceiling, a hollow dot for a rival."""
    told = f"{number(value)}"
    marks = [el("path", d=f"M{EDGE} 10H{WIDTH - EDGE}", stroke="var(--line)")]
    marks += [el("path", d=f"M{_at(x)} 7v6", stroke="var(--line)") for x in (0.0, 0.5, 1.0)]
    if low is not None and high is not None:
        told += f", interval {number(low)} to {number(high)}"
        marks.append(
            el("path", d=f"M{_at(low)} 10H{_at(high)}", stroke="var(--accent)", stroke_width=3)
        )
    if ceiling is not None:
        told += f", ceiling {number(ceiling)}"
        marks.append(el("path", d=f"M{_at(ceiling)} 3v14", stroke="var(--ink)",
                        stroke_dasharray="3 2", stroke_width=1.5))  # fmt: skip
    if published is not None:
        told += f", best published {number(published)}"
        marks.append(el("circle", cx=_at(published), cy=10, r=4, fill="var(--paper)",
                        stroke="var(--accent)", stroke_width=1.5))  # fmt: skip
    marks.append(el("circle", cx=_at(value), cy=10, r=4.5, fill="var(--accent)"))
    return el("svg", marks, class_="strip", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img",
              aria_label=told)  # fmt: skip


def _at(value: float) -> str:
    """Where a value is; those outside of 0..1 are at the end."""
    return f"{EDGE + (WIDTH - 2 * EDGE) * min(max(value, 0.0), 1.0):.1f}"
