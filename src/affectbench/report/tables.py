"""Tables as HTML: any one, and that of a board's group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any, Final

from affectbench.board import Board, Cost, Group, Row, number
from affectbench.board.wording import interval_of, places, value_of
from affectbench.report.markup import Child, Html, el, joined, sourced


@dataclass(frozen=True, slots=True)
class Cell:
    """What a cell shows, and the number that it is sorted by."""

    shown: Child
    value: float | None = None  # None: it is sorted by its text
    kind: str = ""  # class: num, still, text


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[Cell | Child]],
    *,
    label: str,
    sortable: bool = False,
    first: Sequence[int] = (),
    names: int = 0,
) -> Html:
    """A table in a box of its own that scrolls where it is too wide.

    Args:
        header: of each column.
        rows: cells.
        label: what it is, in a few words.
        sortable: whether a click on a header sorts.
        first: rows that are marked.
        names: the column that says what a row is.
    """
    kinds = [_kind([row[column] for row in rows]) for column in range(len(header))]
    head = [
        el("th", name, scope="col", class_="num" if kind == "num" else None)
        for name, kind in zip(header, kinds, strict=True)
    ]
    body = [
        el("tr", (_cell(cell, head=i == names) for i, cell in enumerate(row)),
           class_="first" if index in first else None)
        for index, row in enumerate(rows)
    ]  # fmt: skip
    whole = el(
        "table",
        el("caption", label, class_="unseen"),
        el("thead", el("tr", head)),
        el("tbody", body),
        class_="sortable" if sortable else None,
    )
    return el("div", whole, class_="wide", tabindex="0", role="group", aria_label=label)


def _kind(column: Sequence[Cell | Child]) -> str:
    return next((cell.kind for cell in column if isinstance(cell, Cell)), "")


def _cell(cell: Cell | Child, *, head: bool) -> Html:
    if not isinstance(cell, Cell):
        cell = Cell(cell)
    value = None if cell.value is None or isnan(cell.value) else repr(float(cell.value))
    return el(
        "th" if head else "td",
        cell.shown,
        scope="row" if head else None,
        class_=cell.kind or None,
        data_value=value,
    )


def figure_cell(value: float | None, shown: str | None = None) -> Cell:
    """A number on the right of its column."""
    return Cell(number(value) if shown is None else shown, value, "num")


def group_table(board: Board, group: Group, cards: Callable[[Row], str | None]) -> Html:
    """The rows of a group; columns that are empty in all of them are left out."""
    apart = not group.ranked
    kinds = {row.kind for row in group.rows}
    mixed, measured = len(kinds) > 1, kinds == {"own"} and group.ranked
    columns: dict[str, Callable[[Row], Cell]] = {
        **({} if apart else {"#": lambda row: Cell(row.place, row.place, "num")}),
        "system": lambda row: Cell(_system(row, cards(row)), kind="name"),
        **({"part": lambda row: Cell(row.split)} if apart else {}),
        **({"measure": lambda row: Cell(row.metric, kind="still")} if apart else {}),
        "value": lambda row: figure_cell(row.value, value_of(row)),
        "interval": lambda row: Cell(interval_of(row), row.low, "num"),
        "own": lambda row: Cell(places(row.ranks), _best(row), "num"),
        **(COSTS if measured else {}),
        "status": lambda row: Cell(None if measured else row.status),
        "source and remarks": lambda row: Cell(None if measured else _source(row), kind="text"),
    }
    cells = {name: [make(row) for row in group.rows] for name, make in columns.items()}
    kept = {
        name: column
        for name, column in cells.items()
        if any(cell.shown not in (None, "") for cell in column)
    }
    return table(
        list(kept),
        list(zip(*kept.values(), strict=True)),
        label=f"{board.task}: {group.title}",
        sortable=len(group.rows) > 1,
        first=[i for i, row in enumerate(group.rows) if mixed and row.kind == "own"],
        names=list(kept).index("system"),
    )


def _system(row: Row, card: str | None) -> Html:
    """Its name, with a link to its card, and the team."""
    name = el("a", row.system, href=card) if card else joined(row.system)
    return joined(name, el("small", row.team)) if row.team else name


def _best(row: Row) -> float | None:
    """Ranks by the best that there may be, then by the worst."""
    return None if row.ranks is None else row.ranks[0] + row.ranks[1] / 1e6


def _cost(row: Row, name: str, form: str) -> Cell:
    value: Any = getattr(row.cost, name) if row.cost else None
    return Cell(None if value is None else form.format(value), value, "num")


def _spent(row: Row) -> Html:
    """What an own system cost, in words; what is wrong with one that cannot be used."""
    if row.status == "unusable":
        return joined(row.note)
    cost = row.cost or Cost()
    told = [f"{row.seeds} seed{'s' if row.seeds != 1 else ''}"]
    if cost.train_s is not None:
        told.append(f"{cost.train_s:.1f} s of training")
    if cost.audio_per_s is not None:
        told.append(f"{cost.audio_per_s:,.0f} s of audio a second")
    if cost.parameters is not None:
        told.append(f"{cost.parameters:,} parameters")
    return joined(", ".join(told))


def _source(row: Row) -> Html | None:
    """Where a number stands, and what must be known of it."""
    if row.kind == "own":
        return _spent(row)
    told: list[Html] = []
    if row.cell:
        told.append(joined(row.cell.removesuffix("."), "."))
    if row.apart:
        told.append(joined(row.apart[0].upper(), row.apart[1:], "."))
    if row.overlaps:
        told.append(joined("~ within the interval of ", ", ".join(row.overlaps), "."))
    if row.note:
        told.append(joined(sourced(f"{row.note[0].upper()}{row.note[1:]}"), "."))
    if row.also:
        told.append(joined("Also in ", sourced("; ".join(row.also)), "."))
    if row.paper and row.paper not in row.source:
        told.append(joined("Described in ", sourced(row.paper), "."))
    return joined(sourced(row.source), el("small", joined(*told, by=" ")) if told else None)


COSTS: Final[Mapping[str, Callable[[Row], Cell]]] = {
    "seeds": lambda row: Cell(row.seeds, row.seeds, "num"),
    "training s": lambda row: _cost(row, "train_s", "{:.1f}"),
    "audio s/s": lambda row: _cost(row, "audio_per_s", "{:,.0f}"),
    "parameters": lambda row: _cost(row, "parameters", "{:,}"),
}
