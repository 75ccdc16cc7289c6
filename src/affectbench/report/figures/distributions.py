"""How values and classes are distributed, in each part of a corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike

from affectbench.errors import BadData
from affectbench.report.figures.forest import heights_of, label_width, wrapped
from affectbench.report.figures.sheet import (
    ACCENT,
    FILL,
    INK,
    MUTED,
    PAPER,
    SECOND,
    SMALL,
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

HEIGHT: Final = 220
BAR: Final = 12  # px, of a bar alone; of several in a row 8
LINES: Final[tuple[dict[str, Any], ...]] = (
    {"edgecolor": ACCENT, "linestyle": "solid"},
    {"edgecolor": SECOND, "linestyle": (0, (5, 2))},
    {"edgecolor": THIRD, "linestyle": (0, (1, 1.5))},
    {"edgecolor": INK, "linestyle": (0, (6, 2, 1, 2))},
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
        BadData: there are more than four parts.
        MissingExtra: matplotlib is not installed.
    """
    parts = _parts(values)
    known = {part: each[np.isfinite(each)] for part, each in parts.items()}
    every = np.concatenate([*known.values(), np.empty(0)])
    if not len(every):
        return blank(name, title, "No values.")
    low, high = limits or _limits(every)
    edges = np.linspace(low, high, bins + 1)
    with sheet(WIDTH, HEIGHT) as page:
        axes = page.axes(52, 46, 12, 40)
        axes.grid(visible=False)
        axes.grid(axis="y")
        axes.locator_params(axis="y", nbins=5)
        axes.yaxis.set_major_formatter("{x:g} %")
        told = []
        for style, (part, each) in zip(LINES, known.items(), strict=False):
            counts, _ = np.histogram(each, edges)
            shares = 100 * counts / max(len(each), 1)
            unknown, outside = len(parts[part]) - len(each), len(each) - int(counts.sum())
            text = f"{part or 'values'} ({len(each):,})"
            axes.stairs(shares, edges, linewidth=1.6, label=text, clip_on=False, **style)
            told.append(_told(text, each, unknown, outside))
        axes.set(xlim=(low, high), xlabel=plain(label))
        axes.set_ylim(bottom=0)
        page.text(0, 12, plain(title), weight="bold")
        _key(axes)
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
    shown = [wrapped(each) for each in labels]
    thick = BAR if len(parts) == 1 else 8
    heights = [max(heights_of(each), thick * len(parts) + 10) for each in shown]
    top = 26 if len(parts) == 1 else 46
    with sheet(WIDTH, top + sum(heights) + 40) as page:
        axes = page.axes(label_width(shown), top, 60, 40)
        page.rows(axes)
        known = np.concatenate([each[np.isfinite(each)] for each in parts.values()])
        axes.set_xlim(min(known.min(initial=0), 0), max(known.max(initial=0), 0) or 1)
        y = 0.0
        for row, (text, height) in enumerate(zip(shown, heights, strict=True)):
            page.text(0, top + y + height / 2, text)
            for index, (part, each) in enumerate(parts.items()):
                middle = y + height / 2 + thick * (index - (len(parts) - 1) / 2)
                first = part if row == 0 else "_"
                axes.barh(middle, np.nan_to_num(each[row]), thick - 1, linewidth=0.9,
                          label=first, **FACES[index])  # fmt: skip
                _value(axes, float(each[row]), middle, digits)
            y += height
        axes.set_xlabel(plain(label))
        page.text(0, 12, plain(title), weight="bold")
        if len(parts) > 1:
            _key(axes)
        told = [
            f"{plain(each)}: "
            + ", ".join(f"{part} {number(v[row], digits)}".strip() for part, v in parts.items())
            + "."
            for row, each in enumerate(labels)
        ]
        return page.svg(name=name, title=title, told=" ".join(told))


def _parts(values: ArrayLike | Mapping[str, ArrayLike]) -> dict[str, Floats]:
    """Part to values; one set of values is a part without a name."""
    given = values if isinstance(values, Mapping) else {"": values}
    if len(given) > len(LINES):
        raise BadData(f"{len(given)} parts; expected {len(LINES)} at most.")
    return {plain(k): np.asarray(v, dtype=np.float64).ravel() for k, v in given.items()}


def _limits(values: Floats) -> tuple[float, float]:
    """Lowest and highest value; a range of 1 around a constant."""
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _told(text: str, values: Floats, unknown: int, outside: int) -> str:
    """A distribution in words."""
    if not len(values):
        return f"{text}: n/a."
    low, middle, high = (number(q) for q in np.quantile(values, (0.25, 0.5, 0.75)).tolist())
    words = f"{text}: median {middle}, half of the values in {low} to {high}"
    words += f"; {unknown:,} unknown" if unknown else ""
    words += f"; {outside:,} outside the axis" if outside else ""
    return words + "."


def _value(axes: Axes, value: float, y: float, digits: int) -> None:
    """The number at the end of a bar."""
    end = value if np.isfinite(value) else 0.0
    axes.annotate(
        number(value, digits), (max(end, 0), y), (4, 0), textcoords="offset points",
        va="center", size=10, color=MUTED, annotation_clip=False,
    )  # fmt: skip


def _key(axes: Axes) -> None:
    """What the parts are, above the plot."""
    axes.legend(
        ncols=len(LINES), loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.4,
        borderpad=0, fontsize=SMALL, columnspacing=1.4, handlelength=2.2,
    )  # fmt: skip
