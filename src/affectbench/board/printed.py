"""Published numbers as rows: one for each system, wherever it is printed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from affectbench import published
from affectbench.board.model import Row
from affectbench.board.wording import clean
from affectbench.published import Published
from affectbench.types import Task


def rows(task: Task) -> tuple[list[Row], list[Row], int]:
    """Rows that may be ranked, rows set apart, and how many numbers of single outputs there are.

    Ranked are numbers of the scale of the metric that ranks, on dev or test, that are neither
    disputed nor damaged. A disputed print of a number that stands elsewhere undisputed is another
    print of it.
    """
    ranked: list[Row] = []
    apart: list[Row] = []
    cells = published.of_task(task.name)
    whole = [cell for cell in cells if not cell.output]
    for prints in _by_system(whole):
        main, also, rest = _merged(prints)
        for cell, others in ((main, also), *((cell, ()) for cell in rest)):
            why = reasons(cell, task)
            (apart if why else ranked).append(_row(cell, others, "; ".join(why)))
    return ranked, apart, len(cells) - len(whole)


def reasons(cell: Published, task: Task) -> list[str]:
    """Why a number is not ranked; none where it is."""
    found = []
    if cell.scale != task.metric.name:
        found.append("another scale")
    if cell.split == "unknown":
        found.append("part unknown")
    if not cell.rankable:
        found.append(cell.status if cell.status not in ("verified", "reported") else "no value")
    return found


def _by_system(cells: Iterable[Published]) -> list[list[Published]]:
    """Prints of one system in one place, in the order of the file."""
    found: dict[Any, list[Published]] = {}
    for cell in cells:
        found.setdefault((cell.place, cell.team, cell.system), []).append(cell)
    return list(found.values())


def _merged(prints: Sequence[Published]) -> tuple[Published, list[Published], list[Published]]:
    """The print to show, prints of the same number, and prints of another."""

    def order(cell: Published) -> tuple[bool, bool, int]:
        return not cell.rankable, cell.status != "verified", -_digits(cell)

    main = min(prints, key=order)
    others = [cell for cell in prints if cell is not main]
    also = [cell for cell in others if _agree(main, cell)]
    return main, also, [cell for cell in others if cell not in also]


def _digits(cell: Published) -> int:
    """How many digits are printed after the point."""
    return len(cell.printed.partition(".")[2])


def _agree(one: Published, other: Published) -> bool:
    """Whether two prints may be of one number: equal within a unit of the last digit of either."""
    if one.value is None or other.value is None:
        return False
    step = 10.0 ** -min(_digits(one), _digits(other))
    return abs(one.value - other.value) < 1.01 * step


def place_of(cell: Published) -> str:
    """Paper and table of a number."""
    return f"{cell.source}, {cell.table}"


def _row(cell: Published, also: Iterable[Published], apart: str) -> Row:
    return Row(
        system=clean(cell.system),
        team=clean(cell.team),
        kind="published",
        split=cell.split,
        metric=cell.key,
        scale=cell.scale,
        value=cell.value,
        printed=cell.printed,
        low=cell.low,
        high=cell.high,
        spread=cell.spread,
        status=cell.status,
        source=clean(place_of(cell)),
        cell=clean(cell.cell),
        paper=clean(cell.paper),
        also=tuple(dict.fromkeys(clean(place_of(other)) for other in also)),
        note=clean(cell.note),
        apart=apart,
    )
