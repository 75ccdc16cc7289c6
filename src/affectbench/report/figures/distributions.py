"""How values and classes are distributed, in each part of a corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike

from affectbench.errors import BadData
from affectbench.report.figures.rows import height_of, label_width, wrapped
from affectbench.report.figures.sheet import (
    ACCENT,
    FILL,
    INK,
    MUTED,
    PAPER,
    SECOND,
    THIRD,
    WIDTH,
    blank,
    checked,
    number,
    sheet,
    span,
)
from affectbench.report.figures.svg import plain
from affectbench.types import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEIGHT: Final = 220
BAR, BAR_OF_PART = 12, 11  # px of a bar: one a label, and several
LINES: Final[tuple[dict[str, Any], ...]] = (
    {"color": ACCENT, "linestyle": "solid"},
    {"color": SECOND, "linestyle": (0, (5, 2))},
    {"color": THIRD, "linestyle": (0, (1, 1.5))},
    {"color": INK, "linestyle": (0, (6, 2, 1, 2))},
)
FACES: Final[tuple[dict[str, Any], ...]] = (
    {"facecolor": FILL, "edgecolor": ACCENT},
    {"facecolor": PAPER, "edgecolor": ACCENT, "hatch": "/////"},
    {"facecolor": PAPER, "edgecolor": ACCENT},
    {"facecolor": ACCENT, "edgecolor": ACCENT},
)


def histogram(
    values: ArrayLike | Mapping[str, ArrayLike],
    *,
    name: str,
    title: str,
    label: str = "",
    limits: tuple[float, float] | None = None,
    bins: int = 20,
) -> str:
    """Share of the values in each bin, a line for each part.

    Args:
        values: [N], or part to [N], four parts at most. NaN is left out and counted.
        name: which the ids begin with.
        title: of the figure.
        label: of the horizontal axis.
        limits: of the bins; those of the values where None. Values outside are counted.
        bins: of equal width.

    Raises:
        BadData: there are more than four parts, or the limits are none.
        MissingExtra: matplotlib is not installed.
    """
    parts = _parts(values)
    known = {part: each[np.isfinite(each)] for part, each in parts.items()}
    every = np.concatenate([*known.values(), np.empty(0)])
    if not len(every):
        return blank(name, title, "No values.")
    low, high = checked(limits) if limits else span([every.min(), every.max()])
    edges = np.linspace(low, high, bins + 1)
    with sheet(WIDTH, HEIGHT) as page:
        axes = page.axes(52, 46, 12, 40, grid="y")
        axes.yaxis.set_major_formatter("{x:g} %")
        told = []
        for style, (part, each) in zip(LINES, known.items(), strict=False):
            counts, _ = np.histogram(each, edges)
            shares = np.repeat(100 * counts / max(len(each), 1), 2)
            ends = np.concatenate([[0], shares, [0]])
            axes.plot(np.repeat(edges, 2), ends, linewidth=1.5, clip_on=False, **style)
            outside = len(each) - int(counts.sum())
            told.append(_told(_counted(part, each), each, len(parts[part]) - len(each), outside))
        axes.set(xlim=(low, high), xlabel=plain(label))
        axes.set_ylim(bottom=0)
        page.text(0, 12, plain(title), weight="bold")
        names = [_counted(part, each) for part, each in known.items()]
        page.key(52, 34, list(zip(names, LINES, strict=False)))
        return page.svg(name=name, title=title, told=" ".join(told))


def bars(
    labels: Sequence[str],
    values: ArrayLike | Mapping[str, ArrayLike],
    *,
    name: str,
    title: str,
    label: str = "",
    digits: int = 0,
) -> str:
    """A bar for each label, in the order given, or one for each part.

    Args:
        labels: [C]
        values: [C], or part to [C], four parts at most. NaN: ``n/a``.
        name: which the ids begin with.
        title: of the figure.
        label: of the axis.
        digits: behind the point.

    Raises:
        BadData: a part has not one value for each label, or there are more than four.
        MissingExtra: matplotlib is not installed.
    """
    parts = _parts(values)
    wrong = {part: len(each) for part, each in parts.items() if len(each) != len(labels)}
    if wrong:
        raise BadData(f"{len(labels)} labels and another number of values: {wrong}; expected one.")
    if not labels or not parts:
        return blank(name, title, "No values.")
    thick = BAR if len(parts) == 1 else BAR_OF_PART
    heights = [max(height_of(wrapped(each)), thick * len(parts) + 10) for each in labels]
    top = 26 if len(parts) == 1 else 46
    with sheet(WIDTH, top + sum(heights) + 40) as page:
        axes = page.axes(label_width(labels), top, 60, 40)
        page.rows(axes)
        axes.set_xlim(_from_zero(np.concatenate([*parts.values()])))
        axes.set_xlabel(plain(label))
        axes.xaxis.set_major_formatter("{x:,g}")
        middles = np.cumsum(heights) - np.array(heights) / 2
        for text, middle in zip(labels, middles, strict=True):
            page.text(0, top + middle, wrapped(text))
        for index, each in enumerate(parts.values()):
            offset = thick * (index - (len(parts) - 1) / 2)
            _bars(axes, middles + offset, each, digits, {**FACES[index], "height": thick - 1})
        page.text(0, 12, plain(title), weight="bold")
        if len(parts) > 1:
            page.key(0, 34, [(part, face) for part, face in zip(parts, FACES, strict=False)])
        words = [_in_words(each, parts, row, digits) for row, each in enumerate(labels)]
        return page.svg(name=name, title=title, told=" ".join(words))


def _from_zero(values: Floats) -> tuple[float, float]:
    """Limits of an axis of bars: 0, and the values which are finite."""
    known = values[np.isfinite(values)]
    low, high = float(known.min(initial=0)), float(known.max(initial=0))
    return low, high if high > low else 1.0


def _bars(
    axes: Axes, heights: Floats, values: Floats, digits: int, style: Mapping[str, Any]
) -> None:
    """Bars at these heights, and the number at the end of each."""
    lengths = np.where(np.isfinite(values), values, 0.0)
    axes.barh(heights, lengths, linewidth=0.9, **style)
    for height, length, value in zip(heights, lengths, values, strict=True):
        axes.annotate(
            number(value, digits), (max(length, 0), height), (4, -3.6),
            textcoords="offset points", size=10, color=MUTED, annotation_clip=False,
        )  # fmt: skip


def _in_words(label: str, parts: Mapping[str, Floats], row: int, digits: int) -> str:
    """The values of a label."""
    values = [f"{part} {number(each[row], digits)}".strip() for part, each in parts.items()]
    return f"{plain(label)}: {', '.join(values)}."


def _parts(values: ArrayLike | Mapping[str, ArrayLike]) -> dict[str, Floats]:
    """Part to values; one set of values is a part without a name."""
    given = values if isinstance(values, Mapping) else {"": values}
    if len(given) > len(LINES):
        raise BadData(f"{len(given)} parts; expected {len(LINES)} at most.")
    return {plain(k): np.asarray(v, dtype=np.float64).ravel() for k, v in given.items()}


def _told(text: str, values: Floats, unknown: int, outside: int) -> str:
    """A distribution in words."""
    if not len(values):
        return f"{text}: n/a."
    low, middle, high = (number(q) for q in np.quantile(values, (0.25, 0.5, 0.75)).tolist())
    words = f"{text}: median {middle}, half of the values in {low} to {high}"
    words += f"; {unknown:,} unknown" if unknown else ""
    words += f"; {outside:,} outside the axis" if outside else ""
    return words + "."


def _counted(part: str, values: Floats) -> str:
    return f"{part or 'values'} ({len(values):,})"
