"""A board for a terminal, made for 80 columns."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

from affectbench.board.model import Board, Cost, Group, Row
from affectbench.board.wording import interval_of, number, places, value_of

NARROWEST: Final = 72  # below that lines are longer than the terminal: no number is cut off
WIDEST: Final = 100  # lines that are longer are not read well
INDENT: Final = "  "
SPEED: Final = (
    "audio s/s: seconds of audio read and turned into features in a second; what was in the cache "
    "came at no cost."
)
Align = Literal["left", "right"]
Columns = Mapping[str, tuple[Align, list[str]]]  # header -> cells, and where they stand


def lines(board: Board, width: int = 80) -> list[str]:
    """The board as lines of text.

    Args:
        board: from ``of_task`` or ``of_folder``.
        width: of the terminal; below 72 and above 100 it is taken as these.
    """
    width = min(max(width, NARROWEST), WIDEST)
    sources = _sources(board)
    told = [*_folded(f"{board.task}  {board.title}".rstrip(), width, first="", rest=INDENT)]
    for group in board.groups:
        told += ["", group.title]
        if group.ranked:
            told += _ranked(group, sources, width)
        else:
            told += _apart(group, sources, width)
    if sources:
        told += ["", "Sources"]
    for (status, place), mark in sources.items():
        told += _folded(f"[{mark}] {status}: {place}", width, rest=INDENT * 3)
    told += _own(board, width)
    told.append("")
    for remark in board.remarks:
        told += _folded(remark, width)
    return told


def _sources(board: Board) -> dict[tuple[str, str], int]:
    """A number for every status and source of published rows, in order."""
    found: dict[tuple[str, str], int] = {}
    for group in board.groups:
        for row in group.rows:
            if row.kind == "published":
                found.setdefault(_source(row), len(found) + 1)
    return found


def _source(row: Row) -> tuple[str, str]:
    return row.status, "; also ".join([row.source, *row.also])


def _ranked(group: Group, sources: dict[tuple[str, str], int], width: int) -> list[str]:
    """The table of a ranked group, then what must be said of it."""
    values = _aligned([value_of(row) for row in group.rows])
    printed = any(row.kind == "published" for row in group.rows)
    columns: Columns = {
        "#": ("right", ["" if row.place is None else str(row.place) for row in group.rows]),
        "system": ("left", [row.system for row in group.rows]),
        "team": ("left", [row.team for row in group.rows]),
        group.rows[0].scale: ("left", values),
        "": ("left", ["~" if row.overlaps else "" for row in group.rows]),
        "interval": ("left", [interval_of(row) for row in group.rows]),
        "own": ("left", [places(row.ranks) for row in group.rows]),
        "source": ("left", [_mark(row, sources) for row in group.rows] if printed else []),
    }
    told = table(columns, "system", width)
    if group.ceiling is not None:
        ceiling = f"Ceiling {number(group.ceiling)}: what an oracle scores on this twin."
        told += _folded(ceiling, width)
    for remark in group.remarks:
        told += _folded(remark, width)
    for row in group.rows:
        if row.note:
            told += _folded(f"{_who(row)}: {row.note}", width)
    return told


def _mark(row: Row, sources: dict[tuple[str, str], int]) -> str:
    return f"[{sources[_source(row)]}]" if row.kind == "published" else "own"


def _who(row: Row) -> str:
    """System and team of a row."""
    return f"{row.system} ({row.team})" if row.team else row.system


def _apart(group: Group, sources: dict[tuple[str, str], int], width: int) -> list[str]:
    """Rows that are not ranked: part, value and scale, then what is known."""
    columns: Columns = {
        "part": ("left", [row.split for row in group.rows]),
        "value": ("left", _aligned([value_of(row) for row in group.rows])),
        "scale": ("left", [row.scale for row in group.rows]),
        "system, and why": ("left", [_why(row) for row in group.rows]),
        "source": ("left", [_mark(row, sources) for row in group.rows]),
    }
    told = table(columns, "system, and why", width)
    for remark in group.remarks:
        told += _folded(remark, width)
    return told


def _why(row: Row) -> str:
    return f"{_who(row)}: {'; '.join(text for text in (row.apart, row.note) if text)}"


def _own(board: Board, width: int) -> list[str]:
    """Cost and command of every own system, once."""
    rows = {row.folder: row for row in board.rows if row.kind == "own" and row.status == "measured"}
    if not rows:
        return []
    costs = [row.cost or Cost() for row in rows.values()]
    columns: Columns = {
        "system": ("left", [row.system for row in rows.values()]),
        "seeds": ("right", [str(row.seeds) for row in rows.values()]),
        "training s": ("right", [_cost(cost.train_s, ",.1f") for cost in costs]),
        "parameters": ("right", [_cost(cost.parameters, ",") for cost in costs]),
        "audio s/s": ("right", [_cost(cost.audio_per_s, ",.0f") for cost in costs]),
    }
    told = ["", "Own systems", *table(columns, "system", width)]
    if any(cost.audio_per_s for cost in costs):
        told += _folded(SPEED, width)
    for row in rows.values():
        told += _folded(row.source, width, rest=INDENT * 3)
    return told


def _cost(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _aligned(values: Sequence[str]) -> list[str]:
    """Numbers in one width, the points below each other."""
    before = max(len(value.partition(".")[0]) for value in values)
    shifted = [" " * (before - len(value.partition(".")[0])) + value for value in values]
    width = max(map(len, shifted))
    return [value.ljust(width) for value in shifted]


def table(columns: Columns, wide: str, width: int) -> list[str]:
    """Columns side by side; the wide one is folded to what is left, empty ones are left out.

    Lines end without blanks. A cell may hold line breaks.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = {name: column for name, column in columns.items() if any(column[1])}
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=True)
    for name, (align, _) in shown.items():
        grid.add_column(Text(name), justify=align, no_wrap=name != wide, overflow="fold")
    for cells in zip(*(cells for _, cells in shown.values()), strict=True):
        grid.add_row(*(Text(cell) for cell in cells))
    file = io.StringIO()
    Console(file=file, width=width - len(INDENT), color_system=None, legacy_windows=False).print(
        grid
    )
    return [f"{INDENT}{line}".rstrip() for line in file.getvalue().splitlines()]


def _folded(text: str, width: int, first: str = INDENT, rest: str = INDENT * 2) -> Iterable[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_on_hyphens=False,
    )
