"""Groups side by side, and their gap against that of a model that ignores the group."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from affectbench.intervals.groups import Group, GroupReport
from affectbench.report.figures.forest import (
    Mark,
    draw_rows,
    heights_of,
    in_words,
    label_width,
    marks_of,
    span,
    wrapped,
)
from affectbench.report.figures.sheet import (
    INK,
    MUTED,
    PAPER,
    ROW,
    SECOND,
    SMALL,
    WIDTH,
    Sheet,
    blank,
    number,
    sheet,
)
from affectbench.report.figures.svg import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MANY: Final = 30  # groups above which only the best and the worst are drawn
TOP: Final = 26


def gaps(report: GroupReport, *, name: str, title: str = "") -> str:
    """The value of each group with its interval, the gap between them, and the gap of chance.

    Below the groups, the gap is a bar from the worst value to the best, and a hatched bar from
    the same end is as long as the gap of a model that ignores the group may be by chance. Above 30
    groups the 15 best and the 15 worst are drawn. Numbers in brackets count clips.

    Args:
        report: as ``by_group`` makes it.
        name: which the ids begin with.
        title: of the figure.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    title = title or f"{report.metric} by group"
    if not report.groups:
        return blank(name, title, "No groups.")
    chosen, left_out = _chosen(report.groups, report)
    marks = [_mark(group) for group in chosen]
    labels = [wrapped(mark.label) for mark in marks]
    heights = [heights_of(label) for label in labels]
    bars = ["gap of best and worst", f"{report.level:.0%} of gaps by chance"]
    gap = isfinite(report.gap)
    foot = ROW * len(bars) + 16 if gap else 0
    best = {group.name: group.score.value for group in report.groups}
    start = best[report.worst] if gap else 0.0
    sign = 1 if gap and best[report.best] >= start else -1
    ends = [start + sign * length for length in (report.gap, report.envelope)] if gap else []
    with sheet(WIDTH, TOP + sum(heights) + foot + 56) as page:
        axes = page.axes(label_width([*labels, *(bars if gap else [])]), TOP, 56, 56)
        page.rows(axes)
        axes.set_xlim(*span([*marks_of(marks), *ends]))
        draw_rows(page, axes, marks, labels, heights, TOP)
        page.text(0, 10, plain(title), weight="bold")
        if gap:
            lengths = (report.gap, report.envelope)
            _bars(page, axes, bars, lengths, (start, sign, sum(heights) + 16))
        axes.set_xlabel(plain(report.metric))
        note = _note(report, left_out)
        page.text(0, page.height - 10, note, size=SMALL, color=MUTED)
        told = f"{title}. " + " ".join(in_words(_mark(group)) for group in report.groups)
        return page.svg(name=name, title=title, told=f"{told} {_gap(report)} {note}")


def _chosen(groups: tuple[Group, ...], report: GroupReport) -> tuple[list[Group], int]:
    """The groups that are drawn, the best first, without a value last; and how many are not."""
    values = {group.name: group.score.value for group in groups}
    lower = bool(report.best) and values[report.best] < values[report.worst]
    ranked = sorted(
        groups,
        key=lambda group: (
            not isfinite(group.score.value),
            group.score.value if lower else -group.score.value,
        ),
    )
    if len(ranked) <= MANY:
        return ranked, 0
    known = [group for group in ranked if isfinite(group.score.value)]
    half = MANY // 2
    drawn = known if len(known) <= MANY else [*known[:half], *known[-half:]]
    return drawn or ranked[:MANY], len(groups) - len(drawn or ranked[:MANY])


def _mark(group: Group) -> Mark:
    score = group.score
    return Mark(f"{group.name} ({score.clips:,})", score.value, score.low, score.high, "measured")


def _bars(
    page: Sheet,
    axes: Axes,
    labels: list[str],
    lengths: tuple[float, float],
    place: tuple[float, int, float],
) -> None:
    """The gap, and below it that of chance, both from the value of the worst group."""
    start, sign, y = place
    axes.axhline(y - 8, color=MUTED, linewidth=0.8)
    faces: tuple[dict[str, Any], ...] = (
        {"facecolor": SECOND},
        {"facecolor": PAPER, "edgecolor": INK, "hatch": "////"},
    )
    for index, (label, length, face) in enumerate(zip(labels, lengths, faces, strict=True)):
        middle = y + ROW * (index + 0.5)
        page.text(0, TOP + middle, label)
        page.text(page.width, TOP + middle, number(length), ha="right")
        if isfinite(length):
            axes.barh(middle, sign * length, 10, left=start, linewidth=0.8, zorder=3, **face)


def _gap(report: GroupReport) -> str:
    """The gap in words."""
    if not isfinite(report.gap):
        return "Fewer than two groups have a value: no gap."
    text = f"Gap {number(report.gap)}: best {plain(report.best)}, worst {plain(report.worst)}."
    if not isfinite(report.envelope):
        return text
    beyond = "beyond" if report.beyond_chance else "within"
    return (
        f"{text} A model that ignores the group stays within {number(report.envelope)} with "
        f"probability {report.level:.0%}: the gap is {beyond} chance."
    )


def _note(report: GroupReport, left_out: int) -> str:
    """What the gap of chance is made of, and what is not drawn."""
    notes = []
    if isfinite(report.p):
        notes.append(
            f"p {number(report.p)}, {report.permutations:,} permutations of {report.permuted}"
        )
    if left_out:
        notes.append(f"{left_out:,} groups not drawn")
    if report.unlabelled:
        notes.append(f"{report.unlabelled:,} clips of no known group")
    return "; ".join(notes)
