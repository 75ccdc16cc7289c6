"""Which class is taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectbench.errors import BadData
from affectbench.report.figures.sheet import (
    FILL,
    INK,
    LINE,
    MUTED,
    SMALL,
    Sheet,
    blank,
    sheet,
    width_of,
)
from affectbench.report.figures.svg import plain
from affectbench.types import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEW: Final = 10  # classes up to which cells also hold counts
LARGE, SMALLER = 42, 25  # px of a cell, with few classes and with many
SHADES: Final = 20  # steps of the fill
LEAST: Final = 0.005  # share from which a cell is filled in where there are many classes
SLANT: Final = 0.71  # sine and cosine of the labels of columns


def confusion(
    counts: ArrayLike, classes: Sequence[str], *, name: str, title: str = "Confusions"
) -> str:
    """Clips of each true class by predicted class, in percent of the true class.

    Cells of up to 10 classes also hold the number of clips. With more, cells below 0.5 % stay
    empty. A row without clips has no shares.

    Args:
        counts: [C, C] clips, 0 or more: true class by predicted class.
        classes: [C] names.
        name: which the ids begin with.
        title: of the figure.

    Raises:
        BadData: counts are not [C, C], or not 0 or more.
        MissingExtra: matplotlib is not installed.
    """
    table = np.asarray(counts, dtype=np.float64)
    if table.shape != (len(classes), len(classes)) or not (table >= 0).all():
        raise BadData(
            f"Counts have the shape {table.shape} for {len(classes)} classes; expected [C, C], "
            "all 0 or more."
        )
    if not table.sum():
        return blank(name, title, "No clips.")
    names = [plain(each) for each in classes]
    totals = table.sum(axis=1)
    with np.errstate(invalid="ignore"):
        shares = table / totals[:, None]
    side = LARGE if len(names) <= FEW else SMALLER
    longest = max(width_of(each, SMALL) for each in names)
    left, top = longest + 26, longest * SLANT + 44
    right = max(width_of(f"{totals.max():,.0f}", SMALL) + 12, width_of(names[-1], SMALL) * SLANT)
    with sheet(left + side * len(names) + right, top + side * len(names) + 6) as page:
        axes = page.axes(left, top, right, 6)
        axes.set(xlim=(0, len(names)), ylim=(len(names), 0), xticks=[], yticks=[])
        axes.spines["bottom"].set_visible(False)
        _cells(axes, shares, side)
        _numbers(axes, table, shares)
        _names(page, names, totals, side, (left, top))
        page.text(0, 10, plain(title), weight="bold")
        page.text(0, 27, "% of each true class", size=SMALL, color=MUTED)
        told = " ".join(_row(names, table[i], shares[i], i) for i in range(len(names)))
        return page.svg(name=name, title=title, told=f"Rows are true classes. {told}")


def _cells(axes: Axes, shares: Floats, side: float) -> None:
    """A filled square for each cell, a frame around those that are right."""
    from matplotlib.collections import PathCollection
    from matplotlib.path import Path
    from matplotlib.transforms import Affine2D

    square = Path(np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]) * (side - 2) - (side - 2) / 2)
    levels = np.ceil(np.nan_to_num(shares) * SHADES).astype(int)

    def squares(cells: NDArray[Any], **how: Any) -> None:
        rows, columns = np.nonzero(cells)
        axes.add_collection(
            PathCollection(
                [square],
                offset_transform=axes.transData,
                transform=Affine2D(),
                offsets=np.column_stack([columns, rows]) + 0.5,
                clip_on=False,
                **how,
            ),
            autolim=False,
        )

    squares(np.ones_like(levels), facecolor="none", edgecolor=LINE, linewidths=0.6)
    for level in range(1, SHADES + 1):
        if (levels == level).any():
            squares(levels == level, facecolor=FILL, alpha=level / SHADES, linewidths=0)
    squares(np.eye(len(shares)), facecolor="none", edgecolor=INK, linewidths=1.2)


def _numbers(axes: Axes, table: Floats, shares: Floats) -> None:
    """The share in each cell, and the count where there is room."""
    few = len(table) <= FEW
    for row, column in zip(*np.nonzero(table), strict=True):
        share = shares[row, column]
        if not few and share < LEAST:
            continue
        how: dict[str, Any] = {"ha": "center", "va": "center"}
        axes.text(column + 0.5, row + (0.36 if few else 0.5), f"{100 * share:.0f}",
                  size=SMALL + 1 if few else 10, **how)  # fmt: skip
        if few:
            count = f"{table[row, column]:,.0f}"
            axes.text(column + 0.5, row + 0.72, count, size=9, **how)


def _names(
    page: Sheet, names: Sequence[str], totals: Floats, side: float, corner: tuple[float, float]
) -> None:
    """Classes at the rows with their clips, and at the columns."""
    left, top = corner
    for index, (each, total) in enumerate(zip(names, totals, strict=True)):
        y = top + side * (index + 0.5)
        page.text(left - 6, y, each, ha="right", size=SMALL)
        end = left + side * len(names) + 8
        page.text(end, y, f"{total:,.0f}", size=SMALL, color=MUTED)
        page.text(
            left + side * (index + 0.5) - 2, top - 5, each, size=SMALL, rotation=45,
            rotation_mode="anchor", va="baseline",
        )  # fmt: skip
    middle = top + side * len(names) / 2
    page.text(8, middle, "true class", rotation=90, ha="center", size=SMALL, color=MUTED)


def _row(names: Sequence[str], counts: Floats, shares: Floats, index: int) -> str:
    """A true class in words."""
    total = counts.sum()
    if not total:
        return f"{names[index]}: no clips."
    others = counts.copy()
    others[index] = 0
    worst = int(others.argmax())
    text = f"{names[index]}: {total:,.0f} clips, {shares[index]:.0%} right"
    if others[worst]:
        text += f", most often taken for {names[worst]} ({shares[worst]:.0%})"
    return text + "."
