"""Which class is taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectbench.errors import BadData
from affectbench.report.figures.sheet import (
    FILL,
    INK,
    LINE,
    MUTED,
    SIZE,
    SMALL,
    Sheet,
    blank,
    clips,
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
NOTE: Final = "% of each row; rows: truth, columns: prediction"
LEAST: Final = 0.005  # share from which a cell is filled in where there are many classes
SLANT: Final = 0.71  # sine and cosine of the labels of columns


class Place(NamedTuple):
    """Where the cells are, in pixels from the left and the top, and the side of one."""

    left: float
    top: float
    side: float


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
    table = _table(counts, len(classes))
    if not table.sum():
        return blank(name, title, "No clips.")
    names = [plain(each) for each in classes]
    totals = table.sum(axis=1)
    with np.errstate(invalid="ignore"):
        shares = table / totals[:, None]
    side = LARGE if len(names) <= FEW else SMALLER
    longest = max(width_of(each, SMALL) for each in names)
    left, top = ceil(longest) + 10, ceil(longest * SLANT) + 50
    across = side * len(names)
    right = max(
        width_of(f"{totals.max():,.0f}", SMALL) + 12,
        width_of(names[-1], SMALL) * SLANT,
        width_of(NOTE, SMALL) - left - across,
    )
    with sheet(left + across + ceil(right), top + across + 6) as page:
        axes = page.axes(left, top, ceil(right), 6)
        axes.set(xlim=(0, len(names)), ylim=(len(names), 0), xticks=[], yticks=[])
        axes.spines["bottom"].set_visible(False)
        _cells(axes, shares)
        _numbers(page, table, shares, Place(left, top, side))
        _names(page, names, totals, Place(left, top, side))
        page.text(0, 10, plain(title), weight="bold")
        page.text(0, 27, NOTE, size=SMALL, color=MUTED)
        told = " ".join(_row(names, table[i], shares[i], i) for i in range(len(names)))
        return page.svg(name=name, title=title, told=f"Rows are true classes. {told}")


def _table(counts: ArrayLike, classes: int) -> Floats:
    """The counts as an array [C, C]."""
    table = np.asarray(counts, dtype=np.float64)
    if table.shape != (classes, classes) or not (np.isfinite(table) & (table >= 0)).all():
        raise BadData(
            f"Counts have the shape {table.shape} for {classes} classes; expected [C, C], all "
            "finite and 0 or more."
        )
    return table


def _cells(axes: Axes, shares: Floats) -> None:
    """A fill for each cell, the stronger the larger its share; a frame around what is right."""
    for line in range(len(shares) + 1):
        axes.axhline(line, color=LINE, linewidth=0.8, clip_on=False)
        axes.axvline(line, color=LINE, linewidth=0.8, clip_on=False)
    levels = np.ceil(np.nan_to_num(shares) * SHADES).astype(int)
    for level in range(1, SHADES + 1):
        _squares(axes, levels == level, facecolor=FILL, alpha=level / SHADES, linewidth=0)
    right = {"facecolor": "none", "edgecolor": INK, "linewidth": 1.2, "zorder": 3}
    _squares(axes, np.eye(len(shares), dtype=bool), **right)


def _squares(axes: Axes, chosen: NDArray[np.bool_], **how: Any) -> None:
    """The cells that are chosen [C, C], as one shape."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]])
    squares = [
        Path(corners + np.array([column, row]), closed=True)
        for row, column in zip(*np.nonzero(chosen), strict=True)
    ]
    if squares:
        axes.add_patch(PathPatch(Path.make_compound_path(*squares), clip_on=False, **how))


def _numbers(page: Sheet, table: Floats, shares: Floats, place: Place) -> None:
    """The share in each cell, and the count where there is room."""
    few = len(table) <= FEW
    for row, column in zip(*np.nonzero(table), strict=True):
        share = f"{100 * shares[row, column]:.0f}"
        x, y = place.left + place.side * (column + 0.5), place.top + place.side * (row + 0.5)
        if few:
            page.text(x, y - 6, share, ha="center", size=SIZE)
            page.text(x, y + 9, f"{table[row, column]:,.0f}", ha="center", size=9)
        elif shares[row, column] >= LEAST:
            page.text(x, y, share, ha="center", size=10)


def _names(page: Sheet, names: Sequence[str], totals: Floats, place: Place) -> None:
    """Classes at the rows with their clips, and at the columns."""
    slanted: dict[str, Any] = {"rotation": 45, "rotation_mode": "anchor"}
    end = place.side * len(names)
    for index, (each, total) in enumerate(zip(names, totals, strict=True)):
        middle = place.side * (index + 0.5)
        page.text(place.left - 6, place.top + middle, each, ha="right", size=SMALL)
        page.text(place.left + middle, place.top - 9, each, size=SMALL, **slanted)
        page.text(
            place.left + end + 8, place.top + middle, f"{total:,.0f}", size=SMALL, color=MUTED
        )


def _row(names: Sequence[str], counts: Floats, shares: Floats, index: int) -> str:
    """A true class in words."""
    total = counts.sum()
    if not total:
        return f"{names[index]}: no clips."
    others = counts.copy()
    others[index] = 0
    worst = int(others.argmax())
    text = f"{names[index]}: {clips(total)}, {shares[index]:.0%} right"
    if others[worst]:
        text += f", most often taken for {names[worst]} ({shares[worst]:.0%})"
    return text + "."
