"""Groups side by side, and their gap against that of a model that ignores the group."""

from __future__ import annotations

from math import isfinite, nan
from typing import TYPE_CHECKING, Any, Final

from affectbench.intervals.groups import Group, GroupReport
from affectbench.report.figures.rows import (
    LEFT_OUT,
    MARGIN,
    VALUES,
    Mark,
    draw_rows,
    height_of_rows,
    in_words,
    label_width,
    numbers_of,
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
    clips,
    number,
    sheet,
    span,
)
from affectbench.report.figures.svg import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MANY: Final = 30  # groups above which only the best and the worst are drawn
TOP: Final = 26
BOTTOM: Final = 58


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
    marks = _chosen(report)
    known = isfinite(report.gap)
    labels = ["gap of best and worst", f"chance alone, {report.level:.0%}"] if known else []
    values = {group.name: group.score.value for group in report.groups}
    start = values[report.worst] if known else nan
    sign = 1 if known and values[report.best] >= start else -1
    ends = [start + sign * length for length in (report.gap, report.envelope)]
    foot = ROW * len(labels) + 16 if known else 0
    with sheet(WIDTH, TOP + height_of_rows(marks) + foot + BOTTOM) as page:
        left = label_width([*(mark.label for mark in marks), *labels])
        axes = page.axes(left, TOP, VALUES, BOTTOM)
        page.rows(axes)
        axes.set_xlim(*span([*numbers_of(marks), *ends], MARGIN))
        axes.set_xlabel(plain(report.metric))
        page.text(0, 10, plain(title), weight="bold")
        y = draw_rows(page, axes, marks, TOP)
        if known:
            _bars(page, axes, labels, (report.gap, report.envelope), (start, sign, y + 16))
        note = _note(report)
        page.text(0, page.height - 10, note, size=SMALL, color=MUTED)
        told = " ".join(in_words(_mark(group)) for group in report.groups)
        return page.svg(name=name, title=title, told=f"{title}. {told} {_gap(report)} {note}")


def _chosen(report: GroupReport) -> list[Mark]:
    """The rows that are drawn: the best first, those without a value last."""
    values = {group.name: group.score.value for group in report.groups}
    sign = 1 if report.best and values[report.best] < values[report.worst] else -1
    known = sorted(
        (group for group in report.groups if isfinite(group.score.value)),
        key=lambda group: sign * group.score.value,
    )
    unknown = [group for group in report.groups if not isfinite(group.score.value)]
    marks = [_mark(group) for group in [*known, *unknown]]
    if len(marks) <= MANY:
        return marks
    half = min(MANY, len(known)) // 2
    between = Mark(f"… {len(marks) - 2 * half:,} more …", nan, nan, nan, LEFT_OUT)
    return [*marks[:half], between, *marks[len(known) - half : len(known)]]


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


def _note(report: GroupReport) -> str:
    """What the gap of chance is made of, and what is not drawn."""
    notes = []
    if isfinite(report.p):
        notes.append(
            f"p {number(report.p)}, {report.permutations:,} permutations of {report.permuted}"
        )
    if report.unlabelled:
        notes.append(f"{clips(report.unlabelled)} of no known group")
    return "; ".join(notes)
