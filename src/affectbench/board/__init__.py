"""The board of a task: published numbers and stored results, ranked where they compare."""

from __future__ import annotations

from affectbench.board.model import Cost, Group, Row
from affectbench.board.summaries import (
    HEADER,
    Board,
    Entry,
    collect,
    interval,
    lines,
    number,
    rank,
    remarks,
)

__all__ = [
    "HEADER",
    "Board",
    "Cost",
    "Entry",
    "Group",
    "Row",
    "collect",
    "interval",
    "lines",
    "number",
    "rank",
    "remarks",
]
